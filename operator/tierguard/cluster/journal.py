"""The journal: what each webhook process refused, and which glass was broken, on its way to the operator.

One ConfigMap a process in tierguard's own namespace. Everything in it only grows (a total and the newest entries a
stretch), so the operator may read it at any time, any number of times, and after a restart, and counts nothing twice: the
sum over all processes is the answer. Object contents are never in it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from tierguard.api.ledger import MOST_ENTRIES
from tierguard.api.model import rfc3339
from tierguard.cluster.record import RECORD_LABEL
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject

JOURNAL = "journal"
MOST_STRETCHES = 40
"""Stretches that one process keeps, the latest: with names as long as can be they fit into one ConfigMap (1 MiB)."""
MOST_BYPASSES = 100
_BYPASSES = "bypasses"


@dataclass(slots=True)
class Entry:
    """Tries of one user to do one thing to one object that were refused. Instants are RFC 3339."""

    user: str
    change: str
    kind: str
    namespace: str
    name: str
    first: str
    last: str
    count: int = 1

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What makes two tries the same."""
        return (self.user, self.change, self.kind, self.namespace, self.name)

    @property
    def subject(self) -> str:
        """`Kind namespace/name`."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(slots=True)
class Page:
    """The refusals of one stretch of one freeze (by uid) or window: how many, and the newest, the last one last."""

    total: int = 0
    newest: list[Entry] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Count `entry`; the same thing tried again is one entry."""
        self.total += entry.count
        known = next((e for e in self.newest if e.key == entry.key), None)
        if known is not None:
            self.newest.remove(known)
            entry = Entry(
                *known.key, min(known.first, entry.first), max(known.last, entry.last), known.count + entry.count
            )
        self.newest.append(entry)
        self.newest.sort(key=lambda e: (e.last, e.key))
        del self.newest[:-MOST_ENTRIES]


@dataclass(frozen=True, slots=True)
class Glass:
    """A change that passed by broken glass: `id` is the admission request's uid, `freezes` the uids of those passed by."""

    id: str
    user: str
    change: str
    kind: str
    namespace: str
    name: str
    ticket: str
    reason: str
    at: str
    freezes: tuple[str, ...]

    @property
    def subject(self) -> str:
        """`Kind namespace/name`."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


StretchKey = tuple[str, str]
"""uid of the freeze or window, and the stretch's instant (RFC 3339)."""


@dataclass(slots=True)
class Journal:
    """All that one process has to tell."""

    pages: dict[StretchKey, Page] = field(default_factory=dict)
    bypasses: list[Glass] = field(default_factory=list)

    def refuse(self, uid: str, since: datetime, entry: Entry) -> None:
        """Count a refusal."""
        self.pages.setdefault((uid, rfc3339(since)), Page()).add(entry)
        while len(self.pages) > MOST_STRETCHES:
            del self.pages[next(iter(self.pages))]

    def bypass(self, glass: Glass) -> None:
        """Keep a break-glass change."""
        self.bypasses.append(glass)
        del self.bypasses[:-MOST_BYPASSES]


def write(namespace: str, process: str, journal: Journal) -> KubeObject:
    """The ConfigMap that says `journal`, for server-side apply."""
    pages = {
        f"{uid}.{since.replace(':', '_')}": json.dumps(asdict(page), ensure_ascii=True)
        for (uid, since), page in journal.pages.items()
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": journal_name(process),
            "namespace": namespace,
            "labels": {RECORD_LABEL: JOURNAL, "app.kubernetes.io/managed-by": "tierguard"},
        },
        "data": {**pages, _BYPASSES: json.dumps([asdict(glass) for glass in journal.bypasses], ensure_ascii=True)},
    }


def journal_name(process: str) -> str:
    """The name of the ConfigMap of the process called `process`."""
    return f"journal-{process}"


def read(config_map: KubeObject) -> Journal:
    """What `config_map` says. What cannot be read is left out."""
    journal = Journal()
    for key, text in objects.mapping(config_map, "data").items():
        try:
            written = json.loads(str(text))
            if key == _BYPASSES:
                journal.bypasses = [_glass(item) for item in written]
            else:
                uid, _, since = key.partition(".")
                newest = [Entry(**item) for item in written["newest"]]
                journal.pages[(uid, since.replace("_", ":"))] = Page(int(written["total"]), newest)
        except (ValueError, TypeError, KeyError):
            continue
    return journal


def _glass(item: Mapping[str, Any]) -> Glass:
    return Glass(**{**item, "freezes": tuple(item["freezes"])})
