"""Drops connections that hold a place and do nothing with it.

The server bounds how long headers may take, but not how slowly a body trickles in. What the kernel knows about a connection
covers handshakes, headers and bodies from outside, at no cost to a review: when data last came, when data last went.
"""

import logging
import os
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
IDLE_SECONDS = 15.0
"""Silence on a connection that is owed nothing: longer than the server's own limit for headers."""
CROWDED_IDLE_SECONDS = 3.0
"""The same while most places are taken. The API server opens another connection when it needs one."""
OWED_SECONDS = 6.0
"""How long a request may take from its first byte to the first byte of the answer: the API server waits five at most."""
CROWDED = 0.5
"""The part of the places that may be taken before it counts as crowded."""

IDLE, SLOW = "idle", "slow"
REASONS = (IDLE, SLOW)

_LISTEN = 10
_TIMES = struct.Struct("=I4xI")
_TIMES_AT = 44
_ACKNOWLEDGED = struct.Struct("=Q")
_ACKNOWLEDGED_AT = 120
_INFO_BYTES = 256
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the kernel says about a connection, in seconds ago; `delivered` are the bytes that the peer has acknowledged."""

    sent: float
    received: float
    delivered: int


class Judge:
    """Says of each connection, look by look, whether it has to go. Pure."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._looked = 0.0
        self._owed: dict[int, tuple[int, float]] = {}
        """By connection: what was delivered, and for how many seconds data has come without any answer."""

    def look(self, connections: dict[int, Seen], now: float) -> dict[int, str]:
        """The connections to drop, and why. `now` is of a monotonic clock."""
        # A look that comes late says nothing about when a request began.
        passed, self._looked = min(now - self._looked, 2 * LOOK_SECONDS), now
        known, self._owed = self._owed, {}
        idle = CROWDED_IDLE_SECONDS if len(connections) > self._places * CROWDED else IDLE_SECONDS
        found: dict[int, str] = {}
        for key, seen in connections.items():
            delivered, owed = known.get(key, (-1, 0.0))
            answered = seen.received >= seen.sent
            owed = 0.0 if answered or delivered != seen.delivered else owed + passed
            self._owed[key] = (seen.delivered, owed)
            if (answered or not seen.delivered) and min(seen.received, seen.sent) > idle:
                found[key] = IDLE
            elif owed > OWED_SECONDS:
                found[key] = SLOW
        return found


class Sweeper:
    """Looks once a second, from a thread of its own."""

    def __init__(self, ports: Container[int], places: int, dropped: Callable[[str], None]) -> None:
        self._ports = ports
        self._judge = Judge(places)
        self._dropped = dropped
        self._stopping = threading.Event()
        self.open = 0
        """Connections at the last look."""

    def start(self) -> None:
        """Begin; returns at once."""
        threading.Thread(target=self._run, name="connections", daemon=True).start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()

    def look(self) -> None:
        """Drop what has to go."""
        held = dict(self._connections())
        try:
            seen = {key: info for key, (_, info) in held.items()}
            self.open = len(seen)
            for key, reason in self._judge.look(seen, time.monotonic()).items():
                with suppress(OSError):  # it went by itself
                    held[key][0].shutdown(socket.SHUT_RDWR)
                    self._dropped(reason)
        finally:
            for connection, _ in held.values():
                connection.close()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self.look()
            except Exception:
                log.exception("looking at the connections failed")

    def _connections(self) -> Iterator[tuple[int, tuple[socket.socket, Seen]]]:
        """Connections to our ports by inode. Each is held by a descriptor of ours: its number cannot become another's."""
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - a path for each would only cost
            with suppress(OSError):  # closed meanwhile
                descriptor = int(name)
                status = os.fstat(descriptor)
                if stat.S_ISSOCK(status.st_mode) and (found := self._held(descriptor)):
                    yield status.st_ino, found

    def _held(self, descriptor: int) -> tuple[socket.socket, Seen] | None:
        connection = socket.socket(fileno=os.dup(descriptor))
        seen = None
        try:
            seen = self._ours(connection)
        finally:
            if seen is None:
                connection.close()
        return None if seen is None else (connection, seen)

    def _ours(self, connection: socket.socket) -> Seen | None:
        if connection.family not in _FAMILIES or connection.getsockname()[1] not in self._ports:
            return None
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
        if info[0] == _LISTEN or len(info) < _ACKNOWLEDGED_AT + _ACKNOWLEDGED.size:
            return None
        sent, received = _TIMES.unpack_from(info, _TIMES_AT)
        (delivered,) = _ACKNOWLEDGED.unpack_from(info, _ACKNOWLEDGED_AT)
        return Seen(sent / 1000, received / 1000, delivered)


def listening(port: int) -> bool:
    """Whether this process takes connections on `port`; also true where the system does not tell."""
    if not available():
        return True
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - as above
        with suppress(OSError):
            descriptor = int(name)
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode) and _listens(descriptor, port):
                return True
    return False


def _listens(descriptor: int, port: int) -> bool:
    with socket.socket(fileno=os.dup(descriptor)) as found:
        return (
            found.family in _FAMILIES
            and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
            and found.getsockname()[1] == port
        )


def available() -> bool:
    """Whether this system tells what is needed."""
    return hasattr(socket, "TCP_INFO") and Path("/proc/self/fd").is_dir()
