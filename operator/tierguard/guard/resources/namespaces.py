"""Changes to a Namespace: what they do to the workloads in it."""

from datetime import datetime

from tierguard.api.scope import ChangeKind
from tierguard.guard.freezes.blocking import block
from tierguard.guard.freezes.matching import Matching
from tierguard.guard.message import ALLOWED_AS_IS, compose
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, gains_owner
from tierguard.guard.model.decision import Decision, Effect, Finding
from tierguard.guard.model.scope import GUARDED_TIERS, tier_of_label
from tierguard.guard.model.state import State
from tierguard.guard.resources.resource import (
    ANNOUNCEMENT,
    CHANGES,
    FINALIZERS,
    LABELS,
    OWNERS,
    SPEC,
    UPDATE,
    Resource,
    Tie,
    sheds_finalizer,
)
from tierguard.guard.resources.surroundings import gone_already
from tierguard.guard.tiers.classify import Classified, classify
from tierguard.guard.tiers.declassify import joins, leaves
from tierguard.guard.tiers.deletion import announced, announces, asks_for_announcement, not_announced
from tierguard.guard.tiers.invalid import invalid_tier
from tierguard.guard.tiers.neighbours import neighbours


def evaluate_namespace(change: Change, state: State, now: datetime) -> Decision:
    """Relabelling a namespace may declassify its workloads; deleting one deletes them all."""
    old, new = change.old, change.new
    if gone_already(change):
        return ALLOWED_AS_IS
    invalid = invalid_tier(old, change.new)
    if old is None:
        return compose(change, (ChangeKind.CREATE,), None, invalid) if invalid else ALLOWED_AS_IS
    announcing = new is not None and announces(old, new)
    owned = new is not None and gains_owner(old, new)
    ends = new is not None and (sheds_finalizer(old, new) or sheds_finalizer(old, new, _CONTENT))
    relabelled = new is not None and objects.labels(old) != objects.labels(new)
    if new is not None and not (announcing or owned or relabelled or ends):
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
    elif ends:
        kinds, sides = (ChangeKind.DELETE,), guarded
    else:
        kind, sides = _relabelled(change, guarded, objects.labels(old), objects.labels(new), state)
        kinds = (kind,)
    found += invalid
    if not sides and not found:
        return ALLOWED_AS_IS
    # The end of a deletion was decided when it began, and joining has always passed outside of freezes.
    windows = () if kinds[0] in _ONLY_FROZEN or (ends and new is not None and not owned) else state.windows
    matching = Matching.of(sides, state.freezes, windows, kinds)
    blocking = block(change, matching, now, "announcing it" if announcing else "")
    decision = compose(change, kinds, tier, [*blocking.findings, *found], blocking.possible_from, holds=blocking.holds)
    return blocking.on(decision)


_CONTENT = ("spec", "finalizers")
"""Without them a namespace is finished by hand: what was in it stays behind, with nobody to see it."""
_ONLY_FROZEN = (ChangeKind.CREATE, ChangeKind.CONFIGURATION)
_ADMITTED_BY = ("pod-security.kubernetes.io/enforce", "istio-injection", "istio.io/rev")
"""How labels begin by which pods of a namespace are made otherwise, or not at all."""


def _admits_otherwise(old: objects.Labels, new: objects.Labels) -> bool:
    changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    return any(str(key).startswith(_ADMITTED_BY) for key in changed)


def _guarded(change: Change, old: objects.KubeObject, state: State) -> tuple[Classified, ...]:
    before = objects.labels(old)
    known = state.namespaces.get(change.name)
    labels = known if known is not None and known == before else before
    return tuple(c for c in neighbours(change.name, labels, state).members if c.guarded(state))


def _relabelled(
    change: Change, guarded: tuple[Classified, ...], before: objects.Labels, after: objects.Labels, state: State
) -> tuple[ChangeKind, tuple[Classified, ...]]:
    """What other labels do, and to which workloads."""
    left, joined = _moved(change, guarded, after, state)
    if not left and joined:
        return ChangeKind.CREATE, joined
    if not left and _admits_otherwise(before, after):
        return ChangeKind.CONFIGURATION, guarded
    return ChangeKind.DECLASSIFY, left


def _moved(
    change: Change, guarded: tuple[Classified, ...], after: objects.Labels, state: State
) -> tuple[tuple[Classified, ...], tuple[Classified, ...]]:
    """The workloads that the new labels take out of what guards them, and those that they bring into a freeze."""
    later = [(c, classify(c.workload, change.name, after, state)) for c in guarded]
    left = tuple(c for c, new in later if leaves(c, new, state))
    before = {id(c.workload.raw) for c in guarded}
    others = (
        classify(w, change.name, after, state) for w in state.in_namespace(change.name) if id(w.raw) not in before
    )
    joined = [new for c, new in later if joins(c, new, state)]
    joined += [new for new in others if new.tier is not None and any(map(new.selected_by, state.freezes))]
    return left, tuple(joined)


NAMESPACE = Resource(
    kind="Namespace",
    group="",
    version="v1",
    resource="namespaces",
    evaluate=evaluate_namespace,
    held=(LABELS, OWNERS, ANNOUNCEMENT, FINALIZERS, SPEC),
    ties=frozenset({Tie.LABELS, Tie.NAME}),
    operations=CHANGES,
    subresources={"status": (UPDATE,), "finalize": (UPDATE,)},
    namespaced=False,
    announced=True,
    collected=False,
)
