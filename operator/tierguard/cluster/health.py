"""A small plain-HTTP server for probes and scrapes, beside whatever else a process does."""

import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

StartResponse = Callable[[str, list[tuple[str, str]]], object]
Answer = tuple[str, str, bytes]

OK = "200 OK"
NOT_FOUND = "404 Not Found"
UNAVAILABLE = "503 Service Unavailable"
TEXT = "text/plain; charset=utf-8"


class Health:
    """Answers `/livez`, `/readyz` and `/metrics`. `problem` and `not_ready` say what is wrong; empty is well."""

    def __init__(self, registry: CollectorRegistry, problem: Callable[[], str], not_ready: Callable[[], str]) -> None:
        self._registry = registry
        self._checks = {"/livez": problem, "/readyz": not_ready}

    def answer(self, path: str) -> Answer:
        """Status line, content type and body for `path`."""
        if path == "/metrics":
            return OK, CONTENT_TYPE_LATEST, generate_latest(self._registry)
        check = self._checks.get(path)
        if check is None:
            return NOT_FOUND, TEXT, b"not found\n"
        found = check()
        return (UNAVAILABLE, TEXT, f"{found}\n".encode()) if found else (OK, TEXT, b"ok\n")

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """The same as WSGI."""
        status, content_type, body = self.answer(str(environ.get("PATH_INFO")))
        start_response(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        return (body,)

    def serve(self, address: str, port: int) -> None:
        """Serve on `address`:`port` from a daemon thread. Raises OSError when the port is taken."""
        server = make_server(address, port, self, _Server, _QuietHandler)
        threading.Thread(target=server.serve_forever, name="health", daemon=True).start()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # A worker that replaces another one answers beside it for a while.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()


class _QuietHandler(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature is the library's
        """Say nothing: probes come every few seconds."""
