"""Types of command-line arguments; argparse shows their errors with the argument's name."""

import argparse
from datetime import datetime


def instant(written: str) -> datetime:
    """An RFC 3339 instant with its offset."""
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        message = f"{written!r} is no instant; write it as 2026-11-11T12:00:00Z or 2026-11-11T19:00:00+07:00"
        raise argparse.ArgumentTypeError(message)
    return found


def address(written: str) -> tuple[str, int]:
    """`ADDRESS:PORT`."""
    host, colon, port = written.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:  # noqa: PLR2004 - ports are 16 bits
        message = f"{written!r} is no ADDRESS:PORT"
        raise argparse.ArgumentTypeError(message)
    return host.strip("[]"), int(port)
