"""What is written while something is broken: each kind of write, what a freeze means for it, and what it is made to."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tests.e2e import manifests
from tierguard.guard.model.scope import TIER_LABEL
from tierguard.guard.tiers.deletion import ALLOW_DELETION

GUARDED, FREE, SCALED = "guarded", "free", "scaled"
CONFIG, CLAIM, ANNOUNCED_CLAIM = "settings", "data", "old-data"

Document = dict[str, Any]


class Kind(Enum):
    """A kind of write. Those after `Kind.NOTE` are dry runs: they meet the same admission, and leave all as it was."""

    ROLLOUT = "template"
    CREATE = "create"
    DELETE = "delete"
    SCALE_DOWN = "scale down"
    AUTOSCALE = "autoscaler"
    UNGUARDED = "tier 3"
    NOTE = "annotation"
    SCALE_UP = "scale up"
    CONTROLLER = "controller"
    CONFIGURE = "configuration"
    ADOPTED = "pod to be adopted"
    SERVICE = "service selector"
    ANNOUNCE = "announce a claim"
    ERASE = "announced claim"
    OWNER = "owner by status"
    LOWER = "autoscaler lowered"
    BUDGET = "budget deleted"


ALWAYS_HELD = frozenset({Kind.DELETE, Kind.OWNER})
"""Refused at any time: deletion that nobody announced, and what leads to it on a path where nobody honest writes."""
PASS = frozenset({Kind.AUTOSCALE, Kind.CONTROLLER, Kind.UNGUARDED, Kind.NOTE, Kind.SCALE_UP})
"""What no freeze of tiers 0 and 1 holds."""
HELD_IN_A_FREEZE = frozenset(Kind) - PASS
"""Must never pass in a freeze, whatever is dead."""
CLOCKLESS = frozenset({Kind.SCALE_DOWN, Kind.ERASE, Kind.BUDGET})
"""Of those what carries no clock: Scales, and deletions. The API server goes by the controller manager's Lease."""
WEIGHTS = {
    Kind.ROLLOUT: 6,
    Kind.CREATE: 3,
    Kind.DELETE: 3,
    Kind.SCALE_DOWN: 2,
    Kind.AUTOSCALE: 3,
    Kind.UNGUARDED: 2,
    Kind.NOTE: 2,
    Kind.SCALE_UP: 2,
    Kind.CONTROLLER: 2,
    Kind.CONFIGURE: 2,
    Kind.ADOPTED: 2,
    Kind.SERVICE: 2,
    Kind.ANNOUNCE: 2,
    Kind.ERASE: 2,
    Kind.OWNER: 2,
    Kind.LOWER: 2,
    Kind.BUDGET: 2,
}
ON_OWN = frozenset({Kind.ROLLOUT, Kind.DELETE, Kind.SCALE_DOWN, Kind.AUTOSCALE, Kind.NOTE})
"""Writes to one of the client's own workloads."""


@dataclass(frozen=True)
class Request:
    """What is sent; `instead` names a controller of Kubernetes' in whose name; `dry` says that nothing is to be stored."""

    method: str
    path: str
    body: Document | None = None
    instead: str = ""
    dry: bool = False


class Mix:
    """The writes to one namespace."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._core = f"/api/v1/namespaces/{namespace}"
        self._apps = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        self._scalers = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
        self._budgets = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets"

    def prepared(self, clients: int, own: int) -> Iterator[tuple[str, Document]]:
        """What is written to, each with the collection that it goes into."""
        for number in range(clients):
            for each in range(own):
                yield self._apps, self._workload(f"{GUARDED}-{number}-{each}", "1")
                yield self._apps, self._workload(f"{FREE}-{number}-{each}", "3")
        yield self._apps, self._workload(SCALED, "1")
        yield f"{self._core}/configmaps", _object("ConfigMap", CONFIG, data={"n": "0"})
        selector = {"app": SCALED}
        yield f"{self._core}/services", _object("Service", SCALED, spec={"selector": selector, "ports": [{"port": 80}]})
        for name in (CLAIM, ANNOUNCED_CLAIM):
            yield f"{self._core}/persistentvolumeclaims", _claim(name)
        yield self._budgets, manifests.budget(self._namespace, app=SCALED)
        yield self._scalers, _autoscaler()

    def _workload(self, name: str, tier: str) -> Document:
        """Paused: what a rollout does to pods is not what this is about."""
        made = manifests.deployment(self._namespace, name, tier=tier, replicas=2)
        made["spec"]["paused"] = True
        made["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": CONFIG}}]
        return made

    def write(self, kind: Kind, own: str, unguarded: str, unique: str, draw: random.Random) -> Request:
        """A write of that kind, to the client's `own` workload or its `unguarded` one where it is to one."""
        path = f"{self._apps}/{own}"
        more = {"spec": {"replicas": draw.randint(2, 4)}}
        claim, announced = (f"{self._core}/persistentvolumeclaims/{name}" for name in (CLAIM, ANNOUNCED_CLAIM))
        elsewhere = {"spec": {"selector": {"app": unique}}}
        return {
            Kind.ROLLOUT: Request("PATCH", path, _template(unique)),
            Kind.CREATE: Request(
                "POST", self._apps, manifests.deployment(self._namespace, f"new-{unique}", replicas=0)
            ),
            Kind.DELETE: Request("DELETE", path),
            Kind.SCALE_DOWN: Request("PATCH", f"{path}/scale", {"spec": {"replicas": 1}}),
            Kind.AUTOSCALE: Request("PATCH", f"{path}/scale", more, "horizontal-pod-autoscaler"),
            Kind.UNGUARDED: Request("PATCH", f"{self._apps}/{unguarded}", _template(unique)),
            Kind.NOTE: Request("PATCH", path, _annotated("note", unique)),
            Kind.SCALE_UP: Request("PATCH", f"{self._apps}/{SCALED}/scale", {"spec": {"replicas": 9}}, dry=True),
            Kind.CONTROLLER: Request(
                "POST", f"{self._core}/pods", self._pod(unique, "1"), "replicaset-controller", True
            ),
            Kind.CONFIGURE: Request("PATCH", f"{self._core}/configmaps/{CONFIG}", {"data": {"n": unique}}, dry=True),
            Kind.ADOPTED: Request("POST", f"{self._core}/pods", self._pod(unique, None), dry=True),
            Kind.SERVICE: Request("PATCH", f"{self._core}/services/{SCALED}", elsewhere, dry=True),
            Kind.ANNOUNCE: Request("PATCH", claim, _annotated(ALLOW_DELETION, CLAIM), dry=True),
            Kind.ERASE: Request("DELETE", announced, dry=True),
            Kind.OWNER: Request("PATCH", f"{self._apps}/{SCALED}/status", _owned(), dry=True),
            Kind.LOWER: Request("PATCH", f"{self._scalers}/{SCALED}", {"spec": {"maxReplicas": 3}}, dry=True),
            Kind.BUDGET: Request("DELETE", f"{self._budgets}/own", dry=True),
        }[kind]

    def _pod(self, unique: str, tier: str | None) -> Document:
        """A pod that the controllers of the workload SCALED take for theirs; with no tier but by that."""
        template = manifests.deployment(self._namespace, SCALED, tier=tier)["spec"]["template"]
        return _object("Pod", f"pod-{unique}", spec=template["spec"], labels=template["metadata"]["labels"])


def _object(kind: str, name: str, *, labels: Document | None = None, **fields: Any) -> Document:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": labels or {}}, **fields}


def _claim(name: str) -> Document:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
    made = _object("PersistentVolumeClaim", name, labels={TIER_LABEL: "1"}, spec=spec)
    if name == ANNOUNCED_CLAIM:
        made["metadata"]["annotations"] = {ALLOW_DELETION: name}
    return made


def _autoscaler() -> Document:
    """Of a workload of its own: what an autoscaler does to replicas is not what this is about."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": SCALED}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 5}
    return {**_object("HorizontalPodAutoscaler", SCALED, spec=spec), "apiVersion": "autoscaling/v2"}


def _template(unique: str) -> Document:
    """A merge patch: another template, whatever is in it now."""
    return {"spec": {"template": {"metadata": {"annotations": {"release": unique}}}}}


def _annotated(key: str, value: str) -> Document:
    return {"metadata": {"annotations": {key: value}}}


def _owned() -> Document:
    uid = "00000000-0000-4000-8000-000000000000"
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": uid}
    return {"metadata": {"ownerReferences": [owner]}}
