"""What is around workloads, as far as decisions read it: autoscalers, network policies, nodes, and where pods are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject, Labels
from tierguard.labels import LabelSelector

KEDA = "ScaledObject"
AUTOSCALER_KINDS = ("HorizontalPodAutoscaler", KEDA)
KEDA_PAUSED = "autoscaling.keda.sh/paused"
"""How the annotations begin that pause a ScaledObject: `paused`, `paused-replicas`, `paused-scale-in`, `-out`."""
_KEDA_MINIMUM = 0
"""minReplicaCount of a KEDA ScaledObject, where omitted."""
_LONGEST_COUNT = 10


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """Who sets the replicas of a workload: its target's kind and name, and the fewest pods that it may leave."""

    kind: str
    name: str
    target: tuple[str, str]
    minimum: int

    @classmethod
    def of(cls, raw: KubeObject) -> "Autoscaler":
        """The autoscaler in a HorizontalPodAutoscaler (autoscaling/v1, v2) or a KEDA ScaledObject."""
        spec = objects.mapping(raw, "spec")
        target = objects.mapping(spec, "scaleTargetRef")
        kind = str(raw.get("kind"))
        keda = kind == KEDA
        written = objects.whole_number(spec, "minReplicaCount" if keda else "minReplicas")
        absent = _KEDA_MINIMUM if keda else 1
        minimum = absent if written is None else written
        if keda:
            minimum = min([minimum, *_keda_leaves(raw)])
        aim = (str(target.get("kind") or ("Deployment" if keda else "")), str(target.get("name") or ""))
        return cls(kind, objects.name(raw), aim, minimum)


def _keda_leaves(raw: KubeObject) -> Iterator[int]:
    """What a ScaledObject leaves when no trigger is active, and while it is paused at a number."""
    idle = objects.whole_number(raw, "spec", "idleReplicaCount")
    if idle is not None:
        yield idle
    paused = str(objects.annotations(raw).get(f"{KEDA_PAUSED}-replicas") or "")
    if paused.isascii() and paused.isdigit() and len(paused) < _LONGEST_COUNT:
        yield int(paused)


def selected_pods(policy: KubeObject) -> LabelSelector:
    """The pods that a NetworkPolicy isolates. A selector that cannot be read selects none."""
    try:
        return LabelSelector.compile(objects.mapping(policy, "spec", "podSelector"))
    except ValueError:
        return LabelSelector(nothing=True)


def pull_secrets(account: KubeObject) -> frozenset[str]:
    """The Secrets with which the pods of a ServiceAccount pull their images."""
    found = (objects.value(each, "name") for each in objects.sequence(account, "imagePullSecrets"))
    return frozenset(str(name) for name in found if name)


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint of a node."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its labels, its taints, and whether it takes new pods."""

    name: str
    labels: Labels
    taints: tuple[Taint, ...] = ()
    schedulable: bool = True

    @classmethod
    def of(cls, raw: KubeObject) -> "Node":
        """The node in `raw`."""
        spec = objects.mapping(raw, "spec")
        taints = tuple(
            Taint(str(taint.get("key") or ""), str(taint.get("value") or ""), str(taint.get("effect") or ""))
            for taint in objects.sequence(spec, "taints")
            if isinstance(taint, Mapping)
        )
        return cls(objects.name(raw), dict(objects.labels(raw)), taints, spec.get("unschedulable") is not True)


@dataclass(frozen=True, slots=True)
class PlacedPod:
    """A pod that is there: its labels, its node (empty while it waits for one), and whether it is ready."""

    namespace: str
    name: str
    labels: Labels = field(hash=False)
    node: str = ""
    ready: bool = False
    owner: str = ""
    """The uid of what controls it."""

    @classmethod
    def of(cls, raw: KubeObject) -> "PlacedPod | None":
        """The pod in `raw`; None when it has ended, or is about to."""
        if objects.value(raw, "status", "phase") in ("Succeeded", "Failed"):
            return None
        if objects.value(raw, "metadata", "deletionTimestamp") is not None:
            return None
        ready = any(
            condition.get("type") == "Ready" and condition.get("status") == "True"
            for condition in objects.sequence(raw, "status", "conditions")
            if isinstance(condition, Mapping)
        )
        owner = objects.controller_of(raw) or {}
        return cls(
            objects.namespace(raw),
            objects.name(raw),
            dict(objects.labels(raw)),
            str(objects.value(raw, "spec", "nodeName") or ""),
            ready,
            str(owner.get("uid") or ""),
        )
