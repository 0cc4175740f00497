"""Which CronJobs the operator suspended, by uid: a ConfigMap in its own namespace, where nobody else writes.

A field manager's name may be claimed by anybody, so it proves nothing. The record outlives restarts, leaders and the freeze.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from tierguard.api.model import rfc3339
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject

NAME = "tierguard-suspensions"
MOST = 10_000
"""CronJobs on record: they fit into one ConfigMap. Of more, the latest stay suspended until somebody resumes them."""
SETTLED = timedelta(minutes=10)
"""How long an entry is kept while its CronJob does not look suspended: the watch may be behind."""
_KEY = "suspended"

Suspensions = Mapping[str, datetime]
"""By the CronJob's uid, since when it is on record."""


def read(config_map: KubeObject | None) -> dict[str, datetime]:
    """What is on record. A line that cannot be read is left out: then its CronJob stays suspended."""
    found: dict[str, datetime] = {}
    for line in str(objects.value(config_map, "data", _KEY) or "").splitlines()[:MOST]:
        uid, _, since = line.partition(" ")
        try:
            instant = datetime.fromisoformat(since)
        except ValueError:
            continue
        if instant.tzinfo is not None:
            found[uid] = instant
    return found


def write(namespace: str, suspensions: Suspensions) -> KubeObject:
    """The ConfigMap that says so, for server-side apply."""
    lines = [f"{uid} {rfc3339(since)}\n" for uid, since in sorted(suspensions.items())]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": NAME,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "tierguard"},
        },
        "data": {_KEY: "".join(lines)},
    }
