"""Parts of objects that are too large to be kept: in their place stands a digest, by which they still compare.

Watched objects are cut (`tierguard.cluster.compact`), reviewed ones are whole. Both must have the same template hash, so the
hash of a large part is made of its digest, whether it comes whole or cut.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from tierguard.guard.model.packed import encoded

__all__ = ["DIGEST", "LARGEST_WHOLE", "condensed", "digest_of", "encoded", "sha256", "written"]

LARGEST_WHOLE = 16 * 1024
"""Bytes of JSON of a part that is kept as it is: nearly every pod spec is smaller."""
DIGEST = "tierguard.io/digest"
"""The key under which a part that was cut has the digest of all that it was. The API server stores no such field."""


def written(part: Any) -> bytes:
    """`part` as JSON, as it came where it is not decoded yet."""
    return bytes(part) if part.__class__ is msgspec.Raw else encoded(part)


def sha256(content: bytes) -> str:
    """The digest of `content`, as it stands for what was cut."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def digest_of(part: Mapping[str, Any]) -> str | None:
    """The digest that stands for `part` where it is too large, or was already cut; None for a part that is kept whole."""
    if DIGEST in part:
        return str(part[DIGEST])
    content = encoded(part)
    return sha256(content) if len(content) > LARGEST_WHOLE else None


def condensed(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """`part` itself, or its digest alone where it is too large or was cut: what hashes are made of."""
    digest = digest_of(part)
    return part if digest is None else {DIGEST: digest}
