"""The snapshot in ConfigMaps. A large one is in several, so that after a change only a small one is written. Pure.

What is packed of a namespace is kept as long as its survey stands, so a snapshot after one change costs what one namespace
costs.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zlib import crc32

from tierguard.api.model import rfc3339
from tierguard.cluster import record
from tierguard.cluster.cache import ClusterCache
from tierguard.controller.unreviewed.snapshot import decode, encode, fitting, heading, packed, taken_in
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.survey import Part, Survey, Surveyed

NAME = "tierguard-account"
SHARDS = 16
"""The number of ConfigMaps of a large snapshot."""
LARGE = 75_000
"""Bytes of a snapshot that is written into several, and less often (about a thousand workloads)."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot as it is written: the `binaryData` of each ConfigMap, None where even a part of it is too large."""

    shards: tuple[str | None, ...]
    large: bool
    cut: bool
    """Whether a part of it did not fit."""

    @property
    def digest(self) -> str:
        """What tells it from other snapshots."""
        return hashlib.sha256("\n".join(map(str, self.shards)).encode()).hexdigest()[:16]


def take(cache: ClusterCache, state: State, surveyed: Iterable[Surveyed], now: datetime) -> Taken:
    """The snapshot of what there is."""

    def block(part: Part) -> bytes:
        configured = cache.changes.of_configuration.get(part.namespace, 0)
        return part.memo.kept("snapshot", configured, lambda: packed(taken_in(part, cache, state)))

    blocks = {part.namespace: block(part) for part in Survey.of(surveyed).parts if part.surveyed}
    blocks[""] = packed({"": heading(state, now)})
    large = sum(map(len, blocks.values())) > LARGE
    shards: list[list[bytes]] = [[] for _ in range(SHARDS if large else 1)]
    for namespace, content in sorted(blocks.items()):
        shards[crc32(namespace.encode()) % len(shards)].append(content)
    found = [encode(b"".join(contents)) for contents in shards]
    cut = None in found
    if cut:
        found = [_cut(contents) if text is None else text for text, contents in zip(found, shards, strict=True)]
    return Taken(tuple(found), large, cut)


def _cut(contents: Iterable[bytes]) -> str | None:
    """As much as fits into one ConfigMap."""
    whole: dict[str, KubeObject] = {}
    for content in contents:
        whole |= decode(encode(content) or "")
    return encode(packed(fitting(whole)))


def name_of(number: int) -> str:
    """The name of the ConfigMap with that number."""
    return f"{NAME}-{number:02}" if number else NAME


def config_map(namespace: str, number: int, taken: Taken, now: datetime) -> KubeObject:
    """The ConfigMap with that number, for server-side apply."""
    snapshot = taken.shards[number]
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name_of(number),
            "namespace": namespace,
            "labels": {record.RECORD_LABEL: record.ACCOUNT, "app.kubernetes.io/managed-by": "tierguard"},
        },
        "data": {"until": rfc3339(now), "of": str(len(taken.shards))},
        **({} if snapshot is None else {"binaryData": {"snapshot": snapshot}}),
    }
    return body


@dataclass(frozen=True, slots=True)
class Account:
    """The last snapshot of the operator that led before, its time, and its digest."""

    seen: dict[str, KubeObject]
    until: datetime
    digest: str


def read(config_maps: Mapping[str, KubeObject]) -> Account | None:
    """The account in `config_maps`, by name; None where there is none that can be read."""
    dated = {
        name: at for name, obj in config_maps.items() if (at := objects.instant(objects.value(obj, "data", "until")))
    }
    if not dated:
        return None
    latest = config_maps[max(dated, key=lambda name: dated[name])]
    written = str(objects.value(latest, "data", "of") or "1")
    number = min(int(written), SHARDS) if written.isascii() and written.isdigit() else 1
    there = [config_maps.get(name_of(each), {}) for each in range(number)]
    texts = [objects.value(each, "binaryData", "snapshot") for each in there]
    seen: dict[str, KubeObject] = {}
    for text in texts:
        seen |= decode(str(text or ""))
    digest = Taken(tuple(None if text is None else str(text) for text in texts), large=False, cut=False).digest
    return Account(seen, max(dated.values()), digest) if seen else None
