"""The paths on which this process takes reviews, read again from their file every few seconds."""

import hmac
import time
from collections.abc import Callable
from pathlib import Path

from tierguard.cluster.review_path import parse

LOOK_SECONDS = 5.0


class Paths:
    """Says whether a request came on a path that only the API server knows."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._due = clock() + LOOK_SECONDS
        self._known: tuple[bytes, ...] = ()
        self._read()  # before the first request: a second one beside it would find nothing known yet

    def __call__(self, path: str) -> bool:
        """Whether `path` is one of them. It takes as long whichever it is, so that nobody learns a part of one."""
        now = self._clock()
        if now >= self._due:
            self._due = now + LOOK_SECONDS
            self._read()
        asked = path.encode(errors="replace")
        compared = [hmac.compare_digest(asked, each) for each in self._known]  # each of them, also after a hit
        return any(compared)

    def _read(self) -> None:
        """Read the file; what was known stays while it cannot be read, or says nothing."""
        try:
            found = parse(self._file.read_bytes())
        except OSError:
            return
        if found:
            self._known = tuple(each.path.encode() for each in found)
