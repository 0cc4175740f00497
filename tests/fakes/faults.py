"""What an API server that is not well answers. Each is a `Fault`."""

import json
import socket
from contextlib import suppress

from tests.fakes.apiserver import Exchange, Fault


def refusing(status: int, **headers: str) -> Fault:
    """Say no."""

    def fault(exchange: Exchange) -> bool:
        exchange.refuse(status, "not now", **headers)
        return True

    return fault


def cut(exchange: Exchange) -> bool:
    """Close the connection without a word."""
    with suppress(OSError):
        exchange.handler.connection.shutdown(socket.SHUT_RDWR)
    exchange.handler.close_connection = True
    return True


def garbage(exchange: Exchange) -> bool:
    """Answer with what is no JSON."""
    if exchange.verb == "watch":
        exchange.begin_watch()
        exchange.raw(b"<html>502 Bad Gateway</html>\n")
    else:
        exchange.answer(200, b"<html>502 Bad Gateway</html>")
    return True


def other_json(exchange: Exchange) -> bool:
    """Answer with JSON that is not what was asked for."""
    if exchange.verb == "watch":
        exchange.begin_watch()
        exchange.raw(b'[]\n{"type": "ADDED"}\n')
    else:
        exchange.answer(200, b"[1, 2]")
    return True


def half(exchange: Exchange) -> bool:
    """Stop in the middle."""
    if exchange.verb == "watch":
        exchange.begin_watch()
        exchange.raw(b'{"type": "ADDED", "object": {"metadata": {"na')
    else:
        body = json.dumps({"items": [{"metadata": {"name": "half"}}]}).encode()
        exchange.handler.send_response(200)
        exchange.handler.send_header("Content-Length", str(len(body)))
        exchange.handler.end_headers()
        exchange.raw(body[: len(body) // 2])
        exchange.handler.close_connection = True
    return True


def closed_at_once(exchange: Exchange) -> bool:
    """End a watch before anything is told; lists are well."""
    if exchange.verb != "watch":
        return False
    exchange.begin_watch()
    return True


def gone_in_watch(exchange: Exchange) -> bool:
    """Tell a watch that it began too far back; lists are well."""
    if exchange.verb != "watch":
        return False
    exchange.begin_watch()
    exchange.line("ERROR", {"kind": "Status", "code": 410, "message": "too old resource version"})
    return True


def error_in_watch(exchange: Exchange) -> bool:
    """Tell a watch of an inner error; lists are well."""
    if exchange.verb != "watch":
        return False
    exchange.begin_watch()
    exchange.line("ERROR", {"kind": "Status", "code": 500, "message": "etcd is not well"})
    return True


def bookmark_only(exchange: Exchange) -> bool:
    """Say only how far a watch has come; lists are well."""
    if exchange.verb != "watch":
        return False
    exchange.begin_watch()
    exchange.line("BOOKMARK", {"metadata": {"resourceVersion": exchange.query["resourceVersion"]}})
    return True


def forgetting(exchange: Exchange) -> bool:
    """Forget the history before this request is answered: continuations and watches from before get a 410."""
    exchange.server.compact()
    return False


def silent(exchange: Exchange) -> bool:
    """Take the request and say nothing, until the client has had enough."""
    if exchange.verb == "watch":
        exchange.begin_watch()
    exchange.handler.connection.settimeout(60)
    with suppress(OSError):
        exchange.handler.connection.recv(1)
    exchange.handler.close_connection = True
    return True


def trickling(exchange: Exchange) -> bool:
    """Send an answer so slowly that it never ends, but never pause for long."""
    if exchange.verb == "watch":
        exchange.begin_watch()
    else:
        exchange.handler.send_response(200)
        exchange.handler.send_header("Content-Length", "100000")
        exchange.handler.end_headers()
    with suppress(OSError):
        while not exchange.server.stopping.wait(0.05):
            exchange.raw(b" ")
    exchange.handler.close_connection = True
    return True


def trickling_line(exchange: Exchange) -> bool:
    """Send one event that never ends."""
    exchange.begin_watch()
    with suppress(OSError):
        while not exchange.server.stopping.wait(0.001):
            exchange.raw(b"x" * 500)
    return True


EVERY: dict[str, Fault] = {
    "429": refusing(429),
    "500": refusing(500),
    "503": refusing(503),
    "410": refusing(410),
    "cut": cut,
    "garbage": garbage,
    "other JSON": other_json,
    "half": half,
    "closed at once": closed_at_once,
    "410 in the watch": gone_in_watch,
    "500 in the watch": error_in_watch,
    "bookmark only": bookmark_only,
    "forgetting": forgetting,
}
"""Those that end at once."""
