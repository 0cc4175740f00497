"""Which tier is a workload, and who says so."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tierguard.guard.model.hold import Hold, Policy
from tierguard.guard.model.objects import Labels
from tierguard.guard.model.scope import GUARDED_TIERS, tier_of_label
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload


@dataclass(frozen=True, slots=True)
class Classified:
    """A workload in its place: its tier (the lowest that anything gives it; None where nothing does) and what selects on."""

    workload: Workload
    tier: int | None
    namespace_labels: Labels
    policies: tuple[Policy, ...]
    owner: "Classified | None" = None

    @property
    def guarded(self) -> bool:
        """Tier 0 or 1."""
        return self.tier in GUARDED_TIERS

    def selected_by(self, hold: Hold) -> bool:
        """Whether the freeze or window `hold` means the workload, whether or not it is active."""
        return self.tier in hold.tiers and hold.scope.matches(self.namespace_labels, self.candidates)

    @property
    def candidates(self) -> tuple[Labels, ...]:
        """The label sets that a workload selector may match: its own, its pods', and those of what controls it."""
        return candidates_of(self.workload, self.owner)


def candidates_of(workload: Workload, owner: Classified | None) -> tuple[Labels, ...]:
    """The same, of a workload that is not classified yet."""
    own = (workload.labels, workload.template_labels)
    return own if owner is None else (*own, *owner.candidates)


_DEEPEST_OWNER = 3
"""Pod, Job, CronJob; Pod, ReplicaSet, Deployment. Owner references can also be forged into a circle."""


def classify(
    workload: Workload, namespace: str, namespace_labels: Labels, state: State, depth: int = _DEEPEST_OWNER
) -> Classified:
    """Classify `workload`, which lives in `namespace` with `namespace_labels`, by all that `state` knows."""
    parent = state.owner_of(workload.raw, namespace) if depth else None
    owner = None if parent is None else classify(parent, namespace, namespace_labels, state, depth - 1)
    candidates = candidates_of(workload, owner)
    policies = tuple(policy for policy in state.policies if policy.scope.matches(namespace_labels, candidates))
    tiers = [tier for tier in _tiers(workload, namespace_labels, policies, owner) if tier is not None]
    tier = min(tiers, default=None)
    if depth and tier != 0 and (selectors := state.services_in.get(namespace)):
        tier = _behind(selectors, workload, tier, namespace, namespace_labels, state)
    return Classified(workload, tier, namespace_labels, policies, owner)


def _behind(
    selectors: Mapping[str, Labels],
    workload: Workload,
    tier: int | None,
    namespace: str,
    namespace_labels: Labels,
    state: State,
) -> int | None:
    """The tier of `workload` as one of several behind a Service: what serves beside a guarded workload is guarded too."""
    mine = [selector for selector in selectors.values() if selector.items() <= workload.template_labels.items()]
    if not mine:
        return tier
    for other in state.in_namespace(namespace):
        if other.raw is workload.raw or not any(s.items() <= other.template_labels.items() for s in mine):
            continue
        found = classify(other, namespace, namespace_labels, state, 0).tier
        if found in GUARDED_TIERS and (tier is None or found < tier):
            tier = found
    return tier


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
