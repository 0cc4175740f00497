"""Which pod templates of any workload were seen available, and since when: also of those that nothing guards yet.

A workload may become guarded years after the installation. What it can then go back to is what the operator itself saw
before, by digest; nothing is read from revisions at that time. Kept in memory, and written to a fixed number of ConfigMaps.
"""

import threading
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from zlib import crc32

SHARDS = 64
"""Into so many ConfigMaps they are written, so that one that changes is small: 20,000 workloads are 50 KB in each."""
MOST_WORKLOADS = 50_000
"""Workloads that are remembered. Of more the later ones are not: they have what they roll out once they are guarded."""
MOST_TEMPLATES = 12
"""Templates remembered for each, the latest: the ten that Kubernetes keeps by default, and what is there now."""

_HASH_DIGITS, _TIME_DIGITS = 32, 11

_Templates = dict[str, int]
"""By hash, the Unix time in seconds: half of the memory that datetimes take."""


def shard_of(uid: str) -> int:
    """Where the workload with `uid` is written."""
    return crc32(uid.encode()) % SHARDS


class Observed:
    """The templates by workload uid. Filled from the reflectors' threads, read and written down from the operator's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shards: tuple[dict[str, _Templates], ...] = tuple({} for _ in range(SHARDS))
        self._dirty: dict[int, None] = {}
        """Shards that say something else than what is written, the one that waited longest first."""
        self.changes = 0
        """How often anything was seen that was not known."""

    def __len__(self) -> int:
        """How many workloads are remembered."""
        return sum(map(len, self._shards))

    def see(self, uid: str, template: str, at: datetime) -> None:
        """Take note that `template` was available `at`; the earliest time counts."""
        # Rounded up: what became available within a freeze's first second was not there before it.
        seconds = -int(-at.timestamp() // 1)
        with self._lock:
            self._note(uid, template, seconds)

    def _note(self, uid: str, template: str, seconds: int) -> None:
        number = shard_of(uid)
        shard = self._shards[number]
        known = shard.get(uid, {})
        if known.get(template, seconds + 1) <= seconds or (not known and len(self) >= MOST_WORKLOADS):
            return
        kept = {**known, template: seconds}
        if len(kept) > MOST_TEMPLATES:
            del kept[min(kept, key=lambda each: (kept[each], each))]
        if kept != known:
            shard[uid] = kept
            self._dirty.setdefault(number)
            self.changes += 1

    def entries(self, uid: str) -> dict[str, datetime]:
        """By template hash, since when it was seen available."""
        with self._lock:
            known = self._shards[shard_of(uid)].get(uid, {})
            return {template: datetime.fromtimestamp(at, UTC) for template, at in known.items()}

    def keep_only(self, alive: Collection[str]) -> None:
        """Forget the workloads that are gone."""
        with self._lock:
            for number, shard in enumerate(self._shards):
                for uid in [uid for uid in shard if uid not in alive]:
                    del shard[uid]
                    self._dirty.setdefault(number)

    def load(self, written: Mapping[int, str]) -> None:
        """Add what an earlier leader wrote, by shard; of what both know the earlier time counts."""
        with self._lock:
            for text in written.values():
                for uid, template, seconds in _read(text):
                    self._note(uid, template, seconds)
            self._dirty = {n: None for n in range(SHARDS) if self._text(n) != written.get(n, "")}

    def due(self) -> list[int]:
        """The shards that are to be written, the one that waited longest first."""
        with self._lock:
            return list(self._dirty)

    def take(self, shard: int) -> str:
        """What `shard` should say. It counts as written from now on: who cannot write it says so by `failed`."""
        with self._lock:
            self._dirty.pop(shard, None)
            return self._text(shard)

    def failed(self, shard: int) -> None:
        """Take note that `shard` was not written."""
        with self._lock:
            self._dirty.setdefault(shard)

    def _text(self, shard: int) -> str:
        known = sorted(self._shards[shard].items())
        return "\n".join(" ".join([uid, *(f"{t}@{at}" for t, at in sorted(found.items()))]) for uid, found in known)


def _read(text: str) -> Iterator[tuple[str, str, int]]:
    """What is written; an entry that cannot be read is left out: that template counts as never available."""
    for line in text.splitlines():
        uid, *entries = line.split(" ")
        for entry in entries:
            template, _, at = entry.partition("@")
            if uid and len(template) == _HASH_DIGITS and at.isascii() and at.isdigit() and len(at) < _TIME_DIGITS:
                yield uid, template, int(at)
