"""ControllerRevisions: the pod templates that StatefulSets and DaemonSets made before, from which members are made again.

The StatefulSet controller adopts one that matches its selector, and goes by another one when the current one is gone: who
writes or deletes revisions sets off what waits behind a partition. Nobody but controllers writes any.
"""

from datetime import datetime

from tierguard.api.scope import ChangeKind
from tierguard.guard.message import ALLOWED_AS_IS
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change
from tierguard.guard.model.decision import Decision
from tierguard.guard.model.state import State
from tierguard.guard.resources.resource import FINALIZERS, LABELS, OWNERS, Resource, Tie
from tierguard.guard.resources.surroundings import blocked_by_workloads, gone_already, there, united

_KEPT_BY = ("StatefulSet", "DaemonSet")


def evaluate_revision(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to a ControllerRevision by what freezes say about the workloads whose history it is, or would be."""
    if gone_already(change):
        return ALLOWED_AS_IS
    neighbours = there(change, state)
    sides = [side for side in (change.old, change.new) if side is not None]
    keepers = united(*(neighbours.adopters(objects.labels(side)) for side in sides))
    kept = [keeper for keeper in keepers if keeper.workload.kind in _KEPT_BY]
    return blocked_by_workloads(change, kept, state, now, kind=ChangeKind.ROLLOUT, windows=False)


CONTROLLER_REVISION = Resource(
    kind="ControllerRevision",
    group="apps",
    version="v1",
    resource="controllerrevisions",
    evaluate=evaluate_revision,
    held=(("data",), ("revision",), LABELS, OWNERS, FINALIZERS),
    ties=frozenset({Tie.PLACE}),
    collected=False,
)
