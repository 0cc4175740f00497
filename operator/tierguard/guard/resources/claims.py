"""PersistentVolumeClaims of guarded workloads: deleting one deletes the data, so it is announced, and never in a freeze."""

from datetime import datetime

from tierguard.api.scope import ChangeKind
from tierguard.guard.freezes.blocking import block
from tierguard.guard.freezes.matching import Matching
from tierguard.guard.message import ALLOWED_AS_IS, compose
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, being_deleted, gains_owner
from tierguard.guard.model.decision import Decision, Undecidable
from tierguard.guard.model.scope import tier_of_label
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload, claim_prefixes, claims
from tierguard.guard.tiers.classify import Classified, classify
from tierguard.guard.tiers.deletion import announced, announces, asks_for_announcement, not_announced
from tierguard.guard.tiers.invalid import invalid_tier


def evaluate_claim(change: Change, state: State, now: datetime) -> Decision:
    """Decide the deletion of a claim, giving it an owner (the garbage collector's work), and announcing its deletion."""
    old, new = change.old, change.new
    if old is None or being_deleted(old):
        return compose(change, (ChangeKind.CREATE,), None, invalid_tier(None, new)) if old is None else ALLOWED_AS_IS
    announcing = new is not None and announces(old, new)
    invalid = invalid_tier(old, new)
    if new is not None and not announcing and not gains_owner(old, new):
        return compose(change, (ChangeKind.NONE,), None, invalid)
    labels = state.namespaces.get(change.namespace)
    if labels is None:
        message = f"namespace {change.namespace} is not known yet"
        raise Undecidable(message)
    users = [
        classified
        for workload in state.in_namespace(change.namespace)
        if uses(workload, change.name)
        for classified in (classify(workload, change.namespace, labels, state),)
        if classified.tier is not None
    ]
    own = [tier for tier in (tier_of_label(objects.labels(old)), tier_of_label(labels)) if tier is not None]
    tier = min([*own, *(c.tier for c in users if c.tier is not None)], default=None)
    if tier is None:
        return compose(change, (ChangeKind.NONE,), None, invalid)
    kinds = (ChangeKind.DELETE,)
    sides = users or [_standing_alone(old, tier, labels)]
    matching = Matching.of(sides, state.freezes, state.windows, kinds)
    blocking = block(change, matching, now, "announcing it" if announcing else "")
    found = [*blocking.findings, *invalid]
    covered = announced(old) or change.namespace in state.announced
    asked = asks_for_announcement([*users, _standing_alone(old, tier, labels)], now)
    if asked is not None and not announcing and not covered:
        found.append(not_announced("pvc", change.namespace, change.name, *asked))
    if not found:
        return Decision(ALLOWED_AS_IS.outcome, kinds, tier)
    return blocking.on(compose(change, kinds, tier, found, blocking.possible_from, holds=blocking.holds))


def uses(workload: Workload, claim: str) -> bool:
    """Whether pods of `workload` mount `claim`, by name or as one made from a StatefulSet's claim templates."""
    if claim in claims(workload):
        return True
    return any(claim.startswith(prefix) and claim[len(prefix) :].isdecimal() for prefix in claim_prefixes(workload))


def _standing_alone(claim: objects.KubeObject, tier: int, namespace_labels: objects.Labels) -> Classified:
    """A labelled claim that no workload uses (any more), in the shape in which freezes select: by its own labels."""
    stand_in = Workload.of({"apiVersion": "v1", "kind": "Pod", "metadata": objects.mapping(claim, "metadata")})
    assert stand_in is not None  # noqa: S101 - Pod is a workload kind
    return Classified(stand_in, tier, namespace_labels, ())
