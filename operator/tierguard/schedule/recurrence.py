"""A schedule, compiled: its intervals in any stretch of time."""

from collections.abc import Iterator
from datetime import date, datetime

from tierguard.api.schedule import Schedule
from tierguard.schedule.compile import compile_period
from tierguard.schedule.error import ScheduleError
from tierguard.schedule.interval import Interval, utc
from tierguard.schedule.period import CompiledPeriod, Span
from tierguard.schedule.zone import LAST_DAY, Zone, day_of, instant, load, seconds

_MARGIN = 1
"""Days by which a local day can lie off the UTC day of the same name, rounded up."""

_SAMPLE_YEAR = 2023
_MOST_PATTERNS = 1000


class Recurrence:
    """Repeating periods in one zone. Knows no clock; a Timeline remembers its intervals around an instant.

    `density` is how many stretches a day has in its busiest month, on average.
    """

    __slots__ = ("_patterns", "_periods", "_zone", "density")

    def __init__(self, zone: Zone, periods: tuple[CompiledPeriod, ...]) -> None:
        self._zone = zone
        self._periods = periods
        self._patterns: dict[tuple[int, ...], tuple[Span, ...]] = {}
        self.density = max(self._density(month) for month in range(1, 13))

    @classmethod
    def compile(cls, schedule: Schedule) -> "Recurrence":
        """Compile `schedule`. Raises ScheduleError if its zone is unknown or one of its periods can never occur."""
        zone = load(schedule.time_zone, "schedule.timeZone")
        if not schedule.periods:
            where = "schedule.periods"
            raise ScheduleError(where, "an empty list of periods never holds: name at least one")
        fields = ((period, f"schedule.periods[{index}]") for index, period in enumerate(schedule.periods))
        return cls(zone, tuple(compile_period(period, zone, field) for period, field in fields))

    def intervals(self, start: datetime, end: datetime) -> tuple[Interval, ...]:
        """The merged intervals that intersect [start, end), not clipped to it. Raises ValueError for naive instants.

        An interval that is one stretch of a period is whole. One that is a chain of stretches is followed only as far
        as stretches that touch [start, end) go; `Timeline.covering` follows it to its true ends.
        """
        first, last = utc(start), utc(end)
        spans = self.spans(seconds(first), seconds(last) + 1)
        found = (Interval(instant(begin), instant(stop)) for begin, stop in spans)
        return tuple(interval for interval in found if interval.start < last and interval.end > first)

    def spans(self, start: int, end: int) -> list[Span]:
        """As `intervals`, in seconds: sorted, disjoint, not touching."""
        last = min(day_of(end) + _MARGIN, LAST_DAY)
        starting: dict[int, tuple[int, ...]] = {}
        for index, period in enumerate(self._periods):
            first = max(day_of(start - period.reach) - _MARGIN, 1)
            for day in period.days.between(first, last):
                starting[day] = (*starting.get(day, ()), index)
        found: list[Span] = []
        for day, indexes in starting.items():
            midnight = self._zone.even_midnight(day)
            if midnight is not None:
                found.extend((midnight + begin, midnight + stop) for begin, stop in self._pattern(indexes))
            else:
                for index in indexes:
                    found.extend(self._periods[index].spans(self._zone, day))
        return [span for span in _merged(found) if span[0] < end and span[1] > start]

    def start_days(self, first: int, last: int) -> Iterator[int]:
        """For each period, the first day from `first` to `last` (ordinals) on which it may start."""
        for period in self._periods:
            day = next(period.days.between(min(max(first, 1), LAST_DAY), min(last, LAST_DAY)), None)
            if day is not None:
                yield day

    @property
    def latest_once(self) -> int:
        """The last day (an ordinal) that is named with its year; 0 without any."""
        return max(period.days.latest_once for period in self._periods)

    def _pattern(self, indexes: tuple[int, ...]) -> tuple[Span, ...]:
        """The merged stretches of an even day on which these periods start, in seconds since its midnight."""
        found = self._patterns.get(indexes)
        if found is None:
            if len(self._patterns) >= _MOST_PATTERNS:
                self._patterns = {}
            merged = _merged([span for index in indexes for span in self._periods[index].pattern])
            found = self._patterns[indexes] = tuple(merged)
        return found

    def _density(self, month: int) -> float:
        first = date(_SAMPLE_YEAR, month, 1).toordinal()
        starting: dict[int, tuple[int, ...]] = {}
        for index, period in enumerate(self._periods):
            for day in period.days.between(first, first + 27):
                starting[day] = (*starting.get(day, ()), index)
        return sum(len(self._pattern(indexes)) for indexes in starting.values()) / 28


def _merged(spans: list[Span]) -> Iterator[Span]:
    spans.sort()
    if not spans:
        return
    start, end = spans[0]
    for following, until in spans:
        if following > end:
            yield start, end
            start, end = following, until
        elif until > end:
            end = until
    yield start, end
