"""Reviews of every known kind, and an application that answers them from a picture of the cluster made by hand."""

import copy
import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry

from tests.e2e import manifests
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api, ApiError
from tierguard.guard.model.identities import Identities
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.guard.resources.definitions import DEFINITION
from tierguard.guard.resources.own import OWN
from tierguard.guard.resources.registry import AROUND
from tierguard.webhook.app import Webhook
from tierguard.webhook.journalist import Journalist

Document = dict[str, Any]

PLACE = "payments"
FROZEN = datetime(2026, 11, 11, 12, tzinfo=UTC)
"""An instant inside the freeze, and outside the change window."""
OPEN = datetime(2026, 6, 1, 5, tzinfo=UTC)
"""An instant at which nothing holds."""
MARKER = "hunter2-4111111111111111"
"""What stands for a secret in the contents of objects."""
PATH = "/validate/nobody-guesses-it"
UID = "705ab4f5-6393-11e8-b7cc-42010a800002"

_POLICIES = Path(__file__).parents[2] / "policies"
_JUDGED = (*AROUND, *OWN, DEFINITION)
_SERVED = {resource.kind: (resource.group, resource.resource) for resource in _JUDGED}


class SilentApi(Api):
    """An API server that never answers, but what people may do if told; `asked` are the paths that it was asked for."""

    def __init__(self, rights: bool | None = None) -> None:
        self.rights = rights
        self.asked: list[str] = []

    def get(self, path: str, query: Any = None, timeout: float = 0.0, accept: str = "") -> KubeObject:  # noqa: ARG002
        self.asked.append(path)
        if self.rights is not None:  # it answers, so nobody need wait before asking again
            raise ApiError(404, "GET", path, "not found")
        raise ApiError(0, "GET", path, "no route to host")

    def create(self, path: str, body: KubeObject, timeout: float = 0.0) -> KubeObject:  # noqa: ARG002
        self.asked.append(path)
        if self.rights is None:
            raise ApiError(0, "POST", path, "no route to host")
        return {"status": {"allowed": self.rights}}


@dataclass
class Reply:
    """What the application answered."""

    status: str
    headers: dict[str, str]
    body: bytes

    @property
    def response(self) -> Document:
        """The `response` of the AdmissionReview in it."""
        return dict(json.loads(self.body)["response"])


class Application:
    """A webhook at one instant that knows what `known` has, and hears nothing of any API server but everybody's `rights`."""

    def __init__(
        self,
        now: datetime,
        known: tuple[Document, ...] = (),
        rights: bool | None = None,
        there: tuple[Document, ...] | None = None,
    ) -> None:
        self.api = SilentApi(rights)
        self.cache = ClusterCache(self.api, "tierguard-system", Identities())
        self.registry = CollectorRegistry()
        self.journalist = Journalist(self.api, "tierguard-system")
        for obj in (*(cluster() if there is None else there), *known):
            self.learn(obj)
        self.webhook = Webhook(
            self.cache, self.api, self.registry, self.journalist, lambda path: path == PATH, clock=lambda: now
        )

    def learn(self, obj: Document) -> None:
        """Take `obj` as if a watch had told of it."""
        for reflector in self.cache._reflectors:
            reflector._last_contact = time.monotonic() + 3600.0
            if reflector.collection.kind == obj["kind"]:
                reflector._keep(copy.deepcopy(obj))

    def forget(self, obj: Document) -> None:
        """Take `obj` for deleted, as if a watch had told of it."""
        for reflector in self.cache._reflectors:
            if reflector.collection.kind == obj["kind"]:
                reflector._gone(obj)

    def ask(self, body: bytes, **environ: Any) -> Reply:
        """POST `body` to the secret path; `environ` overrides what a server would tell."""
        started: list[tuple[str, list[tuple[str, str]]]] = []
        answer = self.webhook(
            {
                "REQUEST_METHOD": "POST",
                "PATH_INFO": PATH,
                "CONTENT_TYPE": "application/json",
                "CONTENT_LENGTH": str(len(body)),
                "wsgi.input": io.BytesIO(body),
                **environ,
            },
            lambda status, headers: started.append((status, headers)),
        )
        ((status, headers),) = started
        return Reply(status, dict(headers), b"".join(answer))

    def scrape(self) -> str:
        """What Prometheus reads."""
        return self.webhook.health.answer("/metrics")[2].decode()


def review(old: Document | None, new: Document | None, **request: Any) -> Document:
    """The AdmissionReview of making `new` out of `old`; `request` overrides parts of it."""
    obj = new if new is not None else old
    assert obj is not None
    group, resource = _SERVED[obj["kind"]]
    version = str(obj["apiVersion"]).rpartition("/")[2]
    operation = "CREATE" if old is None else "DELETE" if new is None else "UPDATE"
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": UID,
            "kind": {"group": group, "version": version, "kind": obj["kind"]},
            "resource": {"group": group, "version": version, "resource": resource},
            "name": obj["metadata"]["name"],
            "namespace": obj["metadata"].get("namespace", ""),
            "operation": operation,
            "userInfo": {"username": "dana@example.com", "groups": ["system:authenticated"]},
            "object": copy.deepcopy(new),
            "oldObject": copy.deepcopy(old),
            "dryRun": False,
            **request,
        },
    }


def encoded(document: Document) -> bytes:
    """`document` as the API server sends it."""
    return json.dumps(document, separators=(",", ":")).encode()


def payment_core(image: str = f"{manifests.IMAGE}:1") -> Document:
    """The tier 1 Deployment that all reviews turn on: it reads a ConfigMap and a Secret, and a marker in its variables."""
    made = manifests.deployment(PLACE, image=image)
    made["metadata"] |= {"uid": "uid-payment-core", "annotations": {"tierguard.io/depends-on": "ledger-db"}}
    made["spec"]["template"]["spec"]["containers"][0] |= {
        "env": [
            {"name": "PASSWORD", "value": MARKER},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "payment-keys", "key": "token"}}},
        ],
        "envFrom": [{"configMapRef": {"name": "payment-settings"}}],
        "livenessProbe": {"httpGet": {"path": "/livez", "port": 8080}, "periodSeconds": 10},
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": "http", "httpHeaders": [{"name": "Host", "value": "x"}]}
        },
        "ports": [{"name": "http", "containerPort": 8080}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
    }
    made["spec"]["template"]["spec"] |= {
        "volumes": [
            {"name": "keys", "secret": {"secretName": "payment-keys"}},
            {"name": "all", "projected": {"sources": [{"configMap": {"name": "payment-settings"}}]}},
        ],
        "initContainers": [{"name": "migrate", "image": manifests.PINNED, "restartPolicy": "Always"}],
        "terminationGracePeriodSeconds": 30,
    }
    return made


@cache
def cluster() -> tuple[Document, ...]:
    """What the application knows: a namespace with workloads of tiers 0 and 1, a freeze, a window and the shipped tiers."""
    return tuple(sound(kind) for kind in (*WORKLOAD_KINDS, "Namespace", "PodDisruptionBudget", *_OURS)) + tuple(
        document
        for path in sorted(_POLICIES.glob("tiers/tier-*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
    )


_OURS = ("OperationalFreeze", "ChangeWindow", "PaymentTierPolicy")


def sound(kind: str) -> Document:
    """An object of `kind` that concerns guarded workloads."""
    metadata: Document = {"name": "payment-core", "namespace": PLACE, "uid": f"uid-{kind}"}
    template = payment_core()["spec"]["template"]
    labelled = {**metadata, "labels": {"app": "payment-core", "tierguard.io/tier": "1"}}
    alone: Document = {**metadata, "name": kind.lower(), "labels": {"app": kind.lower(), "tierguard.io/tier": "1"}}
    template_alone = {**template, "metadata": {"labels": alone["labels"]}}
    selector_alone = {"matchLabels": {"app": kind.lower()}}
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "payment-core", "uid": "uid-payment-core"}
    owned = {**labelled, "ownerReferences": [{**owner, "controller": True}]}
    selector = {"matchLabels": {"app": "payment-core"}}
    made: dict[str, tuple[str, Document]] = {
        "Deployment": ("apps/v1", payment_core()),
        "StatefulSet": ("apps/v1", manifests.stateful_set(PLACE)),
        "DaemonSet": ("apps/v1", {"metadata": alone, "spec": {"selector": selector_alone, "template": template_alone}}),
        "ReplicaSet": (
            "apps/v1",
            {"metadata": owned, "spec": {"replicas": 3, "selector": selector, "template": template}},
        ),
        "ReplicationController": (
            "v1",
            {
                "metadata": alone,
                "spec": {"replicas": 3, "selector": {"app": kind.lower()}, "template": template_alone},
            },
        ),
        "Pod": ("v1", {"metadata": labelled, "spec": template["spec"]}),
        "ControllerRevision": (
            "apps/v1",
            {"metadata": {**metadata, "labels": {"app": "ledger-db"}}, "data": {"spec": {}}, "revision": 1},
        ),
        "Service": ("v1", {"metadata": metadata, "spec": {"selector": {"app": "payment-core"}}}),
        "ServiceAccount": ("v1", {"metadata": {**metadata, "name": "default"}, "imagePullSecrets": []}),
        "Ingress": (
            "networking.k8s.io/v1",
            {"metadata": metadata, "spec": {"defaultBackend": {"service": {"name": "payment-core"}}}},
        ),
        "ResourceQuota": ("v1", {"metadata": metadata, "spec": {"hard": {"pods": "100"}}}),
        "LimitRange": ("v1", {"metadata": metadata, "spec": {"limits": [{"type": "Pod"}]}}),
        "Job": ("batch/v1", {"metadata": alone, "spec": {"suspend": False, "template": template_alone}}),
        "CronJob": (
            "batch/v1",
            {
                "metadata": {**alone, "labels": {**alone["labels"], "tierguard.io/operation": "payout"}},
                "spec": {
                    "schedule": "0 * * * *",
                    "suspend": False,
                    "jobTemplate": {"spec": {"template": template_alone}},
                },
            },
        ),
        "PodDisruptionBudget": ("policy/v1", manifests.budget(PLACE)),
        "HorizontalPodAutoscaler": (
            "autoscaling/v2",
            {"metadata": metadata, "spec": {"scaleTargetRef": owner, "minReplicas": 3, "maxReplicas": 9}},
        ),
        "NetworkPolicy": ("networking.k8s.io/v1", {"metadata": metadata, "spec": {"podSelector": selector}}),
        "Namespace": ("v1", {"metadata": {"name": PLACE, "labels": {"tierguard.io/tier": "1"}}}),
        "ConfigMap": ("v1", {"metadata": {**metadata, "name": "payment-settings"}, "data": {"mode": MARKER}}),
        "Secret": (
            "v1",
            {"metadata": {**metadata, "name": "payment-keys"}, "type": "Opaque", "data": {"token": MARKER}},
        ),
        "PersistentVolumeClaim": (
            "v1",
            {
                "metadata": {**metadata, "name": "data-ledger-db-0"},
                "spec": {"resources": {"requests": {"storage": "1Gi"}}},
            },
        ),
        "CustomResourceDefinition": (
            "apiextensions.k8s.io/v1",
            {
                "metadata": {"name": "operationalfreezes.tierguard.io"},
                "spec": {"versions": [{"name": "v1alpha1", "served": True, "storage": True}]},
            },
        ),
        "OperationalFreeze": (
            "tierguard.io/v1alpha1",
            manifests.freeze("double-days", startsAt="2026-11-10T00:00:00Z", expiresAt="2026-11-13T00:00:00Z")
            | {"status": {"observedGeneration": 1}},
        ),
        "ChangeWindow": (
            "tierguard.io/v1alpha1",
            manifests.window("weekday-hours", {"weekdays": ["Monday"], "from": "10:00", "to": "16:00"}),
        ),
        "PaymentTierPolicy": (
            "tierguard.io/v1alpha1",
            manifests.policy(
                "core", {"replicas": {"minimum": 3}, "disruptionBudget": {"mode": "Maintain", "maxUnavailable": 1}}
            ),
        ),
    }
    api_version, body = made[kind]
    body["metadata"].setdefault("uid", f"uid-{kind}")
    return copy.deepcopy({**body, "apiVersion": api_version, "kind": kind})


_CHANGES: dict[str, Callable[[Document], Any]] = {
    "Secret": lambda new: new.update(data={"token": f"{MARKER}-2"}),
    "ConfigMap": lambda new: new.update(data={"token": f"{MARKER}-2"}),
    "ServiceAccount": lambda new: new.update(imagePullSecrets=[{"name": "other"}]),
    "ControllerRevision": lambda new: new.update(revision=2),
    "Namespace": lambda new: new["metadata"].update(labels={}),
    "PersistentVolumeClaim": lambda new: new["metadata"].update(labels={"tierguard.io/tier": "4"}),
    "PodDisruptionBudget": lambda new: new["spec"].update(maxUnavailable="100%"),
    "HorizontalPodAutoscaler": lambda new: new["spec"].update(minReplicas=1),
    "NetworkPolicy": lambda new: new["spec"].update(
        podSelector={"matchExpressions": [{"key": "app", "operator": "In", "values": ["other"]}]}
    ),
    "CustomResourceDefinition": lambda new: new["spec"]["versions"][0].update(served=False),
}


def _changed(obj: Document) -> Document:
    """`obj` with something in it that decisions look at changed."""
    new = copy.deepcopy(obj)
    kind = obj["kind"]
    if kind in _CHANGES:
        _CHANGES[kind](new)
    elif kind in WORKLOAD_KINDS:
        node = new["spec"]
        for key in ("jobTemplate", "spec", "template", "spec"):
            node = node.get(key, node)
        node["containers"][0]["image"] = f"{manifests.IMAGE}:2"
    elif kind in _OURS:
        new["spec"]["reason"] = "another"
    else:
        new["spec"]["more"] = "changed"
    return new


def every_review() -> Iterator[tuple[str, Document]]:
    """By name, one valid review for each kind and operation, and for each resource with `/scale`."""
    for kind in _SERVED:
        old = sound(kind)
        yield f"{kind}-create", review(None, old)
        yield f"{kind}-update", review(old, _changed(old))
        yield f"{kind}-delete", review(old, None)
        yield f"{kind}-announcement", review(_owned(old), _announced(_owned(old)))
    yield "OperationalFreeze-signatures", review(sound("OperationalFreeze"), _signed(sound("OperationalFreeze")))
    yield "PaymentTierPolicy-exemption", review(sound("PaymentTierPolicy"), _exempting(sound("PaymentTierPolicy")))
    for resource in _JUDGED:
        for subresource in resource.subresources:
            old = sound(resource.kind)
            yield f"{resource.kind}-{subresource}", review(old, _owned(old), subResource=subresource)
    for kind in ("Deployment", "StatefulSet", "ReplicaSet"):
        yield f"{kind}-scale", scale(kind, sound(kind)["metadata"]["name"], 3, 0)


_ME = "dana@example.com"
_REFERENCE = {"kind": "Deployment", "namespace": PLACE, "name": "payment-core"}


def _owned(obj: Document) -> Document:
    """`obj` as somebody's property, with the API server's book about who wrote what."""
    fields: Document = {"f:metadata": {"f:annotations": {"f:tierguard.io/allow-deletion": {}}}}
    owned = copy.deepcopy(obj)
    owned["metadata"] |= {
        "ownerReferences": [{"apiVersion": "v1", "kind": "Gadget", "name": "g", "uid": "u"}],
        "managedFields": [{"manager": "kubectl-edit", "time": "2026-06-01T05:00:00Z", "fieldsV1": fields}],
    }
    return owned


def _announced(obj: Document) -> Document:
    """`obj` with the announcement of its deletion."""
    new = copy.deepcopy(obj)
    new["metadata"]["annotations"] = {"tierguard.io/allow-deletion": obj["metadata"]["name"]}
    new["metadata"]["managedFields"].append({"manager": "kubectl-annotate", "time": "2026-06-01T05:00:01Z"})
    return new


def _signed(freeze: Document) -> Document:
    """`freeze` with a lift, an exception and a review in the writer's name."""
    request = {"requestedBy": _ME, "reason": "mended"}
    freeze["spec"] |= {
        "lift": {**request, "approvedBy": []},
        "exceptions": [{**request, "workload": _REFERENCE, "expiresAt": "2026-11-12T00:00:00Z", "approvedBy": []}],
        "reviews": [{"id": "1", "reviewedBy": _ME, "note": "seen"}],
    }
    return freeze


def _exempting(policy: Document) -> Document:
    """`policy` with an exemption in the writer's name."""
    exemption = {"requestedBy": _ME, "reason": "soon", "workload": _REFERENCE, "rules": ["replicas"]}
    policy["spec"]["exemptions"] = [{**exemption, "expiresAt": "2026-11-12T00:00:00Z", "approvedBy": []}]
    return policy


def scale(kind: str, name: str, before: int, after: int) -> Document:
    """The review of scaling a workload through its `/scale`."""
    scales = [
        {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": {"name": name, "namespace": PLACE},
            "spec": {"replicas": replicas},
        }
        for replicas in (before, after)
    ]
    made = review(sound(kind), sound(kind), name=name, oldObject=scales[0], object=scales[1], subResource="scale")
    made["request"]["kind"] = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    return made
