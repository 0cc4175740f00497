"""Workloads, filed by what they have, so that a question about one thing looks at few of them. Kept up one by one."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

from tierguard.guard.model.state import WorkloadKey
from tierguard.guard.tiers.classified import Classified

K = TypeVar("K", bound=Hashable)


class Filed(Generic[K]):
    """Workloads by each of the keys that `keys_of` gives them.

    One thread changes it while others may read: those see a workload as it was or as it is.
    """

    def __init__(
        self, keys_of: Callable[[Classified], Iterable[K]], subjects: Mapping[WorkloadKey, Classified]
    ) -> None:
        self._keys_of = keys_of
        self._places: dict[K, dict[WorkloadKey, Classified]] = {}
        self._keys: dict[WorkloadKey, tuple[K, ...]] = {}
        for place, subject in subjects.items():
            self.put(place, subject)

    def put(self, place: WorkloadKey, subject: Classified | None) -> None:
        """Take `subject` for what is at `place`; None: nothing is there any more."""
        keys = () if subject is None else tuple(dict.fromkeys(self._keys_of(subject)))
        earlier = self._keys.pop(place, ())
        for key in earlier:
            if key not in keys and (there := self._places.get(key)) is not None:
                there.pop(place, None)
                if not there:
                    del self._places[key]
        if subject is not None and keys:
            self._keys[place] = keys
            for key in keys:
                self._places.setdefault(key, {})[place] = subject

    def under(self, key: K) -> tuple[Classified, ...]:
        """Those that have `key`, in the order in which they came."""
        there = self._places.get(key)
        return () if there is None else tuple(there.values())

    def fewest(self, keys: Iterable[K]) -> tuple[Classified, ...]:
        """Those that have that one of `keys` which the fewest have; none where there are no keys."""
        there: dict[WorkloadKey, Classified] | None = None
        for key in keys:
            found = self._places.get(key)
            if not found:
                return ()
            if there is None or len(found) < len(there):
                there = found
        return () if there is None else tuple(there.values())
