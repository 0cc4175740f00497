"""What the status of each of our resources should say at an instant. Pure; nothing in it ticks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tierguard.api.model import rfc3339
from tierguard.guard import objects
from tierguard.guard.holds import Hold, Policy
from tierguard.guard.objects import KubeObject
from tierguard.guard.survey import Surveyed, selected_by
from tierguard.schedule import FOREVER, Interval

Status = dict[str, Any]

MOST_VIOLATIONS = 20
MOST_UPCOMING = 5


def condition(
    stored: KubeObject, kind: str, *, holds: bool, reason: str, message: str, generation: int, now: datetime
) -> Status:
    """A condition as it should be; `lastTransitionTime` moves only when its status does."""
    status = "True" if holds else "False"
    since = rfc3339(now)
    for known in objects.sequence(stored, "status", "conditions"):
        if known.get("type") == kind and known.get("status") == status:
            since = str(known.get("lastTransitionTime"))
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": objects.printable(message, 1024),
        "lastTransitionTime": since,
        "observedGeneration": generation,
    }


def was(stored: KubeObject, kind: str) -> str | None:
    """The status ("True", "False") that the stored condition has; None when there is none yet."""
    for known in objects.sequence(stored, "status", "conditions"):
        if known.get("type") == kind:
            return str(known.get("status"))
    return None


@dataclass(frozen=True, slots=True)
class _Words:
    """How a kind of hold says what it does: its first condition, and a message for each state."""

    condition: str
    unreadable: str
    on: str
    later: str
    over: str


_FREEZE = _Words("Active", "so the freeze holds", "holds until", "holds from", "is over and will not hold again")
_WINDOW = _Words(
    "Open", "so the window is closed", "is open until", "is closed; it opens", "is closed and will not open again"
)


def freeze_status(stored: KubeObject, hold: Hold, surveyed: Iterable[Surveyed], now: datetime) -> Status:
    """The status of an OperationalFreeze."""
    status = _hold_status(_FREEZE, stored, hold, surveyed, now)
    return {**status, "upcoming": [_span(interval) for interval in hold.timeline.upcoming(now, MOST_UPCOMING)]}


def window_status(stored: KubeObject, hold: Hold, surveyed: Iterable[Surveyed], now: datetime) -> Status:
    """The status of a ChangeWindow."""
    return _hold_status(_WINDOW, stored, hold, surveyed, now)


def _hold_status(words: _Words, stored: KubeObject, hold: Hold, surveyed: Iterable[Surveyed], now: datetime) -> Status:
    current, following = hold.timeline.covering(now), hold.timeline.next_after(now)
    if hold.broken:
        reason, message = "Unreadable", f"the stored spec cannot be read, {words.unreadable}: {hold.broken}"
    elif current:
        reason, message = "InPeriod", f"{words.on} {_end(current)}"
    elif following:
        reason, message = "NotYet", f"{words.later} {rfc3339(following.start)}"
    else:
        reason, message = "Over", words.over
    first = condition(
        stored,
        words.condition,
        holds=current is not None,
        reason=reason,
        message=message,
        generation=hold.generation,
        now=now,
    )
    status: Status = {
        "observedGeneration": hold.generation,
        "conditions": [first, _valid(stored, hold, now)],
        "guardedWorkloads": len(selected_by(hold, surveyed)),
    }
    if current is not None and not hold.broken:
        status["current"] = _span(current)
    if following is not None:
        status["next"] = _span(following)
    return status


def policy_status(stored: KubeObject, policy: Policy, surveyed: Iterable[Surveyed], now: datetime) -> Status:
    """The status of a PaymentTierPolicy."""
    mine = [s for s in surveyed if policy in s.classified.policies]
    violating = [(s, found) for s in mine if (found := s.breaks(policy))]
    in_effect = policy.in_effect(now)
    starts = None if policy.spec is None else policy.spec.effective_from
    conditions = [
        condition(
            stored,
            "InEffect",
            holds=in_effect,
            reason="InEffect" if in_effect else "Unreadable" if policy.broken else "NotYet",
            message=(
                "findings count as the policy says"
                if in_effect
                else policy.broken or f"every finding is Audit until {rfc3339(starts) if starts else 'it can be read'}"
            ),
            generation=policy.generation,
            now=now,
        ),
        condition(
            stored,
            "Compliant",
            holds=not violating,
            reason="ViolationsFound" if violating else "NoViolations",
            message=f"{len(violating)} of {len(mine)} workloads break a rule",
            generation=policy.generation,
            now=now,
        ),
        _valid(stored, policy, now),
    ]
    lines = [f"{_place(s)}: {finding.sentence()}" for s, found in violating for finding in found]
    return {
        "observedGeneration": policy.generation,
        "conditions": conditions,
        "guardedWorkloads": len(mine),
        "violatingWorkloads": len(violating),
        "violations": [objects.printable(line, 512) for line in lines[:MOST_VIOLATIONS]],
    }


def _valid(stored: KubeObject, compiled: Hold | Policy, now: datetime) -> Status:
    return condition(
        stored,
        "Valid",
        holds=compiled.broken is None,
        reason="Valid" if compiled.broken is None else "InvalidSpec",
        message=compiled.broken or "every field can be read",
        generation=compiled.generation,
        now=now,
    )


def _span(interval: Interval) -> Status:
    start = {"start": rfc3339(interval.start)}
    return start if interval.end == FOREVER else {**start, "end": rfc3339(interval.end)}


def _end(interval: Interval) -> str:
    return "further notice" if interval.end == FOREVER else rfc3339(interval.end)


def _place(surveyed: Surveyed) -> str:
    workload = surveyed.classified.workload
    return f"{workload.namespace}/{workload.kind}/{workload.name}"
