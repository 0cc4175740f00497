"""The revisions that were there when tierguard was installed. Read once, from the API server, in pages."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tierguard.cluster.client import Api
from tierguard.cluster.reflector import PAGE
from tierguard.guard.freezes.rollback_record import Revision

MOST_PAGES = 400
"""Of each kind: 200,000 revisions. What is beyond is not known; its workloads have what is seen available from then on."""
_KINDS = {"replicasets": "ReplicaSet", "controllerrevisions": "ControllerRevision"}


def revisions(api: Api, installed: datetime) -> Iterator[Revision]:
    """Those made before `installed`. One that somebody makes up later is younger than that. Raises ApiError."""
    for resource, kind in _KINDS.items():
        for item in _listed(api, f"/apis/apps/v1/{resource}"):
            found = Revision.of({**item, "kind": kind})
            if found is not None and found.made < installed:
                yield found


def _listed(api: Api, path: str) -> Iterator[Mapping[str, Any]]:
    query = {"limit": str(PAGE)}
    for _ in range(MOST_PAGES):
        page = api.get(path, query)
        yield from page.get("items") or ()
        following = (page.get("metadata") or {}).get("continue")
        if not following:
            return
        query["continue"] = str(following)
