"""What a freeze holds in the namespace of `place`, and how attacks are written down."""

from collections.abc import Callable
from typing import Any

from tests.e2e.attacks.caller import Caller, Change, Document, Said
from tests.e2e.attacks.place import ANNOUNCE

Way = Callable[[Caller], Said]
Ways = dict[str, Way]
GONE = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "11111111-1111-1111-1111-111111111111"}
OTHER_IMAGE = "registry.example.com/evil:1"
A, B, S, P, N = "apps/v1", "batch/v1", "autoscaling/v2", "policy/v1", "networking.k8s.io/v1"

KINDS = {
    "Deployment": ("deployments", "payment-core", A),
    "Deployment of tier 2": ("deployments", "settlement", A),
    "StatefulSet": ("statefulsets", "ledger-db", A),
    "DaemonSet": ("daemonsets", "agent", A),
    "ReplicationController": ("replicationcontrollers", "legacy", "v1"),
    "CronJob": ("cronjobs", "settle", B),
    "Job": ("jobs", "charge", B),
    "ConfigMap": ("configmaps", "limits", "v1"),
    "Secret": ("secrets", "keys", "v1"),
    "Secret for pulling": ("secrets", "pull", "v1"),
    "Secret that the ServiceAccount pulls with": ("secrets", "pull-of-account", "v1"),
    "ServiceAccount": ("serviceaccounts", "core", "v1"),
    "Service": ("services", "core", "v1"),
    "Ingress": ("ingresses", "core", N),
    "NetworkPolicy": ("networkpolicies", "present", N),
    "PodDisruptionBudget": ("poddisruptionbudgets", "own", P),
    "HorizontalPodAutoscaler": ("horizontalpodautoscalers", "core", S),
    "ResourceQuota": ("resourcequotas", "most", "v1"),
    "LimitRange": ("limitranges", "least", "v1"),
    "PersistentVolumeClaim": ("persistentvolumeclaims", "data", "v1"),
    "claim of a StatefulSet": ("persistentvolumeclaims", "data-ledger-db-0", "v1"),
    "Namespace": ("namespaces", "", "v1"),
}
"""What a freeze holds: resource, name, version."""
ALWAYS_HELD = ("Deployment", "StatefulSet", "DaemonSet", "ReplicationController", "CronJob", "Namespace")
"""Kinds of which an unannounced deletion of tier 0 or 1 is refused at any time, and what leads to it."""
CLAIMS = ("PersistentVolumeClaim", "claim of a StatefulSet")
WITH_STATUS = tuple(
    name
    for name in KINDS
    if not name.startswith(("ConfigMap", "Secret", "ServiceAccount", "NetworkPolicy", "LimitRange"))
)


def field(*steps: Any, to: Any) -> Change:
    """Set the field at `steps`; None takes it away."""

    def change(found: Document) -> None:
        *parents, last = steps
        target: Any = found
        for step in parents:
            target = target[step] if isinstance(step, int) else target.setdefault(step, {})
        if to is None:
            target.pop(last, None)
        else:
            target[last] = to

    return change


def every(*changes: Change) -> Change:
    def change(found: Document) -> None:
        for each in changes:
            each(found)

    return change


def _announce(found: Document) -> None:
    found["metadata"].setdefault("annotations", {}).update({ANNOUNCE: found["metadata"]["name"]})


ANNOUNCED: Change = _announce


OWNED = field("metadata", "ownerReferences", to=[GONE])
IMAGE = field("spec", "template", "spec", "containers", 0, "image", to=OTHER_IMAGE)
CRON = ("spec", "jobTemplate", "spec", "template", "spec", "containers", 0, "image")


def edit(kind: str, change: Change, sub: str = "", name: str = "") -> Way:
    resource, known, version = KINDS[kind]
    return lambda c: c.edit(resource, name or known, change, version, sub)


def make(resource: str, version: str, document: Callable[[str], Document]) -> Way:
    return lambda c: c.make(resource, document(c.namespace), version)


def drop(kind: str, **query: str) -> Way:
    resource, name, version = KINDS[kind]
    return lambda c: c.drop(resource, name, version, **query)


def drop_all(resource: str, version: str = "v1") -> Way:
    return lambda c: c.drop(resource, "", version)


def relabelled(labels: dict[str, str | None]) -> Change:
    return every(*(field("metadata", "labels", key, to=value) for key, value in labels.items()))
