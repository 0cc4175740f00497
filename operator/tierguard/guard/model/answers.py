"""Answers that are kept, and given again as long as their sources are the same."""

from collections.abc import Callable, Hashable, Sized
from operator import is_
from typing import Any, TypeVar

T = TypeVar("T")

Known = dict[Hashable, tuple[tuple[object, ...], Any]]
"""By question: the sources of the answer, and the answer."""


def answered(known: Known, question: Hashable, made_of: tuple[object, ...], find: Callable[[], T], most: int) -> T:
    """The result of `find`, which may depend on the question and on `made_of` alone.

    It is kept in `known`, which has at most `most` answers. The sources in `made_of` are compared by identity: a source
    that changes is replaced as a whole. Each is kept beside its answer, so its identity is not used again.
    """
    try:
        kept = known.get(question)
    except TypeError:  # labels of files may be anything, lists too
        return find()
    if kept is not None and all(map(is_, kept[0], made_of)):
        found: T = kept[1]
        return found
    found = find()
    if len(known) >= most:
        known.clear()
    known[question] = (made_of, found)
    return found


class Alike:
    """Answers for the last few things in each place. They are compared whole, which is quicker than hashing them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[Hashable, tuple[tuple[Any, Any], ...]] = {}

    def once_for(self, place: Hashable, marks: tuple[Sized, ...], find: Callable[[], T]) -> T:
        """The result of `find`, which may depend on the place and on `marks` alone.

        Answers are kept for at most `most` places, and not for very large marks.
        """
        if sum(map(len, marks)) > _MOST_MARKS:
            return find()
        known = self._known.get(place, ())
        for each, found in known:
            if each == marks:
                return found  # type: ignore[no-any-return]
        made = find()
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[place] = ((marks, made), *known[: _MOST_ALIKE - 1])
        return made


_MOST_MARKS = 64
"""Labels and claims of one workload: ordinary ones have a dozen, and anybody can send reviews of others."""
_MOST_ALIKE = 4
"""Answers that are kept for one place."""
