"""Keeps the account over restarts: writes down what was seen, and looks back when nobody had been there. Thin."""

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from tierguard.api.kinds import FREEZE, WINDOW
from tierguard.api.model import rfc3339
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api
from tierguard.controller.options import FIELD_MANAGER
from tierguard.controller.unreviewed.accountant import Accountant, Passed
from tierguard.controller.unreviewed.recovery import Found, recovered, told
from tierguard.controller.unreviewed.shards import Account, Taken, config_map, name_of, read, take
from tierguard.controller.unreviewed.snapshot import present
from tierguard.guard.model import objects
from tierguard.guard.model.state import State
from tierguard.guard.survey import Surveyed

log = logging.getLogger(__name__)

CHANGED = timedelta(seconds=5)
"""The least time between two snapshots. The next leader does not know what came after the last one."""
CHANGED_LARGE = timedelta(seconds=20)
"""The same of a large snapshot."""
CONFIRMED = "tierguard.io/account"
"""The annotation of the leader's Lease that says which snapshot still was what there is, and when. The Lease is written all
the time, so nothing else has to be while nothing changes. The next leader looks back from that time."""
PATIENCE = timedelta(seconds=10)
"""How long to wait for the list of ConfigMaps."""


class AccountKeeper:
    """Looks back once each time this operator begins to lead, and writes snapshots while it does."""

    def __init__(
        self,
        api: Api,
        cache: ClusterCache,
        accountant: Accountant,
        namespace: str,
        exempt: Iterable[str],
        inherited: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """`inherited` are the annotations of the Lease as the operator that led before left it."""
        self._api = api
        self._cache = cache
        self._accountant = accountant
        self._namespace = namespace
        self._exempt = frozenset((*exempt, namespace))
        self._inherited = inherited
        self._waiting: datetime | None = None
        self._looked_back = False
        self._taken: tuple[Taken, datetime] | None = None
        self._due: datetime | None = None
        self._written: dict[int, tuple[str | None, int]] = {}
        self._remarks: Mapping[str, str] = {}

    def start_over(self) -> None:
        """Look back again: another operator led, or nobody."""
        self._looked_back, self._waiting = False, None
        self._taken, self._due, self._written, self._remarks = None, None, {}, {}

    def remarks(self) -> Mapping[str, str]:
        """Annotations for the Lease: until when the snapshot that is written is what there is."""
        return self._remarks

    def look_back(self, now: datetime) -> bool:
        """Find what was let through while nobody looked; returns whether it must be tried again soon."""
        if self._looked_back:
            return False
        self._waiting = self._waiting or now
        if not self._cache.knows_configuration() and now - self._waiting < PATIENCE:
            return True
        self._looked_back = True
        kept = read(self._cache.notes.accounts)
        if kept is None:
            return False  # the first operator there is: nothing was guarded before it
        before, since = kept.seen, self._confirmed(kept)
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

    def _confirmed(self, kept: Account) -> datetime:
        """Until when `kept` is known to have been what there is."""
        digest, _, written = self._inherited().get(CONFIRMED, "").partition(" ")
        confirmed = objects.instant(written) if digest == kept.digest else None
        return kept.until if confirmed is None else max(kept.until, confirmed)

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

    def take(self, state: State, surveyed: Iterable[Surveyed], now: datetime) -> timedelta | None:
        """Take a snapshot if it is time, before the statuses: what comes meanwhile is in the next one.

        Returns how long it is until then, None where it was taken: whatever led to this pass shall be in one soon.
        """
        due = self._due is None or now >= self._due
        # A deletion that is not decided about would be forgotten with this process, were it in the snapshot.
        wanted = self._looked_back and due and not self._accountant.waits
        self._taken = (take(self._cache, state, surveyed, now), now) if wanted else None
        return None if due or self._due is None else self._due - now

    def keep(self) -> None:
        """Write the snapshot down, now that what was let through before it is in the statuses. Raises ApiError."""
        if self._taken is None:
            return
        taken, now = self._taken
        if taken.cut:
            log.warning("the snapshot is too large: what passes while no operator runs is found for a part only")
        self._taken, self._due = None, now + (CHANGED_LARGE if taken.large else CHANGED)
        number = len(taken.shards)
        for shard, snapshot in enumerate(taken.shards):
            if self._written.get(shard) != (snapshot, number):
                body = config_map(self._namespace, shard, taken, now)
                self._api.apply(self._path(name_of(shard)), body, FIELD_MANAGER)
                self._written[shard] = (snapshot, number)
        for name in self._cache.notes.accounts.keys() - set(map(name_of, range(number))):
            self._api.delete(self._path(name))
        self._remarks = {CONFIRMED: f"{taken.digest} {rfc3339(now)}"}

    def _path(self, name: str) -> str:
        return f"/api/v1/namespaces/{self._namespace}/configmaps/{name}"


_HOLDS = (FREEZE.kind, WINDOW.kind)
