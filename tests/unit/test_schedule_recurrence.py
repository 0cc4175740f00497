"""Calendar semantics: which instants a schedule means, with every trap that clocks and calendars set."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tierguard.api.schedule import Schedule
from tierguard.schedule import Recurrence


def recurrence(zone: str, *periods: dict[str, Any]) -> Recurrence:
    return Recurrence.compile(Schedule.model_validate({"timeZone": zone, "periods": list(periods)}))


def local(zone: str, start: str, end: str, *periods: dict[str, Any]) -> list[str]:
    """The intervals that intersect the local stretch, as local times with offsets."""
    info = ZoneInfo(zone)
    first, last = (datetime.fromisoformat(written).replace(tzinfo=info) for written in (start, end))
    return [
        f"{found.start.astimezone(info):%m-%dT%H:%M%z}/{found.end.astimezone(info):%m-%dT%H:%M%z}"
        for found in recurrence(zone, *periods).intervals(first, last)
    ]


BERLIN = "Europe/Berlin"
SPRING = ("2026-03-29T00:00", "2026-03-30T00:00")
AUTUMN = ("2026-10-25T00:00", "2026-10-26T00:00")


@pytest.mark.parametrize(
    ("sentence", "zone", "between", "period", "expected"),
    [
        (
            "month end takes the last two days and the first of the next, as one",
            "Asia/Bangkok",
            ("2026-02-20", "2026-03-20"),
            {"monthDays": [-2, -1, 1], "from": "00:00", "to": "24:00"},
            ["02-27T00:00+0700/03-02T00:00+0700"],
        ),
        (
            "weekdays pick the day of the start, and past midnight the period goes on",
            BERLIN,
            ("2026-06-01", "2026-06-08"),
            {"weekdays": ["Friday"], "from": "22:00", "to": "02:00"},
            ["06-05T22:00+0200/06-06T02:00+0200"],
        ),
        (
            "weekdays, month days and months must all fit: Friday the 13th in November",
            BERLIN,
            ("2026-01-01", "2027-01-01"),
            {"weekdays": ["Friday"], "monthDays": [13], "months": [11]},
            ["11-13T00:00+0100/11-14T00:00+0100"],
        ),
        (
            "a year ends in the middle of a period",
            BERLIN,
            ("2026-12-31T12:00", "2027-01-01T12:00"),
            {"dates": ["12-31"], "from": "18:00", "to": "06:00"},
            ["12-31T18:00+0100/01-01T06:00+0100"],
        ),
        (
            "February 29 comes in leap years",
            BERLIN,
            ("2028-02-01", "2028-04-01"),
            {"dates": ["02-29"]},
            ["02-29T00:00+0100/03-01T00:00+0100"],
        ),
        ("February 29 comes in no other year", BERLIN, ("2027-02-01", "2027-04-01"), {"dates": ["02-29"]}, []),
        (
            "the 29th day from the end of February is its first, in leap years only",
            BERLIN,
            ("2027-02-01", "2028-03-01"),
            {"monthDays": [-29], "months": [2]},
            ["02-01T00:00+0100/02-02T00:00+0100"],
        ),
        (
            "the 31st is left out by short months",
            "Asia/Bangkok",
            ("2026-04-01", "2026-07-01"),
            {"monthDays": [31]},
            ["05-31T00:00+0700/06-01T00:00+0700"],
        ),
        (
            "a date with a year comes once",
            "Asia/Bangkok",
            ("2020-01-01", "2035-01-01"),
            {"dates": ["2026-11-11"]},
            ["11-11T00:00+0700/11-12T00:00+0700"],
        ),
        (
            "from and to at the same time is a day",
            "Asia/Bangkok",
            ("2026-05-02", "2026-05-03"),
            {"dates": ["2026-05-02"], "from": "09:00", "to": "09:00"},
            ["05-02T09:00+0700/05-03T09:00+0700"],
        ),
        (
            "a day in spring has 23 hours",
            BERLIN,
            SPRING,
            {"weekdays": ["Sunday"]},
            ["03-29T00:00+0100/03-30T00:00+0200"],
        ),
        (
            "a day in autumn has 25 hours",
            BERLIN,
            AUTUMN,
            {"weekdays": ["Sunday"]},
            ["10-25T00:00+0200/10-26T00:00+0100"],
        ),
        (
            "a start that the clocks skip moves to the transition",
            BERLIN,
            SPRING,
            {"from": "02:30", "to": "04:00"},
            ["03-29T03:00+0200/03-29T04:00+0200"],
        ),
        (
            "an end that the clocks skip is the transition",
            BERLIN,
            SPRING,
            {"from": "01:00", "to": "02:30"},
            ["03-29T01:00+0100/03-29T03:00+0200"],
        ),
        ("a period inside the skipped hour is left out", BERLIN, SPRING, {"from": "02:10", "to": "02:50"}, []),
        (
            "a start in the repeated hour happens once, the first time",
            BERLIN,
            AUTUMN,
            {"from": "02:30", "to": "04:00"},
            ["10-25T02:30+0200/10-25T04:00+0100"],
        ),
        (
            "an end in the repeated hour is its second occurrence: no clock shows a frozen time outside the freeze",
            BERLIN,
            AUTUMN,
            {"from": "01:00", "to": "02:30"},
            ["10-25T01:00+0200/10-25T02:30+0100"],
        ),
        (
            "an end where the repeated hour begins is over before it",
            BERLIN,
            AUTUMN,
            {"from": "01:00", "to": "02:00"},
            ["10-25T01:00+0200/10-25T02:00+0200"],
        ),
        (
            "an end where the repeated hour ends takes in both",
            BERLIN,
            AUTUMN,
            {"from": "01:00", "to": "03:00"},
            ["10-25T01:00+0200/10-25T03:00+0100"],
        ),
        (
            "a period inside the repeated hour goes from its first start to its second end",
            BERLIN,
            AUTUMN,
            {"from": "02:15", "to": "02:45"},
            ["10-25T02:15+0200/10-25T02:45+0100"],
        ),
        (
            "a period that began the day before ends after the transition",
            BERLIN,
            ("2026-03-29T01:00", "2026-03-29T01:30"),
            {"from": "22:00", "to": "06:00"},
            ["03-28T22:00+0100/03-29T06:00+0200"],
        ),
        (
            "a day without a midnight begins at one",
            "America/Sao_Paulo",
            ("2018-11-04T01:00", "2018-11-05"),
            {"weekdays": ["Sunday"]},
            ["11-04T01:00-0200/11-05T00:00-0200"],
        ),
        (
            "a day whose last hour comes twice ends after the second",
            "America/Sao_Paulo",
            ("2018-02-17", "2018-02-18"),
            {"weekdays": ["Saturday"]},
            ["02-17T00:00-0200/02-18T00:00-0300"],
        ),
        (
            "half an hour skipped",
            "Australia/Lord_Howe",
            ("2026-10-04", "2026-10-05"),
            {"from": "02:10", "to": "03:00"},
            ["10-04T02:30+1100/10-04T03:00+1100"],
        ),
        (
            "half an hour repeated",
            "Australia/Lord_Howe",
            ("2026-04-05", "2026-04-06"),
            {"from": "01:00", "to": "01:45"},
            ["04-05T01:00+1100/04-05T01:45+1030"],
        ),
        (
            "a day that the zone left out has no period",
            "Pacific/Apia",
            ("2011-12-29T00:00", "2012-01-01T00:00"),
            {"weekdays": ["Friday"]},
            [],
        ),
        (
            "a night that runs into the day that was left out ends with it",
            "Pacific/Apia",
            ("2011-12-29T12:00", "2011-12-31T12:00"),
            {"dates": ["12-29"], "from": "20:00", "to": "06:00"},
            ["12-29T20:00-1000/12-31T00:00+1400"],
        ),
        (
            "a night that starts on the day that was left out is what remains of it",
            "Pacific/Apia",
            ("2011-12-29T12:00", "2011-12-31T12:00"),
            {"dates": ["12-30"], "from": "20:00", "to": "06:00"},
            ["12-31T00:00+1400/12-31T06:00+1400"],
        ),
        (
            "cron on the day that was left out starts when it would have ended",
            "Pacific/Apia",
            ("2011-12-29T12:00", "2012-01-01T00:00"),
            {"cron": "0 5 30 12 *", "duration": "1h"},
            ["12-31T00:00+1400/12-31T01:00+1400"],
        ),
        (
            "cron before a midnight that is left out starts at one",
            "America/Sao_Paulo",
            ("2018-11-03T12:00", "2018-11-04T12:00"),
            {"cron": "30 0 * * SUN", "duration": "1h"},
            ["11-04T01:00-0200/11-04T02:00-0200"],
        ),
        (
            "the last minutes of a whole day west of Greenwich are found from its start",
            "Pacific/Pago_Pago",
            ("2026-05-06T23:00", "2026-05-06T23:10"),
            {"weekdays": ["Tuesday"], "from": "23:30", "to": "23:30"},
            ["05-05T23:30-1100/05-06T23:30-1100"],
        ),
        (
            "the days around the one that was left out touch",
            "Pacific/Apia",
            ("2011-12-29T12:00", "2011-12-31T12:00"),
            {"dates": ["12-29", "12-31"]},
            ["12-29T00:00-1000/01-01T00:00+1400"],
        ),
        (
            "cron with a duration past midnight",
            BERLIN,
            ("2026-06-01T12:00", "2026-06-02T12:00"),
            {"cron": "30 22 * * 1-5", "duration": "4h30m"},
            ["06-01T22:30+0200/06-02T03:00+0200"],
        ),
        (
            "cron in the skipped hour starts at the transition, and lasts its full time",
            BERLIN,
            SPRING,
            {"cron": "30 2 * * *", "duration": "1h"},
            ["03-29T03:00+0200/03-29T04:00+0200"],
        ),
        (
            "cron with a wildcard in the skipped hour starts at the transition, too",
            BERLIN,
            SPRING,
            {"cron": "*/15 2 * * *", "duration": "1h"},
            ["03-29T03:00+0200/03-29T04:00+0200"],
        ),
        (
            "cron at a fixed time in the repeated hour starts once",
            BERLIN,
            AUTUMN,
            {"cron": "30 2 * * *", "duration": "30m"},
            ["10-25T02:30+0200/10-25T02:00+0100"],
        ),
        (
            "cron with a wildcard runs through both repeated hours",
            BERLIN,
            AUTUMN,
            {"cron": "*/15 2 * * *", "duration": "15m"},
            ["10-25T02:00+0200/10-25T03:00+0100"],
        ),
        (
            "the month's last day in cron",
            BERLIN,
            ("2028-02-01", "2028-03-10"),
            {"cron": "0 0 L * *", "duration": "1d"},
            ["02-29T00:00+0100/03-01T00:00+0100"],
        ),
        (
            "cron's day of month and day of week are alternatives unless one is a wildcard",
            "Asia/Bangkok",
            ("2026-06-01", "2026-06-15"),
            {"cron": "0 8 3 * MON", "duration": "1h"},
            [
                "06-01T08:00+0700/06-01T09:00+0700",
                "06-03T08:00+0700/06-03T09:00+0700",
                "06-08T08:00+0700/06-08T09:00+0700",
            ],
        ),
    ],
)
def test_a_period_means(
    sentence: str, zone: str, between: tuple[str, str], period: dict[str, Any], expected: list[str]
) -> None:
    assert local(zone, *between, period) == expected, sentence


@pytest.mark.parametrize("zone", [BERLIN, "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Bangkok", "Pacific/Apia"])
@pytest.mark.parametrize(
    "period",
    [
        {"cron": "* * * * *", "duration": "1h"},
        {"cron": "* * * * *", "duration": "1m"},
        {"cron": "0 * * * *", "duration": "90m"},
        {"cron": "*/30 * * * *", "duration": "30m"},
        {"cron": "0 0 * * *", "duration": "25h"},
        {"cron": "0 0 1 1 *", "duration": "366d"},
        {"from": "00:00", "to": "24:00"},
        {"from": "13:37", "to": "13:37"},
        {"from": "02:30", "to": "02:30"},
        {"weekdays": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]},
        {"monthDays": list(range(1, 32))},
        {"monthDays": list(range(-31, 0))},
    ],
)
def test_what_leaves_no_gap_by_the_clock_is_always_on(zone: str, period: dict[str, Any]) -> None:
    for year in (2011, 2018, 2026):
        start, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 3, tzinfo=UTC)
        (whole,) = recurrence(zone, period).intervals(start, end)
        assert whole.start <= start
        assert whole.end >= end


@pytest.mark.parametrize("cron", ["0 * * * *", "0 */1 * * *", "0 0-23 * * *"])
def test_every_hour_for_an_hour_is_always_on_where_clocks_change_by_hours(cron: str) -> None:
    assert len(local(BERLIN, "2026-03-01", "2026-11-01", {"cron": cron, "duration": "1h"})) == 1


def test_a_duration_is_elapsed_time_so_24_hours_do_not_fill_a_day_of_25() -> None:
    assert local(BERLIN, *AUTUMN, {"dates": ["10-25"]}) == ["10-25T00:00+0200/10-26T00:00+0100"]
    assert local(BERLIN, *AUTUMN, {"cron": "0 0 25 10 *", "duration": "24h"}) == ["10-25T00:00+0200/10-25T23:00+0100"]


@pytest.mark.parametrize("between", [SPRING, AUTUMN])
def test_two_periods_that_touch_by_the_clock_leave_no_gap_when_it_changes(between: tuple[str, str]) -> None:
    for split in ("01:59", "02:00", "02:30", "03:00", "03:01"):
        periods = ({"from": "00:00", "to": split}, {"from": split, "to": "24:00"})
        assert len(local(BERLIN, *between, *periods)) == 1


def test_overlapping_periods_merge() -> None:
    periods = (
        {"from": "08:00", "to": "12:00"},
        {"cron": "0 11 * * *", "duration": "2h"},
        {"from": "20:00", "to": "21:00"},
    )
    assert local("Asia/Bangkok", "2026-05-05", "2026-05-06", *periods) == [
        "05-05T08:00+0700/05-05T13:00+0700",
        "05-05T20:00+0700/05-05T21:00+0700",
    ]


def test_a_duration_longer_than_its_own_interval_is_one_chain() -> None:
    found = local(BERLIN, "2026-05-05", "2026-05-06", {"cron": "0 0 * 5 *", "duration": "3d"})
    assert len(found) == 1
    assert found[0].startswith("05-")


def test_a_yearly_period_of_most_of_a_year_is_found_from_its_end() -> None:
    period = {"cron": "0 0 1 1 *", "duration": "360d"}
    assert local("Asia/Bangkok", "2026-12-26", "2026-12-26T01:00", period) == ["01-01T00:00+0700/12-27T00:00+0700"]


def test_intervals_are_those_that_intersect_and_they_are_not_clipped() -> None:
    period = {"from": "08:00", "to": "18:00"}
    assert local("Asia/Bangkok", "2026-05-05T10:00", "2026-05-05T11:00", period) == [
        "05-05T08:00+0700/05-05T18:00+0700"
    ]
    assert local("Asia/Bangkok", "2026-05-05T18:00", "2026-05-06T08:00", period) == []


def test_intervals_of_an_instant_without_a_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        recurrence(BERLIN, {"from": "08:00", "to": "18:00"}).intervals(
            datetime(2026, 1, 1),  # noqa: DTZ001
            datetime(2026, 1, 2, tzinfo=UTC),
        )


@pytest.mark.parametrize("zone", [BERLIN, "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_edges_of_the_calendar_do_not_overflow(zone: str) -> None:
    daily = recurrence(zone, {"from": "08:00", "to": "18:00"}, {"cron": "0 0 * * *", "duration": "366d"})
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert daily.intervals(first, first + timedelta(days=2))
    assert daily.intervals(last - timedelta(days=2), last)
