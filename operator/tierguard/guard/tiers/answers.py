"""What was found out by an index, kept until the index changes."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")

MOST = 1_000
"""Answers of one index that are kept."""


class Answers:
    """Answers of one index, by what was asked."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}

    def to(self, question: Hashable, find: Callable[[], T]) -> T:
        """What `find` says, which goes by the question and the index alone; asked once. It is never None."""
        known = self._known  # another one once the index has changed: what was found before does not get into it
        try:
            found: T | None = known.get(question)
        except TypeError:  # labels of files may be anything, lists too
            return find()
        if found is None:
            found = find()
            if len(known) >= MOST:
                known.clear()
            known[question] = found
        return found

    def forget(self) -> None:
        """The index is another one."""
        self._known = {}
