"""Ports of 127.0.0.1."""

import random
import socket

from tests.cluster.errors import ClusterError

PORT_VARIABLE = "TIERGUARD_APISERVER_PORT"
FIRST, LAST = 20_000, 32_767
"""Ports below those that systems choose for connections. A server on one of those may not get it back when it starts again:
whoever tries to connect meanwhile may be given that very port for his end, and then is connected with himself."""
TRIES = 1_000
_given: set[int] = set()


def free_port() -> int:
    """A port that is free at this moment, and that this process was not given before. Raises ClusterError.

    Somebody else may still be faster to take it.
    """
    for _ in range(TRIES):
        port = random.randint(FIRST, LAST)  # noqa: S311 - no secret
        if port not in _given and not _trouble(port):
            _given.add(port)
            return port
    message = f"No free port of 127.0.0.1 was found between {FIRST} and {LAST} in {TRIES} tries: end what uses them."
    raise ClusterError(message)


def _trouble(port: int) -> str:
    """Why nobody can listen on a port; empty when somebody can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return ""


def check_port(port: int) -> None:
    """Refuse a port that was asked for by number and cannot be had."""
    if trouble := _trouble(port):
        message = (
            f"The API server cannot have port {port} of 127.0.0.1: {trouble}. "
            f"End what uses that port, or set {PORT_VARIABLE} to another one, or unset it to have one chosen."
        )
        raise ClusterError(message)


def parse_port(value: str | None) -> int | None:
    """The port that TIERGUARD_APISERVER_PORT asks for; None if it asks for none."""
    if not value:
        return None
    if not value.isdecimal() or not 0 < int(value) < 65536:
        message = f"{PORT_VARIABLE} is {value!r}, which is no port; use a number from 1 to 65535, or unset it."
        raise ClusterError(message)
    return int(value)
