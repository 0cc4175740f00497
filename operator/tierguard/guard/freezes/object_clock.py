"""The clock that a changed object carries: when the API server says that it was made or written.

It keeps a webhook whose own clock is off from letting a change into a freeze, and it is what the API server itself goes by
while no webhook answers. A client can plant entries, so it only ever counts against a change.
"""

from datetime import datetime, timedelta

from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, Operation
from tierguard.guard.model.objects import KubeObject
from tierguard.schedule import BEGINNING, FOREVER

BELIEVED = timedelta(minutes=15)
"""How far it may be from the webhook's own clock: an old manifest's creation says nothing about now."""
_KEYS = ("manager", "operation", "apiVersion", "subresource", "time")


def believable(now: datetime) -> tuple[datetime, datetime]:
    """The first and the last instant that `carried` may say at `now`."""
    return now - min(BELIEVED, now - BEGINNING), now + min(BELIEVED, FOREVER - now)


def carried(change: Change, now: datetime) -> datetime | None:
    """When the object of `change` says that this is happening; None when it does not say, or is not believed."""
    if change.new is None:
        return None
    if change.operation is Operation.CREATE:
        written = objects.value(change.new, "metadata", "creationTimestamp")
    else:
        old = set(map(_entry, objects.managed_fields(change.old)))
        fresh = [entry for entry in map(_entry, objects.managed_fields(change.new)) if entry not in old]
        written = fresh[0][-1] if len(fresh) == 1 else None
    instant = objects.instant(written)
    return instant if instant is not None and abs(instant - now) <= BELIEVED else None


def _entry(field: KubeObject) -> tuple[str, ...]:
    return tuple(str(field.get(key) or "") for key in _KEYS)
