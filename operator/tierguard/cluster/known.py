"""The objects of one collection, in as little memory as is needed to notice a change and to say what was there before.

Objects that decisions read again and again are kept as they are, their large parts packed (`pack_workload`), and shared with
the `State`. All others are kept as their JSON: what decisions read of them is in the `State` already.
"""

import hashlib
import sys
from collections.abc import Iterator
from enum import Enum
from typing import Any

from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.packed import Packed, encoded

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


class Form(Enum):
    """How objects are kept."""

    SHARED = "as they are: somebody else keeps them too"
    PACKED = "as their JSON"
    DIGEST = "a digest: nobody asks what they were, but their place and kind"


class Known:
    """The objects of a collection by place, each with what it was before a change.

    One thread writes; others may read.
    """

    def __init__(self, form: Form = Form.PACKED, kind: str = "") -> None:
        """`kind` is that of all of them."""
        self._form = form
        self._kind = kind
        self._there: dict[str, dict[str, Any]] = {}

    def put(self, where: Place, obj: KubeObject) -> tuple[bool, KubeObject | None]:
        """Take `obj` for what is at `where`. Returns whether that is another one than was there, and which was."""
        kept = self._kept(obj)
        there = self._there.setdefault(where[0], {})
        before = there.get(where[1])
        if before == kept:
            return False, None
        there[where[1]] = kept
        return True, None if before is None else self._plain(before, where)

    def get(self, where: Place) -> KubeObject | None:
        """What is at `where`."""
        found = self._there.get(where[0], {}).get(where[1])
        return None if found is None else self._plain(found, where)

    def pop(self, where: Place) -> KubeObject | None:
        """Forget what is at `where`; returns it."""
        there = self._there.get(where[0], {})
        found = there.pop(where[1], None)
        if not there:
            self._there.pop(where[0], None)
        return None if found is None else self._plain(found, where)

    def places(self) -> set[Place]:
        """Where anything is, at this moment."""
        return {(namespace, name) for namespace in self.namespaces() for name in self.names(namespace)}

    def namespaces(self) -> tuple[str, ...]:
        """In which namespaces anything is."""
        return tuple(self._there)

    def names(self, namespace: str) -> tuple[str, ...]:
        """What is in `namespace`, by name."""
        return tuple(self._there.get(namespace, ()))

    def within(self, namespace: str) -> Iterator[KubeObject]:
        """What is in `namespace`, decoded one by one."""
        for name in self.names(namespace):
            if (found := self.get((namespace, name))) is not None:
                yield found

    def everything(self) -> Iterator[KubeObject]:
        """What is in all of them."""
        for namespace in self.namespaces():
            yield from self.within(namespace)

    def _kept(self, obj: KubeObject) -> Any:
        if self._form is Form.DIGEST:
            return hashlib.blake2b(encoded(obj), digest_size=16).digest()
        return Packed(obj) if self._form is Form.PACKED else obj

    def _plain(self, kept: Any, where: Place) -> KubeObject:
        if self._form is Form.DIGEST:
            return {"kind": self._kind, "metadata": {"namespace": where[0], "name": where[1]}}
        plain: KubeObject = objects.decoded(kept)
        return plain


def differs(before: KubeObject, after: KubeObject, *, status: bool) -> bool:
    """Whether two forms of a workload differ in what is worked out from it.

    Its `status` belongs to that where it is kept, as it says whether a rollout is complete; a DaemonSet's always, as it has
    the size.
    """
    read = ("labels", "annotations", "ownerReferences", "deletionTimestamp", "uid", "generation")
    old, new = objects.mapping(before, "metadata"), objects.mapping(after, "metadata")
    if before.get("spec") != after.get("spec") or any(old.get(key) != new.get(key) for key in read):
        return True
    return (status or after.get("kind") == "DaemonSet") and before.get("status") != after.get("status")
