"""What is refused in a schedule, and in which words."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierguard.api.schedule import Period, Schedule
from tierguard.schedule import Recurrence, ScheduleError


def schedule(*periods: dict[str, Any], zone: str = "Europe/Berlin") -> Schedule:
    """Build a schedule as it is stored, past the checks of the models: those of this package are what is tested."""
    return Schedule.model_construct(time_zone=zone, periods=[Period.model_validate(period) for period in periods])


def refusal(*periods: dict[str, Any], zone: str = "Europe/Berlin") -> str:
    with pytest.raises(ScheduleError) as refused:
        Recurrence.compile(schedule(*periods, zone=zone))
    assert str(refused.value) == f"{refused.value.field}: {refused.value.problem}"
    return str(refused.value)


@pytest.mark.parametrize(
    "zone",
    [
        "Asia/Bangkokk",
        "europe/berlin/x",
        "Europe",
        "",
        ".",
        "..",
        "../Europe/Berlin",
        "../../etc/passwd",
        "/etc/passwd",
        "Asia/../Asia/Bangkok",
        "Asia/Bangkok\0",
        "Asia/Bangkok ",
        "tzdata.zi",
        "zone.tab",
        "x" * 300,
        "localtime",
        "posixrules",
        "Factory",
        "posix/Asia/Bangkok",
        "right/Asia/Bangkok",
    ],
)
def test_a_zone_that_is_not_in_the_iana_database_is_refused(zone: str) -> None:
    message = refusal({"from": "00:00", "to": "24:00"}, zone=zone)
    assert message.startswith("schedule.timeZone: ")
    assert message.endswith("is no time zone of the IANA database; name one as Area/City, for example Asia/Bangkok")


@pytest.mark.parametrize("zone", ["Asia/Bangkok", "UTC", "Etc/GMT+7", "America/Argentina/Buenos_Aires", "EST5EDT"])
def test_every_name_of_the_iana_database_is_a_zone(zone: str) -> None:
    Recurrence.compile(schedule({"from": "00:00", "to": "24:00"}, zone=zone))


def test_no_periods_are_refused() -> None:
    assert refusal() == "schedule.periods: an empty list of periods never holds: name at least one"


NEVER = "never occurs: no year has monthDays"
NO_SUCH_DAY = "never occurs: none of its months has such a day"


@pytest.mark.parametrize(
    ("period", "field", "problem"),
    [
        ({}, "", "an empty period says nothing: set calendar fields, or cron with duration"),
        ({"cron": "0 0 * * *"}, "", "cron and duration belong together"),
        ({"duration": "1h"}, "", "cron and duration belong together"),
        ({"cron": "0 0 * * *", "duration": "1h", "months": [1]}, "", "not both"),
        ({"cron": "0 0 * * *", "duration": "1h", "from": "01:00", "to": "02:00"}, "", "not both"),
        ({"from": "08:00"}, "", "from and to belong together; leave both out for whole days"),
        ({"to": "08:00"}, "", "from and to belong together"),
        ({"from": "24:00", "to": "08:00"}, ".from", "from cannot be 24:00; a day begins at 00:00"),
        ({"monthDays": [1, 0]}, ".monthDays", "0 is no day"),
        ({"dates": ["12-24"], "weekdays": ["Monday"]}, ".dates", "dates already name the days"),
        ({"dates": ["12-24"], "months": [12]}, ".dates", "dates already name the days"),
        ({"monthDays": [30], "months": [2]}, "", f"{NEVER} [30] in months [2]"),
        ({"monthDays": [31], "months": [2, 4, 6, 9, 11]}, "", NEVER),
        ({"monthDays": [-31], "months": [4]}, "", NEVER),
        ({"dates": ["02-30"]}, ".dates[0]", "'02-30' never occurs: the calendar has no such day"),
        ({"dates": ["12-24", "2023-02-29"]}, ".dates[1]", "'2023-02-29' never occurs"),
        ({"dates": ["0000-01-01"]}, ".dates[0]", "'0000-01-01' never occurs"),
        ({"cron": "0 0 30 2 *", "duration": "1h"}, ".cron", f"'0 0 30 2 *' {NO_SUCH_DAY}"),
        ({"cron": "0 0 31 2,4 */2", "duration": "1h"}, ".cron", NO_SUCH_DAY),
        ({"cron": "0 0 */31 2 5#5", "duration": "1h"}, ".cron", NO_SUCH_DAY),
        ({"cron": "0 0 32 * *", "duration": "1h"}, ".cron", "is no cron expression: bad day-of-month"),
        ({"cron": "61 0 * * *", "duration": "1h"}, ".cron", "'61 0 * * *' is no cron expression: bad minute"),
        ({"cron": "0 0 * * MOO", "duration": "1h"}, ".cron", "bad day-of-week"),
        ({"cron": "0 0 0 * * *", "duration": "1h"}, ".cron", "has 6 fields instead of five: minute, hour"),
        ({"cron": "0 0 * *  ", "duration": "1h"}, ".cron", "has 4 fields instead of five"),
        ({"cron": "@midnight", "duration": "1h"}, ".cron", "has 1 fields instead of five"),
        ({"cron": "0 0 * * *", "duration": "0m"}, ".duration", "'0m' is no time at all"),
        ({"cron": "0 0 * * *", "duration": "00d0h0m"}, ".duration", "is no time at all"),
        ({"cron": "0 0 * * *", "duration": "366d1m"}, ".duration", "'366d1m' is longer than 366 days"),
        ({"cron": "0 0 * * *", "duration": "999999999999999d"}, ".duration", "is longer than 366 days"),
    ],
)
def test_a_period_that_contradicts_itself_or_never_occurs_is_refused(
    period: dict[str, Any], field: str, problem: str
) -> None:
    message = refusal({"from": "00:00", "to": "01:00"}, period)
    assert message.startswith(f"schedule.periods[1]{field}: ")
    assert problem in message


def test_a_date_whose_hours_the_clocks_skip_never_occurs() -> None:
    period = {"dates": ["2026-03-29"], "from": "02:10", "to": "02:50"}
    assert "the clocks of that time zone skip these hours" in refusal(period)
    Recurrence.compile(schedule(period, zone="Asia/Bangkok"))


def test_a_day_that_its_zone_left_out_never_occurs() -> None:
    assert "schedule.periods[0].dates: never occurs" in refusal({"dates": ["2011-12-30"]}, zone="Pacific/Apia")


@pytest.mark.parametrize(
    "period",
    [
        {"dates": ["2001-01-01"]},
        {"dates": ["02-29"]},
        {"dates": ["0001-01-01", "9999-12-31"]},
        {"monthDays": [30, 1], "months": [2]},
        {"monthDays": [29], "months": [2], "weekdays": ["Monday"]},
        {"monthDays": [-29], "months": [2]},
        {"from": "08:00", "to": "08:00"},
        {"from": "08:00", "to": "24:00"},
        {"cron": "0 0 30 2 MON", "duration": "1h"},  # either field: Mondays of February
        {"cron": "0 0 * 2 MON#5", "duration": "1h"},
        {"cron": "0 0 L * *", "duration": "366d"},
        {"cron": "0 9 LW JAN-MAR *", "duration": "1d12h30m"},
        {"cron": "0 0 * * 7", "duration": "8784h"},
        {"cron": "59 23 31 12 *", "duration": "527040m"},
    ],
)
def test_a_period_that_has_occurred_or_will_is_accepted(period: dict[str, Any]) -> None:
    Recurrence.compile(schedule(period))


@settings(deadline=None, max_examples=300)
@given(st.lists(st.text("0123456789*/-,L#W MON", min_size=1, max_size=8), min_size=5, max_size=5))
def test_no_cron_expression_does_anything_but_compile_or_be_refused(fields: list[str]) -> None:
    period = Period.model_construct(cron=" ".join(fields), duration="1h")
    try:
        Recurrence.compile(Schedule.model_construct(time_zone="Asia/Bangkok", periods=[period]))
    except ScheduleError as refused:
        assert refused.field == "schedule.periods[0].cron"  # noqa: PT017 - most expressions are refused, some are not
