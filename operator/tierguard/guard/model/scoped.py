"""Freezes, windows and policies, found by what their scopes select: of hundreds few are tried."""

from collections.abc import Iterable
from typing import Any, Generic, Protocol, TypeVar

from tierguard.guard.model.by_labels import ByLabels
from tierguard.guard.model.objects import Labels
from tierguard.guard.model.scope import Scope

MOST_NAMESPACES = 5_000
"""Namespaces for which it is kept which scopes mean them."""
MOST_KEPT = 64
"""Tuples of freezes, windows or policies whose index is kept: a webhook has three."""


class HasScope(Protocol):
    """What has a scope."""

    @property
    def scope(self) -> Scope:
        """What it means."""
        ...


S = TypeVar("S", bound=HasScope)


class Scoped(Generic[S]):
    """An index of `things`, which are in the order that answers keep."""

    def __init__(self, things: tuple[S, ...]) -> None:
        self._things = things
        self._within: dict[int, tuple[Labels, ByLabels[int]]] = {}

    def selecting(self, namespace: Labels, candidates: Iterable[Labels]) -> tuple[S, ...]:
        """Those that mean what has any of the labels in `candidates`, in a namespace of these labels."""
        there = self._there(namespace)
        numbers = {number for labels in candidates for number in there.selecting(labels)}
        return tuple(self._things[number] for number in sorted(numbers)) if numbers else ()

    def _there(self, namespace: Labels) -> ByLabels[int]:
        kept = self._within.get(id(namespace))
        if kept is not None and kept[0] is namespace:
            return kept[1]
        if len(self._within) >= MOST_NAMESPACES:
            self._within.clear()
        meant = (
            (thing.scope.workloads, number)
            for number, thing in enumerate(self._things)
            if thing.scope.namespaces.matches(namespace)
        )
        made = ByLabels(meant)
        self._within[id(namespace)] = (namespace, made)
        return made


_kept: dict[int, tuple[tuple[Any, ...], Scoped[Any]]] = {}


def scoped(things: tuple[S, ...]) -> Scoped[S]:
    """The index of `things`: the same one for the same tuple."""
    kept = _kept.get(id(things))
    if kept is not None and kept[0] is things:
        return kept[1]
    if len(_kept) >= MOST_KEPT:
        _kept.clear()
    made = Scoped(things)
    _kept[id(things)] = (things, made)
    return made
