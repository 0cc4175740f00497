"""What somebody wrote, as an error message shows it: a few dozen characters, however much it is."""

from collections.abc import Iterable
from itertools import islice

SHOWN = 80
"""Characters of a value that a message shows."""
_ITEMS = 4
_LEVELS = 3
_LONGEST_NUMBER = 256
"""Bits of a number that is written out: of one with thousands of digits Python writes none."""


def shown(value: object) -> str:
    """`value` as Python writes it, on one line, in at most `SHOWN` characters.

    `repr` would expand all of it first: a value that is nested by aliases has no end.
    """
    return _cut(_written(value, _LEVELS))


def _written(value: object, levels: int) -> str:
    if isinstance(value, str | bytes):
        return repr(value) if len(value) <= SHOWN else f"{value[:SHOWN]!r}…"
    if isinstance(value, int) and value.bit_length() > _LONGEST_NUMBER:
        return "a number without end"
    if isinstance(value, dict):
        pairs = value.items() if levels else ()
        return f"{{{_items((f'{_written(k, 0)}: {_written(v, levels - 1)}' for k, v in pairs), len(value))}}}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{_items((_written(item, levels - 1) for item in (value if levels else ())), len(value))}]"
    return repr(value)


def _items(written: Iterable[str], count: int) -> str:
    first = list(islice(written, _ITEMS))
    return ", ".join([*first, "…"] if len(first) < count else first)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
