"""Results that were worked out from a part of an object, remembered by the bytes of the part.

Most of what comes to a decision came before: the stored side of a change, and all of the new side that nobody changed. So
the same bytes are worked out once. A result may depend on the bytes alone, and not on policies, the time or the cluster.
Every memory has a bound, and tells how much it helps.
"""

from typing import Any, Generic, TypeVar

V = TypeVar("V")

LONGEST = 64 * 1024
"""Bytes of a part that is remembered: one larger part would push out hundreds of ordinary ones."""
_OVERHEAD = 256
"""Bytes that count for each entry besides its key."""

MEMORIES: list["Memory[Any]"] = []
"""All memories of the process, for the metrics."""


class Memory(Generic[V]):
    """Values by bytes, in two generations. When the young one is full, it becomes the old one, and the old one is forgotten.

    Readers need no lock: each step swaps or reads one reference, and a value that is lost is worked out again.
    """

    def __init__(self, name: str, most: int) -> None:
        self.name = name
        self.hits = 0
        self.misses = 0
        self._half = most // 2
        self._young: dict[bytes, V] = {}
        self._old: dict[bytes, V] = {}
        self._bytes = 0
        MEMORIES.append(self)

    def get(self, key: bytes) -> V | None:
        """What is remembered under `key`."""
        found = self._young.get(key)
        if found is not None:
            self.hits += 1
            return found
        found = self._old.get(key)
        if found is None:
            self.misses += 1
            return None
        self.hits += 1
        self._keep(key, found)
        return found

    def missing(self, keys: list[bytes]) -> list[bytes]:
        """The keys that have no value, in the order of `keys`."""
        young, old = self._young, self._old
        found = [key for key in keys if key not in young]
        if found and old:
            for key in found:
                if key in old:
                    self._keep(key, old[key])
            found = [key for key in found if key not in old]
        self.hits += len(keys) - len(found)
        self.misses += len(found)
        return found

    def put(self, key: bytes, value: V) -> None:
        """Remember `value`, which is not None, unless the key is too long."""
        if len(key) <= LONGEST:
            self._keep(key, value)

    def _keep(self, key: bytes, value: V) -> None:
        self._bytes += len(key) + _OVERHEAD
        if self._bytes > self._half:
            self._old, self._young, self._bytes = self._young, {}, len(key) + _OVERHEAD
        self._young[key] = value

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    @property
    def bytes(self) -> int:
        """Bytes of all keys, about."""
        return sum(len(key) + _OVERHEAD for generation in (self._young, self._old) for key in tuple(generation))

    def clear(self) -> None:
        """Forget everything."""
        self._young, self._old, self._bytes = {}, {}, 0
