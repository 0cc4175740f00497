"""One review at a time, and nobody waits for his turn longer than the API server waits for him.

Reviews are pure CPU under one interpreter lock, so only one is decided at a time. What waits for that is bounded in number
and in time: an answer that comes after the API server has given up helps nobody and makes everybody else later. Whoever is
turned away gets a 503, so that the API server's failure policy decides: never an "allowed".
"""

import re
import threading
import time
from functools import lru_cache
from urllib.parse import parse_qs

MOST_WAITING = 512
"""Reviews that wait for their turn: at a millisecond or two each, more than can be answered within two seconds."""
PATIENCE = 0.75
"""The part of the API server's timeout that may pass before a review's turn: it began to count before we did, and the answer
takes its time too."""
LONGEST_SECONDS = 10.0
"""What the API server allows a webhook that says nothing about it, and the most that is believed."""

QUEUE = "queue"
DEADLINE = "deadline"
MEMORY = "memory"
REASONS = (QUEUE, DEADLINE, MEMORY)
"""Why a review was turned away: too many waited, it waited too long, too many large ones were under way."""

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m)")
_LONGEST_QUERY = 1024
"""Characters of a query string that is read: the API server's has a dozen."""
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}


@lru_cache(maxsize=64)
def patience(query: str) -> float:
    """The seconds that a review may wait, by the query string of its request: the API server says `timeout=5s` there."""
    if len(query) > _LONGEST_QUERY:
        return LONGEST_SECONDS * PATIENCE
    (written,) = parse_qs(query).get("timeout", [""])[-1:] or [""]
    parts = _DURATION.findall(written)
    whole = "".join(number + unit for number, unit in parts) == written
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts) if parts and whole else LONGEST_SECONDS
    return min(seconds, LONGEST_SECONDS) * PATIENCE


class Gate:
    """The turn to decide. Who has entered leaves again."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._turn = threading.Lock()
        self._counting = threading.Lock()
        self._most = most_waiting
        self.waiting = 0

    def enter(self, until: float) -> str:
        """Wait for the turn, until that instant of the monotonic clock. Empty when it has come, else why it has not."""
        if self._turn.acquire(blocking=False):
            return self._in_time(until)
        with self._counting:
            if self.waiting >= self._most:
                return QUEUE
            self.waiting += 1
        try:
            got = self._turn.acquire(timeout=max(0.0, until - time.monotonic()))
        finally:
            with self._counting:
                self.waiting -= 1
        return self._in_time(until) if got else DEADLINE

    def leave(self) -> None:
        """Let the next one have his turn."""
        self._turn.release()

    def _in_time(self, until: float) -> str:
        if time.monotonic() < until:
            return ""
        self._turn.release()  # its body came too slowly
        return DEADLINE
