"""One period, compiled: on which days it starts, and the UTC seconds that it covers when it starts on one of them."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from tierguard.schedule.days import Days
from tierguard.schedule.zone import DAY, Zone

Span = tuple[int, int]
"""Start and end, in seconds as `zone` counts them; half-open."""


class CompiledPeriod(Protocol):
    """What a recurrence needs of a period."""

    @property
    def days(self) -> Days:
        """The local days on which it starts."""

    @property
    def reach(self) -> int:
        """Seconds that no stretch of it exceeds."""

    @property
    def pattern(self) -> tuple[Span, ...]:
        """Its merged stretches on a start day around which no clock is changed, in seconds since its midnight."""

    def spans(self, zone: Zone, day: int) -> Iterable[Span]:
        """The stretches that start on `day`, whatever the clocks do then."""


class CalendarPeriod:
    """From wall clock to wall clock: `start` and `end` in seconds since the start day's midnight, at most two days."""

    __slots__ = ("days", "end", "pattern", "reach", "start")

    def __init__(self, days: Days, start: int, end: int) -> None:
        self.days = days
        self.start = start
        self.end = end
        self.pattern: tuple[Span, ...] = ((start, end),)
        self.reach = end - start + DAY  # a day more than the clock shows: the most that clocks are ever put back by

    def spans(self, zone: Zone, day: int) -> Iterable[Span]:
        """The stretch that starts on `day`: none if the clocks skip it (Samoa had no 30 December 2011)."""
        start, end = zone.start(day, self.start), zone.end(day, self.end)
        return ((start, end),) if start < end else ()


class CronPeriod:
    """A start by the wall clock, in seconds since midnight, then `seconds` of elapsed time.

    `running` ones (an hour or minute field that is a wildcard, or names all hours) mean "every so often": where the
    clocks are put back they go on through both of the repeated hours, as in Debian's cron. Starting once there would
    tear an hour's hole into a freeze that was written to have none.
    """

    __slots__ = ("_running", "_seconds", "_times", "days", "pattern", "reach")

    def __init__(self, days: Days, times: Iterable[int], seconds: int, *, running: bool) -> None:
        self.days = days
        self.reach = seconds
        self._running = running
        self._seconds = seconds
        self._times = tuple(sorted(set(times)))
        self.pattern: tuple[Span, ...] = tuple(self._runs(0, DAY))

    def spans(self, zone: Zone, day: int) -> Iterable[Span]:
        """The stretches that start on `day`; those that touch come as one, so that `* * * * *` costs little."""
        midnight, segments = (day - 1) * DAY, zone.segments(day)
        shown = 0  # the times up to here have come, or have been skipped
        for segment in segments:
            base = midnight - segment.ahead
            if any(shown <= time < segment.start for time in self._times):
                yield base + segment.start, base + segment.start + self._seconds
            first = segment.start if self._running else max(segment.start, shown)
            yield from ((base + start, base + end) for start, end in self._runs(first, segment.end))
            shown = max(shown, segment.end)
        if self._times[-1] >= shown:
            transition = midnight + segments[-1].end - segments[-1].ahead
            yield transition, transition + self._seconds

    def _runs(self, first: int, until: int) -> Iterator[Span]:
        """What starts at the times in [first, until), merged, in seconds since midnight."""
        times = [time for time in self._times if first <= time < until]
        if not times:
            return
        start = last = times[0]
        for time in times:
            if time > last + self._seconds:
                yield start, last + self._seconds
                start = time
            last = time
        yield start, last + self._seconds
