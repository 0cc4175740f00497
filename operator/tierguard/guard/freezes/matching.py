"""Is the change held? Freezes and windows at one instant, and the first instant at which nothing holds it any more."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from tierguard.api.model import rfc3339
from tierguard.api.scope import ChangeKind
from tierguard.guard.freezes.object_clock import believable
from tierguard.guard.model.change import HARMLESS, Change, gravest_first
from tierguard.guard.model.decision import Finding
from tierguard.guard.model.hold import Hold
from tierguard.guard.tiers.classify import Classified
from tierguard.schedule import BEGINNING, FOREVER, Interval

FREEZE_RULE = "freeze"
WINDOW_RULE = "window"

NOTICE = timedelta(hours=24)
"""A freeze that begins within this time is as good as active to whatever would weaken it."""

_MOST_STEPS = 1000
"""Bound of the search for the next free instant: 1000 stretches back to back are no calendar that anyone plans with."""


@dataclass(frozen=True, slots=True)
class Matching:
    """The freezes and windows that have a say about one change, and the kinds of change that it is.

    `available_since` tells when the template that a rollback goes to was first seen available; `excepted` until when an
    approved exception of a freeze (by the freeze's source) covers the change.
    """

    freezes: tuple[Hold, ...]
    windows: tuple[Hold, ...]
    kinds: tuple[ChangeKind, ...]
    available_since: datetime | None = None
    frozen_kinds: tuple[ChangeKind, ...] = ()
    """What the change is besides, to freezes alone: no window ever held it."""
    excepted: Mapping[str, datetime] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        sides: Sequence[Classified],
        freezes: tuple[Hold, ...],
        windows: tuple[Hold, ...],
        kinds: tuple[ChangeKind, ...],
        available_since: datetime | None = None,
        excepted: Callable[[Hold], datetime | None] = lambda _: None,
        tied: Sequence[Classified] = (),
        frozen_kinds: tuple[ChangeKind, ...] = (),
    ) -> "Matching":
        """Those that select either side of the change: the old object or the new one. Relabelling is no way out.

        Freezes also hold what acts for one of the `tied` workloads, which they select.
        """
        frozen = tuple(hold for hold in _selecting(freezes, (*sides, *tied)) if hold.deploys)
        return cls(
            frozen,
            _selecting(windows, sides),
            kinds,
            available_since,
            frozen_kinds,
            {hold.source: until for hold in frozen if (until := excepted(hold)) is not None},
        )

    def frozen_by(self, now: datetime) -> Iterator[tuple[Hold, Interval]]:
        """The freezes that hold the change at `now`, each with the stretch that does.

        What would leave a freeze is held from a day before it begins: people have planned by it.
        """
        leaves = ChangeKind.DECLASSIFY in self.kinds
        for hold in self.freezes:
            interval = hold.timeline.covering(now)
            if interval is None:
                coming = hold.timeline.next_after(now) if leaves else None
                if coming is not None and coming.start - now <= NOTICE and not hold.lets(ChangeKind.DECLASSIFY):
                    yield hold, coming
                continue
            # Nobody could know of a freeze before it was made, wherever its startsAt is: what was rolled out until then was
            # rolled out in good faith, and is something to go back to.
            if not self._excepted(hold, now) and self._refused(hold, max(interval.start, hold.created)):
                yield hold, interval

    def quiet(self, now: datetime) -> bool:
        """Whether plainly nothing holds the change at `now`, whatever any clock near this one says. False proves nothing."""
        if ChangeKind.DECLASSIFY in self.kinds:  # which is held a day ahead
            return False
        return (not self.freezes or _quiet(self.freezes, now)) and not self.shut_out_by(now)

    def freezes_between(self, start: datetime, end: datetime) -> bool:
        """Whether any of the freezes is active at some instant from `start` to `end`."""
        return any(hold.timeline.touches(start, end) for hold in self.freezes)

    def _excepted(self, hold: Hold, now: datetime) -> bool:
        until = self.excepted.get(hold.source)
        return until is not None and now < until

    def shut_out_by(self, now: datetime) -> tuple[Hold, ...]:
        """The windows that would have to be open; empty when one is, or when none has a say.

        Who excepts a workload from a freeze that holds now means it to be changed now, whatever the hour.
        """
        if self.excepted and any(
            self._excepted(hold, now) and hold.timeline.covering(now) is not None for hold in self.freezes
        ):
            return ()
        for window, since in zip(self.windows, counting_since(self.windows), strict=True):
            lets = window.timeline.covering(now) is not None or not self._refused(window, None)
            if lets and since <= now:
                return ()
        return self.windows

    def possible_from(self, now: datetime) -> datetime | None:
        """The first instant at or after `now` at which nothing holds the change; None when none is known."""
        instant = now
        for _ in range(_MOST_STEPS):
            ends = [_end(hold, interval) for hold, interval in self.frozen_by(instant)]
            if ends:
                if None in ends:
                    return None
                instant = max(end for end in ends if end is not None)
                continue
            shut = self.shut_out_by(instant)
            if not shut:
                return instant
            openings = [following.start for w in shut if (following := w.timeline.next_after(instant)) is not None]
            if not openings:
                return None
            instant = min(openings)
        return None

    def _refused(self, hold: Hold, began: datetime | None) -> bool:
        kinds = self.kinds if began is None else (*self.kinds, *self.frozen_kinds)
        return any(not self._passes(kind, hold, began) for kind in kinds)

    def _passes(self, kind: ChangeKind, hold: Hold, began: datetime | None) -> bool:
        if kind in HARMLESS:
            return True
        if kind is ChangeKind.ROLLBACK and began is not None:
            # Only what was available before the freeze began is known good; what came later came past the freeze.
            early = self.available_since is not None and self.available_since < began
            return early and hold.lets(kind)
        return hold.lets(kind)


_QUIET: dict[tuple[Hold, ...], tuple[datetime, datetime]] = {}
_MOST_QUIET = 1024
"""Sets of freezes (by identity: a changed freeze is another one) of which it is remembered when none of them is near."""


def _quiet(freezes: tuple[Hold, ...], now: datetime) -> bool:
    """Whether none of `freezes` is active at any instant that an object may be believed to be of at `now`."""
    known = _QUIET.get(freezes)
    if known is not None and known[0] <= now < known[1]:
        return True  # nearly always: freezes are declared weeks ahead
    first, last = believable(now)
    if any(hold.timeline.touches(first, last) for hold in freezes):
        return False
    starts = [coming.start for hold in freezes if (coming := hold.timeline.next_after(last)) is not None]
    if len(_QUIET) >= _MOST_QUIET:
        _QUIET.clear()
    _QUIET[freezes] = (now, believable(min(starts, default=FOREVER))[0])
    return True


@lru_cache(maxsize=1024)  # by identity: a changed window is another one
def counting_since(windows: tuple[Hold, ...]) -> tuple[datetime, ...]:
    """From when each of `windows`, which select one workload, counts: FOREVER where no such instant is known.

    The oldest count always. One that was made later counts from the first instant at which an older one was open: so a
    union of windows can be declared at any hour, and nobody opens a closed one by declaring another beside it.
    """
    if len({window.created for window in windows}) <= 1:
        return (BEGINNING,) * len(windows)
    since: dict[Hold, datetime] = {}
    for window in sorted(windows, key=lambda each: each.created):
        older = [
            (each, counted) for each, counted in since.items() if each.created < window.created and not each.broken
        ]
        opened = (_open_from(each, max(counted, window.created)) for each, counted in older)
        since[window] = min(opened, default=FOREVER) if older else BEGINNING
    return tuple(since[window] for window in windows)


def _open_from(window: Hold, instant: datetime) -> datetime:
    """The first instant from `instant` on at which `window` is open."""
    if window.timeline.covering(instant) is not None:
        return instant
    following = window.timeline.next_after(instant)
    return FOREVER if following is None else following.start


def _selecting(holds: tuple[Hold, ...], sides: Sequence[Classified]) -> tuple[Hold, ...]:
    """Those of `holds` that select any of `sides`, in their order."""
    if len(sides) == 1:
        return sides[0].selected(holds)  # nearly always
    found = {id(hold) for side in sides for hold in side.selected(holds)}
    return tuple(hold for hold in holds if id(hold) in found) if found else ()


def _end(hold: Hold, interval: Interval) -> datetime | None:
    return None if hold.broken is not None or interval.end.year >= FOREVER_YEAR else interval.end


FOREVER_YEAR = 9999


def findings(matching: Matching, now: datetime, change: Change, note: str = "") -> Iterator[Finding]:
    """One finding a freeze that holds the change, and one for all closed windows together.

    `note` is put behind the kinds of change, where they alone would puzzle people.
    """
    frozen, shut = tuple(matching.frozen_by(now)), matching.shut_out_by(now)
    if not frozen and not shut:
        return  # nearly always
    subject = change.subject
    behind = f" ({note})" if note else ""
    kinds = _words(matching.kinds)
    what = _words(gravest_first({*matching.kinds, *matching.frozen_kinds})) + behind
    for hold, interval in frozen:
        if matching.kinds == (ChangeKind.ROLLBACK,) and hold.lets(ChangeKind.ROLLBACK):
            what = f"{kinds} (to what was not available before the freeze)"
        ticket = f" ({hold.ticket})" if hold.ticket else ""
        why = f"stored spec is unreadable, so it holds: {hold.broken}" if hold.broken else hold.reason
        yield Finding(
            FREEZE_RULE,
            hold.source,
            "UnreadableFreeze" if hold.broken else "ActiveFreeze",
            f"{what} of {subject} is frozen by {hold.name}{ticket}{_begins(interval, now)}: {why}",
            _meanwhile(hold),
        )
    what = kinds + behind
    if shut:
        first = min(shut, key=_opening(now))
        ticket = f" ({first.ticket})" if first.ticket else ""
        yield Finding(
            WINDOW_RULE,
            first.source,
            "UnreadableWindow" if first.broken else "ClosedWindow",
            f"{what} of {subject} is outside change window {', '.join(_named(shut, now))}{ticket}"
            + (f": {first.broken or first.reason}" if first.broken or first.reason else ""),
            _meanwhile(first),
        )


def _words(kinds: Iterable[ChangeKind]) -> str:
    return " and ".join(kind.value for kind in kinds)


def _begins(interval: Interval, now: datetime) -> str:
    return f", which begins {rfc3339(interval.start)}" if interval.start > now else ""


def _named(shut: tuple[Hold, ...], now: datetime) -> Iterator[str]:
    """The names of `shut`, with a note where one is open and does not count yet."""
    for window, since in zip(shut, counting_since(shut), strict=True):
        early = since > now and window.timeline.covering(now) is not None
        yield f"{window.name} (which counts once an older one was open)" if early else window.name


def _meanwhile(hold: Hold) -> str:
    return f"until then only {', '.join(sorted(hold.allow))}" if hold.allow else "until then nothing passes"


def _opening(now: datetime) -> Callable[[Hold], tuple[bool, datetime, str]]:
    def key(window: Hold) -> tuple[bool, datetime, str]:
        following = window.timeline.next_after(now)
        return (following is None, following.start if following else now, window.name)

    return key
