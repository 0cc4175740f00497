"""The paths on which the webhook takes reviews, as they are kept in a Secret. Nobody can guess one.

The API server cannot show who it is: what it knows and others do not is the path in its webhook configuration. The operator
makes one and writes it down for both. The webhook takes every path of the list, so that none is refused while the API server
or a mounted Secret is behind.
"""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tierguard.api.model import rfc3339
from tierguard.cluster.mounted import REVIEW_PATHS
from tierguard.guard.model import objects

KEY = REVIEW_PATHS
"""The key in the Secret, and the name of the file where it is mounted."""
MOST = 4
"""Paths that are taken at once."""
PREFIX = "/validate"
RANDOM_BYTES = 32

_PATH = re.compile(rf"{PREFIX}(/[0-9a-f]{{32,128}})?")
"""Without a random part: what versions before this one were called on, which is taken until the API server knows better."""


@dataclass(frozen=True, slots=True)
class ReviewPath:
    """A path, and since when it is in the Secret."""

    path: str
    since: datetime


def fresh(now: datetime) -> ReviewPath:
    """A new path."""
    return ReviewPath(f"{PREFIX}/{secrets.token_hex(RANDOM_BYTES)}", now)


def known(path: str) -> bool:
    """Whether `path` is one that an operator may have made."""
    return _PATH.fullmatch(path) is not None


def parse(written: bytes) -> tuple[ReviewPath, ...]:
    """The paths in a Secret or file, the oldest first. What cannot be read is left out."""
    found = []
    for line in written.decode("ascii", errors="replace").splitlines()[:MOST]:
        since, _, path = line.partition(" ")
        instant = objects.instant(since)
        if instant is not None and known(path):
            found.append(ReviewPath(path, instant))
    return tuple(found)


def encode(paths: Iterable[ReviewPath]) -> bytes:
    """`paths` as they are kept: a line each, the latest that fit."""
    return "".join(f"{rfc3339(each.since)} {each.path}\n" for each in tuple(paths)[-MOST:]).encode()
