"""Calendars against an oracle that looks at a wall clock minute by minute, and timelines against recurrences."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from tierguard.api.schedule import Schedule, Weekday
from tierguard.schedule import Interval, Recurrence, Timeline, merge

MINUTE = timedelta(minutes=1)
DAYS = [
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2024, 11, 3)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("America/Sao_Paulo", date(2018, 2, 18)),
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("America/Havana", date(2025, 3, 9)),
    ("America/Havana", date(2025, 11, 2)),
    ("Africa/Casablanca", date(2026, 2, 15)),
    ("Europe/Dublin", date(2026, 10, 25)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Pacific/Kwajalein", date(1993, 8, 21)),
    ("Asia/Pyongyang", date(2018, 5, 4)),
    ("Asia/Kathmandu", date(2024, 2, 29)),
    ("Asia/Bangkok", date(2026, 12, 31)),
]
around_transitions = st.sampled_from(DAYS)


class Tick(NamedTuple):
    """A minute: when it is, and what the wall clock shows at its start."""

    at: datetime
    wall: datetime


@cache
def clock(zone: str, day: date) -> list[Tick]:
    """Every minute from four days before `day` to four days after."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    first, info = noon - timedelta(days=4), ZoneInfo(zone)
    minutes = (first + n * MINUTE for n in range(8 * 1440))
    return [Tick(minute, minute.astimezone(info).replace(tzinfo=None)) for minute in minutes]


def compiled(zone: str, *periods: dict[str, Any]) -> Recurrence:
    return Recurrence.compile(Schedule.model_validate({"timeZone": zone, "periods": list(periods)}))


def compare(recurrence: Recurrence, expected: Iterable[Interval], day: date) -> None:
    """Compare what is covered in the three days around `day`; further off the oracle does not look back enough."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=1)
    end = start + timedelta(days=3)
    assert _clipped(recurrence.intervals(start, end), start, end) == _clipped(merge(expected), start, end)


def _clipped(intervals: Iterable[Interval], start: datetime, end: datetime) -> list[Interval]:
    found = ((max(each.start, start), min(each.end, end)) for each in intervals)
    return [Interval(first, last) for first, last in found if first < last]


times = st.integers(0, 95).map(lambda quarter: quarter * 15) | st.integers(0, 1439)


def written(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@st.composite
def calendar_periods(draw: st.DrawFn) -> dict[str, Any]:
    period: dict[str, Any] = {}
    if draw(st.booleans()):
        period["from"], period["to"] = written(draw(times)), written(draw(times | st.just(1440)))
    if draw(st.booleans()) or not period:
        period["weekdays"] = sorted(draw(st.sets(st.sampled_from([day.value for day in Weekday]), min_size=1)))
    if draw(st.booleans()):
        period["monthDays"] = sorted(draw(st.sets(st.integers(-27, -1) | st.integers(1, 28), min_size=1)))
    if draw(st.booleans()):
        period["months"] = sorted(draw(st.sets(st.integers(1, 12), min_size=1)))
    return period


def starts_on(period: dict[str, Any], day: date) -> bool:
    length = ((day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day
    weekdays = [Weekday(name) for name in period.get("weekdays", list(Weekday))]
    month_days = period.get("monthDays", [day.day])
    return (
        list(Weekday)[day.weekday()] in weekdays
        and (day.day in month_days or day.day - length - 1 in month_days)
        and day.month in period.get("months", [day.month])
    )


def occurrences(period: dict[str, Any], ticks: list[Tick]) -> list[Interval]:
    """From the first to the last minute at which the clock shows a time inside the period, for each start day."""
    found = []
    day = ticks[0].wall.date()
    while day <= ticks[-1].wall.date():
        midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001
        start = midnight + _time(period.get("from", "00:00"))
        end = midnight + _time(period.get("to", "24:00"))
        end += timedelta(days=1) if end <= start else timedelta()
        inside = [tick.at for tick in ticks if start <= tick.wall < end] if starts_on(period, day) else []
        if inside:
            found.append(Interval(inside[0], inside[-1] + MINUTE))
        day += timedelta(days=1)
    return found


def _time(text: str) -> timedelta:
    return timedelta(hours=int(text[:2]), minutes=int(text[3:]))


@settings(deadline=None, max_examples=150)
@given(around_transitions, st.lists(calendar_periods(), min_size=1, max_size=3))
def test_a_calendar_covers_what_a_wall_clock_says(where: tuple[str, date], periods: list[dict[str, Any]]) -> None:
    zone, day = where
    ticks = clock(zone, day)
    compare(compiled(zone, *periods), [each for period in periods for each in occurrences(period, ticks)], day)


class Cron(NamedTuple):
    """The minute and hour fields of a cron expression, what they mean, and a duration in minutes."""

    fields: str
    minutes: set[int]
    hours: set[int]
    duration: int

    @property
    def running(self) -> bool:
        return "*" in self.fields or len(self.hours) == 24


@st.composite
def crons(draw: st.DrawFn) -> Cron:
    minute, minutes = draw(_field(60))
    hour, hours = draw(_field(24))
    return Cron(f"{minute} {hour}", minutes, hours, draw(st.sampled_from([1, 7, 15, 30, 60, 61, 90, 240])))


def _field(size: int) -> st.SearchStrategy[tuple[str, set[int]]]:
    listed = st.sets(st.integers(0, size - 1), min_size=1, max_size=4)
    early = st.sets(st.integers(0, 3), min_size=1)  # where the clocks are changed
    steps = st.sampled_from([1, 5, 7, 15]).map(lambda step: (f"*/{step}", set(range(0, size, step))))
    return (listed | early).map(lambda found: (",".join(map(str, sorted(found))), found)) | steps


def cron_starts(cron: Cron, ticks: list[Tick]) -> Iterable[datetime]:
    """Go through the minutes as they pass: a skipped time starts now, a repeated one only if it runs."""
    shown: set[datetime] = set()
    due = ticks[0].wall
    for tick in ticks:
        skipped = (due + n * MINUTE for n in range(max(0, (tick.wall - due) // MINUTE)))
        if any(wall.minute in cron.minutes and wall.hour in cron.hours for wall in skipped):
            yield tick.at
        if tick.wall.minute in cron.minutes and tick.wall.hour in cron.hours:
            if cron.running or tick.wall not in shown:
                yield tick.at
            shown.add(tick.wall)
        due = tick.wall + MINUTE


@settings(deadline=None, max_examples=100)
@given(around_transitions, crons())
def test_cron_starts_when_a_wall_clock_says(where: tuple[str, date], cron: Cron) -> None:
    zone, day = where
    starts = cron_starts(cron, clock(zone, day))
    recurrence = compiled(zone, {"cron": f"{cron.fields} * * *", "duration": f"{cron.duration}m"})
    compare(recurrence, [Interval(start, start + cron.duration * MINUTE) for start in starts], day)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Bangkok", "Australia/Lord_Howe"]),
    st.integers(0, 59),
    st.integers(0, 23),
    st.sampled_from(["* * *", "1 * *", "L * *", "LW * *", "13 * FRI", "* * FRI#2", "* 2 *", "29 2 *", "*/3 * 5L"]),
)
def test_cron_at_a_fixed_time_starts_when_cronsim_says(zone: str, minute: int, hour: int, days: str) -> None:
    expression = f"{minute} {hour} {days}"
    start = datetime(2026, 1, 1, tzinfo=UTC)
    found = compiled(zone, {"cron": expression, "duration": "1m"}).intervals(start, start + timedelta(days=800))
    steps = CronSim(expression, start.astimezone(ZoneInfo(zone)))
    first = [next(steps).astimezone(UTC) for _ in range(min(len(found), 300))]
    assert [each.start for each in found[:300] if each.start > start][: len(first)] == first[: len(found)]


cron_period = crons().flatmap(
    lambda cron: st.sampled_from(["* * *", "1 * *", "* 2 *", "* * SUN", "29 2 *", "L 12 *"]).map(
        lambda days: {"cron": f"{cron.fields} {days}", "duration": f"{cron.duration}m"}
    )
)
schedules = st.lists(calendar_periods() | cron_period, min_size=1, max_size=3)
instants = st.datetimes(datetime(2025, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001
    lambda found: found.replace(tzinfo=UTC)
)


@settings(deadline=None, max_examples=80)
@given(st.sampled_from([zone for zone, _ in DAYS]), schedules, st.lists(instants, min_size=1, max_size=4))
def test_a_timeline_says_what_its_recurrence_says(
    zone: str, periods: list[dict[str, Any]], nows: list[datetime]
) -> None:
    recurrence = compiled(zone, *periods)
    timeline = Timeline.recurring(recurrence)
    for now in nows:
        month = timedelta(days=30)
        found = recurrence.intervals(now - month, now + month)
        covering = next((each for each in found if each.covers(now)), None)
        asked = timeline.covering(now)
        assert (asked is None) == (covering is None)
        if covering is not None and asked is not None:
            assert asked.start <= covering.start
            assert asked.end >= covering.end
            if covering.end < now + month:
                assert asked.end == covering.end
            if covering.start > now - month:
                assert asked.start == covering.start
        later = next((each for each in found if each.start > now), None)
        following = timeline.next_after(now)
        if later is not None and later.end < now + month:
            assert following == later
        elif following is not None and later is None:
            assert following.start >= now + month


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([zone for zone, _ in DAYS]), schedules, instants)
def test_walking_a_timeline_finds_each_interval_once_and_in_order(
    zone: str, periods: list[dict[str, Any]], now: datetime
) -> None:
    timeline = Timeline.recurring(compiled(zone, *periods))
    walked = timeline.upcoming(now, 30)
    assert merge(walked) == walked
    for each in walked:
        assert timeline.covering(each.start) == each
        assert timeline.covering(each.end - timedelta(seconds=1)) == each
        assert timeline.covering(each.end) is None
    assert Timeline.fixed(walked).upcoming(now, 30) == walked


@settings(deadline=None, max_examples=80)
@given(
    st.sampled_from([zone for zone, _ in DAYS]),
    schedules,
    st.lists(st.tuples(instants, st.integers(-60, 200_000)), min_size=1, max_size=4),
    st.none() | instants,
)
def test_a_timeline_touches_a_span_if_it_has_an_interval_there(
    zone: str, periods: list[dict[str, Any]], spans: list[tuple[datetime, int]], floor: datetime | None
) -> None:
    timeline = Timeline.recurring(compiled(zone, *periods))
    if floor is not None:
        timeline = timeline.suspended_until(floor)
    for start, minutes in spans:
        end = start + timedelta(minutes=minutes)
        found = [] if end < start else timeline.between(start, end + timedelta(microseconds=1))
        assert timeline.touches(start, end) is bool(found)
        assert Timeline.fixed(found).touches(start, end) is bool(found)


@pytest.mark.parametrize(("zone", "day"), DAYS)
def test_the_oracle_sees_the_transition_it_is_there_for(zone: str, day: date) -> None:
    offsets = {tick.wall - tick.at.replace(tzinfo=None) for tick in clock(zone, day)}
    assert len(offsets) == (1 if zone in {"Asia/Kathmandu", "Asia/Bangkok"} else 2)
