"""Writes the journal of this process, beside the reviews: a review never waits for it."""

import logging
import secrets
import socket
import threading
from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote

from tierguard.api.model import rfc3339
from tierguard.cluster.client import Api, ApiError
from tierguard.cluster.journal import Entry, Glass, Journal, journal_name, write
from tierguard.guard.model.change import Change
from tierguard.guard.model.decision import Decision
from tierguard.guard.model.objects import printable

log = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0
"""How long refusals are gathered before they are written: a storm of them is one write a second."""
RETRY_SECONDS = 5.0
FIELD_MANAGER = "tierguard-webhook"


class Journalist:
    """Keeps and writes the journal of one process. `note` may be called from any thread and does no I/O."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._process = f"{socket.gethostname().lower()[:40].strip('.-')}-{secrets.token_hex(4)}"
        self._journal = Journal()
        self._lock = threading.Lock()
        self._news = threading.Event()

    def start(self) -> None:
        """Begin to write."""
        threading.Thread(target=self._run, name="journal", daemon=True).start()

    def note(self, decision: Decision, change: Change, uid: str, now: datetime) -> None:
        """Take note of a refusal or of broken glass; of anything else there is nothing to tell."""
        if decision.bypass is None and (decision.allowed or not decision.blocked_by):
            return
        user, kinds = printable(change.user, 253), ",".join(decision.kinds)[:256]
        place = (change.kind, change.namespace, printable(change.name, 253))
        at = rfc3339(now)
        with self._lock:
            if decision.bypass is not None:
                passed = tuple(stretch.uid for stretch in decision.bypass.past)
                told = (decision.bypass.ticket, decision.bypass.reason)
                self._journal.bypass(Glass(printable(uid, 64), user, kinds, *place, *told, at, passed))
            else:
                for stretch in decision.blocked_by:
                    self._journal.refuse(stretch.uid, stretch.since, Entry(user, kinds, *place, at, at))
        self._news.set()

    def _run(self) -> None:
        stop = threading.Event()
        while True:
            self._news.wait()
            stop.wait(FLUSH_SECONDS)
            self._news.clear()
            if not self._attempt(self._flush):
                self._news.set()
                stop.wait(RETRY_SECONDS)

    def _attempt(self, act: Callable[[], None]) -> bool:
        try:
            act()
        except ApiError as error:
            log.warning("could not write the journal: %s", error)
            return False
        except Exception:
            log.exception("could not write the journal")
            return False
        return True

    def _flush(self) -> None:
        with self._lock:
            body = write(self._namespace, self._process, self._journal)
        path = f"/api/v1/namespaces/{self._namespace}/configmaps/{quote(journal_name(self._process))}"
        self._api.apply(path, body, FIELD_MANAGER)
