"""Which local days a period starts on. Days are proleptic Gregorian ordinals (`date.toordinal`)."""

from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from typing import Protocol

_DECEMBER = 12
_ALL_CALENDARS = range(2000, 2028)
"""28 years running have every weekday on every date, February 29 included: what happens in none of them never does."""


class Days(Protocol):
    """A set of days."""

    @property
    def latest_once(self) -> int:
        """The last day that is named with its year; 0 without any."""

    def between(self, first: int, last: int) -> Iterator[int]:
        """Its days from `first` to `last`, both included, in order."""


class PatternDays:
    """The days of some months for which `matches` holds; it may look at day, weekday and the month's length only."""

    __slots__ = ("_matches", "_memo", "_months")

    def __init__(self, months: Iterable[int], matches: Callable[[date], bool]) -> None:
        self._months = frozenset(months)
        self._matches = matches
        self._memo: dict[tuple[int, int, int], tuple[int, ...]] = {}

    @property
    def latest_once(self) -> int:
        """The last day that is named with its year: none."""
        return 0

    def between(self, first: int, last: int) -> Iterator[int]:
        """Its days from `first` to `last`, both included, in order."""
        year, month = (begin := date.fromordinal(first)).year, begin.month
        end = date.fromordinal(last)
        while (year, month) <= (end.year, end.month):
            if month in self._months:
                before = date(year, month, 1).toordinal() - 1
                yield from (before + day for day in self._of_month(year, month) if first <= before + day <= last)
            year, month = (year, month + 1) if month < _DECEMBER else (year + 1, 1)

    def possible(self) -> bool:
        """Whether there is any such day, ever."""
        return any(self._of_month(year, month) for year in _ALL_CALENDARS for month in self._months)

    def _of_month(self, year: int, month: int) -> tuple[int, ...]:
        key = (month, *monthrange(year, month))
        found = self._memo.get(key)
        if found is None:
            days = range(1, key[2] + 1)
            found = self._memo[key] = tuple(day for day in days if self._matches(date(year, month, day)))
        return found


class ListedDays:
    """Dates by name: some of every year, as (month, day), and some of one year, as ordinals."""

    __slots__ = ("_once", "_yearly")

    def __init__(self, yearly: Iterable[tuple[int, int]], once: Iterable[int]) -> None:
        self._yearly = tuple(sorted(set(yearly)))
        self._once = tuple(sorted(set(once)))

    @property
    def latest_once(self) -> int:
        """The last day that is named with its year; 0 without any."""
        return self._once[-1] if self._once else 0

    def between(self, first: int, last: int) -> Iterator[int]:
        """Its days from `first` to `last`, both included, in order."""
        once = {day for day in self._once if first <= day <= last}
        if not self._yearly:
            yield from sorted(once)
            return
        for year in range(date.fromordinal(first).year, date.fromordinal(last).year + 1):
            named = {found for month, day in self._yearly if (found := _ordinal(year, month, day)) is not None}
            mine = {day for day in once if date.fromordinal(day).year == year}
            yield from (day for day in sorted(named | mine) if first <= day <= last)


def on_calendar(weekdays: frozenset[int] | None, month_days: frozenset[int] | None) -> Callable[[date], bool]:
    """Whether a date is one of `weekdays` (Monday is 0) and one of `month_days` (negative: from the month's end)."""

    def matches(day: date) -> bool:
        if weekdays is not None and day.weekday() not in weekdays:
            return False
        if month_days is None or day.day in month_days:
            return True
        return day.day - monthrange(day.year, day.month)[1] - 1 in month_days

    return matches


def _ordinal(year: int, month: int, day: int) -> int | None:
    try:
        return date(year, month, day).toordinal()
    except ValueError:  # February 29 of another year
        return None
