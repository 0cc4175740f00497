"""Typed parts of objects, out of what was decoded or not decoded yet. What has the wrong type counts as absent.

The API server has checked the types of what the webhook sees, so there the types decode at once. Files are anybody's:
what does not fit is left out, part by part, and the rest is read. `tierguard.cli.shapes` tells people about wrong types.
"""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import inspect

T = TypeVar("T")

_DEEPEST = 64
"""Levels of types in each other: ours are a handful."""


class Shape(Generic[T]):
    """Makes values of one type."""

    def __init__(self, type_: type[T]) -> None:
        self._type = type_
        self._decoder = msgspec.json.Decoder(type_)
        self._info = inspect.type_info(type_)
        self._empty = msgspec.convert({}, type_)

    def decoded(self, content: msgspec.Raw | bytes) -> T:
        """The value in JSON. Raises msgspec.DecodeError, UnicodeDecodeError or RecursionError for what is no JSON."""
        try:
            return self._decoder.decode(content)
        except msgspec.ValidationError:
            return self.of(msgspec.json.decode(content))

    def of(self, found: Any) -> T:
        """The value in what was decoded already, without the parts that do not fit."""
        if not found:
            return self._empty
        try:
            return msgspec.convert(found, self._type)
        except msgspec.ValidationError:
            kept = _fitting(found, self._info, _DEEPEST)
            return self._empty if kept is None else msgspec.convert(kept, self._type)


def _fitting(found: Any, info: inspect.Type, depth: int) -> Any:
    """`found` without what does not fit `info`; None where it does not fit as a whole."""
    if depth == 0:
        return None
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
