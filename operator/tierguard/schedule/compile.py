"""From the API's words for a period to a compiled one, or a ScheduleError that says which field is wrong and why.

Everything that the CRD's CEL rules check is checked again: the command line reads files that no API server has seen,
and a stored object may be older than its rule.
"""

import re
from datetime import UTC, date, datetime

from cronsim import CronSim, CronSimError

from tierguard.api.schedule import Period, Weekday
from tierguard.schedule.days import Days, ListedDays, PatternDays, on_calendar
from tierguard.schedule.error import ScheduleError
from tierguard.schedule.period import CalendarPeriod, CompiledPeriod, CronPeriod
from tierguard.schedule.zone import DAY, Zone

_ANY_INSTANT = datetime(2000, 1, 1, tzinfo=UTC)
_LONGEST = 366 * DAY
_DURATION = re.compile(r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?")
_CRON_FIELDS = 5
_HOURS = 24
_WEEKDAYS = {weekday: number for number, weekday in enumerate(Weekday)}


def compile_period(period: Period, zone: Zone, field: str) -> CompiledPeriod:
    """Compile `period`, found at `field`. Raises ScheduleError if it contradicts itself or can never occur."""
    if (period.cron is None) != (period.duration is None):
        problem = "cron and duration belong together: cron says when it starts, duration how long it lasts"
        raise ScheduleError(field, problem)
    calendar = (period.weekdays, period.month_days, period.months, period.dates, period.from_, period.to)
    if period.cron is not None and period.duration is not None:
        if any(part is not None for part in calendar):
            raise ScheduleError(field, "a period is either cron with duration, or calendar fields, not both")
        return _cron(period.cron, compile_duration(period.duration, f"{field}.duration"), f"{field}.cron")
    if all(part is None for part in calendar):
        raise ScheduleError(field, "an empty period says nothing: set calendar fields, or cron with duration")
    start, end = _times(period, field)
    compiled = CalendarPeriod(_days(period, field), start, end)
    if period.dates is not None and all(len(written) > len("MM-DD") for written in period.dates):
        _check_exists(compiled, zone, f"{field}.dates")
    return compiled


def _times(period: Period, field: str) -> tuple[int, int]:
    if (period.from_ is None) != (period.to is None):
        raise ScheduleError(field, "from and to belong together; leave both out for whole days")
    if period.from_ is None or period.to is None:
        return 0, DAY
    if period.from_ == "24:00":
        where = f"{field}.from"
        raise ScheduleError(where, "from cannot be 24:00; a day begins at 00:00")
    start, end = _seconds(period.from_), _seconds(period.to)
    return start, end if end > start else end + DAY


def _seconds(written: str) -> int:
    hours, _, minutes = written.partition(":")
    return int(hours) * 3600 + int(minutes) * 60


def _days(period: Period, field: str) -> Days:
    month_days = period.month_days
    if month_days is not None and 0 in month_days:
        problem = "monthDays count from 1, or from the month's end as -1, -2, …; 0 is no day"
        where = f"{field}.monthDays"
        raise ScheduleError(where, problem)
    if period.dates is not None:
        if period.weekdays is not None or month_days is not None or period.months is not None:
            problem = "dates already name the days: leave out weekdays, monthDays and months"
            where = f"{field}.dates"
            raise ScheduleError(where, problem)
        return _dates(period.dates, f"{field}.dates")
    weekdays = None if period.weekdays is None else frozenset(_WEEKDAYS[weekday] for weekday in period.weekdays)
    matches = on_calendar(weekdays, None if month_days is None else frozenset(month_days))
    days = PatternDays(range(1, 13) if period.months is None else period.months, matches)
    if not days.possible():
        found = f"monthDays {month_days} in months {period.months}" if month_days else "these fields"
        raise ScheduleError(field, f"never occurs: no year has {found}")
    return days


def _dates(written: list[str], field: str) -> ListedDays:
    yearly: list[tuple[int, int]] = []
    once: list[int] = []
    for index, text in enumerate(written):
        *year, month, day = (int(part) for part in text.split("-"))
        try:
            # 2000 is a leap year: every day that any year has.
            found = date(year[0] if year else 2000, month, day)
        except ValueError as error:
            problem = f"{text!r} never occurs: the calendar has no such day"
            where = f"{field}[{index}]"
            raise ScheduleError(where, problem) from error
        if year:
            once.append(found.toordinal())
        else:
            yearly.append((month, day))
    return ListedDays(yearly, once)


def _check_exists(period: CalendarPeriod, zone: Zone, field: str) -> None:
    """Refuse a period on named dates all of which fall into hours that the zone's clocks skip."""
    days = period.days.between(date.min.toordinal(), date.max.toordinal())
    if not any(period.spans(zone, day) for day in days):
        raise ScheduleError(field, "never occurs: the clocks of that time zone skip these hours on these dates")


def compile_duration(written: str, field: str) -> int:
    """Seconds of a duration like `1d12h30m`."""
    parts = _DURATION.fullmatch(written)
    if parts is None:
        raise ScheduleError(field, f"{written!r} is no duration; write days, hours and minutes as 1d12h30m")
    days, hours, minutes = (int(part or 0) for part in parts.groups())
    total = days * DAY + hours * 3600 + minutes * 60
    if total == 0:
        raise ScheduleError(field, f"{written!r} is no time at all: the period would never hold")
    if total > _LONGEST:
        raise ScheduleError(field, f"{written!r} is longer than 366 days")
    return total


def _cron(written: str, seconds: int, field: str) -> CronPeriod:
    fields = written.split()
    if len(fields) != _CRON_FIELDS:
        needed = "minute, hour, day of month, month, day of week"
        raise ScheduleError(field, f"{written!r} has {len(fields)} fields instead of five: {needed}")
    parsed = _parse(written, fields, field)
    days = PatternDays(parsed.months, parsed.match_day)
    if not days.possible():
        raise ScheduleError(field, _never(written))
    running = fields[0].startswith("*") or fields[1].startswith("*") or len(parsed.hours) == _HOURS
    times = (hour * 3600 + minute * 60 for hour in parsed.hours for minute in parsed.minutes)
    return CronPeriod(days, times, seconds, running=running)


def _parse(written: str, fields: list[str], field: str) -> CronSim:
    """Have CronSim read the fields: it also judges days as Debian's cron does.

    Its iterator is not used. It steps through every start, which is slow, and a start with a wildcard in a
    spring-forward gap does not happen at all there, which would leave a freeze out for that day.
    """
    try:
        return CronSim(written, _ANY_INSTANT)
    except CronSimError as error:
        problem = f"{written!r} is no cron expression: {str(error)[:1].lower()}{str(error)[1:]}"
        try:
            CronSim(" ".join([*fields[:3], "*", fields[4]]), _ANY_INSTANT)
            CronSim(" ".join([*fields[:2], "1", *fields[3:]]), _ANY_INSTANT)
        except CronSimError:
            raise ScheduleError(field, problem) from error
        raise ScheduleError(field, _never(written)) from error


def _never(written: str) -> str:
    return f"{written!r} never occurs: none of its months has such a day"
