"""What was found out, kept for whoever asks the same again while it was found out of the same things."""

from collections.abc import Callable, Hashable, Sized
from operator import is_
from typing import Any, TypeVar

T = TypeVar("T")

Known = dict[Hashable, tuple[tuple[object, ...], Any]]
"""By question: what an answer was found out of, and the answer."""


def answered(known: Known, question: Hashable, made_of: tuple[object, ...], find: Callable[[], T], most: int) -> T:
    """What `find` says, which goes by the question and `made_of` alone. Kept in `known`, of which it makes at most `most`.

    The things in `made_of` are compared by identity: each is replaced as a whole when it changes, and is kept beside its
    answer, so that no other can have its place.
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
    """Answers by place, for the few things that were there last: compared whole, which is quicker than to hash them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[Hashable, tuple[tuple[Any, Any], ...]] = {}

    def once_for(self, place: Hashable, marks: tuple[Sized, ...], find: Callable[[], T]) -> T:
        """What `find` says, which goes by the place and `marks` alone. Answers are kept for at most `most` places.

        Of marks that have very much in them none is kept.
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
"""Things in one place of which it is kept what they mean."""
