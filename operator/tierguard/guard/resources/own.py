"""Changes to tierguard's own kinds: whether the new one is readable, and whether it weakens what holds now or soon.

Making or strengthening a freeze takes effect at once: that is the safe direction. What is active, or begins within a day,
is not weakened by one person alone: it is lifted, or excepted from, by two (`signatures`).
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from tierguard.api.freeze import FreezeSpec
from tierguard.api.kinds import FREEZE, KINDS, POLICY, WINDOW
from tierguard.api.model import GROUP, VERSION, ApiModel, rfc3339
from tierguard.api.policy import PolicySpec
from tierguard.api.scope import ChangeKind
from tierguard.api.window import WindowSpec
from tierguard.guard.freezes.blocking import settle
from tierguard.guard.freezes.compiled import compile_freeze, compile_policy, compile_window, validate
from tierguard.guard.freezes.matching import FREEZE_RULE, NOTICE, WINDOW_RULE, Matching
from tierguard.guard.governance.loosening import loosens_policy, loosens_window
from tierguard.guard.governance.signatures import unsigned
from tierguard.guard.message import ALLOWED_AS_IS, compose
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, being_deleted, gains_owner
from tierguard.guard.model.decision import Decision, Finding
from tierguard.guard.model.hold import Hold
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.resources.resource import OWNERS, SPEC, Resource
from tierguard.schedule import FOREVER, Interval

SPECS: Mapping[str, type[ApiModel]] = {FREEZE.kind: FreezeSpec, WINDOW.kind: WindowSpec, POLICY.kind: PolicySpec}
WEAKENING_RULE = "weakening"


def evaluate_resource(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to an OperationalFreeze, ChangeWindow or PaymentTierPolicy."""
    old, new = change.old, change.new
    if old is not None and being_deleted(old):
        return ALLOWED_AS_IS
    if old is not None and new is not None and _spec(old) == _spec(new) and not gains_owner(old, new):
        return ALLOWED_AS_IS
    kind = ChangeKind.CREATE if old is None else ChangeKind.DELETE if new is None else ChangeKind.SETTINGS
    if new is not None and (problem := validate(SPECS[change.kind], new)) is not None:
        source = f"{change.kind}/{change.name}"
        invalid = Finding("resource", source, "InvalidSpec", problem, "correct the field and apply again")
        return compose(change, (kind,), None, [invalid])
    if change.kind == FREEZE.kind:
        return _freeze(change, kind, state, now)
    if change.kind == POLICY.kind and change.user not in state.identities.gitops and (found := list(unsigned(change))):
        return compose(change, (kind,), None, found)
    return _room(change, kind, state, now)


def _spec(obj: KubeObject) -> object:
    return objects.value(obj, "spec")


def _freeze(change: Change, kind: ChangeKind, state: State, now: datetime) -> Decision:
    trusted = change.user in state.identities.gitops
    found = [] if trusted else list(unsigned(change))
    if change.old is not None:
        found += _weaker_freeze(change.old, change.new, now, trusted=trusted)
    return compose(change, (kind,), None, found) if found else Decision(ALLOWED_AS_IS.outcome, (kind,))


def _room(change: Change, kind: ChangeKind, state: State, now: datetime) -> Decision:
    """Loosening a policy or window is a change to all that it covers: held by freezes, and by windows that are closed."""
    nothing = Decision(ALLOWED_AS_IS.outcome, (kind,))
    old, new = change.old, change.new
    owned = old is not None and new is not None and gains_owner(old, new)
    loosens = loosens_policy if change.kind == POLICY.kind else loosens_window
    if old is None:
        if change.kind == POLICY.kind:
            return nothing  # one more policy can only ask for more
    elif not (owned or loosens(old, new)):
        return nothing
    tiers = frozenset[int]().union(*(_tiers(change.kind, side) for side in (old, new) if side is not None))
    # A window of one's own is more room beside windows that are closed. Freezes beat windows: they need not hold that.
    freezes = () if old is None else tuple(f for f in state.freezes if f.deploys and f.tiers & tiers)
    trusted = change.user in state.identities.gitops and _two_names(new if new is not None else old)
    shut = () if trusted else tuple(w for w in state.windows if _shuts(change, w, tiers))
    matching = Matching(freezes, shut, (ChangeKind.DECLASSIFY,))  # a kind that no `allow` can name
    held = [hold for hold, _ in matching.frozen_by(now)] or list(matching.shut_out_by(now))
    if not held:
        return nothing
    verb = "holds" if held[0].kind == FREEZE.kind else "is closed"
    what = "be added" if old is None else "be deleted" if new is None else "be loosened"
    reason = f": {held[0].broken or held[0].reason}" if held[0].broken or held[0].reason else ""
    finding = Finding(
        FREEZE_RULE if held[0].kind == FREEZE.kind else WINDOW_RULE,
        held[0].source,
        "ActiveFreeze" if held[0].kind == FREEZE.kind else "ClosedWindow",
        f"{change.kind} {change.name} cannot {what} while {held[0].name} {verb}{reason}",
        "until then it can only be made stricter",
    )
    blocking = settle(change, [finding], matching, now)
    decision = compose(change, (kind,), None, blocking.findings, blocking.possible_from, holds=blocking.holds)
    return blocking.on(decision)


def _shuts(change: Change, window: Hold, tiers: frozenset[int]) -> bool:
    if change.kind == WINDOW.kind and change.old is not None:
        return window.name == change.name
    return bool(window.tiers & tiers)


def _two_names(obj: KubeObject | None) -> bool:
    asked = objects.value(obj, "spec", "requestedBy")
    return any(name != asked for name in objects.sequence(obj, "spec", "approvedBy"))


def _tiers(kind: str, raw: KubeObject) -> frozenset[int]:
    if kind == POLICY.kind:
        return frozenset({compile_policy(raw).tier})
    return compile_window(raw).tiers


def _weaker_freeze(old: KubeObject, new: KubeObject | None, now: datetime, *, trusted: bool) -> Iterator[Finding]:
    before = compile_freeze(old)
    interval = before.timeline.covering(now) or before.timeline.next_after(now)
    if interval is None or interval.start > now + NOTICE:
        return
    if before.broken is not None and new is not None:
        return  # mending what cannot be read is how it stops counting as active; the new one was validated above
    if trusted and new is not None and _two_names(new):
        return  # two names, and the review happened in Git; deleting an active one is never what a review meant
    lost = "deleting it" if new is None else ", ".join(_lost(before, compile_freeze(_unlifted(new)), interval, now))
    if new is not None and gains_owner(old, new):
        lost = "an owner, with which it could be collected as garbage"
    if not lost:
        return
    ends = "until two people lift it" if interval.end == FOREVER else f"until {rfc3339(interval.end)}"
    state = f"holds {ends}" if interval.start <= now else f"begins {rfc3339(interval.start)}"
    yield Finding(
        WEAKENING_RULE,
        before.source,
        "ActiveFreeze" if interval.start <= now else "FreezeBeginsSoon",
        f"{before.name} {state}, and this weakens it: {lost}",
        "two people can: set spec.lift (or an entry of spec.exceptions) with your name in requestedBy; another adds theirs"
        " to approvedBy",
    )


def _unlifted(freeze: KubeObject) -> KubeObject:
    """`freeze` without its lift and exceptions, whose names were looked at already."""
    spec = {k: v for k, v in objects.mapping(freeze, "spec").items() if k not in ("lift", "exceptions")}
    return {**freeze, "spec": spec}


def _lost(before: Hold, after: Hold, interval: Interval, now: datetime) -> Iterator[str]:
    """What `after` no longer holds of what `before` held, field by field."""
    from_now = Interval(max(interval.start, now), interval.end)
    kept = after.timeline.covering(from_now.start)
    if kept is None or kept.end < from_now.end:
        yield "its time (startsAt, expiresAt, untilLifted or schedule) no longer covers that"
    if before.tiers - after.tiers:
        yield "scope.tiers loses " + ", ".join(str(tier) for tier in sorted(before.tiers - after.tiers))
    if before.operations - after.operations:
        yield "operations loses " + ", ".join(sorted(before.operations - after.operations))
    if before.providers - after.providers:
        yield "scope.providers loses " + ", ".join(sorted(before.providers - after.providers))
    for field in ("namespace_selector", "workload_selector"):
        wide, narrow = getattr(before.scope.source, field), getattr(after.scope.source, field)
        selects_all = narrow is None or not (narrow.match_labels or narrow.match_expressions)
        if wide != narrow and not selects_all:
            yield f"scope.{'namespaceSelector' if field.startswith('n') else 'workloadSelector'} changed"
    if after.allow - before.allow:
        yield "allow gains " + ", ".join(sorted(after.allow - before.allow))


OWN = tuple(
    Resource(
        kind=kind.kind,
        group=GROUP,
        version=VERSION,
        resource=kind.plural,
        evaluate=evaluate_resource,
        held=(SPEC, OWNERS),
        ties=frozenset(),
        namespaced=False,
    )
    for kind in KINDS
)
