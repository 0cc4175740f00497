"""A workload in its place: its tier, and what selects it."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from tierguard.guard.model.answers import Known, answered
from tierguard.guard.model.hold import Hold, Policy
from tierguard.guard.model.objects import Labels
from tierguard.guard.model.scope import GUARDED_TIERS, tier_of_label
from tierguard.guard.model.scoped import scoped
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload

T = TypeVar("T")

_MOST_KNOWN = 32
"""Answers about one place that are remembered."""
_DEEPEST_OWNER = 3
"""Pod, Job, CronJob; Pod, ReplicaSet, Deployment. Owner references can also be forged into a circle."""


@dataclass(frozen=True, slots=True)
class Classified:
    """A workload in its place: its tier (the lowest that anything gives it; None where nothing does) and what selects on."""

    workload: Workload
    tier: int | None
    namespace_labels: Labels
    policies: tuple[Policy, ...]
    owner: "Classified | None" = None
    known: Known = field(init=False, default_factory=dict, compare=False, repr=False)
    """What was found out about all that is in this place. Shared by what is alike."""

    def once_for(self, question: Hashable, made_of: tuple[object, ...], find: Callable[[], T]) -> T:
        """What `find` says, which goes by the place, the question and `made_of` (by identity) alone."""
        return answered(self.known, question, made_of, find, _MOST_KNOWN)

    def alike(self, workload: Workload) -> "Classified":
        """`workload` in the same place: one with the same labels, pods' labels and owners."""
        found = Classified(workload, self.tier, self.namespace_labels, self.policies, self.owner)
        object.__setattr__(found, "known", self.known)
        return found

    @property
    def critical(self) -> bool:
        """Tier 0 or 1: its deletion is announced, whether or not anything selects it."""
        return self.tier in GUARDED_TIERS

    def guarded(self, state: State) -> bool:
        """Whether some freeze, window or policy selects it, or its tier alone asks for announced deletion."""
        if self.critical or self.policies:
            return True
        return bool(self.selected(state.freezes) or self.selected(state.windows))

    def selected_by(self, hold: Hold) -> bool:
        """Whether the freeze or window `hold` selects the workload, whether or not it is active."""
        return self.tier in hold.tiers and hold.scope.matches(self.namespace_labels, self.candidates)

    def selected(self, holds: tuple[Hold, ...]) -> tuple[Hold, ...]:
        """Those of the freezes or windows that select the workload, whether or not they are active."""
        if self.tier is None or not holds:
            return ()
        return self.once_for(holds[0].kind, (holds,), lambda: self._selected(holds))

    def _selected(self, holds: tuple[Hold, ...]) -> tuple[Hold, ...]:
        there = scoped(holds).selecting(self.namespace_labels, self.candidates)
        return tuple(hold for hold in there if self.tier in hold.tiers)

    @property
    def candidates(self) -> tuple[Labels, ...]:
        """The label sets that a workload selector may match: its own, its pods', and those of what controls it."""
        return _candidates(self.workload, self.owner)


def _candidates(workload: Workload, owner: Classified | None) -> tuple[Labels, ...]:
    own = (workload.labels, workload.template_labels)
    return own if owner is None else (*own, *owner.candidates)


def alone(
    workload: Workload, namespace: str, namespace_labels: Labels, state: State, depth: int = _DEEPEST_OWNER
) -> Classified:
    """Classify `workload` by its labels, its namespace, its policies and its owners, without what is beside it."""
    parent = state.owner_of(workload.raw, namespace) if depth else None
    owner = None if parent is None else alone(parent, namespace, namespace_labels, state, depth - 1)
    candidates = _candidates(workload, owner)
    policies = scoped(state.policies).selecting(namespace_labels, candidates)
    tiers = [tier for tier in _tiers(workload, namespace_labels, policies, owner) if tier is not None]
    return Classified(workload, min(tiers, default=None), namespace_labels, policies, owner)


def _tiers(
    workload: Workload, namespace_labels: Labels, policies: tuple[Policy, ...], owner: Classified | None
) -> Iterator[int | None]:
    yield tier_of_label(workload.labels)
    yield tier_of_label(workload.template_labels)
    yield tier_of_label(namespace_labels)
    for policy in policies:
        yield policy.tier
    if owner is not None:
        yield owner.tier
