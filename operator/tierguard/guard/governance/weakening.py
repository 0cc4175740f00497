"""What a change to a freeze holds less than before, of the stretches that hold now or begin within a day.

Losing a tier, an operation or a part of the scope counts whether or not a workload is there yet: one might be made during
the freeze. Only what selected nothing, and refused nothing, can be corrected.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from tierguard.api.model import rfc3339
from tierguard.guard.freezes.compiled import compile_freeze
from tierguard.guard.freezes.matching import NOTICE
from tierguard.guard.governance.selection import classified, corrects
from tierguard.guard.governance.signatures import taken_back
from tierguard.guard.model import objects
from tierguard.guard.model.change import gains_owner
from tierguard.guard.model.decision import Finding
from tierguard.guard.model.hold import Hold
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.schedule import FOREVER, Interval

WEAKENING_RULE = "weakening"

_TWO_PEOPLE = (
    "two people can: set spec.lift (or an entry of spec.exceptions) with your name in requestedBy; another adds theirs"
    " to approvedBy"
)


def near(hold: Hold, now: datetime) -> tuple[Interval, ...]:
    """The stretches of `hold` that count at `now`: the one that covers it, and those that begin within a day."""
    return hold.timeline.between(now, day_after(now))


def day_after(now: datetime) -> datetime:
    """The end of the day that people have planned for, to the microsecond."""
    return FOREVER if FOREVER - now <= NOTICE else now + NOTICE + timedelta.resolution


def weakened(old: KubeObject, new: KubeObject | None, state: State, now: datetime) -> Iterator[Finding]:
    """What `new` holds less than `old`, as at most one finding; None is a freeze that is deleted."""
    before = compile_freeze(old)
    stretches = near(before, now)
    if not stretches:
        return
    if before.broken is not None and new is not None:
        return  # mending what cannot be read is how it stops counting as active; the new one was validated before
    lost = "deleting it" if new is None else "; ".join(_lost(old, before, new, stretches, state, now))
    if new is not None and gains_owner(old, new):
        lost = "an owner, with which it could be collected as garbage"
    if lost:
        yield holding(before, stretches[0], now, f"and this weakens it: {lost}", _TWO_PEOPLE)


def holding(freeze: Hold, stretch: Interval, now: datetime, why: str, remedy: str) -> Finding:
    """The finding that `freeze` holds a change, with `why`, in a stretch that is under way or begins soon."""
    active = stretch.start <= now
    ends = "until two people lift it" if stretch.end == FOREVER else f"until {rfc3339(stretch.end)}"
    state = f"holds {ends}" if active else f"begins {rfc3339(stretch.start)}"
    return Finding(
        WEAKENING_RULE,
        freeze.source,
        "ActiveFreeze" if active else "FreezeBeginsSoon",
        f"{freeze.name} {state}, {why}",
        remedy,
    )


def _lost(
    old: KubeObject, before: Hold, new: KubeObject, stretches: tuple[Interval, ...], state: State, now: datetime
) -> Iterator[str]:
    after = compile_freeze(_without(new, lift=not taken_back(old, new)))
    yield from _lost_time(after, stretches, now)
    yield from _moved_start(before, compile_freeze(_without(old, lift=True)), after, now)
    if before.deploys and (more := after.allow - before.allow):
        yield "allow gains " + ", ".join(sorted(more))
    lost = tuple(_lost_scope(before, after))
    if lost and not corrects(old, before, after, state):
        yield ", ".join(lost) + _released(before, after, state)


def _without(freeze: KubeObject, *, lift: bool) -> KubeObject:
    """`freeze` without its exceptions and, where `lift` says so, without its lift: their names were looked at already.

    A lift that counted before, and is still there, stays: the stretch begins where it ends, before and after.
    """
    dropped = {"exceptions", "lift"} if lift else {"exceptions"}
    return {**freeze, "spec": {k: v for k, v in objects.mapping(freeze, "spec").items() if k not in dropped}}


def _lost_time(after: Hold, stretches: tuple[Interval, ...], now: datetime) -> Iterator[str]:
    for stretch in stretches:
        left = Interval(max(stretch.start, now), stretch.end)
        kept = after.timeline.covering(left.start)
        if kept is None or kept.end < left.end:
            until = "two people lift it" if left.end == FOREVER else rfc3339(left.end)
            # Not from when: of a stretch that is under way that would be now, and tick from try to try.
            since = f"{rfc3339(left.start)} " if left.start > now else ""
            yield f"its time (startsAt, expiresAt, untilLifted or schedule) no longer covers {since}until {until}"
            return


def _moved_start(before: Hold, unlifted: Hold, after: Hold, now: datetime) -> Iterator[str]:
    """Whether the stretch that holds now began at another time: rollbacks go to what was available before its start.

    It may go back to where it began before a lift: whoever asks for another lift writes over the last one.
    """
    current, first, kept = (hold.timeline.covering(now) for hold in (before, unlifted, after))
    if current is None or kept is None or kept.start == current.start or (first and kept.start == first.start):
        return
    yield f"its start moves from {rfc3339(current.start)} to {rfc3339(kept.start)}, and rollbacks go by it"


def _lost_scope(before: Hold, after: Hold) -> Iterator[str]:
    """What `after` no longer means of what `before` meant, field by field."""
    if before.deploys and before.tiers - after.tiers:
        yield "scope.tiers loses " + ", ".join(str(tier) for tier in sorted(before.tiers - after.tiers))
    if before.operations - after.operations:
        yield "operations loses " + ", ".join(sorted(before.operations - after.operations))
    if after.providers is not None and before.providers is not None and before.providers - after.providers:
        yield "scope.providers loses " + ", ".join(sorted(before.providers - after.providers))
    if not after.scope.namespaces.covers(before.scope.namespaces):
        yield "scope.namespaceSelector changed"
    if not after.scope.workloads.covers(before.scope.workloads):
        yield "scope.workloadSelector changed"


def _released(before: Hold, after: Hold, state: State) -> str:
    """Which of the workloads that are there `after` no longer holds, the first by name and how many more; or nothing."""
    if not before.deploys:
        return ""
    names = sorted(
        str(subject.workload)
        for subject in classified(state, before.scope)
        if subject.selected_by(before) and not (after.deploys and subject.selected_by(after))
    )
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f", which frees {names[0]}{more}" if names else ""
