"""Workloads by what they have, so that a question about one thing looks at few of them. Each is updated by itself."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Generic, TypeVar

from tierguard.guard.model.state import WorkloadKey
from tierguard.guard.tiers.classified import Classified

K = TypeVar("K", bound=Hashable)
_One = tuple[WorkloadKey, Classified]


class Filed(Generic[K]):
    """Workloads by each of the keys that `keys_of` gives them.

    One thread changes it while others may read: those see a workload as it was or as it is.
    """

    def __init__(
        self, keys_of: Callable[[Classified], Iterable[K]], subjects: Mapping[WorkloadKey, Classified]
    ) -> None:
        self._keys_of = keys_of
        self._places: dict[K, _One | dict[WorkloadKey, Classified]] = {}
        """What has a key: of one workload a pair, as a dictionary for each takes much more."""
        self._keys: dict[WorkloadKey, tuple[K, ...]] = {}
        for place, subject in subjects.items():
            self.put(place, subject)

    def put(self, place: WorkloadKey, subject: Classified | None) -> None:
        """Take `subject` for what is at `place`; None: nothing is there any more."""
        keys = () if subject is None else tuple(dict.fromkeys(self._keys_of(subject)))
        earlier = self._keys.pop(place, ())
        for key in earlier:
            if key not in keys:
                self._drop(key, place)
        if subject is not None and keys:
            self._keys[place] = keys
            for key in keys:
                self._add(key, place, subject)

    def _add(self, key: K, place: WorkloadKey, subject: Classified) -> None:
        there = self._places.get(key)
        if there is None:
            self._places[key] = (place, subject)
        elif isinstance(there, dict):
            there[place] = subject
        elif there[0] == place:
            self._places[key] = (place, subject)
        else:
            self._places[key] = dict((there, (place, subject)))

    def _drop(self, key: K, place: WorkloadKey) -> None:
        there = self._places.get(key)
        if isinstance(there, dict):
            there.pop(place, None)
        if there is not None and (not there or (not isinstance(there, dict) and there[0] == place)):
            del self._places[key]

    def under(self, key: K) -> tuple[Classified, ...]:
        """Those that have `key`, in the order in which they came."""
        return _told(self._places.get(key))

    def fewest(self, keys: Iterable[K]) -> tuple[Classified, ...]:
        """Those that have that one of `keys` which the fewest have; none where there are no keys."""
        there: _One | dict[WorkloadKey, Classified] | None = None
        for key in keys:
            found = self._places.get(key)
            if not found:
                return ()
            if there is None or _number(found) < _number(there):
                there = found
        return _told(there)


def _number(there: _One | dict[WorkloadKey, Classified]) -> int:
    return len(there) if isinstance(there, dict) else 1


def _told(there: _One | dict[WorkloadKey, Classified] | None) -> tuple[Classified, ...]:
    if there is None:
        return ()
    return tuple(there.values()) if isinstance(there, dict) else (there[1],)
