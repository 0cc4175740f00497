"""Periods, intervals and the next transition: when a freeze holds and when a window is open.

Pure: no clock (instants are passed in), no Kubernetes. The only thing read is the time zone database, once per zone.
`Recurrence.compile` turns the API's words into a checked calendar, `Timeline` answers questions about it quickly.
"""

from tierguard.schedule.error import ScheduleError
from tierguard.schedule.interval import BEGINNING, FOREVER, Interval, complement, merge
from tierguard.schedule.recurrence import Recurrence
from tierguard.schedule.timeline import Timeline

__all__ = [
    "BEGINNING",
    "FOREVER",
    "Interval",
    "Recurrence",
    "ScheduleError",
    "Timeline",
    "complement",
    "merge",
]
