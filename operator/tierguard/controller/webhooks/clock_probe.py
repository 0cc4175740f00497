"""The clock inside the API server: whether it goes, and what the policy against planted times may do by it.

That policy reads the controller manager's Lease. With the controller manager dead, or with an API server that has stopped
reading Leases (kubernetes/kubernetes#130887: the last policy with such a parameter was deleted, and one was made again),
the Lease is one of the past, and each honest change would be refused. So a second policy, which nothing but a dry run of
ours ever meets, asks the same with half the patience, and the first is disarmed before it can do harm.
"""

import logging
from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from tierguard.cluster.client import ApiError
from tierguard.controller.asserted import LOOK, Asserted, Writer
from tierguard.controller.options import Options
from tierguard.controller.webhooks.configuration import clock_policy
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.survey import Selection

log = logging.getLogger(__name__)

REMEMBERED = 15
"""Probes that count. Each reaches one of several API servers: of three, one that is wrong is missed once in 400 times."""
PROBE_SECONDS = 2.0
HONEST, PLANTED = "0s", "-24h"
"""By how much a probe says that its time is off: that of now, and one that must be refused."""


class Reading(StrEnum):
    """What a probe, or the last of them together, say about the clock."""

    WORKING = "working"
    STALE = "stale"
    """What is of now is refused: the Lease is one of the past."""
    BLIND = "blind"
    """What is of yesterday passes: there is no Lease to be read, or no such policy in force."""
    UNKNOWN = "unknown"
    """The API server answered something else, or nothing."""


SAYINGS = {
    Reading.STALE: "the API server sees an old Lease of the controller manager (see whether that runs; if it does, restart"
    " the API server), so it lets planted times pass",
    Reading.BLIND: "the API server lets planted times pass, for it sees no Lease of the controller manager, or no policy",
}
"""What is to be said of a clock that cannot be relied on."""


class Prober(Writer, Protocol):
    """What of the client is needed."""

    def rehearse(self, path: str, body: KubeObject, timeout: float) -> None:
        """As `Api.rehearse`."""
        ...


def read(honest: bool | None, planted: bool | None) -> Reading:  # noqa: FBT001 - two answers of one kind
    """What two probes say: whether each passed, None where nobody knows."""
    if honest is False:
        return Reading.STALE
    if honest is None or planted is None:
        return Reading.UNKNOWN
    return Reading.BLIND if planted else Reading.WORKING


def together(readings: Iterable[Reading]) -> Reading:
    """The worst that any said, as each may come from another API server."""
    said = frozenset(readings)
    return next((each for each in (Reading.STALE, Reading.BLIND, Reading.WORKING) if each in said), Reading.UNKNOWN)


def probe(policy: str, namespace: str, off: str) -> KubeObject:
    """A ConfigMap that is never made, as that policy judges it. The time itself is the API server's, as of real entries."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": policy, "namespace": namespace},
        "data": {"off": off},
    }


class ClockKeeper:
    """Probes the clock, and arms or disarms the policy that goes by it."""

    def __init__(self, api: Prober, options: Options) -> None:
        self._api = api
        self._options = options
        self._readings: deque[Reading] = deque(maxlen=REMEMBERED)
        self._probed: datetime | None = None
        self._armed: bool | None = None
        """Whether the policy may go by its clock; None until a probe has shown how that is."""
        self._policy = Asserted(api)
        self.reading = Reading.UNKNOWN

    @property
    def every(self) -> timedelta:
        """How often to probe."""
        return timedelta(seconds=self._options.clock_probe_seconds)

    @property
    def probes(self) -> bool:
        """Whether the chart made the policies; else there is nothing to probe."""
        return bool(self.every)

    def start_over(self) -> None:
        """Forget what was seen and written: while another operator led, it may have become something else."""
        self._readings.clear()
        self._probed = None
        self._policy.start_over()
        self._armed, self.reading = None, Reading.UNKNOWN

    def look(self, now: datetime) -> None:
        """Probe, if it is time to."""
        if not self.probes or (self._probed is not None and timedelta() <= now - self._probed < self.every):
            return
        self._probed = now
        found = read(self._passes(HONEST), self._passes(PLANTED))
        if found is Reading.WORKING and set(self._readings) <= {Reading.BLIND, Reading.UNKNOWN}:
            self._readings.clear()  # on a new installation the API server takes a second to notice its policies
        self._readings.append(found)
        self._judge(together(self._readings))

    def until_due(self, now: datetime) -> float:
        """Seconds until the next probe."""
        if not self.probes or self._probed is None:
            return LOOK.total_seconds()
        return max(0.0, (self._probed + self.every - now).total_seconds())

    def write(self, selection: Selection, now: datetime) -> None:
        """Tell the policy what to look at: what is guarded, while a freeze is in sight, and nothing by a stale clock."""
        if self._armed is None:
            return  # what another operator wrote stands, or the chart's own
        name = self._options.clock_policy
        wanted = clock_policy(name, selection, now, armed=self._armed)
        path = f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{name}"
        # The chart makes it, where admissionPolicies.enabled is true.
        self._policy.keep(path, wanted, now, made_by_others=True)

    def _judge(self, found: Reading) -> None:
        if found is self.reading:
            return
        self.reading = found
        if found is not Reading.UNKNOWN:  # what nobody knows is no reason to change anything
            self._armed = found is not Reading.STALE
        level = logging.INFO if found is Reading.WORKING else logging.WARNING
        log.log(level, "the clock inside the API server: %s", SAYINGS.get(found, found.value))

    def _passes(self, off: str) -> bool | None:
        policy, namespace = self._options.clock_probe, self._options.namespace
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        try:
            self._api.rehearse(path, probe(policy, namespace, off), PROBE_SECONDS)
        except ApiError as error:
            if f"olicy '{policy}'" in error.message:  # ValidatingAdmissionPolicy, or policy where it cannot be judged
                return False
            log.info("no answer about the clock: %s", error)
            return None
        return True
