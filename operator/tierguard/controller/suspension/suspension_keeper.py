"""Suspends the CronJobs of frozen operations, and resumes them. Thin: `suspension` says which."""

import logging
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tierguard.api.model import rfc3339
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api
from tierguard.controller.suspension.actions import MANAGER, Action, actions
from tierguard.guard.model import objects

log = logging.getLogger(__name__)


class SuspensionKeeper:
    """Keeps CronJobs suspended while their operation is frozen."""

    def __init__(self, api: Api, cache: ClusterCache) -> None:
        self._api = api
        self._cache = cache

    def keep(self, now: datetime) -> None:
        """Suspend and resume. Raises ApiError; the next pass does the rest."""
        for action in actions(self._cache.state, now):
            self._act(action, now)

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
