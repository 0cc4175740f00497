"""Keeps the rollback record, and what it is made of. Thin: the pure parts say what they should say."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from tierguard.cluster import record
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api
from tierguard.controller.options import FIELD_MANAGER
from tierguard.controller.rollback.installation import revisions
from tierguard.controller.rollback.observed import Observed
from tierguard.guard.freezes.rollback_record import RECORDED_KINDS, complete, wanted_entries
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.template import template_hash
from tierguard.guard.model.workload import Workload
from tierguard.guard.survey import Survey, Surveyed

FRESH = timedelta(minutes=10)
"""How long after the installation revisions are still taken for what was there before it."""
WRITE_PAUSE = timedelta(seconds=10)
"""How often what was observed is written down at most. What a crash loses is seen again, unless it was replaced since."""
MOST_WRITES = 16
"""ConfigMaps of what was observed that one pass writes at most."""
_KEPT = "records"


class RecordKeeper:
    """Keeps the rollback record."""

    def __init__(self, api: Api, cache: ClusterCache, namespace: str) -> None:
        self._api = api
        self._cache = cache
        self._namespace = namespace
        self._written: dict[str, dict[str, datetime]] = {}
        """What was written and may not have come back by the watch yet: the first instant must not be moved."""
        self._observed = Observed()
        self._loaded = False
        self._history_read = False
        self._due: datetime | None = None
        self._leadership = 0
        self._forgotten: tuple[int, ...] | None = None

    def start_over(self) -> None:
        """Forget what was written while another operator kept the record, and read what that one saw."""
        self._written.clear()
        self._loaded = False
        self._leadership += 1

    def observe(self, kind: str, obj: KubeObject, now: datetime) -> None:
        """Take note of a workload as it is at this moment. Called for every change, on a reflector's thread."""
        workload = Workload.of(obj) if kind in RECORDED_KINDS else None
        if workload is not None and complete(workload):
            self._observed.see(objects.uid(obj), template_hash(workload.template), now)

    @property
    def news(self) -> int:
        """Another number whenever a template was seen that was not known."""
        return self._observed.changes

    def look_on(self) -> None:
        """Forget what is gone, while another operator leads. The cache must be complete."""
        self._observed.keep_only(self._alive())

    def keep(self, surveyed: Iterable[Surveyed], installed: datetime, now: datetime) -> timedelta | None:
        """Write what changed and delete what speaks of workloads that are gone. Raises ApiError.

        Returns how soon there is more to write; None where there is nothing.
        """
        self._begin(installed, now)
        for part in Survey.of(surveyed).parts:
            seen = (self._leadership, self._cache.notes.changes, self._observed.changes)
            if not part.memo.noted(_KEPT, seen) and not self._keep(part.surveyed, now):
                part.memo.note(_KEPT, seen)
        self._forget()
        return self._write_observed(now)

    def _keep(self, surveyed: Iterable[Surveyed], now: datetime) -> bool:
        """Write what is not on record yet; returns whether anything was."""
        wrote = False
        for subject in surveyed:
            workload = subject.classified.workload
            uid = objects.uid(workload.raw)
            if workload.kind not in RECORDED_KINDS or not uid:
                continue
            known = self._cache.notes.records.get(uid)
            written = self._written.get(uid)
            if known is not None and written is not None and written.keys() <= known.keys():
                written = self._written.pop(uid, None)
            merged = {**(known or {}), **(written or {})}
            entries = record.newest(wanted_entries(workload, merged, self._observed.entries(uid), now))
            if entries == merged:
                continue
            body = record.write(self._namespace, workload.raw, entries)
            self._api.apply(self._path(record.record_name(uid)), body, FIELD_MANAGER)
            self._written[uid] = entries
            wrote = True
        return wrote

    def _begin(self, installed: datetime, now: datetime) -> None:
        """Once in each leadership: know what earlier leaders saw. Once in an installation: read its history."""
        if self._loaded:
            return
        self._observed.load(self._cache.notes.observed)
        if not self._cache.notes.history_read:
            if now - installed < FRESH and not self._history_read:
                for revision in revisions(self._api, installed):
                    self._observed.see(revision.workload, revision.template, revision.made)
                self._history_read = True
            self._observed.keep_only(self._alive())
            for shard in self._observed.due():
                self._write_shard(shard)
            # Last: an operator that dies before this reads it again, and none does after it.
            self._api.apply(self._path(record.HISTORY), record.history_mark(self._namespace, now), FIELD_MANAGER)
        self._loaded = True

    def _write_observed(self, now: datetime) -> timedelta | None:
        due = self._observed.due()
        if not due:
            return None
        if self._due is None or now >= self._due:
            self._due = now + WRITE_PAUSE
            for shard in due[:MOST_WRITES]:
                self._write_shard(shard)
        return self._due - now if self._observed.due() else None

    def _write_shard(self, shard: int) -> None:
        text = self._observed.take(shard)
        try:
            self._api.apply(
                self._path(record.shard_name(shard)), record.write_shard(self._namespace, shard, text), FIELD_MANAGER
            )
        except BaseException:
            self._observed.failed(shard)
            raise

    def _forget(self) -> None:
        seen = (self._leadership, self._cache.notes.changes, self._cache.changes.departures, self._observed.changes)
        if seen == self._forgotten:
            return
        alive = self._alive()
        self._observed.keep_only(alive)
        for uid in self._cache.notes.records.keys() - alive:
            self._api.delete(self._path(record.record_name(uid)))
            self._written.pop(uid, None)
        self._forgotten = seen

    def _alive(self) -> set[str]:
        return set(self._uids())

    def _uids(self) -> Iterator[str]:
        for namespace in tuple(self._cache.state.workloads_in.values()):
            for (kind, _, _), raw in tuple(namespace.items()):
                if kind in RECORDED_KINDS:
                    yield objects.uid(raw)

    def _path(self, name: str) -> str:
        return f"/api/v1/namespaces/{self._namespace}/configmaps/{name}"
