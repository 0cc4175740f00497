"""Answers about one instant: what covers it, and what comes next."""

from datetime import UTC, datetime, timedelta, timezone
from threading import Thread
from time import perf_counter
from typing import Any

import pytest

from tierguard.api.schedule import Schedule
from tierguard.schedule import BEGINNING, FOREVER, Interval, Recurrence, Timeline

NOW = datetime(2026, 11, 11, 3, tzinfo=UTC)


def at(written: str) -> datetime:
    return datetime.fromisoformat(written).replace(tzinfo=UTC)


def span(start: str, end: str) -> Interval:
    return Interval(at(start), at(end))


def recurring(*periods: dict[str, Any], zone: str = "UTC") -> Timeline:
    return Timeline.recurring(Recurrence.compile(Schedule.model_validate({"timeZone": zone, "periods": list(periods)})))


def test_a_fixed_timeline_is_its_intervals_merged() -> None:
    timeline = Timeline.fixed([span("2026-11-11", "2026-11-12"), span("2026-11-12", "2026-11-13")])
    assert timeline.covering(NOW) == span("2026-11-11", "2026-11-13")
    assert timeline.next_after(NOW) is None
    assert timeline.next_after(at("2026-11-10")) == span("2026-11-11", "2026-11-13")
    assert timeline.covering(at("2026-11-13")) is None


def test_a_timeline_without_intervals_never_holds() -> None:
    for instant in (BEGINNING, NOW, FOREVER):
        assert Timeline.fixed(()).covering(instant) is None
        assert Timeline.fixed(()).next_after(instant) is None


def test_always_holds_at_every_instant_and_nothing_comes_after() -> None:
    for instant in (BEGINNING, NOW, FOREVER):
        assert Timeline.always().covering(instant) == Interval(BEGINNING, FOREVER)
        assert Timeline.always().next_after(instant) is None


def test_a_start_is_covered_and_an_end_is_not() -> None:
    timeline = recurring({"from": "08:00", "to": "18:00"})
    today = span("2026-11-11T08:00", "2026-11-11T18:00")
    tomorrow = span("2026-11-12T08:00", "2026-11-12T18:00")
    assert timeline.covering(today.start) == today
    assert timeline.covering(today.end - timedelta(microseconds=1)) == today
    assert timeline.covering(today.end) is None
    assert timeline.covering(today.start - timedelta(microseconds=1)) is None
    assert timeline.next_after(today.start - timedelta(microseconds=1)) == today
    assert timeline.next_after(today.start) == tomorrow


def test_an_instant_may_come_in_any_zone() -> None:
    timeline = recurring({"from": "08:00", "to": "18:00"})
    bangkok = timezone(timedelta(hours=7))
    assert timeline.covering(datetime(2026, 11, 11, 15, tzinfo=bangkok)) is not None
    assert timeline.covering(datetime(2026, 11, 11, 8, tzinfo=bangkok)) is None
    assert timeline.next_after(datetime(2026, 11, 11, 8, tzinfo=bangkok)) == span(
        "2026-11-11T08:00", "2026-11-11T18:00"
    )


def test_upcoming_are_the_next_starts_without_the_one_that_holds() -> None:
    timeline = recurring({"weekdays": ["Wednesday"], "from": "00:00", "to": "06:00"})
    assert timeline.covering(NOW) == span("2026-11-11", "2026-11-11T06:00")
    assert timeline.upcoming(NOW, 2) == (
        span("2026-11-18", "2026-11-18T06:00"),
        span("2026-11-25", "2026-11-25T06:00"),
    )
    assert timeline.upcoming(NOW, 0) == ()
    assert len(Timeline.fixed([span("2027-01-01", "2027-01-02")]).upcoming(NOW, 5)) == 1


def test_between_are_all_that_intersect_whole() -> None:
    timeline = recurring({"weekdays": ["Wednesday"], "from": "00:00", "to": "06:00"})
    assert timeline.between(NOW, at("2026-11-25")) == timeline.between(NOW, at("2026-11-18T00:01"))
    assert [found.start for found in timeline.between(NOW, at("2026-11-25T00:01"))] == [
        at("2026-11-11"),
        at("2026-11-18"),
        at("2026-11-25"),
    ]
    assert timeline.between(at("2026-11-11T06:00"), at("2026-11-18")) == ()


@pytest.mark.parametrize(
    ("periods", "now", "expected"),
    [
        ([{"dates": ["02-29"]}], "2026-11-11", "2028-02-29"),
        ([{"dates": ["02-29"]}], "2096-03-01", "2104-02-29"),
        ([{"monthDays": [29], "months": [2], "weekdays": ["Monday"]}], "2026-11-11", "2044-02-29"),
        ([{"monthDays": [29], "months": [2], "weekdays": ["Monday"]}], "2072-03-01", "2112-02-29"),
        ([{"cron": "0 0 * 2 MON#5", "duration": "1h"}], "2026-11-11", "2044-02-29"),
        ([{"dates": ["2041-07-01"]}], "2026-11-11", "2041-07-01"),
        ([{"dates": ["2025-07-01"]}], "2026-11-11", None),
        ([{"dates": ["12-24"]}], "2026-12-24", "2027-12-24"),
        ([{"dates": ["2026-12-24"]}], "2026-12-23T23:59", "2026-12-24"),
    ],
)
def test_rare_days_are_found_however_far_ahead(periods: list[dict[str, Any]], now: str, expected: str | None) -> None:
    found = recurring(*periods).next_after(at(now))
    assert (found.start if found else None) == (at(expected) if expected else None)


def test_an_endless_chain_has_neither_beginning_nor_end_and_nothing_comes_after_it() -> None:
    for period in (
        {"from": "00:00", "to": "24:00"},
        {"cron": "* * * * *", "duration": "1h"},
        {"cron": "0 0 1 1 *", "duration": "366d"},
    ):
        timeline = recurring(period, zone="Europe/Berlin")
        assert timeline.covering(NOW) == Interval(BEGINNING, FOREVER)
        assert timeline.next_after(NOW) is None


def test_a_chain_is_followed_to_its_true_ends_over_many_years() -> None:
    days = [*range(1, 29), 30, 31]  # every day but the 29th of February: it touches from one leap year to the next
    timeline = recurring({"monthDays": days}, {"monthDays": [29], "months": [1, *range(3, 13)]})
    whole = span("2024-03-01", "2028-02-29")
    for instant in ("2024-03-01", "2026-11-11", "2028-02-28T23:59"):
        assert timeline.covering(at(instant)) == whole
    assert timeline.covering(at("2028-02-29T12:00")) is None
    assert timeline.next_after(at("2026-11-11")) == span("2028-03-01", "2032-02-29")
    for instant in ("2096-03-02", "2100-01-01", "2104-02-28"):
        assert timeline.covering(at(instant)) == span("2096-03-01", "2104-02-29")


def test_a_dense_schedule_is_searched_past_its_empty_months() -> None:
    timeline = recurring({"cron": "*/2 * * 2 *", "duration": "1m"})
    assert timeline.next_after(NOW) == span("2027-02-01", "2027-02-01T00:01")
    assert timeline.next_after(at("2027-02-28T23:58")) == span("2028-02-01", "2028-02-01T00:01")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize(
    "period",
    [
        {"from": "08:00", "to": "18:00"},
        {"from": "00:00", "to": "24:00"},
        {"dates": ["0001-01-01", "9999-12-31"]},
        {"cron": "*/2 * * * *", "duration": "1m"},
        {"cron": "0 0 1 * *", "duration": "366d"},
    ],
)
def test_the_edges_of_the_calendar_do_not_crash(zone: str, period: dict[str, Any]) -> None:
    timeline = recurring(period, zone=zone)
    hours = [timedelta(hours=step) for step in range(0, 72, 5)]
    for instant in [*(BEGINNING + step for step in hours), *(FOREVER - step for step in hours)]:
        timeline.covering(instant)
        timeline.next_after(instant)
        timeline.upcoming(instant, 2)
        timeline.prepare(instant)


def test_a_clock_that_jumps_back_and_forth_gets_the_answers_of_a_fresh_timeline() -> None:
    periods: list[dict[str, Any]] = [
        {"weekdays": ["Wednesday"]},
        {"dates": ["02-29"]},
        {"cron": "0 */5 * 6 *", "duration": "2h"},
    ]
    timeline = recurring(*periods, zone="Europe/Berlin")
    for year in (2026, 2090, 2026, 1999, 2030, *range(2031, 2060), 2026):
        for month in (2, 6, 12):
            instant = datetime(year, month, 27, 17, 30, tzinfo=UTC)
            fresh = recurring(*periods, zone="Europe/Berlin")
            assert timeline.covering(instant) == fresh.covering(instant)
            assert timeline.next_after(instant) == fresh.next_after(instant)


def test_threads_that_share_a_timeline_get_the_same_answers() -> None:
    timeline = recurring({"from": "08:00", "to": "18:00"}, {"cron": "*/7 * * * *", "duration": "2m"})
    instants = [NOW + timedelta(hours=31 * step) for step in range(100)]
    expected = [(timeline.covering(each), timeline.next_after(each)) for each in instants]
    shared = recurring({"from": "08:00", "to": "18:00"}, {"cron": "*/7 * * * *", "duration": "2m"})
    wrong: list[datetime] = []

    def ask(order: list[int]) -> None:
        answers = ((index, shared.covering(instants[index]), shared.next_after(instants[index])) for index in order)
        wrong.extend(instants[index] for index, *answer in answers if tuple(answer) != expected[index])

    threads = [Thread(target=ask, args=([(start + 37 * n) % 100 for n in range(100)],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_prepared_timelines_answer_five_hundred_times_in_a_moment() -> None:
    timelines = [recurring({"from": f"{hour % 24:02}:00", "to": f"{hour % 24:02}:30"}) for hour in range(500)]
    for timeline in timelines:
        timeline.prepare(NOW)
        timeline.covering(NOW)
    fastest = min(_seconds(timelines) for _ in range(20))
    assert fastest < 0.005  # about 0.0003; the rest is for busy machines


def _seconds(timelines: list[Timeline]) -> float:
    began = perf_counter()
    for timeline in timelines:
        timeline.covering(NOW)
    return perf_counter() - began


@pytest.mark.parametrize("year", [2028, 2099, 9000])
def test_a_date_with_its_year_is_found_however_far_away_it_is(year: int) -> None:
    schedule = Schedule.model_validate({"timeZone": "Asia/Bangkok", "periods": [{"dates": [f"{year}-01-01"]}]})
    timeline = Timeline.recurring(Recurrence.compile(schedule))
    now = datetime(2026, 11, 21, tzinfo=UTC)

    found = timeline.next_after(now)
    assert found is not None
    assert found.start == datetime(year - 1, 12, 31, 17, tzinfo=UTC)
    assert timeline.next_after(found.start) is None


def test_a_span_touches_an_interval_that_starts_at_its_end_and_none_that_ends_at_its_start() -> None:
    timeline = Timeline.fixed([span("2026-11-11T00:00", "2026-11-12T00:00")])
    assert timeline.touches(at("2026-11-10T00:00"), at("2026-11-11T00:00"))
    assert not timeline.touches(at("2026-11-10T00:00"), at("2026-11-10T23:59"))
    assert not timeline.touches(at("2026-11-12T00:00"), at("2026-11-13T00:00"))
    assert timeline.touches(at("2026-11-11T23:59"), at("2026-11-13T00:00"))
    assert Timeline.always().touches(BEGINNING, BEGINNING)
    assert Timeline.always().touches(FOREVER, FOREVER)
