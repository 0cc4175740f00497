"""Periods: when a freeze holds or a window is open, in the words of a calendar."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from tierguard.api.model import ApiModel


class Weekday(StrEnum):
    """The days of the week, spelled out."""

    MONDAY = "Monday"
    TUESDAY = "Tuesday"
    WEDNESDAY = "Wednesday"
    THURSDAY = "Thursday"
    FRIDAY = "Friday"
    SATURDAY = "Saturday"
    SUNDAY = "Sunday"


TimeOfDay = Annotated[str, StringConstraints(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", max_length=5)]
CalendarDate = Annotated[
    str, StringConstraints(pattern=r"^([0-9]{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$", max_length=10)
]
MonthDay = Annotated[int, Field(ge=-31, le=31)]
Month = Annotated[int, Field(ge=1, le=12)]
Duration = Annotated[str, StringConstraints(pattern=r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?$", min_length=2, max_length=16)]


class Period(ApiModel):
    """One repeating stretch of time: calendar fields with `from` and `to`, or `cron` with `duration`."""

    model_config = {
        "json_schema_extra": {
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.cron) == has(self.duration)",
                    "message": "cron and duration belong together: cron says when it starts, duration how long it lasts",
                },
                {
                    "rule": "!has(self.cron) || !(has(self.weekdays) || has(self.monthDays) || has(self.months)"
                    " || has(self.dates) || has(self.from) || has(self.to))",
                    "message": "a period is either cron with duration, or calendar fields, not both",
                },
                {
                    "rule": "has(self.from) == has(self.to)",
                    "message": "from and to belong together; leave both out for whole days",
                },
                {
                    "rule": "!has(self.monthDays) || self.monthDays.all(d, d != 0)",
                    "message": "monthDays count from 1, or from the month's end as -1, -2, …; 0 is no day",
                    "fieldPath": ".monthDays",
                },
                {
                    "rule": "!has(self.dates) || !(has(self.weekdays) || has(self.monthDays) || has(self.months))",
                    "message": "dates already name the days: leave out weekdays, monthDays and months",
                    "fieldPath": ".dates",
                },
                {
                    "rule": "!has(self.from) || self.from != '24:00'",
                    "message": "from cannot be 24:00; a day begins at 00:00",
                    "fieldPath": ".from",
                },
                {
                    "rule": "has(self.cron) || has(self.weekdays) || has(self.monthDays) || has(self.months)"
                    " || has(self.dates) || has(self.from)",
                    "message": "an empty period says nothing: set calendar fields, or cron with duration",
                },
            ]
        }
    }

    weekdays: list[Weekday] | None = Field(
        default=None,
        min_length=1,
        max_length=7,
        description="Days of the week on which the period starts. Absent: any.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    month_days: list[MonthDay] | None = Field(
        default=None,
        min_length=1,
        max_length=62,
        description="Days of the month on which the period starts; negative ones count from the month's end (-1 is its"
        " last day). Absent: any.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    months: list[Month] | None = Field(
        default=None,
        min_length=1,
        max_length=12,
        description="Months (1 to 12) in which the period starts. Absent: any.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    dates: list[CalendarDate] | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="Dates on which the period starts, as MM-DD (every year) or YYYY-MM-DD (once).",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    from_: TimeOfDay | None = Field(
        default=None,
        alias="from",
        description="Local time of day at which the period starts, HH:MM. Absent, together with to: whole days.",
    )
    to: TimeOfDay | None = Field(
        default=None,
        description="Local time of day at which the period ends, HH:MM, not included. At or before from it is on the next"
        " day; 24:00 is the day's end.",
    )
    cron: str | None = Field(
        default=None,
        min_length=9,
        max_length=128,
        description="Five cron fields (minute, hour, day of month, month, day of week) for when the period starts.",
    )
    duration: Duration | None = Field(
        default=None,
        description="How long a period started by cron lasts, in days, hours and minutes: 1d12h30m. At most 366 days.",
    )


class Schedule(ApiModel):
    """Repeating periods in one time zone. Overlapping and touching periods merge."""

    time_zone: str = Field(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9_+/-]+$",
        description="IANA time zone in which the periods are meant, for example Asia/Bangkok. There is no default: a freeze"
        " in the wrong zone is no freeze.",
    )
    periods: list[Period] = Field(
        min_length=1,
        max_length=50,
        description="The periods. A moment counts when any of them covers it.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
