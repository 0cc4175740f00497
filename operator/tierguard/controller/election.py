"""One leader of several operators, by a Lease, as client-go elects one; and no write by one that is not sure to lead.

A candidate takes the Lease when it has seen it unchanged for as long as the Lease says that it lasts, measured by its own
clock: clocks of machines are not compared. Each write of a leader asks `Gate` first, which counts from the start of the last
renewal that succeeded: a leader that was paused, or cut off, stops RENEW_DEADLINE after it, well before another may start.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import quote

from tierguard.cluster.client import Api, ApiError
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject

log = logging.getLogger(__name__)

LEASE_SECONDS = 10
"""How long a Lease lasts that is not renewed."""
RENEW_DEADLINE = 6.0
"""Seconds after the last renewal in which a leader still writes."""
RETRY_SECONDS = 2.0
"""How often a leader renews."""
LOOK_SECONDS = 1.0
"""How often a standby looks: what it sees late is added to how long nobody leads."""
CALL_SECONDS = 2.0
"""How long asking about the Lease may take."""
WRITE_SECONDS = 3.0
"""How long a write of a leader may take: less than is left of the Lease when the gate still lets it begin."""


def boot_clock() -> float:
    """Seconds that also pass while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class NotLeading(ApiError):  # noqa: N818 - it is the state of this process, not an error of anybody
    """A write that this process must not make, as it does not lead (any more)."""

    def __init__(self, method: str, path: str) -> None:
        super().__init__(0, method, path, "this operator does not lead, so it writes nothing")


class Gate:
    """Whether this process may write now."""

    def __init__(self, clock: Callable[[], float] = boot_clock) -> None:
        self._clock = clock
        self._until = 0.0

    def renewed(self, began: float) -> None:
        """The Lease is ours by a call that began at `began`, by the gate's clock."""
        self._until = began + RENEW_DEADLINE

    def close(self) -> None:
        """The Lease is not ours."""
        self._until = 0.0

    def open(self) -> bool:
        """Whether this process still leads for certain."""
        return self._clock() < self._until


class LeaderApi(Api):
    """A connection that writes only while `gate` is open. Reading is free to all."""

    gate: Gate

    def check(self, method: str, path: str) -> None:
        """Raise NotLeading when this process must not write."""
        if method != "GET" and not self.gate.open():
            raise NotLeading(method, path)

    def patience(self, method: str, timeout: float) -> float:
        """A write ends while the Lease is still held."""
        return timeout if method == "GET" else min(timeout, WRITE_SECONDS)


class Election:
    """Keeps or seeks the Lease `name` in `namespace` from a thread of its own.

    `won` and `lost` are told of each change, on that thread.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        identity: str,
        gate: Gate,
        on_change: Callable[[bool], None],
        clock: Callable[[], float] = boot_clock,
        remarks: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """`remarks` are annotations that a leader puts on the Lease."""
        self._api = api
        self._remarks = remarks
        self.inherited: Mapping[str, str] = {}
        """The annotations of the Lease as whoever led before left it."""
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace)}/leases"
        self._path = f"{self._collection}/{quote(name)}"
        self._name = name
        self._identity = identity
        self._gate = gate
        self._on_change = on_change
        self._clock = clock
        self._seen: tuple[str, float] | None = None
        """The resourceVersion of the Lease when last seen, and since when it has been that one."""
        self._leading = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="election", daemon=True)

    @property
    def leading(self) -> bool:
        """Whether this process leads, for certain."""
        return self._leading and self._gate.open()

    def start(self) -> None:
        """Begin to seek the Lease; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Give the Lease back, so that the standby need not wait for its end."""
        self._stopping.set()
        self._thread.join(CALL_SECONDS * 2)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.try_once()
            self._stopping.wait(RETRY_SECONDS if self._leading else LOOK_SECONDS)
        self._release()

    def try_once(self) -> bool:
        """Renew the Lease, or take it if it is free; whether it is ours now."""
        began = self._clock()
        try:
            ours = self._seek(began)
        except ApiError as error:
            log.warning("the Lease %s: %s", self._name, error)
            ours = self._leading and self._gate.open()  # still in the time of the last renewal
        else:
            if ours:
                self._gate.renewed(began)
        if not ours:
            self._gate.close()
        if ours != self._leading:
            self._leading = ours
            log.info("leading now" if ours else "not leading any more", extra={"identity": self._identity})
            self._on_change(ours)
        return ours

    def _seek(self, began: float) -> bool:
        try:
            stored = self._api.get(self._path, timeout=CALL_SECONDS)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return self._write(lambda: self._api.create(self._collection, self._body(None), timeout=CALL_SECONDS))
        holder = str(objects.value(stored, "spec", "holderIdentity") or "")
        version = str(objects.value(stored, "metadata", "resourceVersion"))
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, began)
        lasts = objects.value(stored, "spec", "leaseDurationSeconds")
        free = began - self._seen[1] >= (lasts if isinstance(lasts, int) else LEASE_SECONDS)
        if holder != self._identity:
            self.inherited = objects.annotations(stored)
        if holder not in ("", self._identity) and not free:
            return False
        return self._write(lambda: self._api.replace(self._path, self._body(stored), timeout=CALL_SECONDS))

    def _write(self, act: Callable[[], KubeObject]) -> bool:
        """Write the Lease; somebody else's write in between wins."""
        try:
            written = act()
        except ApiError as error:
            if error.status == HTTPStatus.CONFLICT:
                self._seen = None
                return False
            raise
        self._seen = (str(objects.value(written, "metadata", "resourceVersion")), self._clock())
        return True

    def _body(self, stored: KubeObject | None) -> KubeObject:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        before = objects.mapping(stored, "spec")
        same = before.get("holderIdentity") == self._identity
        transitions = before.get("leaseTransitions")
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": self._name,
                # What another leader remarked stays until there is something to say instead.
                "annotations": dict(self._remarks() or objects.annotations(stored or {})),
                # Only if nobody else has written meanwhile.
                **({"resourceVersion": objects.value(stored, "metadata", "resourceVersion")} if stored else {}),
            },
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": LEASE_SECONDS,
                "acquireTime": before.get("acquireTime") if same else now,
                "renewTime": now,
                "leaseTransitions": (transitions if isinstance(transitions, int) else 0) + (0 if same else 1),
            },
        }

    def _release(self) -> None:
        if not self._leading:
            return
        self._gate.close()
        try:
            stored = self._api.get(self._path, timeout=CALL_SECONDS)
            if objects.value(stored, "spec", "holderIdentity") == self._identity:
                body = self._body(stored)
                freed = {**objects.mapping(body, "spec"), "holderIdentity": "", "leaseDurationSeconds": 1}
                self._api.replace(self._path, {**body, "spec": freed}, timeout=CALL_SECONDS)
        except ApiError as error:
            log.warning("could not give the Lease %s back: %s", self._name, error)
