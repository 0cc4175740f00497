"""Posts Events, so many a minute and no more.

Statuses count everything; Events only point at it. What finds no room is told by a later pass, if it is still true then.
"""

import time
from collections.abc import Callable
from http import HTTPStatus

from tierguard.cluster.client import Api, ApiError
from tierguard.controller.events import event as announce
from tierguard.guard.model.objects import KubeObject

BURST = 50
A_SECOND = 1.0
"""Events about workloads: a policy that is new on a badly kept cluster must not flood the API server."""
URGENT_BURST = 200
URGENT_A_SECOND = 2.0
"""Events about freezes and windows themselves. They are few, and the status that says the same is written at once, so one
that finds no room is not told later."""


class Bucket:
    """`burst` at once, and from then on `a_second`."""

    def __init__(self, burst: int, a_second: float, clock: Callable[[], float]) -> None:
        self._burst = float(burst)
        self._rate = a_second
        self._clock = clock
        self._left = float(burst)
        self._filled = clock()

    def take(self) -> bool:
        """Whether there is room for one more."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._filled) * self._rate)
        self._filled = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Teller:
    """Tells people, each thing once: an Event that exists already was told before."""

    def __init__(self, api: Api, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._ordinary = Bucket(BURST, A_SECOND, clock)
        self._urgent = Bucket(URGENT_BURST, URGENT_A_SECOND, clock)
        self.told = 0
        """Events posted since the process began."""
        self.dropped = 0
        """Urgent ones that found no room, and are not told at all."""
        self.waiting = 0
        """Those that found no room in the last pass, and are told by a later one."""

    def begin(self) -> None:
        """Another pass begins."""
        self.waiting = 0

    def urgent(self, event: KubeObject) -> None:
        """Tell of a freeze or window. Raises ApiError."""
        if self._urgent.take():
            self._post(event)
        else:
            self.dropped += 1

    def tell(self, event: KubeObject) -> bool:
        """Tell of a workload, if there is room: False when it has to be tried again later. Raises ApiError."""
        if not self._ordinary.take():
            self.waiting += 1
            return False
        try:
            self._post(event)
        except ApiError as error:
            if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN):  # its namespace is on its way out
                raise
        return True

    def _post(self, event: KubeObject) -> None:
        try:
            self._api.create(announce.path(event), event)
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
        self.told += 1
