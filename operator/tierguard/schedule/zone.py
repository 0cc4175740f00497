"""Local days of one time zone, as UTC seconds: the one place that knows what daylight saving time does to a wall clock.

The rules, which hold for calendar periods and cron alike:

- A start that the clocks skip (spring forward) moves to the transition.
- A start that they show twice (fall back) is the first of the two.
- An end is where the wall clock has shown its last moment before it for the last time. So 24:00 is the true end of a
  day of 23 or 25 hours, an end that the clocks skip is the transition, and an end inside the repeated hour is its
  second occurrence. A period thus covers *every* moment whose wall clock reads inside it: a freeze from 01:00 to 02:30
  is not over while a clock on the wall says 02:15 again. (RFC 5545 takes the first occurrence, and would let go of it
  an hour early.)

Seconds are counted from 0001-01-01T00:00:00Z, as plain integers: they neither overflow nor need a zone to compare.
"""

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tierguard.schedule.error import ScheduleError
from tierguard.schedule.interval import BEGINNING, FOREVER

DAY = 86_400
LAST_DAY = date.max.toordinal()
_LAST_SECOND = LAST_DAY * DAY - 1
_MOST_DAYS_REMEMBERED = 20_000
_FOREIGN = ("right/", "posix/")
_HALF_DAY = DAY // 2
_LOCAL_FILES = frozenset({"localtime", "posixrules", "Factory"})


def seconds(instant: datetime) -> int:
    """`instant` (UTC) in whole seconds since year 1, rounded down."""
    return (instant - BEGINNING) // timedelta(seconds=1)


def instant(at: int) -> datetime:
    """The instant `at` seconds after the start of year 1, in UTC; BEGINNING or FOREVER where the calendar ends."""
    if at <= 0:
        return BEGINNING
    return FOREVER if at > _LAST_SECOND else BEGINNING + timedelta(seconds=at)


@lru_cache(maxsize=256)
def load(name: str, field: str) -> "Zone":
    """The zone called `name`. Raises ScheduleError for `field` if the IANA database has none.

    Refused with it: what is a file of this machine rather than a zone (`localtime`), and the `right/` zones, whose
    leap seconds Python does not know.
    """
    problem = f"{name[:64]!r} is no time zone of the IANA database; name one as Area/City, for example Asia/Bangkok"
    if name.startswith(_FOREIGN) or name in _LOCAL_FILES:
        raise ScheduleError(field, problem)
    try:
        return Zone(ZoneInfo(name))
    except (LookupError, ValueError, OSError) as error:
        # LookupError: no such key. ValueError: "", "../x", a file that is no zone. OSError: "Europe" is a directory.
        raise ScheduleError(field, problem) from error


class Segment(NamedTuple):
    """A part of a local day in which the clock runs evenly: it shows `start` to `end`, `ahead` of UTC.

    All in seconds, `start` and `end` since the day's midnight. Where clocks are put back, segments overlap.
    """

    start: int
    end: int
    ahead: int


class Zone:
    """A time zone's local days. Days are proleptic Gregorian ordinals (`date.toordinal`)."""

    __slots__ = ("_aheads", "_days", "_info")

    def __init__(self, info: ZoneInfo) -> None:
        self._info = info
        self._aheads: dict[int, int] = {}
        self._days: dict[int, tuple[Segment, ...]] = {}

    def even_midnight(self, day: int) -> int | None:
        """When `day` begins, if the clocks are not changed until the next day's end: then the rest is addition."""
        segments = self.segments(day)
        if len(segments) == 1 and segments[0] == _whole(segments[0].ahead) and self.segments(day + 1) == segments:
            return (day - 1) * DAY - segments[0].ahead
        return None

    def start(self, day: int, second: int) -> int:
        """When the clock first shows `second` of `day`, or what comes instead of it."""
        midnight, segments = (day - 1) * DAY, self.segments(day)
        for segment in segments:
            if second < segment.end:
                return midnight + max(second, segment.start) - segment.ahead
        return midnight + segments[-1].end - segments[-1].ahead

    def end(self, day: int, second: int) -> int:
        """When something is over that runs until `second` of `day`, or of the next day if that is beyond 24:00."""
        day, second = day + (second - 1) // DAY, (second - 1) % DAY + 1
        midnight, segments = (day - 1) * DAY, self.segments(day)
        for segment in reversed(segments):
            if second > segment.start:
                return midnight + min(second, segment.end) - segment.ahead
        return midnight + segments[0].start - segments[0].ahead

    def segments(self, day: int) -> tuple[Segment, ...]:
        """The parts of `day` in order, at least one. A day that the clocks skip is one part of no length."""
        found = self._days.get(day)
        if found is None:
            if len(self._days) >= _MOST_DAYS_REMEMBERED:
                self._days = {}
            found = self._days[day] = self._segments(day)
        return found

    def _segments(self, day: int) -> tuple[Segment, ...]:
        midnight = (day - 1) * DAY
        # From before the day's first moment until after its last: no offset is as long as a day, and no zone has ever
        # changed its offset there and back within twelve hours.
        edges = range(midnight - DAY, midnight + 2 * DAY + 1, _HALF_DAY)
        aheads = [self._remembered_ahead(edge) for edge in edges]
        if len(set(aheads)) == 1:
            return (_whole(aheads[0]),)
        pieces: list[Segment] = []
        since = edges[0]
        for early, late, before, after in zip(edges, edges[1:], aheads, aheads[1:], strict=False):
            if before != after:
                change = self._change(early, late)
                pieces.append(_piece(since - midnight, change - midnight, before))
                since = change
        pieces.append(_piece(since - midnight, edges[-1] - midnight, aheads[-1]))
        shown = tuple(piece for piece in pieces if piece.start < piece.end)
        return shown or tuple(piece for piece in pieces if piece.end == 0)[-1:]

    def _change(self, early: int, late: int) -> int:
        """Bisect for the first second in (early, late] at which the offset is another than at `early`."""
        before = self._ahead(early)
        while late - early > 1:
            middle = (early + late) // 2
            if self._ahead(middle) == before:
                early = middle
            else:
                late = middle
        return late

    def _remembered_ahead(self, at: int) -> int:
        found = self._aheads.get(at)
        if found is None:
            if len(self._aheads) >= _MOST_DAYS_REMEMBERED:
                self._aheads = {}
            found = self._aheads[at] = self._ahead(at)
        return found

    def _ahead(self, at: int) -> int:
        """By how many seconds the clocks are ahead of UTC at `at`."""
        try:
            offset = instant(at).astimezone(self._info).utcoffset()
        except OverflowError:  # the first and last hours of the calendar
            return 0
        return 0 if offset is None else offset // timedelta(seconds=1)


def _whole(ahead: int) -> Segment:
    return Segment(0, DAY, ahead)


def _piece(start: int, end: int, ahead: int) -> Segment:
    """What the clocks show of one day between two instants, given in seconds since its midnight in UTC."""
    return Segment(min(max(start + ahead, 0), DAY), min(max(end + ahead, 0), DAY), ahead)


def day_of(at: int) -> int:
    """The UTC day (an ordinal) of `at`, kept within the calendar."""
    return min(max(at // DAY + 1, 1), LAST_DAY)
