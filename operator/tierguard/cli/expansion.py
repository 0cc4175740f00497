"""YAML that grows: aliases make gigabytes of a file of a kilobyte, as soon as anything looks at all of it."""

from typing import Any

from tierguard.cli.errors import InputError

MOST_NODES = 3_000_000
"""Values in one document, each counted as often as aliases repeat it: several times of the largest real list."""
MOST_MERGED = 100_000
"""Keys of one mapping, before those that merge keys (`<<`) repeat are drawn together."""
DEEPEST = 200
"""Levels of one document: the API server takes no deeper one."""
_SIZED = (dict, list, tuple)


def check(where: str, document: Any) -> None:
    """Raise InputError where `document`, read at `where`, is larger than anybody means it to be, or has no end."""
    try:
        size = _size(document, {}, 0)
    except _EndlessError as error:
        message = f"{where}: {error}"
        raise InputError(message) from None
    if size > MOST_NODES:
        message = f"{where}: its aliases expand it to {size} values, at most {MOST_NODES} are read"
        raise InputError(message)


class _EndlessError(Exception):
    """The document goes on for ever, or for too long."""


def _size(node: Any, known: dict[int, int | None], depth: int) -> int:
    """The values in `node`; each is counted once and known after, so this takes no longer than the file is."""
    if not isinstance(node, _SIZED):
        return 1
    if depth > DEEPEST:
        message = "nested too deeply"
        raise _EndlessError(message)
    if id(node) in known:
        found = known[id(node)]
        if found is None:
            message = "an alias is inside of what it stands for"
            raise _EndlessError(message)
        return found
    known[id(node)] = None
    parts = (*node, *node.values()) if isinstance(node, dict) else node
    size = 1 + sum(_size(part, known, depth + 1) for part in parts)
    known[id(node)] = size
    return size
