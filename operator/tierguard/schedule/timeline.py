"""Is an instant covered, until when, and what comes next: answered from memory.

The webhook asks hundreds of timelines per request, so the answer has to be a lookup. A timeline cuts time into chunks
(half a year; less where a schedule is dense), computes one when somebody first asks for it, and bisects its starts.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from tierguard.schedule.interval import BEGINNING, FOREVER, Interval, merge, utc
from tierguard.schedule.recurrence import Recurrence
from tierguard.schedule.zone import DAY, LAST_DAY, instant, seconds

_LONGEST_CHUNK = 200 * DAY
_STRETCHES_PER_CHUNK = 2000
_MOST_CHUNKS = 24
_FOLLOW = 9 * 366 * DAY
"""How far a chain of stretches is followed before it counts as endless: past the eight years without a February 29."""

_MOST_FOLLOWED = 100_000
"""How many stretches that may take. Only a chain that runs through more than thirty others a day is cut short by it."""

_SEARCH = 41 * 366 * DAY
"""How far the next start is looked for. A February 29 on a given weekday recurs within 28 years, 40 around 2100, so a
period that recurs at all is found."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The whole intervals that intersect [start, end), and their starts for bisecting."""

    start: datetime
    end: datetime
    starts: tuple[datetime, ...]
    intervals: tuple[Interval, ...]

    @classmethod
    def of(cls, start: datetime, end: datetime, intervals: tuple[Interval, ...]) -> "_Chunk":
        return cls(start, end, tuple(interval.start for interval in intervals), intervals)


class Timeline:
    """When something holds. Make one with `fixed`, `recurring` or `always`.

    Instants passed in must be aware. Answers are merged intervals with their true ends; one that goes on for more than
    nine years ends at FOREVER, one that has gone on for as long begins at BEGINNING. Safe to share between threads:
    what is remembered is replaced as a whole, and at worst two threads compute the same chunk.
    """

    __slots__ = ("_chunks", "_floor", "_intervals", "_patience", "_recent", "_recurrence", "_width")

    def __init__(
        self, intervals: tuple[Interval, ...], recurrence: Recurrence | None = None, floor: datetime | None = None
    ) -> None:
        """Internal: `intervals` are merged. With a recurrence they are empty, and chunks are computed on demand."""
        self._intervals = intervals
        self._floor = floor
        self._recurrence = recurrence
        self._chunks: dict[int, _Chunk] = {}
        if recurrence is None:
            self._recent = _Chunk.of(BEGINNING, FOREVER, intervals)
            self._width, self._patience = _LONGEST_CHUNK, 0
        else:
            self._recent = _Chunk.of(FOREVER, BEGINNING, ())  # contains no instant
            day_each = DAY / max(recurrence.density, 1)
            self._width = min(_LONGEST_CHUNK, int(_STRETCHES_PER_CHUNK * day_each))
            self._patience = min(_FOLLOW, int(_MOST_FOLLOWED * day_each))

    @classmethod
    def fixed(cls, intervals: Iterable[Interval]) -> "Timeline":
        """Just `intervals`, merged. Without any, it never holds."""
        return cls(merge(intervals))

    @classmethod
    def recurring(cls, recurrence: Recurrence) -> "Timeline":
        """The intervals of `recurrence`, without beginning or end."""
        return cls((), recurrence)

    @classmethod
    def always(cls) -> "Timeline":
        """Every instant: what a freeze that cannot be read stands for."""
        return cls((Interval(BEGINNING, FOREVER),))

    def suspended_until(self, instant: datetime) -> "Timeline":
        """The same, but nothing of it holds before `instant`: a stretch under way then begins there."""
        return Timeline(self._intervals, self._recurrence, instant)

    def covering(self, now: datetime) -> Interval | None:
        """The interval that covers `now`; None if none does."""
        if self._floor is None:
            return self._covering(now)
        found = self._covering(now) if now >= self._floor else None
        return found and Interval(max(found.start, self._floor), found.end)

    def _covering(self, now: datetime) -> Interval | None:
        chunk = self._recent
        if not chunk.start <= now < chunk.end:
            chunk = self._chunk_at(now)
        index = bisect_right(chunk.starts, now) - 1
        if index < 0:
            return None
        interval = chunk.intervals[index]
        return interval if now < interval.end or interval.end == FOREVER else None

    def next_after(self, now: datetime) -> Interval | None:
        """The first interval that starts after `now` (an interval that covers `now` has already started).

        None if there is none; of what recurs, none within 41 years.
        """
        if self._floor is not None and now < self._floor:
            return self.covering(self._floor) or self._next_after(self._floor)
        return self._next_after(now)

    def _next_after(self, now: datetime) -> Interval | None:
        chunk = self._recent
        if not chunk.start <= now < chunk.end:
            chunk = self._chunk_at(now)
        index = bisect_right(chunk.starts, now)
        if index < len(chunk.intervals):
            return chunk.intervals[index]
        return self._search(chunk, now)

    def upcoming(self, now: datetime, count: int) -> tuple[Interval, ...]:
        """At most `count` intervals that start after `now`, in order."""
        found: list[Interval] = []
        while len(found) < count:
            following = self.next_after(found[-1].start if found else now)
            if following is None:
                break
            found.append(following)
        return tuple(found)

    def between(self, start: datetime, end: datetime) -> tuple[Interval, ...]:
        """The intervals that intersect [start, end), whole: the one that covers `start`, and all that start in it."""
        return tuple(self._between(start, end))

    def touches(self, start: datetime, end: datetime) -> bool:
        """Whether anything of it lies between `start` and `end`, both counted in: a few lookups where they are close."""
        if self._floor is not None:
            start = max(start, self._floor)
        if start > end:
            return False
        if self._covering(start) is not None:
            return True
        chunk = self._recent
        if not chunk.start <= start < chunk.end:
            chunk = self._chunk_at(start)
        while True:
            index = bisect_right(chunk.starts, start)
            if index < len(chunk.starts):
                return chunk.starts[index] <= end
            if self._recurrence is None or chunk.end > end:
                return False
            chunk = self._chunk(seconds(chunk.end) // self._width)

    def prepare(self, now: datetime) -> None:
        """Compute ahead what questions about `now` and the next half day will need. Optional: it spares them the wait.

        All timelines of one width change chunks at the same instant, so a process that answers requests calls this now
        and then from elsewhere.
        """
        if self._recurrence is not None:
            at = seconds(utc(now))
            for soon in (at, at + DAY // 2):
                self._chunk(soon // self._width)

    def _between(self, start: datetime, end: datetime) -> Iterator[Interval]:
        found = self.covering(start) or self.next_after(start)
        while found is not None and found.start < end:
            yield found
            found = self.next_after(found.start)

    def _search(self, chunk: _Chunk, now: datetime) -> Interval | None:
        """The first interval after `chunk`, which has none that starts after `now`."""
        if self._recurrence is None or (chunk.intervals and chunk.intervals[-1].end == FOREVER):
            return None
        # A date that is named with its year is found however far away it is.
        limit = max(seconds(utc(now)) + _SEARCH, min(self._recurrence.latest_once + 3, LAST_DAY) * DAY)
        at = seconds(chunk.end)
        while at < limit and chunk.end < FOREVER:
            # Jump over years without any start. A local day may begin up to two days before the UTC day of its name.
            day = min(self._recurrence.start_days(at // DAY - 1, limit // DAY + 1), default=None)
            if day is None:
                return None
            chunk = self._chunk(max(at, (day - 3) * DAY) // self._width)
            index = bisect_right(chunk.starts, now)
            if index < len(chunk.intervals):
                return chunk.intervals[index]
            at = seconds(chunk.end)
        return None

    def _chunk_at(self, now: datetime) -> _Chunk:
        if self._recurrence is None:
            return self._recent  # now is FOREVER, which no half-open chunk contains
        self._recent = chunk = self._chunk(seconds(utc(now)) // self._width)
        return chunk

    def _chunk(self, number: int) -> _Chunk:
        chunk = self._chunks.get(number)
        if chunk is None:
            chunk = self._compute(number)
            kept = list(self._chunks.items())[1 - _MOST_CHUNKS :]
            self._chunks = {**dict(kept), number: chunk}
        return chunk

    def _compute(self, number: int) -> _Chunk:
        start, end = number * self._width, (number + 1) * self._width
        recurrence = self._recurrence
        spans = [] if recurrence is None else recurrence.spans(start, end)
        if recurrence is not None and spans:
            # Only the outermost can be part of a longer chain: stretches that touch the others lie in this chunk.
            if spans[0][0] <= start:
                spans[0] = (self._follow_back(recurrence, spans[0][0]), spans[0][1])
            if spans[-1][1] >= end:
                spans[-1] = (spans[-1][0], self._follow(recurrence, spans[-1][1]))
        intervals = tuple(Interval(instant(begin), instant(stop)) for begin, stop in spans)
        return _Chunk.of(instant(start), instant(end), intervals)

    def _follow(self, recurrence: Recurrence, end: int) -> int:
        """Where the chain of stretches that reaches `end` is over."""
        limit = end + self._patience
        while end < limit:
            touching = next((span for span in recurrence.spans(end, end + self._width) if span[0] <= end), None)
            if touching is None:
                return end
            end = touching[1]
        return LAST_DAY * DAY

    def _follow_back(self, recurrence: Recurrence, start: int) -> int:
        """Where the chain of stretches that goes on at `start` began."""
        limit = max(start - self._patience, 0)
        while start > limit:
            touching = next((s for s in recurrence.spans(start - self._width, start) if s[0] < start <= s[1]), None)
            if touching is None:
                return start
            start = touching[0]
        return 0
