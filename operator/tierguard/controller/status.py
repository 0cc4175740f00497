"""What the status of each of our resources should say at an instant. Pure; nothing in it ticks."""

from collections.abc import Iterable
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


def freeze_status(stored: KubeObject, hold: Hold, surveyed: Iterable[Surveyed], now: datetime) -> Status:
    """The status of an OperationalFreeze."""
    current, upcoming = hold.timeline.covering(now), hold.timeline.upcoming(now, 5)
    if hold.broken:
        reason, message = "Unreadable", f"the stored spec cannot be read, so the freeze holds: {hold.broken}"
    elif current:
        reason, message = "InPeriod", f"holds until {_end(current)}"
    elif upcoming:
        reason, message = "NotYet", f"holds again from {rfc3339(upcoming[0].start)}"
    else:
        reason, message = "Over", "is over and will not hold again"
    active = condition(
        stored,
        "Active",
        holds=current is not None,
        reason=reason,
        message=message,
        generation=hold.generation,
        now=now,
    )
    status: Status = {
        "observedGeneration": hold.generation,
        "conditions": [active, _valid(stored, hold, now)],
        "guardedWorkloads": len(selected_by(hold, surveyed)),
        "upcoming": [_span(interval) for interval in upcoming],
    }
    return status | _current_and_next(None if hold.broken else current, upcoming)


def window_status(stored: KubeObject, hold: Hold, surveyed: Iterable[Surveyed], now: datetime) -> Status:
    """The status of a ChangeWindow."""
    current, upcoming = hold.timeline.covering(now), hold.timeline.upcoming(now, 1)
    if hold.broken:
        reason, message = "Unreadable", f"the stored spec cannot be read, so the window is closed: {hold.broken}"
    elif current:
        reason, message = "InPeriod", f"is open until {_end(current)}"
    elif upcoming:
        reason, message = "NotYet", f"is closed; it opens {rfc3339(upcoming[0].start)}"
    else:
        reason, message = "Over", "is closed and will not open again"
    is_open = condition(
        stored, "Open", holds=current is not None, reason=reason, message=message, generation=hold.generation, now=now
    )
    status: Status = {
        "observedGeneration": hold.generation,
        "conditions": [is_open, _valid(stored, hold, now)],
        "guardedWorkloads": len(selected_by(hold, surveyed)),
    }
    return status | _current_and_next(current, upcoming)


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


def _current_and_next(current: Interval | None, upcoming: tuple[Interval, ...]) -> Status:
    spans: Status = {}
    if current is not None:
        spans["current"] = _span(current)
    if upcoming:
        spans["next"] = _span(upcoming[0])
    return spans


def _span(interval: Interval) -> Status:
    start = {"start": rfc3339(interval.start)}
    return start if interval.end == FOREVER else {**start, "end": rfc3339(interval.end)}


def _end(interval: Interval) -> str:
    return "further notice" if interval.end == FOREVER else rfc3339(interval.end)


def _place(surveyed: Surveyed) -> str:
    workload = surveyed.classified.workload
    return f"{workload.namespace}/{workload.kind}/{workload.name}"
