"""What is told when a freeze begins or ends and when a window opens or closes. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tierguard.api.kinds import FREEZE, WINDOW, Kind
from tierguard.api.model import rfc3339
from tierguard.controller.events import event as announce
from tierguard.controller.status.holds import was
from tierguard.controller.status.ledgers import summary
from tierguard.guard.model import objects
from tierguard.guard.model.hold import Hold
from tierguard.guard.model.objects import KubeObject
from tierguard.schedule import FOREVER

_REASONS = {
    (FREEZE.kind, "True"): "FreezeBegan",
    (FREEZE.kind, "False"): "FreezeEnded",
    (WINDOW.kind, "True"): "WindowOpened",
    (WINDOW.kind, "False"): "WindowClosed",
}


def transition(
    kind: Kind, stored: KubeObject, hold: Hold, status: Mapping[str, Any], now: datetime
) -> KubeObject | None:
    """The event to post, when the first condition of `status` differs from the stored one; None when nothing happened.

    A resource that was never looked at is told of only when it is on: that a future freeze is not active is no news.
    """
    condition = status["conditions"][0]
    before, after = was(stored, condition["type"]), condition["status"]
    if before == after or (before is None and after == "False"):
        return None
    current = hold.timeline.covering(now)
    at = current.start if current is not None else _ended(stored, now)
    ticket = f" ({hold.ticket})" if hold.ticket else ""
    why = f": {hold.reason}" if hold.reason else ""
    note = f"{hold.name}{ticket} {condition['message']}{why}. It selects {_workloads(status)}."
    if in_flight := status.get("rolloutsInFlight"):
        note += f" Rollouts under way, which finish: {', '.join(in_flight)}."
    if kind is FREEZE and after == "False":
        note += f" {summary(objects.mapping(stored, 'status', 'refused'))}"
    reason = _REASONS[(kind.kind, after)]
    return announce.event(stored, reason=reason, note=note, action="Transition", at=at, now=now)


def announcement(stored: KubeObject, hold: Hold, now: datetime) -> KubeObject | None:
    """The event that announces the next stretch of a freeze, once at each of its lead times; None at other times.

    Of several lead times that have passed already, as of a freeze that was made late, the shortest is told.
    """
    following = hold.timeline.next_after(now)
    if following is None or hold.broken or hold.timeline.covering(now) is not None:
        return None
    due = [lead for lead in hold.announce if following.start - lead <= now]
    if not due:
        return None
    at = following.start - min(due)
    ticket = f" ({hold.ticket})" if hold.ticket else ""
    end = "" if following.end == FOREVER else f" until {rfc3339(following.end)}"
    note = f"{hold.name}{ticket} holds from {rfc3339(following.start)}{end}: {hold.reason}"
    return announce.event(stored, reason="FreezeAnnounced", note=note, action="Announce", at=at, now=now)


def next_announcement(hold: Hold, now: datetime) -> datetime | None:
    """When the operator has to look again so that nothing is announced late; None where nothing is to be announced."""
    following = hold.timeline.next_after(now)
    ahead = () if following is None else (following.start - lead for lead in hold.announce)
    return min((instant for instant in ahead if instant > now), default=None)


def _workloads(status: Mapping[str, Any]) -> str:
    count = status["guardedWorkloads"]
    return f"{count} workload" if count == 1 else f"{count} workloads"


def _ended(stored: KubeObject, now: datetime) -> datetime:
    """When what was on came to its end, as far as the stored status tells."""
    written = objects.value(stored, "status", "current", "end")
    return datetime.fromisoformat(written) if isinstance(written, str) else now
