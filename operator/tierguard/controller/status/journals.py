"""Throws journals away that have nothing more to tell: their number is that of webhook processes, which come and go."""

from datetime import datetime, timedelta
from urllib.parse import quote

from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api
from tierguard.cluster.journal import Journal
from tierguard.guard.model import objects

KEPT = timedelta(hours=24)
"""How long after its last entry a journal is kept, though no status needs it any more."""


class JournalKeeper:
    """Keeps the journals that statuses are made of."""

    def __init__(self, api: Api, cache: ClusterCache, namespace: str) -> None:
        self._api = api
        self._cache = cache
        self._namespace = namespace

    def keep(self, now: datetime) -> None:
        """Delete what is stale. Raises ApiError."""
        told = {
            (objects.uid(stored), str(objects.value(stored, "status", "refused", "since")))
            for kind in self._cache.raw.values()
            for stored in kind.values()
        }
        for name, journal in tuple(self._cache.notes.journals.items()):
            if not (journal.pages.keys() & told) and _last(journal) < now - KEPT:
                self._api.delete(f"/api/v1/namespaces/{self._namespace}/configmaps/{quote(name)}")


def _last(journal: Journal) -> datetime:
    """When the last entry of `journal` was made; long ago for an empty one."""
    instants = [entry.last for page in journal.pages.values() for entry in page.newest]
    instants += [glass.at for glass in journal.bypasses]
    return max(map(datetime.fromisoformat, instants), default=datetime.fromisoformat("1970-01-01T00:00:00+00:00"))
