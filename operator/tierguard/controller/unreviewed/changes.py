"""Which change, as the webhook would have been asked about it, lies between two forms of an object that was watched. Pure.

Who made it no watch tells. `metadata.managedFields` names the writer's tool, which is a mere claim: that is gone by here,
where it is only about what is listed, and nowhere where something is refused.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from tierguard.cluster.cache import MANAGED_BY
from tierguard.cluster.reflector import PARTIAL
from tierguard.cluster.trim import ACCOUNTED, REST
from tierguard.controller.suspension.actions import MANAGER as SUSPENSION
from tierguard.controller.suspension.actions import owners_of_suspend
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, Operation, being_deleted
from tierguard.guard.model.identities import Identities
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.workload import Workload
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.guard.rules.disruption_budget import MADE_BY_OPERATOR

_KUBERNETES = "kube-controller-manager"
"""The field manager of Kubernetes' own controllers, its autoscaler among them (KEDA scales through that, too)."""
_DATA = ("f:data", "f:binaryData")


def change_of(before: KubeObject | None, after: KubeObject | None, identities: Identities) -> Change | None:
    """The change from `before` (None: it is new) to `after` (None: it is gone); None where there is nothing to judge."""
    subject = after if after is not None else before
    if subject is None or (before is not None and being_deleted(before)) or _ours(subject):
        return None
    if after is None or being_deleted(after):
        return None if before is None or objects.owners(before) else _deletion(before)
    if after.get("kind") == PARTIAL:
        return _configuration(before, after, identities)
    if after.get("kind") not in ACCOUNTED:
        return None
    if before is not None:
        before = _as_automated(before, after, identities)
        if objects.value(before, "spec") == objects.value(after, "spec") and _labels(before) == _labels(after):
            return None
    operation = Operation.CREATE if before is None else Operation.UPDATE
    return Change(operation, str(after["kind"]), objects.namespace(after), objects.name(after), before, after)


def _labels(obj: KubeObject) -> Mapping[str, str]:
    return objects.labels(obj) if obj.get("kind") in WORKLOAD_KINDS else {}


def _ours(obj: KubeObject) -> bool:
    """Whether it is a budget that the operator keeps."""
    made = obj.get("kind") == "PodDisruptionBudget" and objects.name(obj).startswith(MADE_BY_OPERATOR)
    return made and objects.labels(obj).get(MANAGED_BY) == "tierguard"


def _deletion(before: KubeObject) -> Change | None:
    """The deletion of `before`. What has an owner goes with it, by the garbage collector's hand, and is not judged."""
    if before.get("kind") == PARTIAL:
        before = contents(before, "before")
    elif before.get("kind") not in ACCOUNTED:
        return None
    return Change(Operation.DELETE, str(before["kind"]), objects.namespace(before), objects.name(before), before, None)


def _as_automated(before: KubeObject, after: KubeObject, identities: Identities) -> KubeObject:
    """`before`, with what an autoscaler, or the operator by itself, has since set."""
    old, new = Workload.of(before), Workload.of(after)
    if old is None or new is None:
        return before
    spec: dict[str, Any] = {}
    if old.replicas != new.replicas and any(by_machine(name, identities) for name in owners_of_replicas(after)):
        spec["replicas"] = new.replicas
    if new.kind == "CronJob" and old.paused != new.paused and SUSPENSION in _suspenders(before, after):
        spec["suspend"] = new.paused
    return {**before, "spec": {**objects.mapping(before, "spec"), **spec}} if spec else before


def _suspenders(before: KubeObject, after: KubeObject) -> frozenset[str]:
    return owners_of_suspend(before) | owners_of_suspend(after)


def owners_of_replicas(obj: KubeObject) -> list[str]:
    """The field managers of `spec.replicas`. A manager that sets another number becomes the only one."""
    return [
        str(entry.get("manager"))
        for entry in objects.sequence(obj, "metadata", "managedFields")
        if "f:replicas" in objects.mapping(entry, "fieldsV1", "f:spec")
    ]


def by_machine(manager: str, identities: Identities) -> bool:
    """Whether a field manager is what Kubernetes' autoscaler, or one of the installation's, writes as."""
    return manager == _KUBERNETES or manager in _short(identities.autoscalers | identities.controllers)


def _short(users: Iterable[str]) -> set[str]:
    """What programs of those names usually write as: `keda-operator` of system:serviceaccount:keda:keda-operator."""
    return {user.rpartition(":")[2] for user in users}


def contents(partial: KubeObject, what: str) -> dict[str, Any]:
    """The ConfigMap that `partial` is the metadata of, with `what` for its contents, which nobody has seen."""
    metadata = objects.mapping(partial, "metadata")
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"": what}}


def _configuration(before: KubeObject | None, after: KubeObject, identities: Identities) -> Change | None:
    place = ("ConfigMap", objects.namespace(after), objects.name(after))
    new = contents(after, "after")
    rotators = _short(identities.rotators)
    writers = {str(entry.get("manager")) for entry in _fresh(before, after)}
    if writers and all(name == _KUBERNETES or name.startswith(tuple(rotators)) for name in writers):
        return None
    if before is None:
        return Change(Operation.CREATE, *place, None, new)
    if not _rewritten(before, after):
        return None
    return Change(Operation.UPDATE, *place, contents(before, "before"), new)


def _rewritten(before: KubeObject, after: KubeObject) -> bool:
    """Whether the contents changed, for all that metadata tells.

    A new time says that its manager changed something of what it owns, contents or labels. What another manager still owns
    beside it did not change, as that one would have lost it. Where other metadata changed in the same moment, and no key
    came or went, it may have been that alone: GitOps tools write the chart's version into labels.
    """
    if _keys(_fields(before)) != _keys(_fields(after)):
        return True
    fresh = _fresh(before, after)
    others = _keys(entry for entry in _fields(after) if entry not in fresh)
    return bool(_keys(fresh) - others) and _rest(before) == _rest(after)


def _fields(obj: KubeObject | None) -> list[KubeObject]:
    return [entry for entry in objects.sequence(obj, "metadata", "managedFields") if isinstance(entry, dict)]


def _fresh(before: KubeObject | None, after: KubeObject) -> list[KubeObject]:
    known = {(entry.get("manager"), entry.get("time")) for entry in _fields(before)}
    return [entry for entry in _fields(after) if (entry.get("manager"), entry.get("time")) not in known]


def _keys(entries: Iterable[KubeObject]) -> set[tuple[str, str]]:
    return {(part, key) for entry in entries for part in _DATA for key in objects.mapping(entry, "fieldsV1", part)}


def _rest(obj: KubeObject) -> object:
    return objects.annotations(obj).get(REST)


def written(obj: KubeObject) -> datetime | None:
    """When its fields were last written, as the API server says: the same whichever operator looks."""
    return newest(_fields(obj))


def newest(entries: Iterable[KubeObject]) -> datetime | None:
    """The latest time of `entries`."""
    return objects.instant(max((str(entry.get("time") or "") for entry in entries), default=""))


def note(change: Change) -> str:
    """What a line about it says beside the finding: that it is gone, or the tool that wrote it."""
    if change.new is None:
        return "deleted, "
    if change.kind == "ConfigMap":
        names = [str(entry.get("manager")) for entry in _fresh(change.old, change.new)]
    elif change.old is not None and objects.value(change.old, "spec", "replicas") != objects.value(
        change.new, "spec", "replicas"
    ):
        names = owners_of_replicas(change.new)
    else:
        return ""
    return f"by {objects.printable(', '.join(sorted(set(names))), 100)}, " if names else ""
