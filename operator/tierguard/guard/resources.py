"""Changes to tierguard's own kinds: whether the new one is readable, and whether it weakens what holds now or soon.

Making or strengthening a freeze takes effect at once: that is the safe direction. What is active, or begins within a day,
is not weakened by one person alone.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from tierguard.api.freeze import FreezeSpec
from tierguard.api.kinds import FREEZE, POLICY, WINDOW
from tierguard.api.model import ApiModel, rfc3339
from tierguard.api.policy import PolicySpec
from tierguard.api.scope import ChangeKind
from tierguard.api.window import WindowSpec
from tierguard.guard import objects
from tierguard.guard.change import Change, being_deleted
from tierguard.guard.compose import ALLOWED_AS_IS, compose
from tierguard.guard.finding import Decision, Finding
from tierguard.guard.held import FREEZE_RULE
from tierguard.guard.holds import Hold, compile_freeze, compile_policy, compile_window, validate
from tierguard.guard.objects import KubeObject
from tierguard.guard.state import State
from tierguard.schedule import Interval

SPECS: Mapping[str, type[ApiModel]] = {FREEZE.kind: FreezeSpec, WINDOW.kind: WindowSpec, POLICY.kind: PolicySpec}
NOTICE = timedelta(hours=24)
"""A freeze that begins within this time is as good as active: people have planned by it."""

_WEAKENING = "weakening"


def evaluate_resource(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to an OperationalFreeze, ChangeWindow or PaymentTierPolicy."""
    old, new = change.old, change.new
    if old is not None and new is not None and (_spec(old) == _spec(new) or being_deleted(old)):
        return ALLOWED_AS_IS
    kind = ChangeKind.CREATE if old is None else ChangeKind.DELETE if new is None else ChangeKind.SETTINGS
    found: list[Finding] = []
    if new is not None and (problem := validate(SPECS[change.kind], new)) is not None:
        source = f"{change.kind}/{change.name}"
        found.append(Finding("resource", source, "InvalidSpec", problem, "correct the field and apply again"))
    elif old is not None:
        found.extend(_weakenings(change, old, new, state, now))
    return compose(change, (kind,), None, found) if found else Decision(ALLOWED_AS_IS.outcome, (kind,))


def _spec(obj: KubeObject) -> object:
    return objects.value(obj, "spec")


def _weakenings(
    change: Change, old: KubeObject, new: KubeObject | None, state: State, now: datetime
) -> Iterator[Finding]:
    if change.kind == FREEZE.kind:
        yield from _weaker_freeze(old, new, now)
        return
    # A policy gives tiers, a window gives hours: changing either in a freeze would open what the freeze closes.
    tiers = _tiers(change.kind, old) | (_tiers(change.kind, new) if new is not None else frozenset())
    for freeze in state.freezes:
        interval = freeze.timeline.covering(now)
        if interval is not None and (freeze.tiers & tiers):
            yield Finding(
                FREEZE_RULE,
                freeze.source,
                "ActiveFreeze",
                f"{change.kind} {change.name} cannot change while {freeze.name} holds: {freeze.reason or freeze.broken}",
                "until then nothing passes",
            )
            return


def _tiers(kind: str, raw: KubeObject) -> frozenset[int]:
    if kind == POLICY.kind:
        return frozenset({compile_policy(raw).tier})
    return compile_window(raw).tiers


def _weaker_freeze(old: KubeObject, new: KubeObject | None, now: datetime) -> Iterator[Finding]:
    before = compile_freeze(old)
    interval = before.timeline.covering(now) or before.timeline.next_after(now)
    if interval is None or interval.start > now + NOTICE:
        return
    if before.broken is not None and new is not None:
        return  # mending what cannot be read is how it stops counting as active; the new one was validated above
    lost = "deleting it" if new is None else ", ".join(_lost(before, compile_freeze(new), interval, now))
    if not lost:
        return
    state = f"holds until {rfc3339(interval.end)}" if interval.start <= now else f"begins {rfc3339(interval.start)}"
    yield Finding(
        _WEAKENING,
        before.source,
        "ActiveFreeze" if interval.start <= now else "FreezeBeginsSoon",
        f"{before.name} {state}, and this weakens it: {lost}",
        f"wait until {rfc3339(interval.end)}, or make it stronger only (longer, wider, fewer kinds in allow)",
    )


def _lost(before: Hold, after: Hold, interval: Interval, now: datetime) -> Iterator[str]:
    """What `after` no longer holds of what `before` held, field by field."""
    from_now = Interval(max(interval.start, now), interval.end)
    kept = after.timeline.covering(from_now.start)
    if kept is None or kept.end < from_now.end:
        yield "its time (startsAt, expiresAt or schedule) no longer covers that"
    if before.tiers - after.tiers:
        yield "scope.tiers loses " + ", ".join(str(tier) for tier in sorted(before.tiers - after.tiers))
    for field in ("namespace_selector", "workload_selector"):
        wide, narrow = getattr(before.scope.source, field), getattr(after.scope.source, field)
        selects_all = narrow is None or not (narrow.match_labels or narrow.match_expressions)
        if wide != narrow and not selects_all:
            yield f"scope.{'namespaceSelector' if field.startswith('n') else 'workloadSelector'} changed"
    if after.allow - before.allow:
        yield "allow gains " + ", ".join(sorted(after.allow - before.allow))
