"""The revisions that were there when tierguard was installed. Read once, from the API server, in pages."""

from collections.abc import Iterator
from datetime import datetime

from tierguard.cluster.client import Api
from tierguard.cluster.pages import every
from tierguard.guard.freezes.rollback_record import Revision

MOST_PAGES = 1_000
"""Of each kind; one has up to 500 revisions, and 4 MiB. Workloads beyond have what is seen available from then on."""
_KINDS = {"replicasets": "ReplicaSet", "controllerrevisions": "ControllerRevision"}


def revisions(api: Api, installed: datetime) -> Iterator[Revision]:
    """Those made before `installed`. One that somebody makes up later is younger than that. Raises ApiError."""
    for resource, kind in _KINDS.items():
        for item in every(api, f"/apis/apps/v1/{resource}", MOST_PAGES):
            found = Revision.of({**item, "kind": kind})
            if found is not None and found.made < installed:
                yield found
