"""Which tier is a workload, who says so, and which guarded workloads it would become a part of."""

from collections.abc import Iterator

from tierguard.guard.model import objects
from tierguard.guard.model.objects import Labels
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.tiers.classified import Classified, alone
from tierguard.guard.tiers.neighbours import Neighbours, neighbours

__all__ = ["Classified", "classify", "stand"]

_ADOPTED = frozenset({"Pod", "ReplicaSet"})
"""Kinds that controllers take for their own when labels match and nobody else controls them (ControllerRefManager)."""


def classify(
    workload: Workload, namespace: str, namespace_labels: Labels, state: State, *, beside: bool = True
) -> Classified:
    """Classify `workload`, which lives in `namespace` with `namespace_labels`, by all that `state` knows.

    `beside` counts what serves behind the same Service as a critical workload, too.
    """
    found = alone(workload, namespace, namespace_labels, state)
    if not beside or found.tier == 0 or not state.services_in.get(namespace):
        return found
    return neighbours(namespace, namespace_labels, state).beside(found)


def stand(
    workload: Workload, namespace: str, namespace_labels: Labels, state: State
) -> tuple[Classified, tuple[Classified, ...]]:
    """`workload` classified, and the classified workloads that it acts for (`ties`).

    For what has the same name, labels and claims, and no owner, that is the same until something of the namespace changes.
    """

    def find() -> tuple[Classified, tuple[Classified, ...]]:
        found = classify(workload, namespace, namespace_labels, state)
        return found, ties(found, namespace, state)

    def find_for_all_alike() -> tuple[Classified, tuple[Classified, ...]]:
        found, tied = find()
        return found.alike(Workload(workload.entry, {})), tied  # with the object the whole review would be kept

    if state.revisions is None or objects.owners(workload.raw):
        return find()
    like, tied = neighbours(namespace, namespace_labels, state).alike(workload, find_for_all_alike)
    return like.alike(workload), tied


def ties(subject: Classified, namespace: str, state: State) -> tuple[Classified, ...]:
    """The classified workloads that `subject` acts for, or takes part in, without being one of them by its own labels.

    A pod or ReplicaSet that a controller would adopt, a pod with the name of a StatefulSet's member, whatever mounts a claim
    of theirs, and what serves behind a Service of theirs.
    """
    there = neighbours(namespace, subject.namespace_labels, state)
    found = {id(tied.workload.raw): tied for tied in _ties(subject.workload, there)}
    return tuple(tied for tied in found.values() if not _is(tied.workload, subject.workload))


def _ties(workload: Workload, there: Neighbours) -> Iterator[Classified]:
    if workload.kind in _ADOPTED:
        yield from there.adopters(workload.labels)
    if workload.kind == "Pod" and (member := there.member_of(workload.name)) is not None:
        yield member
    for claim in workload.claims:
        yield from there.users_of_claim(claim)
    yield from there.serving_beside(workload.template_labels)


def _is(one: Workload, other: Workload) -> bool:
    return (one.kind, one.name) == (other.kind, other.name)
