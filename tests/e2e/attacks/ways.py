"""The ways around a freeze that were tried: one line an attack, by what it is after.

Each is a request that Kubernetes takes outside of a freeze. `FAULTS` names where each kind was first seen.
"""

from collections.abc import Callable
from typing import Any

from tests.e2e import manifests
from tests.e2e.attacks import place
from tests.e2e.attacks.caller import Caller, Change, Document, Said
from tests.e2e.attacks.place import ANNOUNCE
from tests.e2e.test_surroundings import autoscaler, plain

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


def _all(*changes: Change) -> Change:
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


def _edit(kind: str, change: Change, sub: str = "", name: str = "") -> Way:
    resource, known, version = KINDS[kind]
    return lambda c: c.edit(resource, name or known, change, version, sub)


def _make(resource: str, version: str, document: Callable[[str], Document]) -> Way:
    return lambda c: c.make(resource, document(c.namespace), version)


def _drop(kind: str, **query: str) -> Way:
    resource, name, version = KINDS[kind]
    return lambda c: c.drop(resource, name, version, **query)


def _drop_all(resource: str, version: str = "v1") -> Way:
    return lambda c: c.drop(resource, "", version)


def _relabelled(labels: dict[str, str | None]) -> Change:
    return _all(*(field("metadata", "labels", key, to=value) for key, value in labels.items()))


def labels_of_pods(c: Caller) -> dict[str, str]:
    """The labels that the Deployment's ReplicaSet adopts."""
    sets = c.world.get("replicasets", "-n", c.namespace, "-l", "app=payment-core")["items"]
    return dict(sets[0]["spec"]["selector"]["matchLabels"])


def _pod_of(c: Caller, owner: str = "payment-core") -> str:
    """One that a workload controls."""
    pods = c.world.get("pods", "-n", c.namespace)["items"]
    return str(next(found["metadata"]["name"] for found in pods if found["metadata"]["name"].startswith(owner)))


def _of_a_pod(change: Change, sub: str = "", owner: str = "payment-core") -> Way:
    return lambda c: c.edit("pods", _pod_of(c, owner), change, "v1", sub)


def _replicafield(c: Caller) -> str:
    found = c.world.get("replicasets", "-n", c.namespace, "-l", "app=payment-core")["items"]
    return str(found[0]["metadata"]["name"])


def _adopted(namespace: str, **spec: Any) -> Document:
    return place.pod(namespace, "foreign", {"app": "payment-core"}, **spec)


def _mounting(name: str) -> dict[str, Any]:
    return {"volumes": [{"name": "x", "persistentVolumeClaim": {"claimName": name}}]}


def _deployment_mounting(namespace: str) -> Document:
    made = manifests.deployment(namespace, "reader", tier=None)
    made["spec"]["template"]["spec"] |= _mounting("data")
    return made


def _job_mounting(namespace: str) -> Document:
    made = place.job(namespace, "reader", tier=None)
    made["spec"]["template"]["spec"] |= _mounting("data-ledger-db-0")
    return made


def _replica_set_alike(namespace: str) -> Document:
    made = manifests.deployment(namespace, "alike", tier=None)
    labels = {"app": "payment-core"}
    made["spec"] |= {"selector": {"matchLabels": labels}}
    made["spec"]["template"]["metadata"]["labels"] = labels
    made["metadata"]["labels"] = labels
    del made["spec"]["strategy"]
    return {**made, "kind": "ReplicaSet"}


def _autoscaler(namespace: str, **spec: Any) -> Document:
    made = autoscaler(namespace)
    made["metadata"]["name"] = "mine"
    made["spec"] |= spec
    target = spec.pop("target", None)
    if target is not None:
        made["spec"].pop("target")
        made["spec"]["scaleTargetRef"] = target
    return made


def _quota(namespace: str) -> Document:
    return plain("ResourceQuota", namespace, "none", spec={"hard": {"pods": "0"}})


def _limits(namespace: str) -> Document:
    return plain("LimitRange", namespace, "tiny", spec={"limits": [{"type": "Container", "max": {"memory": "1Ki"}}]})


def bound(c: Caller, labels: dict[str, str]) -> Said:
    """The stray pod sent to a node, by a Binding with labels, which Kubernetes copies into the pod."""
    made = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "stray", "namespace": c.namespace, "labels": labels},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "node-0"},
    }
    return c.call("POST", f"{place.path(c.namespace, 'pods', 'stray')}/binding", made)


def _revision(namespace: str) -> Document:
    """A revision that the StatefulSet controller would adopt."""
    return {
        **plain("ControllerRevision", namespace, "foreign", revision=1, data={"spec": {}}),
        "apiVersion": A,
        "metadata": {"name": "foreign", "labels": {"app": "ledger-db"}},
    }


def _drop_revision(c: Caller) -> Said:
    found = c.world.get("controllerrevisions", "-n", c.namespace, "-l", "app=ledger-db")["items"]
    return c.drop("controllerrevisions", found[0]["metadata"]["name"], A)


RUNS: Ways = {
    # What runs: templates, pods, and what becomes a pod.
    "another image of a Deployment": _edit("Deployment", IMAGE),
    "another image of a Deployment of tier 2": _edit("Deployment of tier 2", IMAGE),
    "another image of a StatefulSet": _edit("StatefulSet", IMAGE),
    "another image of a DaemonSet": _edit("DaemonSet", IMAGE),
    "another image of a ReplicationController (A10, H10)": _edit("ReplicationController", IMAGE),
    "another image of a CronJob": _edit("CronJob", field(*CRON, to=OTHER_IMAGE)),
    "a Deployment behind whose label there is none": _edit(
        "Deployment", _all(IMAGE, _relabelled({"tierguard.io/tier": None}))
    ),
    "an image volume with a tag (A8)": _edit(
        "Deployment",
        lambda it: it["spec"]["template"]["spec"]["volumes"].append(
            {"name": "code", "image": {"reference": "registry.example.com/code:latest"}}
        ),
    ),
    "a paused Deployment that goes on (H7)": _edit("Deployment", field("spec", "paused", to=False), name="prepared"),
    "a partition that is lifted (H7)": _edit(
        "StatefulSet", field("spec", "updateStrategy", "rollingUpdate", "partition", to=0)
    ),
    "another revision for the members below a partition": _edit(
        "StatefulSet", lambda it: it["status"].update(currentRevision=it["status"]["updateRevision"]), "status"
    ),
    "a revision made to be adopted": _make("controllerrevisions", A, _revision),
    "a revision deleted, so that the next one counts": _drop_revision,
    "the image of a running pod (H7)": _of_a_pod(field("spec", "containers", 0, "image", to=OTHER_IMAGE)),
    "a debug container (A10)": _of_a_pod(
        field("spec", "ephemeralContainers", to=[{"name": "x", "image": OTHER_IMAGE}]), "ephemeralcontainers"
    ),
    "less memory for a running pod (A10)": _of_a_pod(
        field("spec", "containers", 0, "resources", to={"limits": {"memory": "8Mi"}, "requests": {"memory": "8Mi"}}),
        "resize",
        "charge",
    ),
    "a deadline for a running pod": _of_a_pod(field("spec", "activeDeadlineSeconds", to=1)),
    "a pod relabelled to be adopted (H1)": lambda c: c.edit("pods", "stray", _relabelled(dict(labels_of_pods(c)))),
    "a pod relabelled to be adopted, through its status (H1)": lambda c: c.edit(
        "pods", "stray", _relabelled(dict(labels_of_pods(c))), sub="status"
    ),
    "a pod made to be adopted (H1)": lambda c: c.make("pods", place.pod(c.namespace, "foreign", labels_of_pods(c))),
    "a pod behind the Service (H1)": _make("pods", "v1", _adopted),
    "a pod with a generated name behind the Service": lambda c: c.make(
        "pods", {**_adopted(c.namespace), "metadata": {"generateName": "x-", "labels": {"app": "payment-core"}}}
    ),
    "a pod adopted by a ReplicationController (H10)": _make(
        "pods", "v1", lambda ns: place.pod(ns, "foreign", {"app": "legacy"})
    ),
    "a ReplicaSet made to be adopted (H1)": _make("replicasets", A, _replica_set_alike),
    "a ReplicaSet of the Deployment with another image": lambda c: c.edit("replicasets", _replicafield(c), IMAGE, A),
    "a member's name (H2)": _make("pods", "v1", lambda ns: place.pod(ns, "ledger-db-7", {"app": "ledger-db"})),
    "a member's name without its labels (H2)": _make("pods", "v1", lambda ns: place.pod(ns, "ledger-db-8")),
    "a pod with a frozen claim (H2)": _make("pods", "v1", lambda ns: place.pod(ns, "reader", **_mounting("data"))),
    "a pod with a member's claim (H2)": _make(
        "pods", "v1", lambda ns: place.pod(ns, "reader", **_mounting("data-ledger-db-1"))
    ),
    "a Deployment with a frozen claim (H2)": _make("deployments", A, _deployment_mounting),
    "a Job with a member's claim (H2)": _make("jobs", B, _job_mounting),
    "a new Deployment of tier 1": _make("deployments", A, lambda ns: manifests.deployment(ns, "more")),
    "a Deployment that becomes one of tier 1": _edit(
        "Deployment", _relabelled({"tierguard.io/tier": "1"}), name="other"
    ),
    "a suspended Job that starts": _edit("Job", field("spec", "suspend", to=False), name="halted"),
}

STOPS: Ways = {
    # How many run: scaling, suspension, autoscalers, and what keeps pods from being made.
    "scaled to zero (H7)": _edit("Deployment", field("spec", "replicas", to=0)),
    "scaled down (H7)": _edit("Deployment", field("spec", "replicas", to=1)),
    "scaled to zero through /scale (H7)": _edit("Deployment", field("spec", "replicas", to=0), "scale"),
    "a StatefulSet scaled down through /scale": _edit("StatefulSet", field("spec", "replicas", to=1), "scale"),
    "a ReplicationController scaled to zero (A10)": _edit("ReplicationController", field("spec", "replicas", to=0)),
    "a ReplicationController scaled down through /scale (A10)": _edit(
        "ReplicationController", field("spec", "replicas", to=1), "scale"
    ),
    "the ReplicaSet scaled to zero through /scale": lambda c: c.edit(
        "replicasets", _replicafield(c), field("spec", "replicas", to=0), A, "scale"
    ),
    "a running Job that is suspended (A9)": _edit("Job", field("spec", "suspend", to=True)),
    "a running Job without pods (A9)": _edit("Job", field("spec", "parallelism", to=0)),
    "a running Job with a deadline (A9)": _edit("Job", field("spec", "activeDeadlineSeconds", to=1)),
    "a new autoscaler with a low maximum (A7)": _make(
        "horizontalpodautoscalers", S, lambda ns: _autoscaler(ns, minReplicas=1, maxReplicas=1)
    ),
    "a new autoscaler of a StatefulSet (A7)": _make(
        "horizontalpodautoscalers",
        S,
        lambda ns: _autoscaler(ns, minReplicas=1, target={"apiVersion": A, "kind": "StatefulSet", "name": "ledger-db"}),
    ),
    "a new autoscaler by the old version (A7)": lambda c: c.call(
        "POST",
        f"/apis/autoscaling/v1/namespaces/{c.namespace}/horizontalpodautoscalers",
        {**_autoscaler(c.namespace, minReplicas=1, maxReplicas=1), "apiVersion": "autoscaling/v1"},
    ),
    "somebody else's autoscaler aimed at a frozen workload (A7)": _edit(
        "HorizontalPodAutoscaler", field("spec", "scaleTargetRef", "name", to="payment-core"), name="other"
    ),
    "an autoscaler that adds no pods any more (A7)": _edit(
        "HorizontalPodAutoscaler", field("spec", "behavior", to={"scaleUp": {"selectPolicy": "Disabled"}})
    ),
    "an autoscaler that removes pods at once (A7)": _edit(
        "HorizontalPodAutoscaler", field("spec", "behavior", to={"scaleDown": {"stabilizationWindowSeconds": 0}})
    ),
    "an autoscaler with another target value (A7)": _edit(
        "HorizontalPodAutoscaler",
        lambda it: it["spec"]["metrics"][0]["resource"]["target"].update(averageUtilization=1000),
    ),
    "an autoscaler with a lower minimum": _edit("HorizontalPodAutoscaler", field("spec", "minReplicas", to=1)),
    "an autoscaler that looks elsewhere (A7)": _edit(
        "HorizontalPodAutoscaler", field("spec", "scaleTargetRef", "name", to="other")
    ),
    "a looser budget": _edit("PodDisruptionBudget", field("spec", "maxUnavailable", to=3)),
    "a budget for other pods": _edit("PodDisruptionBudget", field("spec", "selector", "matchLabels", "app", to="x")),
    "a quota of no pods (H14)": _make("resourcequotas", "v1", _quota),
    "the quota lowered (H14)": _edit("ResourceQuota", field("spec", "hard", "pods", to="0")),
    "limits that no pod keeps (H14)": _make("limitranges", "v1", _limits),
    "the limits lowered (H14)": _edit("LimitRange", field("spec", "limits", 0, "max", "storage", to="1Mi")),
    "a namespace where no pod passes the security standards": _edit(
        "Namespace", field("metadata", "labels", "pod-security.kubernetes.io/enforce", to="restricted")
    ),
}

AROUND: Ways = {
    # What it reads, and what reaches it.
    "other contents of a ConfigMap": _edit("ConfigMap", field("data", "max", to="1000000")),
    "binary contents of a ConfigMap": _edit("ConfigMap", field("binaryData", to={"x": "eA=="})),
    "other contents of a Secret": _edit("Secret", field("stringData", to={"key": "other"})),
    "another pull secret (A11, H14)": _edit("Secret for pulling", field("data", "key", to="eA==")),
    "a ConfigMap on its way out that is edited (H21)": _edit("ConfigMap", field("data", "max", to="1"), name="doomed"),
    "an account without its pull secret (H14)": _edit("ServiceAccount", field("imagePullSecrets", to=None)),
    "an account with another role in the cloud": _edit(
        "ServiceAccount", field("metadata", "annotations", to={"eks.amazonaws.com/role-arn": "arn:evil"})
    ),
    "an account without a token": _edit("ServiceAccount", field("automountServiceAccountToken", to=False)),
    "a Service of other pods (A11, H11)": _edit("Service", field("spec", "selector", "app", to="other")),
    "a Service of other pods, as one more label (H11)": _edit("Service", field("spec", "selector", "x", to="y")),
    "a Service without a selector (H11)": _edit("Service", field("spec", "selector", to=None)),
    "a Service that is a name (H11)": _edit(
        "Service",
        field("spec", to={"type": "ExternalName", "externalName": "evil.example.com", "ports": [{"port": 80}]}),
    ),
    "a Service with another port (H11)": _edit("Service", field("spec", "ports", 0, "targetPort", to=6666)),
    "a Service with an address of somebody else's": _edit("Service", field("spec", "externalIPs", to=["192.0.2.1"])),
    "a new Service in front of frozen pods (H11)": _make("services", "v1", lambda ns: place.service(ns, "mine")),
    "another Service turned to frozen pods": _edit(
        "Service", field("spec", "selector", "app", to="payment-core"), name="elsewhere"
    ),
    "an Ingress to another Service (A11)": _edit(
        "Ingress", field("spec", "rules", 0, "http", "paths", 0, "backend", "service", "name", to="elsewhere")
    ),
    "an Ingress of another host (A11)": _edit("Ingress", field("spec", "rules", 0, "host", to="x.example.com")),
    "a policy that lets nothing in (H14)": _make("networkpolicies", N, place.silence),
    "a policy that lets nothing to any pod (H14)": _make(
        "networkpolicies",
        N,
        lambda ns: {**place.silence(ns), "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}},
    ),
    "a policy of other pods (H14)": _edit(
        "NetworkPolicy", field("spec", "podSelector", "matchLabels", "app", to="payment-core")
    ),
}

ENDS: Ways = {
    # Deletion, and what leads to it; in a freeze also of what was announced before.
    **{f"deleted: a {kind}": _drop(kind) for kind in KINDS if kind not in (*ALWAYS_HELD, *CLAIMS)},
    **{
        f"an owner that is gone: of a {kind} (A1, H13)": _edit(kind, OWNED)
        for kind in KINDS
        if kind not in ALWAYS_HELD + CLAIMS
    },
    "deleted: what was announced before (H5, H6)": lambda c: c.drop("deployments", "announced", A),
    "deleted and its pods left behind": lambda c: c.drop("deployments", "announced", A, propagationPolicy="Orphan"),
    "an owner that is gone: of what was announced before (H6)": _edit("Deployment", OWNED, name="announced"),
    **{
        f"announced: the deletion of a {kind} (H5)": _edit(
            kind, lambda it: it["metadata"].setdefault("annotations", {}).update({ANNOUNCE: it["metadata"]["name"]})
        )
        for kind in (*ALWAYS_HELD, *CLAIMS)
    },
    "all ConfigMaps deleted": _drop_all("configmaps"),
    "all Secrets deleted": _drop_all("secrets"),
    "all Jobs deleted": _drop_all("jobs", B),
    "all ReplicaSets deleted": _drop_all("replicasets", A),
    "the last finalizer of a ConfigMap (H21)": _edit(
        "ConfigMap", field("metadata", "finalizers", to=None), name="doomed"
    ),
    "the last finalizer of a claim (H21)": _edit(
        "PersistentVolumeClaim", field("metadata", "finalizers", to=None), name="archive"
    ),
    "the last finalizer of a Deployment (H21)": _edit(
        "Deployment", field("metadata", "finalizers", to=None), name="doomed"
    ),
}

LEAVES: Ways = {
    # Out of what guards it (H15).
    "its tier label taken off": _edit("Deployment", _relabelled({"tierguard.io/tier": None})),
    "a lower tier": _edit("Deployment", _relabelled({"tierguard.io/tier": "4"})),
    "the label of its pods taken off": _edit(
        "Deployment", field("spec", "template", "metadata", "labels", "tierguard.io/tier", to=None)
    ),
}

RESETS: Ways = {
    # At any time, and most of all in a freeze: unannounced deletion, and what leads to it.
    **{f"deleted: a {kind}": _drop(kind) for kind in (*ALWAYS_HELD, *CLAIMS)},
    **{f"an owner that is gone: of a {kind} (A1, H13)": _edit(kind, OWNED) for kind in (*ALWAYS_HELD, *CLAIMS)},
    "all Deployments deleted": _drop_all("deployments", A),
    "all claims deleted": _drop_all("persistentvolumeclaims"),
    "volumes that go with their StatefulSet": _edit(
        "StatefulSet", field("spec", "persistentVolumeClaimRetentionPolicy", to={"whenScaled": "Delete"})
    ),
}

INVALID: Ways = {
    # At any time, as long as a webhook answers: what it says counts as tier 0, the safe direction.
    "a tier that is none, along with an announcement (A13)": _edit(
        "Deployment",
        _all(
            _relabelled({"tierguard.io/tier": "none"}),
            lambda it: it["metadata"].setdefault("annotations", {}).update({ANNOUNCE: "payment-core"}),
        ),
    ),
}


def through_subresources() -> Ways:
    """Metadata written where nobody but controllers has business: the API server keeps some of it for some kinds."""
    found: Ways = {}
    for field, change in METADATA.items():
        for kind in _HAVING[field]:
            for sub in ("status", "finalize") if kind == "Namespace" else ("status",):
                found[f"{field} of a {kind} through {sub} (H3)"] = _edit(kind, change, sub)
    return found


METADATA: dict[str, Change] = {
    "an owner that is gone": OWNED,
    "a lower tier": _relabelled({"tierguard.io/tier": "4"}),
    "an announcement": lambda it: (
        it["metadata"].setdefault("annotations", {}).update({ANNOUNCE: it["metadata"]["name"]})
    ),
}
WORKLOADS = tuple(KINDS)[: tuple(KINDS).index("ConfigMap")]
_HAVING = {
    "an owner that is gone": WITH_STATUS,
    "a lower tier": (*WORKLOADS, "PersistentVolumeClaim"),
    "an announcement": (*ALWAYS_HELD, *CLAIMS),
}
