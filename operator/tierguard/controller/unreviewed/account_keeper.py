"""Keeps the account over restarts: writes down what was seen, and looks back when nobody had been there. Thin."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from tierguard.api.kinds import FREEZE, WINDOW
from tierguard.api.model import rfc3339
from tierguard.cluster import record
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api
from tierguard.controller.options import FIELD_MANAGER
from tierguard.controller.unreviewed.accountant import Accountant, Passed
from tierguard.controller.unreviewed.recovery import Found, recovered, told
from tierguard.controller.unreviewed.snapshot import decode, encode, fitting, present, taken
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.survey import Surveyed

log = logging.getLogger(__name__)

NAME = "tierguard-account"
CHANGED = timedelta(seconds=5)
"""The least time between two snapshots. The next leader does not know what came after the last one."""
CHANGED_LARGE = timedelta(seconds=20)
LARGE = 100_000
"""Characters of a snapshot that is not taken as often, as it costs more (about a thousand workloads)."""
UNCHANGED = timedelta(seconds=60)
"""How often an unchanged snapshot gets a new time. The next leader looks back from that time."""
PATIENCE = timedelta(seconds=10)
"""How long to wait for the list of ConfigMaps."""


class AccountKeeper:
    """Looks back once each time this operator begins to lead, and writes snapshots while it does."""

    def __init__(
        self, api: Api, cache: ClusterCache, accountant: Accountant, namespace: str, exempt: Iterable[str]
    ) -> None:
        self._api = api
        self._cache = cache
        self._accountant = accountant
        self._path = f"/api/v1/namespaces/{namespace}/configmaps/{NAME}"
        self._namespace = namespace
        self._exempt = frozenset((*exempt, namespace))
        self._waiting: datetime | None = None
        self._looked_back = False
        self._taken: tuple[dict[str, KubeObject], datetime] | None = None
        self._due: datetime | None = None
        self._written: tuple[str | None, datetime] | None = None

    def start_over(self) -> None:
        """Look back again: another operator led, or nobody."""
        self._looked_back, self._waiting = False, None
        self._taken, self._due, self._written = None, None, None

    def look_back(self, now: datetime) -> bool:
        """Find what was let through while nobody looked; returns whether it must be tried again soon."""
        if self._looked_back:
            return False
        self._waiting = self._waiting or now
        if not self._cache.knows_configuration() and now - self._waiting < PATIENCE:
            return True
        self._looked_back = True
        kept = self._cache.notes.account
        since = None if kept is None else objects.instant(objects.value(kept, "data", "until"))
        if kept is None or since is None:
            return False  # the first operator there is: nothing was guarded before it
        before = decode(str(objects.value(kept, "binaryData", "snapshot") or ""))
        if not before:
            return False
        if not self._cache.knows_configuration():
            before = {key: obj for key, obj in before.items() if "/PartialObjectMetadata/" not in key}
        there = present(self._cache)
        found = [
            each
            for each in recovered(before, there, self._cache.state, since, now)
            if each.change.namespace not in self._exempt and each.change.namespace not in self._cache.leaving
        ]
        for each in found:
            self._add(each, since)
        log.info("looked back", extra={"since": rfc3339(since), "found": len(found)})
        return False

    def _add(self, found: Found, since: datetime) -> None:
        change, gone = found.change, found.change.new is None
        holds = {f"{kind}/{name}": raw for kind in _HOLDS for name, raw in self._cache.raw[kind].items()}
        draft = Passed.of(change, found.at, found.findings)
        fresh = [
            finding
            for finding in found.findings
            if not told(holds.get(finding.source, {}), draft.line(finding), since, gone=gone)
        ]
        self._accountant.add(change, fresh, found.at)

    def take(self, state: State, surveyed: tuple[Surveyed, ...], now: datetime) -> timedelta | None:
        """Take a snapshot if it is time, before the statuses: what comes meanwhile is in the next one.

        Returns how long it is until then, None where it was taken: whatever led to this pass shall be in one soon.
        """
        due = self._due is None or now >= self._due
        # A deletion that is not decided about would be forgotten with this process, were it in the snapshot.
        wanted = self._looked_back and due and not self._accountant.waits
        self._taken = (taken(self._cache, state, surveyed, now), now) if wanted else None
        return None if due or self._due is None else self._due - now

    def keep(self) -> None:
        """Write the snapshot down, now that what was let through before it is in the statuses. Raises ApiError."""
        if self._taken is None:
            return
        found, now = self._taken
        snapshot = encode(found)
        if snapshot is None:
            part = fitting(found)
            snapshot = encode(part)
            log.warning(
                "the snapshot is too large: what passes while no operator runs is found for a part only",
                extra={"objects": len(found), "written": len(part)},
            )
        large = snapshot is None or len(snapshot) > LARGE
        self._taken, self._due = None, now + (CHANGED_LARGE if large else CHANGED)
        if self._written is not None and self._written[0] == snapshot and now - self._written[1] < UNCHANGED:
            return
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": NAME,
                "namespace": self._namespace,
                "labels": {record.RECORD_LABEL: record.ACCOUNT, "app.kubernetes.io/managed-by": "tierguard"},
            },
            "data": {"until": rfc3339(now)},
            **({} if snapshot is None else {"binaryData": {"snapshot": snapshot}}),
        }
        self._api.apply(self._path, body, FIELD_MANAGER)
        self._written = (snapshot, now)


_HOLDS = (FREEZE.kind, WINDOW.kind)
