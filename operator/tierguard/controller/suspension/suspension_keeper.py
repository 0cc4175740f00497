"""Suspends the CronJobs of frozen operations, and resumes them. Thin: `suspension` says which."""

import logging
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tierguard.api.model import rfc3339
from tierguard.cluster.client import Api, ApiError
from tierguard.controller.options import FIELD_MANAGER
from tierguard.controller.suspension import record
from tierguard.controller.suspension.actions import MANAGER, Action, actions, kept
from tierguard.guard.model import objects
from tierguard.guard.model.state import State

log = logging.getLogger(__name__)


class SuspensionKeeper:
    """Keeps CronJobs suspended while their operation is frozen."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._path = f"/api/v1/namespaces/{namespace}/configmaps/{record.NAME}"
        self._suspensions: dict[str, datetime] | None = None
        self._written: dict[str, datetime] = {}
        self._resumed: set[str] = set()
        """Of what is on record. A watch that is behind still shows it as suspended."""

    def start_over(self) -> None:
        """Read the record again: another operator wrote it."""
        self._suspensions = None
        self._resumed.clear()

    def recorded(self) -> record.Suspensions:
        """The CronJobs that tierguard suspended, by uid. Raises ApiError while nobody can tell."""
        if self._suspensions is None:
            self._suspensions = record.read(self._api.find(self._path))
            self._written = dict(self._suspensions)
        return self._suspensions

    def keep(self, state: State, now: datetime) -> None:
        """Suspend and resume. Raises ApiError; the next pass does the rest.

        What is to be suspended is put on record first, so that a process that dies in between leaves nothing suspended for
        ever. Where the record cannot be written, they are suspended all the same: a freeze holds.
        """
        known = self.recorded()
        todo = list(actions(state, now, known))
        wanted = kept(state, now, known, self._resumed)
        for action in todo:
            if action.suspend and len(wanted) < record.MOST:
                wanted.setdefault(objects.uid(action.cron_job.raw), now)
        self._suspensions = wanted
        self._resumed &= wanted.keys()
        failure = self._write(wanted)
        for action in todo:
            self._act(action, now)
            uid = objects.uid(action.cron_job.raw)
            (self._resumed.discard if action.suspend else self._resumed.add)(uid)
        if failure is not None:
            raise failure

    def _write(self, wanted: dict[str, datetime]) -> ApiError | None:
        if wanted == self._written:
            return None
        try:
            self._api.apply(self._path, record.write(self._namespace, wanted), FIELD_MANAGER)
        except ApiError as error:
            return error
        self._written = dict(wanted)
        return None

    def _act(self, action: Action, now: datetime) -> None:
        job = action.cron_job
        path = f"/apis/batch/v1/namespaces/{quote(job.namespace)}/cronjobs/{quote(job.name)}"
        # With the uid the API server refuses to patch another CronJob that was made under the same name meanwhile.
        metadata: dict[str, Any] = {"uid": objects.uid(job.raw)}
        if action.skip_missed:
            # Kubernetes makes up for the latest run that was due while a CronJob was suspended, as soon as it is resumed;
            # unless it believes to have started one since.
            status = {"lastScheduleTime": rfc3339(now)}
            self._api.merge(f"{path}/status", {"metadata": metadata, "status": status}, MANAGER)
        self._api.merge(path, {"metadata": metadata, "spec": {"suspend": action.suspend}}, MANAGER)
        done = "suspended" if action.suspend else "resumed"
        log.info("%s a CronJob", done, extra={"cronJob": f"{job.namespace}/{job.name}"})
