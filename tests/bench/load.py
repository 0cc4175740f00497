"""The load, in a process of its own: how to load on standard input, what came of it on standard output, both JSON.

`python -m tests.bench.load`. The bodies come from a file, each behind its length, so that several targets get the same.
"""

import json
import socket
import ssl
import struct
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

_LENGTH = struct.Struct("!I")
TIMEOUT = 30.0


@dataclass
class Plan:
    """What to send, and how."""

    url: str
    bodies: str
    """A file of `write_bodies`."""
    reviews: int
    connections: int = 8
    authority: str = ""
    """A file with the certificates to trust; empty: anybody's."""
    rate: float = 0.0
    """Reviews a second, evenly spaced, whoever is late; 0: each connection as fast as it is answered."""


@dataclass
class Outcome:
    """What came of it. Latencies in seconds, sorted; with a rate they count from when a review was due."""

    seconds: float
    latencies: list[float]
    answers: dict[str, int] = field(default_factory=dict)
    """How many were `allowed` and `refused`, and what else came."""


def write_bodies(path: Path, bodies: list[bytes]) -> None:
    """Write `bodies` for `read_bodies`."""
    path.write_bytes(b"".join(_LENGTH.pack(len(body)) + body for body in bodies))


def read_bodies(path: Path) -> list[bytes]:
    """The bodies in a file of `write_bodies`."""
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        found.append(data[at + _LENGTH.size : at + _LENGTH.size + length])
        at += _LENGTH.size + length
    return found


def verdict(answer: bytes) -> str:
    """What an answer's body says, in a word."""
    if b'"allowed":true' in answer:
        return "allowed"
    return "refused" if b'"allowed":false' in answer and b'"message":' in answer else "neither"


class _Load:
    def __init__(self, plan: Plan) -> None:
        address = urlsplit(plan.url)
        self._plan = plan
        self._address = (address.hostname or "127.0.0.1", address.port or 443)
        trust = ssl.create_default_context(cafile=plan.authority or None)
        if not plan.authority:
            trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        self._trust = trust
        path = f"{address.path}?{address.query or 'timeout=10s'}"
        self._requests = [_request(path, body) for body in read_bodies(Path(plan.bodies))]
        self._lock = threading.Lock()
        self._next = 0
        self._began = 0.0
        self.latencies: list[float] = []
        self.answers: Counter[str] = Counter()
        self.problems: list[str] = []

    def run(self) -> Outcome:
        ready = threading.Barrier(self._plan.connections + 1)
        threads = [threading.Thread(target=self._try, args=(ready,)) for _ in range(self._plan.connections)]
        for thread in threads:
            thread.start()
        try:
            ready.wait(TIMEOUT)  # every connection has shaken hands
            self._began = time.perf_counter()
            ready.wait(TIMEOUT)
        except threading.BrokenBarrierError:
            self.problems.append("not all connections could be made")
        for thread in threads:
            thread.join()
        if self.problems:
            raise RuntimeError(self.problems[0])
        return Outcome(time.perf_counter() - self._began, sorted(self.latencies), dict(self.answers))

    def _take(self) -> int | None:
        with self._lock:
            number, self._next = self._next, self._next + 1
        return number if number < self._plan.reviews else None

    def _try(self, ready: threading.Barrier) -> None:
        try:
            self._work(ready)
        except (OSError, RuntimeError) as error:
            self.problems.insert(0, f"{type(error).__name__}: {error}")
            ready.abort()

    def _work(self, ready: threading.Barrier) -> None:
        latencies: list[float] = []
        answers: Counter[str] = Counter()
        with (
            socket.create_connection(self._address, timeout=TIMEOUT) as plain,
            self._trust.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as Go's client has it
            ready.wait(TIMEOUT)
            ready.wait(TIMEOUT)
            while (number := self._take()) is not None:
                due = time.perf_counter()
                if self._plan.rate:
                    due = self._began + number / self._plan.rate
                    if (early := due - time.perf_counter()) > 0:
                        time.sleep(early)
                connection.sendall(self._requests[number % len(self._requests)])
                answers[verdict(_answer(connection))] += 1
                latencies.append(time.perf_counter() - due)
        with self._lock:
            self.latencies += latencies
            self.answers += answers


def _request(path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nUser-Agent: bench\r\n\r\n"
    )
    return head.encode() + body


def _answer(connection: ssl.SSLSocket) -> bytes:
    """The body of one answer that has a Content-Length. Raises RuntimeError for any but 200."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode(errors="replace") + body.decode(errors="replace"))
    lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    length = next(int(value) for name, _, value in lines if name == b"content-length")
    while len(body) < length:
        body += _more(connection)
    return body


def _more(connection: ssl.SSLSocket) -> bytes:
    found = connection.recv(65536)
    if not found:
        message = "the connection was closed before the answer came"
        raise RuntimeError(message)
    return found


if __name__ == "__main__":
    json.dump(asdict(_Load(Plan(**json.load(sys.stdin))).run()), sys.stdout)
