"""Change kind `Configuration`: what a guarded workload reads, changed behind its pod template.

A ConfigMap swapped at month end breaks as much as a new image. Contents are compared and dropped: no finding, log line or
event has any of them.
"""

from datetime import datetime

from tierguard.api.scope import ChangeKind
from tierguard.guard.freezes.blocking import block
from tierguard.guard.freezes.matching import Matching
from tierguard.guard.message import ALLOWED_AS_IS, compose
from tierguard.guard.model.change import Change, being_deleted
from tierguard.guard.model.decision import Decision, Finding
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import references
from tierguard.guard.resources.surroundings import concerned
from tierguard.guard.tiers.classify import Classified

CONFIGURATION_KINDS = ("ConfigMap", "Secret")
_CONTENT = ("data", "binaryData", "stringData", "type")


def evaluate_configuration(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to a ConfigMap or Secret by what freezes and windows say about the workloads that read it."""
    if change.user in state.identities.rotators or _untouched(change):
        return ALLOWED_AS_IS
    wanted = (change.kind, change.name)
    readers = list(concerned(change, state, lambda workload: wanted in references(workload.pod_spec)))
    return blocked_by_workloads(change, readers, state, now)


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
