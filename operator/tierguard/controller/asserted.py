"""Objects that the operator keeps as it wants them. One is written only if another is wanted, or somebody changed it."""

from datetime import datetime, timedelta
from typing import Any, Protocol

from tierguard.controller.options import FIELD_MANAGER
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject

LOOK = timedelta(seconds=60)
"""How often to look whether somebody else changed it."""


def lately(looked: datetime | None, now: datetime) -> bool:
    """Whether the last look, at `looked`, is so recent that there is no need to look again."""
    return looked is not None and timedelta() <= now - looked < LOOK


class Writer(Protocol):
    """The calls of the client that are used."""

    def find(self, path: str) -> KubeObject | None:
        """As `Api.find`."""
        ...

    def apply(self, path: str, body: KubeObject, manager: str) -> KubeObject:
        """As `Api.apply`."""
        ...


class Asserted:
    """One such object."""

    def __init__(self, api: Writer) -> None:
        self._api = api
        self._wanted: Any = None
        self._written: KubeObject = {}
        self._looked: datetime | None = None

    def start_over(self) -> None:
        """Forget what was written: while another operator led, it may have become something else."""
        self._wanted, self._looked = None, None

    def stands(self, wanted: Any, now: datetime) -> bool:
        """Whether `wanted` was written, and the last look at it is recent."""
        return wanted == self._wanted and lately(self._looked, now)

    def keep(
        self, path: str, body: KubeObject, now: datetime, *, wanted: Any = None, made_by_others: bool = False
    ) -> bool:
        """Have `body` at `path`; returns whether it was written. Raises ApiError.

        It is written when what is `wanted` (`body`, unless it is said) is another, and when somebody else wrote the object.
        One that is `made_by_others` is not made.
        """
        wanted = body if wanted is None else wanted
        if self.stands(wanted, now):
            return False
        another = wanted != self._wanted
        stored = None if another and not made_by_others else self._api.find(path)
        wrote = not (made_by_others and stored is None) and (another or not self._is_as_written(stored, body))
        if wrote:
            self._written = self._api.apply(path, body, FIELD_MANAGER)
        self._wanted, self._looked = wanted, now
        return wrote

    def _is_as_written(self, stored: KubeObject | None, body: KubeObject) -> bool:
        """Whether `stored` has the spec that was written, as its generation tells, and the metadata.

        Not by its resourceVersion: Kubernetes writes statuses.
        """
        generation = objects.generation(self._written)
        if stored is None or not generation:
            return False
        known = (objects.uid(self._written), generation)
        return (
            (objects.uid(stored), objects.generation(stored)) == known
            and objects.labels(body).items() <= objects.labels(stored).items()
            and objects.owner_uids(body) <= objects.owner_uids(stored)
        )
