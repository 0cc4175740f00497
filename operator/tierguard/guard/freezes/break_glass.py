"""Break-glass: who has `bypass` may change what is held, says under which ticket and why, and owes a review.

The mark is an annotation on the object: `tierguard.io/break-glass: "<ticket>: <reason>; until=<RFC 3339>"`, at most an hour
ahead. It does not outlive that hour, so a mark that `kubectl rollout undo` copies back from an old ReplicaSet counts for
nothing.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from tierguard.api.model import rfc3339
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change
from tierguard.guard.model.decision import Finding

BREAK_GLASS = "tierguard.io/break-glass"
LONGEST = timedelta(hours=1)
RULE = "break-glass"

_SHAPE = re.compile(r"(?P<ticket>[^:;]{1,128}):\s*(?P<reason>[^;\s][^;]{0,255});\s*until=(?P<until>\S{1,64})\s*")
_LONGEST_MARK = 1024
"""Characters of a mark: its parts have fewer than half as many."""
_REMEDY = f'write {BREAK_GLASS}="<ticket>: <reason>; until=<RFC 3339, at most an hour ahead>"'


@dataclass(frozen=True, slots=True)
class Mark:
    """A break-glass annotation that can be read."""

    ticket: str
    reason: str
    until: datetime


def judge_mark(change: Change, now: datetime) -> Mark | Finding | None:
    """The mark on the changed object if it counts at `now`, a finding that says why it does not, or None without one.

    Raises Unanswered while it is not known whether the user has `bypass`.
    """
    carrier = change.new if change.new is not None else change.old
    written = objects.annotations(carrier or {}).get(BREAK_GLASS)
    if not isinstance(written, str):
        return None
    mark = _read(written)
    if mark is None:
        return _void("Unreadable", f"annotation {BREAK_GLASS} cannot be read", _REMEDY)
    if mark.until <= now:
        return _void("Over", f"its break-glass mark was good until {rfc3339(mark.until)}", _REMEDY)
    if mark.until > now + LONGEST:
        return _void("TooLong", f"its break-glass mark is for {rfc3339(mark.until)}, over an hour ahead", _REMEDY)
    if not change.may("bypass"):
        return _void(*change.lacks("bypass", "", "who breaks the glass"))
    return mark


def _void(reason: str, detail: str, remedy: str) -> Finding:
    return Finding(RULE, f"Annotation/{BREAK_GLASS}", reason, detail, remedy)


def _read(written: str) -> Mark | None:
    found = _SHAPE.fullmatch(written.strip()) if len(written) <= _LONGEST_MARK else None
    if found is None:
        return None
    until = objects.instant(found["until"])
    if until is None:
        return None
    return Mark(objects.printable(found["ticket"], 128), objects.printable(found["reason"], 256), until)
