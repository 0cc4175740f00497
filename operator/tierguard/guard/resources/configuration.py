"""Change kind `Configuration`: what a guarded workload reads, and what scales it, changed behind its pod template.

A ConfigMap swapped at month end breaks as much as a new image. Contents are compared and dropped: no finding, log line or
event has any of them.
"""

from datetime import datetime

from tierguard.api.scope import ChangeKind
from tierguard.guard.freezes.blocking import block
from tierguard.guard.freezes.matching import Matching
from tierguard.guard.message import ALLOWED_AS_IS, compose
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, being_deleted
from tierguard.guard.model.decision import Decision, Finding
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import reads_it
from tierguard.guard.resources.surroundings import autoscaled, concerned
from tierguard.guard.tiers.classify import Classified

CONFIGURATION_KINDS = ("ConfigMap", "Secret")
_CONTENT = ("data", "binaryData", "stringData", "type")


def evaluate_configuration(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to a ConfigMap or Secret by what freezes and windows say about the workloads that read it."""
    if change.user in state.identities.rotators or _untouched(change):
        return ALLOWED_AS_IS
    readers = list(concerned(change, state, lambda workload: reads_it(workload.pod_spec, change.kind, change.name)))
    return blocked_by_workloads(change, readers, state, now)


def evaluate_autoscaler(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to a HorizontalPodAutoscaler: lowering its bounds, aiming it elsewhere and deleting it hold.

    The tier rules look at what it may leave of its workload, too.
    """
    old, new = change.old, change.new
    if (old is not None and being_deleted(old)) or _spec(old) == _spec(new):
        return ALLOWED_AS_IS
    unsound = autoscaled(change, state, now)
    if old is None or (new is not None and not _lowers(old, new)):
        kinds = (ChangeKind.CREATE if old is None else ChangeKind.CONFIGURATION,)
        return compose(change, kinds, None, unsound) if unsound else Decision(ALLOWED_AS_IS.outcome, kinds)
    target = objects.mapping(old, "spec", "scaleTargetRef")
    named = (target.get("kind"), target.get("name"))
    scaled = list(concerned(change, state, lambda workload: (workload.kind, workload.name) == named))
    return blocked_by_workloads(change, scaled, state, now, unsound)


def _spec(obj: KubeObject | None) -> object:
    return None if obj is None else obj.get("spec")


def blocked_by_workloads(
    change: Change, affected: list[Classified], state: State, now: datetime, found: tuple[Finding, ...] = ()
) -> Decision:
    """The decision about a change that is one of Configuration to the workloads in `affected`, with more findings."""
    kinds = (ChangeKind.CONFIGURATION,)
    tier = min((c.tier for c in affected if c.tier is not None), default=None)
    blocking = block(change, Matching.of(affected, state.freezes, state.windows, kinds), now, _of(affected))
    if not blocking.findings and not found:
        return Decision(ALLOWED_AS_IS.outcome, kinds, tier)
    decision = compose(change, kinds, tier, [*blocking.findings, *found], blocking.possible_from, holds=blocking.holds)
    return blocking.on(decision)


def _of(affected: list[Classified]) -> str:
    return f"of {affected[0].workload}" if affected else ""


def _untouched(change: Change) -> bool:
    old, new = change.old, change.new
    if old is not None and being_deleted(old):
        return True
    return old is not None and new is not None and all(old.get(part) == new.get(part) for part in _CONTENT)


def _lowers(old: KubeObject, new: KubeObject) -> bool:
    before, after = objects.mapping(old, "spec"), objects.mapping(new, "spec")
    if before.get("scaleTargetRef") != after.get("scaleTargetRef"):
        return True
    return any(_number(after.get(bound)) < _number(before.get(bound)) for bound in ("minReplicas", "maxReplicas"))


def _number(written: object) -> int:
    return written if isinstance(written, int) else 1
