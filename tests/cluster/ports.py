"""Ports of 127.0.0.1."""

import socket

from tests.cluster.errors import ClusterError

PORT_VARIABLE = "TIERGUARD_APISERVER_PORT"


def free_port() -> int:
    """A port that is free at this moment; somebody else may still be faster to take it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def check_port(port: int) -> None:
    """Refuse a port that was asked for by number and cannot be had."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            message = (
                f"The API server cannot have port {port} of 127.0.0.1: {(error.strerror or str(error)).lower()}. "
                f"End what uses that port, or set {PORT_VARIABLE} to another one, or unset it to have one chosen."
            )
            raise ClusterError(message) from None


def parse_port(value: str | None) -> int | None:
    """The port that TIERGUARD_APISERVER_PORT asks for; None if it asks for none."""
    if not value:
        return None
    if not value.isdecimal() or not 0 < int(value) < 65536:
        message = f"{PORT_VARIABLE} is {value!r}, which is no port; use a number from 1 to 65535, or unset it."
        raise ClusterError(message)
    return int(value)
