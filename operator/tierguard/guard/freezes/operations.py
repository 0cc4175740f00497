"""Freezes of operations other than Deploy: what they stop is batch work, named by label.

CronJobs of a frozen operation are suspended by the operator; here it is held that nobody else starts such work: new Jobs,
resuming, and taking the label off.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tierguard.api.freeze import Operation
from tierguard.api.scope import ChangeKind
from tierguard.guard.freezes.blocking import NOTHING, Blocking, settle
from tierguard.guard.freezes.matching import FREEZE_RULE, Matching
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change
from tierguard.guard.model.decision import Finding
from tierguard.guard.model.hold import Hold
from tierguard.guard.model.objects import Labels
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload

OPERATION_LABEL = "tierguard.io/operation"
PROVIDER_LABEL = "tierguard.io/provider"
_DEPLOYS = frozenset({Operation.DEPLOY.value})
BATCH_KINDS = frozenset({"Job", "CronJob"})

_PLAIN = {
    operation.value.lower(): operation.value
    for operation in Operation
    if operation not in (Operation.DEPLOY, Operation.PROVIDER)
}


@dataclass(frozen=True, slots=True)
class Batch:
    """Batch work: which operations and providers its labels, its pods' and its owner's name, and what selects on."""

    operations: frozenset[str]
    providers: frozenset[str]
    candidates: tuple[Labels, ...]

    def meant_by(self, hold: Hold, namespace_labels: Labels) -> bool:
        """Whether `hold` freezes this work."""
        providers = self.providers if hold.providers is None else self.providers & hold.providers
        named = bool(self.operations & hold.operations) or (
            Operation.PROVIDER.value in hold.operations and bool(providers)
        )
        return named and hold.scope.matches(namespace_labels, self.candidates)


def batch_of(workload: Workload, owner: Workload | None = None) -> Batch:
    """What batch work `workload` (a Job or CronJob), which `owner` made, is. Labels are read whatever their case."""
    candidates = (*_label_maps(workload), *(() if owner is None else _label_maps(owner)))
    operations = (
        _PLAIN.get(str(labels[OPERATION_LABEL]).replace("-", "").lower())
        for labels in candidates
        if OPERATION_LABEL in labels
    )
    providers = (str(labels[PROVIDER_LABEL]) for labels in candidates if PROVIDER_LABEL in labels)
    return Batch(frozenset(name for name in operations if name), frozenset(providers), candidates)


def _label_maps(workload: Workload) -> tuple[Labels, ...]:
    jobs = objects.mapping(workload.spec, "jobTemplate", "metadata", "labels")
    return (workload.labels, workload.template_labels, *((jobs,) if jobs else ()))


def operation_freezes(freezes: Iterable[Hold]) -> tuple[Hold, ...]:
    """Those of `freezes` that stop more than deploys."""
    return tuple(hold for hold in freezes if hold.operations != _DEPLOYS)


def frozen_operation(
    change: Change, old: Workload | None, new: Workload | None, state: State, now: datetime
) -> Blocking:
    """What holds starting the batch work that `change` starts, or taking it out of a freeze's reach."""
    if change.kind not in BATCH_KINDS:
        return NOTHING
    freezes = operation_freezes(state.freezes)
    if not freezes:
        return NOTHING
    labels = state.namespaces.get(change.namespace, {})
    before, after = (_batch(side, change, state) for side in (old, new))
    meaning: list[Hold] = []
    doing: set[str] = set()
    for hold in freezes:
        was, is_ = (side is not None and side.meant_by(hold, labels) for side in (before, after))
        what = _started(change, old, new, was=was, is_=is_)
        if what is not None and hold.timeline.covering(now) is not None:
            meaning.append(hold)
            doing.add(what.value)
    if not meaning:
        return NOTHING
    # No freeze's `allow` speaks of operations: Declassify is a kind that none can name.
    matching = Matching(tuple(meaning), (), (ChangeKind.DECLASSIFY,))
    what_done = " and ".join(sorted(doing))
    return settle(change, [_finding(hold, what_done, change.subject) for hold in meaning], matching, now)


def _batch(side: Workload | None, change: Change, state: State) -> Batch | None:
    return None if side is None else batch_of(side, state.owner_of(side.raw, change.namespace))


def _started(change: Change, old: Workload | None, new: Workload | None, *, was: bool, is_: bool) -> ChangeKind | None:
    if new is None:
        return ChangeKind.DELETE if was and change.kind == "CronJob" else None
    if old is None:
        return ChangeKind.CREATE if is_ and change.kind == "Job" else None
    if was and not is_:
        return ChangeKind.DECLASSIFY
    return ChangeKind.RESUME if (was or is_) and old.paused and not new.paused else None


def _finding(hold: Hold, what: str, subject: str) -> Finding:
    ticket = f" ({hold.ticket})" if hold.ticket else ""
    operations = ", ".join(sorted(hold.operations - {Operation.DEPLOY.value}))
    return Finding(
        FREEZE_RULE,
        hold.source,
        "FrozenOperation",
        f"{what} of {subject} is frozen by {hold.name}{ticket}, operation {operations}: {hold.broken or hold.reason}",
        "until then only what is running finishes",
    )
