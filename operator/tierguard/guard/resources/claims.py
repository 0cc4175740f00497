"""PersistentVolumeClaims of guarded workloads: deleting one deletes the data, so it is announced, and never in a freeze."""

from collections.abc import Sequence
from datetime import datetime

from tierguard.api.scope import ChangeKind
from tierguard.guard.freezes.blocking import block
from tierguard.guard.freezes.matching import Matching
from tierguard.guard.message import ALLOWED_AS_IS, compose
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, gains_owner
from tierguard.guard.model.decision import Decision
from tierguard.guard.model.scope import tier_of_label
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.resources.resource import (
    ANNOUNCEMENT,
    FINALIZERS,
    LABELS,
    OWNERS,
    UPDATE,
    Resource,
    Tie,
    sheds_finalizer,
)
from tierguard.guard.resources.surroundings import gone_already, leads_to_deletion, there
from tierguard.guard.tiers.classified import Classified
from tierguard.guard.tiers.deletion import announced, announces, asks_for_announcement, not_announced
from tierguard.guard.tiers.invalid import invalid_tier


def evaluate_claim(change: Change, state: State, now: datetime) -> Decision:
    """Decide a claim's deletion, what leads to it, and a claim made in the place of a guarded workload's own."""
    if gone_already(change):
        return ALLOWED_AS_IS
    users = there(change, state).users_of_claim(change.name)
    labels = state.namespaces[change.namespace]
    sides = [_standing_alone(side, labels) for side in (change.old, change.new) if side is not None]
    own = [side for side in sides if side.tier is not None]
    tier = min((c.tier for c in (*users, *own) if c.tier is not None), default=None)
    kind = _kind(change, sides)
    invalid = invalid_tier(change.old, change.new)
    if tier is None or kind is ChangeKind.NONE:
        return compose(change, (ChangeKind.NONE,), tier, invalid) if invalid else ALLOWED_AS_IS
    announcing = change.old is not None and change.new is not None and announces(change.old, change.new)
    # The end of a deletion was decided when it began: only a freeze holds it. So it is with what has always passed.
    deletes = kind is ChangeKind.DELETE and not _ends(change)
    matching = Matching.of(users or own, state.freezes, state.windows if deletes else (), (kind,))
    blocking = block(change, matching, now, "announcing it" if announcing else "")
    found = [*blocking.findings, *invalid]
    asked = asks_for_announcement([*users, *own], now) if deletes and not announcing else None
    covered = (change.old is not None and announced(change.old)) or change.namespace in state.announced
    if asked is not None and not covered:
        found.append(not_announced("pvc", change.namespace, change.name, *asked))
    if not found:
        return Decision(ALLOWED_AS_IS.outcome, (kind,), tier)
    return blocking.on(compose(change, (kind,), tier, found, blocking.possible_from, holds=blocking.holds))


def _kind(change: Change, sides: Sequence[Classified]) -> ChangeKind:
    old, new = change.old, change.new
    if old is None:
        return ChangeKind.CREATE
    if new is None or announces(old, new) or leads_to_deletion(change):
        return ChangeKind.DELETE
    before, after = (side.tier for side in sides)
    leaves = before is not None and (after is None or after > before)
    return ChangeKind.DECLASSIFY if leaves else ChangeKind.NONE


def _ends(change: Change) -> bool:
    """Whether it only completes a deletion that was decided before."""
    old, new = change.old, change.new
    return old is not None and new is not None and sheds_finalizer(old, new) and not gains_owner(old, new)


def _standing_alone(claim: objects.KubeObject, namespace_labels: objects.Labels) -> Classified:
    """A claim that no workload uses (any more), in the shape in which freezes select: by its own labels."""
    stand_in = Workload.of({"apiVersion": "v1", "kind": "Pod", "metadata": objects.mapping(claim, "metadata")})
    assert stand_in is not None  # noqa: S101 - Pod is a workload kind
    own = (tier_of_label(objects.labels(claim)), tier_of_label(namespace_labels))
    tier = min((found for found in own if found is not None), default=None)
    return Classified(stand_in, tier, namespace_labels, ())


CLAIM = Resource(
    kind="PersistentVolumeClaim",
    group="",
    version="v1",
    resource="persistentvolumeclaims",
    evaluate=evaluate_claim,
    # Growing it only adds.
    held=(LABELS, OWNERS, ANNOUNCEMENT, FINALIZERS),
    ties=frozenset({Tie.LABELS, Tie.PLACE}),
    subresources={"status": (UPDATE,)},
    announced=True,
)
