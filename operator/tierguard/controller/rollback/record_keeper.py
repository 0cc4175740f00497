"""Keeps the rollback record. Thin: the pure part says what it should say."""

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote

from tierguard.cluster import record
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api
from tierguard.cluster.pages import every
from tierguard.controller.options import FIELD_MANAGER
from tierguard.guard.freezes.rollback_record import RECORDED_KINDS, complete, wanted_entries
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.workload import Workload, template_hash
from tierguard.guard.survey import Surveyed


class RecordKeeper:
    """Keeps the rollback record."""

    def __init__(self, api: Api, cache: ClusterCache, namespace: str) -> None:
        self._api = api
        self._cache = cache
        self._namespace = namespace
        self._written: dict[str, dict[str, datetime]] = {}
        """What was written and may not have come back by the watch yet: the first instant must not be moved."""
        self._seen: dict[str, dict[str, datetime]] = {}
        """What was seen available since the last pass, by uid: it may be gone again when the pass comes."""

    def start_over(self) -> None:
        """Forget what was written, and what was seen while another operator kept the record."""
        self._written.clear()
        self._seen.clear()

    def observe(self, kind: str, obj: KubeObject, now: datetime) -> None:
        """Take note of a workload as it is at this moment. Called for every change, on a reflector's thread."""
        workload = Workload.of(obj) if kind in RECORDED_KINDS else None
        if workload is not None and complete(workload):
            self._seen.setdefault(objects.uid(obj), {}).setdefault(template_hash(workload.template), now)

    def keep(self, surveyed: tuple[Surveyed, ...], installed: datetime, now: datetime) -> None:
        """Write what changed and delete what speaks of workloads that are gone. Raises ApiError."""
        for subject in surveyed:
            workload = subject.classified.workload
            uid = objects.uid(workload.raw)
            if workload.kind not in RECORDED_KINDS or not uid:
                continue
            known = self._cache.records.get(uid)
            written = self._written.get(uid)
            if known is not None and written is not None and written.keys() <= known.keys():
                written = self._written.pop(uid, None)
            merged = None if known is None and written is None else {**(known or {}), **(written or {})}
            revisions = self._revisions(workload) if merged is None else ()
            wanted = wanted_entries(workload, merged, revisions, installed, now)
            entries = record.newest({**self._seen.get(uid, {}), **wanted})
            if entries == known or (merged is not None and entries == merged):
                continue
            body = record.write(self._namespace, workload.raw, entries)
            self._api.apply(self._path(uid), body, FIELD_MANAGER)
            self._written[uid] = entries
        self._forget()
        recorded = {objects.uid(subject.classified.workload.raw) for subject in surveyed}
        for uid in tuple(self._seen):
            if (
                uid not in recorded
                or self._seen[uid].keys() <= self._written.get(uid, self._cache.records.get(uid, {})).keys()
            ):
                del self._seen[uid]

    def _forget(self) -> None:
        state = self._cache.state
        alive = {
            objects.uid(raw) for namespace in tuple(state.workloads_in.values()) for raw in tuple(namespace.values())
        }
        for uid in self._cache.records.keys() - alive:
            self._api.delete(self._path(uid))
            self._written.pop(uid, None)

    def _revisions(self, workload: Workload) -> Iterable[KubeObject]:
        if workload.kind == "Deployment":
            found = self._cache.state.workloads_in.get(workload.namespace, {})
            return [raw for (kind, _, _), raw in tuple(found.items()) if kind == "ReplicaSet"]
        path = f"/apis/apps/v1/namespaces/{quote(workload.namespace)}/controllerrevisions"
        return ({**item, "kind": "ControllerRevision"} for item in every(self._api, path))

    def _path(self, uid: str) -> str:
        return f"/api/v1/namespaces/{self._namespace}/configmaps/{record.record_name(uid)}"
