"""Selectors, filed by what they ask for, so that few of them are tried."""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from tierguard.guard.model.objects import Labels
from tierguard.labels import LabelSelector

Pair = tuple[str, str]
"""A label and its value."""
T = TypeVar("T")


class ByLabels(Generic[T]):
    """Selectors, found by the labels that they select: each is filed under one label that it asks for."""

    def __init__(self, entries: Iterable[tuple[LabelSelector, T]]) -> None:
        self._filed: dict[Pair, list[tuple[LabelSelector, T]]] = {}
        self._others: list[tuple[LabelSelector, T]] = []
        for selector, subject in entries:
            if selector.nothing:
                continue
            place = self._filed.setdefault(min(selector.equal), []) if selector.equal else self._others
            place.append((selector, subject))

    def selecting(self, labels: Labels) -> Iterator[T]:
        """The subjects whose selectors match `labels`."""
        for pair in labels.items():
            if is_text(pair[1]):
                for selector, subject in self._filed.get(pair, ()):
                    if selector.matches(labels):
                        yield subject
        for selector, subject in self._others:
            if selector.matches(labels):
                yield subject


def is_text(value: object) -> bool:
    """Whether a label's value is text. Files may have anything there, and no selector asks for anything else."""
    return isinstance(value, str)
