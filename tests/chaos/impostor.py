"""Who answers in the webhooks' place, with their certificate: garbage, or what they say but late."""

import contextlib
import json
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import urllib3

Respond = Callable[[bytes], tuple[int, str, bytes]]
"""From a review's bytes to status, content type and body."""

_JSON = "application/json"


def garbage(seed: int) -> Respond:
    """Answers that no webhook should give, each a little different, and none of them valid."""
    draw = random.Random(seed)  # noqa: S311 - it shall be repeatable

    def review(**response: Any) -> bytes:
        return json.dumps(
            {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        ).encode()

    def respond(body: bytes) -> tuple[int, str, bytes]:
        uid = json.loads(body)["request"]["uid"]
        return draw.choice(
            [
                (200, _JSON, b""),
                (200, _JSON, b"{}"),
                (200, _JSON, b"\x00\xff" * 64),
                (200, "text/html", b"<html>It works!</html>"),
                (200, _JSON, review(uid="somebody-else's", allowed=True)),
                (200, _JSON, review(uid=uid, allowed="certainly")),
                (
                    200,
                    _JSON,
                    json.dumps({"kind": "AdmissionReview", "response": {"uid": uid, "allowed": True}}).encode(),
                ),
                (200, _JSON, review(uid=uid, allowed=True)[:-12]),
                (500, _JSON, review(uid=uid, allowed=True)),
                (302, _JSON, b""),
                (204, _JSON, b""),
            ]
        )

    return respond


def late(seconds: float, url: str, authority: Path) -> Respond:
    """What the webhook says that takes reviews at `url`, so many seconds later."""
    pool = urllib3.PoolManager(ca_certs=str(authority), retries=False, timeout=5.0, maxsize=64)

    def respond(body: bytes) -> tuple[int, str, bytes]:
        answer = pool.request("POST", url, body=body, headers={"Content-Type": _JSON})
        time.sleep(seconds)
        return answer.status, answer.headers["Content-Type"], answer.data

    return respond


class Impostor:
    """Serves HTTPS on `port` with the certificate in `certificates`, as `respond` says."""

    def __init__(self, port: int, certificates: Path, respond: Respond) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    status, content_type, answer = respond(body)
                except urllib3.exceptions.HTTPError:
                    status, content_type, answer = 503, "text/plain", b"gone"
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature is the library's
                """Say nothing."""

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "tls.crt", certificates / "tls.key")
        self._server = _Server(("127.0.0.1", port), Handler, context)
        threading.Thread(target=self._server.serve_forever, name="impostor", daemon=True).start()

    def close(self) -> None:
        """End, connections that are kept open included: the API server would go on asking there."""
        self._server.shutdown()
        self._server.server_close()
        self._server.drop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_port = True

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext
    ) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()
        # The handshake belongs to the connection's own thread: a client that stalls must not hold up the others.
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.settimeout(30)
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def drop(self) -> None:
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The API server gives up on garbage, and closes: that is what is wanted."""
