"""Parts of objects that are kept for long: as JSON, deflated. As Python's objects they take ten times as much.

The readers of `objects` read them like any part, but what they decode is not put in its place, so that what is kept stays
small however often it is read.
"""

import zlib
from typing import Any

import msgspec

SMALL = 256
"""Bytes of JSON that are not worth being deflated."""
_LEVEL = 6
_DEFLATED = 0x78
"""How what zlib makes begins. No JSON does."""


def encoded(part: Any) -> bytes:
    """`part` as JSON: the same bytes for equal parts."""
    return _encoder.encode(part)


class Packed:
    """A part as JSON. Equal parts have equal bytes."""

    __slots__ = ("_content",)

    def __init__(self, part: Any) -> None:
        content = encoded(part)
        if len(content) > SMALL:
            content = min(zlib.compress(content, _LEVEL), content, key=len)
        self._content = content

    @property
    def json(self) -> msgspec.Raw:
        """The part, undecoded."""
        content = self._content
        return msgspec.Raw(zlib.decompress(content) if content[0] == _DEFLATED else content)

    def __eq__(self, other: object) -> bool:
        return other.__class__ is Packed and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self._content.__sizeof__()


def _plain(part: Any) -> msgspec.Raw:
    """What stands for a packed part inside of another."""
    if part.__class__ is Packed:
        return part.json
    message = f"a {type(part).__name__} is no JSON"
    raise NotImplementedError(message)


_encoder = msgspec.json.Encoder(order="deterministic", enc_hook=_plain)
