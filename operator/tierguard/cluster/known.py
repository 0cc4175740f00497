"""What is known of one collection: of thousands of objects as little as tells a change, and what each was before it.

Objects that decisions read again and again are kept as they are, their large parts packed (`pack_workload`), and shared with
the `State`. All others are kept as their JSON: what decisions read of them is in the `State` already.
"""

import sys
from collections.abc import Iterator
from typing import Any

from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.packed import Packed

Place = tuple[str, str]
"""Namespace and name."""
_LARGE = ("managedFields", "annotations")
_SMALL_ENOUGH = 1
"""Annotations that are not worth being packed."""


def place(obj: KubeObject) -> Place:
    """Where `obj` is. Namespaces are few, and their names are kept once."""
    metadata = objects.mapping(obj, "metadata")
    return sys.intern(str(metadata.get("namespace") or "")), str(metadata.get("name") or "")


def pack_workload(obj: dict[str, Any]) -> dict[str, Any]:
    """`obj` itself, its large parts packed."""
    for part in ("spec", "status"):
        if obj.get(part):
            obj[part] = Packed(obj[part])
    metadata = obj.get("metadata")
    if isinstance(metadata, dict):
        for part in _LARGE:
            if len(metadata.get(part) or ()) > _SMALL_ENOUGH:
                metadata[part] = Packed(metadata[part])
        if isinstance(metadata.get("namespace"), str):
            metadata["namespace"] = sys.intern(metadata["namespace"])
    return obj


class Known:
    """The objects of a collection by place, each with what it was before a change. `packed`: as JSON.

    One thread writes; others may read.
    """

    def __init__(self, *, packed: bool) -> None:
        self._packed = packed
        self._there: dict[Place, Any] = {}

    def put(self, where: Place, obj: KubeObject) -> tuple[bool, KubeObject | None]:
        """Take `obj` for what is at `where`. Returns whether that is another one than was there, and which was."""
        kept: Any = Packed(obj) if self._packed else obj
        before = self._there.get(where)
        if before == kept:
            return False, None
        self._there[where] = kept
        return True, None if before is None else _plain(before)

    def get(self, where: Place) -> KubeObject | None:
        """What is at `where`."""
        found = self._there.get(where)
        return None if found is None else _plain(found)

    def pop(self, where: Place) -> KubeObject | None:
        """Forget what is at `where`; returns it."""
        found = self._there.pop(where, None)
        return None if found is None else _plain(found)

    def places(self) -> set[Place]:
        """Where anything is, at this moment."""
        return set(self._there.copy())

    def items(self) -> Iterator[tuple[Place, KubeObject]]:
        """What is there at this moment, decoded one by one."""
        for where, found in self._there.copy().items():
            yield where, _plain(found)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._there)


def _plain(found: Any) -> KubeObject:
    plain: KubeObject = objects.decoded(found)
    return plain
