"""Typed parts of objects, out of what was decoded or not decoded yet. What has the wrong type counts as absent.

The API server has checked the types of what the webhook sees, so there the types decode at once. Files are anybody's:
what does not fit is left out, part by part, and the rest is read. `tierguard.cli.shapes` tells people about wrong types.
"""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import inspect

from tierguard.guard.model.memory import Memory
from tierguard.guard.model.objects import NO_JSON, decoded, unreadable

T = TypeVar("T")

_ENCODER = msgspec.json.Encoder()
_DEEPEST = 64
"""Levels of types in each other: ours are a handful."""


class Shape(Generic[T]):
    """Makes values of one type."""

    def __init__(self, type_: type[T]) -> None:
        self._decoder = msgspec.json.Decoder(type_)
        self._info = inspect.type_info(type_)
        many = isinstance(self._info, inspect.VarTupleType)
        self._empty: T = self._decoder.decode(b"[]" if many else b"{}")

    def decoded(self, content: msgspec.Raw | bytes) -> T:
        """The value in JSON, without the parts that do not fit. Raises Unreadable for what is no JSON."""
        try:
            return self._decoder.decode(content)
        except msgspec.ValidationError:
            return self._made(decoded(msgspec.Raw(bytes(content))))
        except NO_JSON as error:
            raise unreadable(error) from None

    def of(self, found: Any) -> T:
        """The value in what was decoded already, without the parts that do not fit.

        It is written out as JSON first, as its own parts may stay undecoded (`Part`).
        """
        if not found:
            return self._empty
        content = _written(found)
        return self._made(found) if content is None else self.decoded(content)

    def _made(self, found: Any) -> T:
        kept = _fitting(found, self._info, _DEEPEST)
        return self._empty if kept is None else self._decoder.decode(_ENCODER.encode(kept))


class Part(Generic[T]):
    """A part that is left undecoded until a rule reads it, and is then decoded once for the same bytes.

    The value is shared by everybody who reads the same: nobody may change it.
    """

    def __init__(self, name: str, type_: type[T], most: int = 128 * 1024) -> None:
        self._shape = Shape(type_)
        self._memory: Memory[T] = Memory(name, most)
        self._empty = self._shape.of(None)

    def of(self, written: msgspec.Raw) -> T:
        """What `written` says; that of an absent part where it is one. Raises Unreadable for what is no JSON."""
        key = bytes(written)
        if not key:
            return self._empty
        found = self._memory.get(key)
        if found is None:
            found = self._shape.decoded(key)
            self._memory.put(key, found)
        return found


def _written(found: Any) -> bytes | None:
    """`found` as JSON; None where it cannot be: files may have numbers that no JSON reader takes."""
    try:
        return _ENCODER.encode(found)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None


def _fitting(found: Any, info: inspect.Type, depth: int) -> Any:
    """`found` without what does not fit `info`; None where it does not fit as a whole."""
    if depth == 0:
        return None
    if isinstance(info, inspect.RawType):
        return None if (content := _written(found)) is None else msgspec.Raw(content)
    if isinstance(info, inspect.UnionType):
        options = (_fitting(found, option, depth - 1) for option in info.types)
        return next((option for option in options if option is not None), None)
    if isinstance(info, inspect.StructType) and isinstance(found, Mapping):
        named = {each.encode_name: each.type for each in info.fields if each.encode_name in found}
        kept = ((name, _fitting(found[name], type_, depth - 1)) for name, type_ in named.items())
        return {name: value for name, value in kept if value is not None}
    if isinstance(info, inspect.VarTupleType) and isinstance(found, list | tuple):
        return [value for each in found if (value := _fitting(each, info.item_type, depth - 1)) is not None]
    return _plain(found, info)


def _plain(found: Any, info: inspect.Type) -> Any:
    """`found` if it has the type of `info`, which has no parts that are looked into."""
    if isinstance(info, inspect.DictType):
        return {key: value for key, value in found.items() if isinstance(key, str)} if isinstance(found, dict) else None
    wanted: dict[type, type] = {inspect.StrType: str, inspect.IntType: int, inspect.BoolType: bool}
    type_ = wanted.get(type(info))
    fits = type_ is not None and isinstance(found, type_) and (type_ is bool or not isinstance(found, bool))
    return found if fits else None
