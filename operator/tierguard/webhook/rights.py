"""What RBAC said a moment ago: bounded, short-lived, and each question asked once however many requests have it."""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

from tierguard.guard.model.change import Question
from tierguard.guard.model.digest import encoded
from tierguard.webhook.wire import UserInfo

GOOD_SECONDS = 2.0
"""How long an answer is good: a right that was taken away is gone as fast as a watch would tell."""
MOST_ANSWERS = 2048


class Rights:
    """Remembers the answers to questions about users. Safe to use from several threads."""

    def __init__(self, patience: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, tuple[bool, float]] = OrderedDict()
        self._under_way: dict[bytes, Future[bool | None]] = {}
        """Questions that some thread is asking right now: as many as there are threads at most."""

    def answer(self, user: UserInfo, question: Question, ask: Callable[[], bool | None]) -> tuple[bool | None, bool]:
        """The answer, from `ask` where it is not known, and whether it was known. None, for no answer, is not kept."""
        key = _key(user, question)
        with self._lock:
            known = self._known.get(key)
            if known is not None and self._clock() < known[1]:
                return known[0], True
            waiting = self._under_way.get(key)
            asking: Future[bool | None] = Future()
            if waiting is None:
                self._under_way[key] = asking
        if waiting is not None:
            return self._wait(waiting), True
        found: bool | None = None
        try:
            found = ask()
        finally:
            self._keep(key, found=found)
            asking.set_result(found)
        return found, False

    def _keep(self, key: bytes, *, found: bool | None) -> None:
        with self._lock:
            del self._under_way[key]
            if found is None:
                return
            self._known.pop(key, None)
            self._known[key] = (found, self._clock() + GOOD_SECONDS)
            if len(self._known) > MOST_ANSWERS:
                self._known.popitem(last=False)

    def _wait(self, waiting: Future[bool | None]) -> bool | None:
        try:
            return waiting.result(self._patience)
        except TimeoutError:
            return None


def _key(user: UserInfo, question: Question) -> bytes:
    """A digest of the whole identity and the question: RBAC answers by groups and, through webhooks, by extra too."""
    whole = [user.username, user.uid, user.groups, user.extra, question.verb, question.name]
    return hashlib.sha256(encoded(whole)).digest()
