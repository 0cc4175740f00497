"""What is told when a freeze begins or ends and when a window opens or closes. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tierguard.api.kinds import FREEZE, WINDOW, Kind
from tierguard.controller import announce
from tierguard.controller.status import was
from tierguard.guard import objects
from tierguard.guard.holds import Hold
from tierguard.guard.objects import KubeObject

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
    note = f"{hold.name}{ticket} {condition['message']}{why}. It selects {status['guardedWorkloads']} workloads."
    reason = _REASONS[(kind.kind, after)]
    return announce.event(stored, reason=reason, note=note, action="Transition", at=at, now=now)


def _ended(stored: KubeObject, now: datetime) -> datetime:
    """When what was on came to its end, as far as the stored status tells."""
    written = objects.value(stored, "status", "current", "end")
    return datetime.fromisoformat(written) if isinstance(written, str) else now
