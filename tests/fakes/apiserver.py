"""An API server on loopback that lists and watches what it is told to, and is as sick as a test wants it to be.

It keeps one history of changes for all paths, as etcd does, pages its lists, and forgets the older part of its history when
asked to, so that continuations and watches from before get the 410 that the real one gives.
"""

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import yaml

KubeObject = dict[str, Any]
Fault = Callable[["Exchange"], bool]
"""Does something unhealthy to a request; whether that was all of the answer."""
LOOK_SECONDS = 0.02


@dataclass
class Exchange:
    """A request, and the means to answer it badly."""

    handler: BaseHTTPRequestHandler
    path: str
    query: Mapping[str, str]
    server: "FakeApiServer"

    @property
    def verb(self) -> str:
        return "watch" if self.query.get("watch") else "list" if self.handler.command == "GET" else "write"

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        """A whole answer."""
        self.handler.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()
        self.handler.wfile.write(body)

    def refuse(self, status: int, message: str, **headers: str) -> None:
        """What the API server answers when it says no."""
        said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "message": message}
        self.answer(status, json.dumps(said).encode(), **headers)

    def begin_watch(self) -> None:
        """The head of a watch's answer; the connection ends with it."""
        self.handler.send_response(200)
        self.handler.send_header("Content-Type", "application/json")
        self.handler.send_header("Connection", "close")
        self.handler.end_headers()
        self.handler.close_connection = True

    def line(self, kind: str, obj: KubeObject) -> None:
        """One event of a watch."""
        self.raw(json.dumps({"type": kind, "object": obj}).encode() + b"\n")

    def raw(self, data: bytes) -> None:
        """Bytes, whatever they are."""
        self.handler.wfile.write(data)
        self.handler.wfile.flush()


@dataclass
class _Change:
    version: int
    path: str
    kind: str
    obj: KubeObject


@dataclass
class FakeApiServer:
    """Start it with `with`. `faults` are used up one a request, the first one first; `sick` is asked before each."""

    objects: dict[str, dict[tuple[str, str], KubeObject]] = field(default_factory=dict)
    faults: deque[Fault] = field(default_factory=deque)
    sick: Fault = lambda _exchange: False
    requests: list[tuple[float, str, str]] = field(default_factory=list)
    """(monotonic time, verb, path) of each request."""
    written: list[tuple[str, str, KubeObject]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._version = 1
        self._forgotten = 0
        self._history: list[_Change] = []
        self.stopping = threading.Event()
        handler = type("Handler", (_Handler,), {"fake": self})
        self._http = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(LOOK_SECONDS,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()

    def kubeconfig(self, path: Path) -> Path:
        """Write how to reach it, as kubectl reads it."""
        written = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "fake", "user": {}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        }
        path.write_text(yaml.safe_dump(written), encoding="utf-8")
        return path

    def put(self, path: str, name: str, namespace: str = "", **more: Any) -> KubeObject:
        """Make or change an object of the collection at `path`."""
        with self._lock:
            self._version += 1
            metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **more.pop("metadata", {})}
            obj: KubeObject = {**more, "metadata": {**metadata, "resourceVersion": str(self._version)}}
            known = self.objects.setdefault(path, {})
            kind = "MODIFIED" if (namespace, name) in known else "ADDED"
            known[(namespace, name)] = obj
            self._history.append(_Change(self._version, path, kind, obj))
            return obj

    def drop(self, path: str, name: str, namespace: str = "") -> None:
        """Delete an object."""
        with self._lock:
            gone = self.objects.get(path, {}).pop((namespace, name), None)
            if gone is not None:
                self._version += 1
                last = {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(self._version)}}
                self._history.append(_Change(self._version, path, "DELETED", last))

    def compact(self) -> None:
        """Forget the history: what wants to go on from before now gets a 410."""
        with self._lock:
            self._version += 1
            self._forgotten = self._version
            self._history.clear()

    def count(self, verb: str | None = None, path: str | None = None) -> int:
        """How many requests there were."""
        return sum(verb in (None, v) and path in (None, p) for _, v, p in tuple(self.requests))

    def by_path(self) -> Counter[str]:
        """How many requests there were, by path."""
        return Counter(path for _, _, path in tuple(self.requests))

    def serve(self, exchange: Exchange) -> None:
        """Answer one request, badly where a fault is due."""
        with self._lock:
            self.requests.append((time.monotonic(), exchange.verb, exchange.path))
            fault = self.faults.popleft() if self.faults else None
        if self.sick(exchange) or (fault is not None and fault(exchange)):
            return
        if exchange.verb == "write":
            length = int(exchange.handler.headers.get("Content-Length") or 0)
            body = json.loads(exchange.handler.rfile.read(length) or b"{}")
            self.written.append((exchange.handler.command, exchange.path, body))
            exchange.answer(200, json.dumps(body).encode())
        elif exchange.verb == "watch":
            self._watch(exchange)
        else:
            self._list(exchange)

    def _list(self, exchange: Exchange) -> None:
        limit = int(exchange.query.get("limit") or 0)
        version, start = 0, 0
        if "continue" in exchange.query:
            version, start = map(int, exchange.query["continue"].split("."))
        with self._lock:
            if version and version < self._forgotten:
                exchange.refuse(410, "The provided continue parameter is too old")
                return
            items = [obj for _, obj in sorted(self.objects.get(exchange.path, {}).items())]
            version = version or self._version
        page = items[start : start + limit] if limit else items[start:]
        metadata = {"resourceVersion": str(version)}
        if limit and start + limit < len(items):
            metadata["continue"] = f"{version}.{start + limit}"
        exchange.answer(200, json.dumps({"kind": "List", "metadata": metadata, "items": page}).encode())

    def _watch(self, exchange: Exchange) -> None:
        version = int(exchange.query.get("resourceVersion") or 0)
        exchange.begin_watch()
        until = time.monotonic() + float(exchange.query.get("timeoutSeconds") or 60)
        while time.monotonic() < until:
            with self._lock:
                expired = version < self._forgotten
                news = [c for c in self._history if c.version > version and c.path == exchange.path]
            if expired:
                exchange.line("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version"})
                return
            for change in news:
                exchange.line(change.kind, change.obj)
                version = change.version
            if self.stopping.wait(LOOK_SECONDS):
                return


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves is none."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeApiServer
    disable_nagle_algorithm = True

    def _any(self) -> None:
        address = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        self.fake.serve(Exchange(self, address.path, query, self.fake))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature is the library's
        """Say nothing."""
