"""Changes to a Namespace: what they do to the workloads in it."""

from datetime import datetime

from tierguard.api.scope import ChangeKind
from tierguard.guard.freezes.blocking import block
from tierguard.guard.freezes.matching import Matching
from tierguard.guard.message import ALLOWED_AS_IS, compose
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, being_deleted, gains_owner
from tierguard.guard.model.decision import Decision, Effect, Finding
from tierguard.guard.model.scope import GUARDED_TIERS, tier_of_label
from tierguard.guard.model.state import State
from tierguard.guard.tiers.classify import Classified, classify
from tierguard.guard.tiers.declassify import leaves
from tierguard.guard.tiers.deletion import announced, announces, asks_for_announcement, not_announced
from tierguard.guard.tiers.invalid import invalid_tier


def evaluate_namespace(change: Change, state: State, now: datetime) -> Decision:
    """Relabelling a namespace may declassify its workloads; deleting one deletes them all."""
    old, new = change.old, change.new
    if old is not None and being_deleted(old):
        return ALLOWED_AS_IS
    invalid = invalid_tier(old, change.new)
    if old is None:
        return compose(change, (ChangeKind.CREATE,), None, invalid) if invalid else ALLOWED_AS_IS
    announcing = new is not None and announces(old, new)
    owned = new is not None and gains_owner(old, new)
    relabelled = new is not None and objects.labels(old) != objects.labels(new)
    if new is not None and not (announcing or owned or relabelled):
        return ALLOWED_AS_IS
    guarded = _guarded(change, old, state)
    tier = min((c.tier for c in guarded if c.tier is not None), default=tier_of_label(objects.labels(old)))
    found: list[Finding] = []
    if new is None or owned or announcing:
        kinds: tuple[ChangeKind, ...] = (ChangeKind.DELETE,)
        sides = guarded
        asked = asks_for_announcement(guarded, now)
        if tier in GUARDED_TIERS:  # also an empty one: somebody said what it is for
            asked = (Effect.DENY, f"Tier/{tier}")
        if asked is not None and not announcing and not announced(old):
            found = [not_announced("namespace", "", change.name, *asked)]
    else:
        kinds, sides = (ChangeKind.DECLASSIFY,), _leaving(change, guarded, objects.labels(new), state)
    found += invalid
    if not sides and not found:
        return ALLOWED_AS_IS
    matching = Matching.of(sides, state.freezes, state.windows, kinds)
    blocking = block(change, matching, now, "announcing it" if announcing else "")
    decision = compose(change, kinds, tier, [*blocking.findings, *found], blocking.possible_from, holds=blocking.holds)
    return blocking.on(decision)


def _guarded(change: Change, old: objects.KubeObject, state: State) -> tuple[Classified, ...]:
    before = objects.labels(old)
    classified = (classify(workload, change.name, before, state) for workload in state.in_namespace(change.name))
    return tuple(c for c in classified if c.guarded or c.policies)


def _leaving(
    change: Change, guarded: tuple[Classified, ...], after: objects.Labels, state: State
) -> tuple[Classified, ...]:
    return tuple(c for c in guarded if leaves(c, classify(c.workload, change.name, after, state), state))
