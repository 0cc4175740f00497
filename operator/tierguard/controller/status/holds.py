"""What the status of each of our resources should say at an instant. Pure; nothing in it ticks."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tierguard.api.ledger import MOST_LISTED
from tierguard.api.model import rfc3339
from tierguard.controller.status import ledgers
from tierguard.controller.suspension import actions as suspension
from tierguard.controller.unreviewed.accountant import Passed, lines, merged
from tierguard.controller.webhooks.clock_probe import SAYINGS, Reading
from tierguard.controller.webhooks.stretches import HORIZON, Stretches
from tierguard.guard.freezes.rollback_record import RECORDED_KINDS, complete
from tierguard.guard.model import objects
from tierguard.guard.model.hold import Hold, Policy
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.survey import Surveyed, selected_by
from tierguard.schedule import FOREVER, Interval

Status = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one pass of the operator sees, beside the resource itself."""

    surveyed: tuple[Surveyed, ...] = ()
    told: ledgers.Told = field(default_factory=ledgers.Told)
    state: State = field(default_factory=State)
    jobs: tuple[KubeObject, ...] = ()
    passed: tuple[Passed, ...] = ()
    stretches: Stretches | None = None
    """What of the freezes the webhook configuration has."""
    clock: Reading = Reading.UNKNOWN
    """Whether the API server can tell planted times."""
    suspended: Container[str] = frozenset()
    """The uids of CronJobs that are on record as suspended by the operator."""


BEGINS = timedelta(seconds=5)
"""How long after a freeze became active a rollout still counts as under way when it began."""
MOST_UPCOMING = 5
MOST_PASSED = 20


def condition(
    stored: KubeObject, kind: str, *, holds: bool, reason: str, message: str, generation: int, now: datetime
) -> Status:
    """A condition as it should be; `lastTransitionTime` moves only when its status does."""
    status = "True" if holds else "False"
    known = _known(stored, kind)
    since = rfc3339(now)
    if known is not None and known.get("status") == status:
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
    known = _known(stored, kind)
    return None if known is None else str(known.get("status"))


def _known(stored: KubeObject, kind: str) -> KubeObject | None:
    return next((c for c in objects.sequence(stored, "status", "conditions") if c.get("type") == kind), None)


def _begins(stored: KubeObject, now: datetime) -> bool:
    """Whether a freeze was not known to be active until now or a moment ago.

    Each kind is watched by itself, so a rollout that came right before the freeze may be seen right after it.
    """
    known = _known(stored, "Active")
    if known is None or known.get("status") != "True":
        return True
    since = objects.instant(known.get("lastTransitionTime"))
    return since is not None and now - since < BEGINS


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


def freeze_status(stored: KubeObject, hold: Hold, seen: Seen, now: datetime) -> Status:
    """The status of an OperationalFreeze."""
    selected = selected_by(hold, seen.surveyed) if hold.deploys else ()
    status = _hold_status(_FREEZE, stored, hold, seen, len(selected), now)
    active = hold.timeline.covering(now) is not None
    if hold.deploys:
        status["conditions"].append(_compiled(stored, hold, seen, now))
    status |= {
        "workloads": [str(s.classified.workload) for s in selected[:MOST_LISTED]],
        "rolloutsInFlight": _in_flight(stored, selected, begins=_begins(stored, now)) if active else [],
        "reviewsOwed": ledgers.reviews_owed(stored, hold, seen.told),
        "suspended": suspension.suspended(stored, hold, seen.state, now, seen.suspended),
        "runningJobs": suspension.running_jobs(hold, list(seen.jobs), seen.state, now),
    }
    current = status.get("current") or {}
    until = current.get("end") or ("Lifted" if current and hold.until_lifted else None)
    if until is not None:
        status["until"] = until
    if hold.lift is not None:
        lifted_at = objects.value(stored, "status", "liftedAt") or rfc3339(now)
        status |= {"liftedAt": lifted_at, "liftedBy": [hold.lift.requested_by, *hold.lift.approved_by]}
    return status


def _compiled(stored: KubeObject, hold: Hold, seen: Seen, now: datetime) -> Status:
    """Whether the API server itself refuses what the freeze holds, should no webhook answer."""
    stretches = seen.stretches
    known = stretches is not None and (hold.name, hold.generation) in stretches.freezes
    coarsened = stretches is not None and stretches.coarsened
    message = f"the API server holds it without any webhook too, as far as {HORIZON.days} days ahead"
    if coarsened:
        message += "; there is too much to compile it exactly, so without a webhook it refuses more"
    if seen.clock in SAYINGS:
        message += f"; but {SAYINGS[seen.clock]}"
    return condition(
        stored,
        "Compiled",
        holds=known,
        reason="Coarsened" if known and coarsened else "Compiled" if known else "Pending",
        message=message if known else "not yet in the webhook configuration: for now it holds while a webhook answers",
        generation=hold.generation,
        now=now,
    )


def window_status(stored: KubeObject, hold: Hold, seen: Seen, now: datetime) -> Status:
    """The status of a ChangeWindow."""
    return _hold_status(_WINDOW, stored, hold, seen, len(selected_by(hold, seen.surveyed)), now)


def _in_flight(stored: KubeObject, selected: Iterable[Surveyed], *, begins: bool) -> list[str]:
    """Rollouts that were under way when the stretch began and still are; later ones the freeze let through."""
    under_way = [
        str(s.classified.workload)
        for s in selected
        if s.classified.workload.kind in RECORDED_KINDS
        and s.classified.workload.replicas != 0
        and not complete(s.classified.workload)
    ]
    known = objects.sequence(stored, "status", "rolloutsInFlight")
    return [name for name in under_way if begins or name in known][:MOST_LISTED]


def _hold_status(words: _Words, stored: KubeObject, hold: Hold, seen: Seen, selected: int, now: datetime) -> Status:
    current, following = hold.timeline.covering(now), hold.timeline.next_after(now)
    if hold.broken:
        reason, message = "Unreadable", f"the stored spec cannot be read, {words.unreadable}: {hold.broken}"
    elif current:
        reason, message = "InPeriod", f"{words.on} {_end(current)}"
    elif hold.lift is not None and hold.lift.until is None:
        people = f"{hold.lift.requested_by}, approved by {', '.join(hold.lift.approved_by)}"
        reason, message = "Lifted", f"was lifted by {people}: {hold.lift.reason}"
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
        "conditions": [first, valid(stored, hold, now)],
        "guardedWorkloads": selected,
        "upcoming": [_span(interval) for interval in hold.timeline.upcoming(now, MOST_UPCOMING)],
    }
    refused = ledgers.ledger(stored, seen.told, ledgers.stretch_of(hold, now))
    if refused is not None:
        status["refused"] = refused
    known = [str(line) for line in objects.sequence(stored, "status", "passedUnjudged")]
    status["passedUnjudged"] = merged(known, lines(seen.passed, hold.source))[-MOST_PASSED:]
    if current is not None and not hold.broken:
        status["current"] = _span(current)
    if following is not None:
        status["next"] = _span(following)
    return status


def valid(stored: KubeObject, compiled: Hold | Policy, now: datetime) -> Status:
    """The condition `Valid`: whether the stored spec can be read."""
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
