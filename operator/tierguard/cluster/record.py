"""The rollback record: which pod templates of a workload had become available, and since when.

One ConfigMap a guarded workload, in tierguard's own namespace, named by the workload's uid. Decisions trust it because only
the operator writes there. Anybody with write access to ReplicaSets can forge their templates, status and annotations.
A fixed number of further ConfigMaps keep what the operator observed of all other workloads, which may become guarded later.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from tierguard.api.model import rfc3339
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject

RECORD_LABEL = "tierguard.io/record"
ROLLBACK = "rollback"
UID_LABEL = "tierguard.io/workload-uid"
SELECTOR = f"{RECORD_LABEL}={ROLLBACK}"
ACCOUNT = "account"
OBSERVED = "observed"
ALL_RECORDS = f"{RECORD_LABEL} in (rollback,journal,account,observed)"
"""What the operator watches: the rollback records, the journals of the webhook's processes, its own last snapshot, and what
it observed of all workloads."""
HISTORY = "tierguard-observed-templates"
"""The ConfigMap that says that the revisions from before the installation were read, and need not be read again."""
_TEMPLATES = "templates"

MOST_TEMPLATES = 50
"""Templates kept for one workload, the latest: more than any revisionHistoryLimit in use."""


def record_name(uid: str) -> str:
    """The name of the ConfigMap that keeps the record of the workload with `uid`."""
    return f"rollback-{uid}"


def read(config_map: KubeObject) -> tuple[str, dict[str, datetime]]:
    """The workload's uid and, by template hash, when the template was first seen available.

    An entry that is no instant is left out: then the template counts as never available, which is the safe direction.
    """
    uid = objects.labels(config_map).get(UID_LABEL, "")
    entries: dict[str, datetime] = {}
    for template, written in objects.mapping(config_map, "data").items():
        instant = objects.instant(written)
        if instant is not None:
            entries[template] = instant
    return uid, entries


def newest(entries: Mapping[str, datetime]) -> dict[str, datetime]:
    """`entries`, cut to the latest that are kept."""
    kept: Iterable[tuple[str, datetime]] = sorted(entries.items(), key=lambda entry: (entry[1], entry[0]))
    return dict(list(kept)[-MOST_TEMPLATES:])


def write(namespace: str, workload: KubeObject, entries: Mapping[str, datetime]) -> KubeObject:
    """The ConfigMap that says `entries` of `workload`, for server-side apply."""
    uid = objects.uid(workload)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": record_name(uid),
            "namespace": namespace,
            "labels": {
                RECORD_LABEL: ROLLBACK,
                UID_LABEL: uid,
                "app.kubernetes.io/managed-by": "tierguard",
            },
            "annotations": {
                "tierguard.io/workload": f"{workload.get('kind')}/{objects.namespace(workload)}/{objects.name(workload)}"
            },
        },
        "data": {template: rfc3339(since) for template, since in sorted(newest(entries).items())},
    }


def shard_name(shard: int) -> str:
    """The name of the ConfigMap that keeps a part of what was observed."""
    return f"{HISTORY}-{shard:02}"


def write_shard(namespace: str, shard: int, text: str) -> KubeObject:
    """The ConfigMap that says `text`, for server-side apply."""
    return {**_observed(namespace, shard_name(shard)), "data": {_TEMPLATES: text}}


def read_shard(config_map: KubeObject) -> tuple[int, str] | None:
    """The shard and what it says; None for the mark that the history was read."""
    number = objects.name(config_map).removeprefix(f"{HISTORY}-")
    if not (number.isascii() and number.isdigit() and len(number) <= len("00")):
        return None
    return int(number), str(objects.value(config_map, "data", _TEMPLATES) or "")


def history_mark(namespace: str, now: datetime) -> KubeObject:
    """The ConfigMap that says that the history was read, for server-side apply."""
    return {**_observed(namespace, HISTORY), "data": {"since": rfc3339(now)}}


def _observed(namespace: str, name: str) -> KubeObject:
    labels = {RECORD_LABEL: OBSERVED, "app.kubernetes.io/managed-by": "tierguard"}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
