"""A property that is computed when it is first asked for.

As functools.cached_property, without the lock that this takes in Python 3.11 and that costs more than what is computed:
objects of one decision are seen by one thread.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class once(Generic[T]):  # noqa: N801 - it is read as a decorator
    """Computed at the first access, and then an entry of the object's `__dict__`, which goes before this descriptor."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> T:
        """The value; kept."""
        found = instance.__dict__[self._name] = self._compute(instance)
        return found
