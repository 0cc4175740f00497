"""Half-open stretches of time, and the algebra that keeps lists of them sorted, disjoint and apart."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

BEGINNING = datetime.min.replace(tzinfo=UTC)
"""As a start: no beginning is known."""

FOREVER = datetime.max.replace(tzinfo=UTC)
"""As an end: none is known. It belongs to year 9999; no calendar here reaches that far."""


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """The instants from `start`, included, to `end`, not included; both in UTC, whatever zone they were given in.

    One that ends at FOREVER does not end, so it covers even that instant. An empty one (start == end) covers nothing.
    Raises ValueError for an instant without a zone, and for an end before the start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is not UTC or self.end.tzinfo is not UTC:
            object.__setattr__(self, "start", utc(self.start))
            object.__setattr__(self, "end", utc(self.end))
        if self.end < self.start:
            msg = f"an interval cannot end ({self.end.isoformat()}) before it starts ({self.start.isoformat()})"
            raise ValueError(msg)

    def covers(self, instant: datetime) -> bool:
        """Whether `instant` (aware) lies in it."""
        return self.start <= instant and (instant < self.end or self.end == FOREVER)


def utc(instant: datetime) -> datetime:
    """`instant` in UTC. The first and last hours of the calendar, which UTC cannot always name, become its bounds.

    Raises ValueError for an instant without a zone: guessing one would move a freeze by hours.
    """
    if instant.tzinfo is UTC:
        return instant
    if instant.utcoffset() is None:
        msg = f"{instant.isoformat()} has no time zone"
        raise ValueError(msg)
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        return BEGINNING if instant.year == 1 else FOREVER


def merge(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """The same instants in as few intervals as possible: sorted, disjoint, not even touching, none empty."""
    merged: list[Interval] = []
    for interval in sorted(intervals):
        if interval.start == interval.end:
            continue
        if not merged or merged[-1].end < interval.start:
            merged.append(interval)
        elif merged[-1].end < interval.end:
            merged[-1] = Interval(merged[-1].start, interval.end)
    return tuple(merged)


def complement(
    intervals: Iterable[Interval], start: datetime = BEGINNING, end: datetime = FOREVER
) -> tuple[Interval, ...]:
    """The instants of [start, end) that none of `intervals` covers, as merge() would give them.

    What a window's open intervals leave over is when it is closed.
    """
    gaps: list[Interval] = []
    free_from = utc(start)
    last = utc(end)
    for interval in merge(intervals):
        if interval.start >= last:
            break
        if interval.start > free_from:
            gaps.append(Interval(free_from, interval.start))
        free_from = max(free_from, interval.end)
    if free_from < last:
        gaps.append(Interval(free_from, last))
    return tuple(gaps)
