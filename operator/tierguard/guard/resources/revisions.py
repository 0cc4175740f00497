"""ControllerRevisions: the pod templates from which StatefulSets and DaemonSets make pods that are not updated yet.

Kubernetes keeps their data as it is once written, but one can be deleted and made again under its name, or be made for a
controller to adopt (pkg/controller/history).
"""

from datetime import datetime

from tierguard.api.scope import ChangeKind
from tierguard.guard.message import ALLOWED_AS_IS
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change
from tierguard.guard.model.decision import Decision
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.resources.resource import FINALIZERS, LABELS, OWNERS, Resource, Tie
from tierguard.guard.resources.surroundings import blocked_by_workloads, gone_already, there, united
from tierguard.guard.tiers.classify import Classified
from tierguard.guard.tiers.neighbours import Neighbours


def evaluate_revision(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to a ControllerRevision by what freezes say about the workload whose revision it is, or would be."""
    if gone_already(change):
        return ALLOWED_AS_IS
    neighbours = there(change, state)
    sides = [side for side in (change.old, change.new) if side is not None]
    meant = united(*(_controllers(side, neighbours) for side in sides))
    return blocked_by_workloads(change, meant, state, now, kind=ChangeKind.ROLLOUT, windows=False)


def _controllers(revision: KubeObject, neighbours: Neighbours) -> list[Classified]:
    owners = [
        neighbours.named(str(objects.value(owner, "kind")), str(objects.value(owner, "name")))
        for owner in objects.owners(revision)
    ]
    found = [owner for owner in owners if owner is not None and owner.tier is not None]
    # An owner that is no controller keeps nobody else from adopting it.
    return [*found, *neighbours.adopters(objects.labels(revision))]


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
