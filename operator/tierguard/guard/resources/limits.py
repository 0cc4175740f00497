"""ResourceQuotas and LimitRanges: a quota of no pods keeps every pod of a namespace from being made again."""

from datetime import datetime

from tierguard.guard.message import ALLOWED_AS_IS
from tierguard.guard.model.change import Change
from tierguard.guard.model.decision import Decision
from tierguard.guard.model.state import State
from tierguard.guard.resources.resource import FINALIZERS, OWNERS, SPEC, UPDATE, Resource, Tie
from tierguard.guard.resources.surroundings import blocked_by_workloads, gone_already, there


def evaluate_limit(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to a ResourceQuota or LimitRange by what freezes say about any workload of its namespace."""
    if gone_already(change):
        return ALLOWED_AS_IS
    return blocked_by_workloads(change, there(change, state).classified, state, now, windows=False)


RESOURCE_QUOTA = Resource(
    kind="ResourceQuota",
    group="",
    version="v1",
    resource="resourcequotas",
    evaluate=evaluate_limit,
    held=(SPEC, OWNERS, FINALIZERS),
    ties=frozenset({Tie.PLACE}),
    subresources={"status": (UPDATE,)},
)
LIMIT_RANGE = Resource(
    kind="LimitRange",
    group="",
    version="v1",
    resource="limitranges",
    evaluate=evaluate_limit,
    held=(SPEC, OWNERS, FINALIZERS),
    ties=frozenset({Tie.PLACE}),
)
