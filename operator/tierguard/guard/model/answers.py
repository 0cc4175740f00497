"""What was found out, kept for whoever asks the same again while it was found out of the same things."""

from collections.abc import Callable, Hashable
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
