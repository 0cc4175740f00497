"""Kubernetes label selectors, compiled once and tried per request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tierguard.text import shown


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """A compiled metav1.LabelSelector, with the semantics of apimachinery's `LabelSelectorAsSelector`.

    `equal` are labels that must have that value, `one_of` must have one of them, `none_of` must not (a label that is
    not there does not), `present` and `absent` are keys. `nothing` is the absent selector.
    """

    equal: tuple[tuple[str, str], ...] = ()
    one_of: tuple[tuple[str, frozenset[str]], ...] = ()
    none_of: tuple[tuple[str, frozenset[str]], ...] = ()
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    nothing: bool = False

    @classmethod
    def compile(cls, raw: Mapping[str, Any] | None) -> "LabelSelector":
        """Compile a selector as it is written in an object: `{}` selects everything, None nothing.

        Raises ValueError for what Kubernetes would refuse to evaluate: an unknown operator, In or NotIn without values,
        Exists or DoesNotExist with values, or a part of the wrong type. The spelling of keys and values is not checked:
        a misspelt one is on no object.
        """
        if raw is None:
            return cls(nothing=True)
        equal = _match_labels(raw.get("matchLabels"))
        sets: dict[str, list[tuple[str, frozenset[str]]]] = {"In": [], "NotIn": []}
        keys: dict[str, list[str]] = {"Exists": [], "DoesNotExist": []}
        for expression in _expressions(raw.get("matchExpressions")):
            key, operator, values = _requirement(expression)
            if operator in sets:
                sets[operator].append((key, values))
            else:
                keys[operator].append(key)
        return cls(equal, tuple(sets["In"]), tuple(sets["NotIn"]), tuple(keys["Exists"]), tuple(keys["DoesNotExist"]))

    @property
    def everything(self) -> bool:
        """Whether it selects every object, whatever its labels."""
        return self == _EVERYTHING

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether it selects an object with `labels`. All requirements must hold."""
        if self.nothing:
            return False
        # Plain loops: this runs per request and hold, and generator expressions double its cost.
        for key, value in self.equal:
            if labels.get(key) != value:
                return False
        found: object  # a file may have anything for a label
        for key, values in self.one_of:
            found = labels.get(key)
            if not isinstance(found, str) or found not in values:
                return False
        for key, values in self.none_of:
            found = labels.get(key)
            if isinstance(found, str) and found in values:
                return False
        return not (self.present or self.absent) or self._has_keys(labels)

    def covers(self, narrow: "LabelSelector") -> bool:
        """Whether it plainly selects everything that `narrow` does, whatever there is.

        False may only mean that the two selectors do not show it; True is always right.
        """
        if self.nothing or narrow.nothing:
            return narrow.nothing
        values = narrow.values()
        return (
            all(key in values and values[key] <= {value} for key, value in self.equal)
            and all(key in values and values[key] <= wanted for key, wanted in self.one_of)
            and all(_never(narrow, key, values, refused) for key, refused in self.none_of)
            and all(key in values or key in narrow.present for key in self.present)
            and all(key in narrow.absent for key in self.absent)
        )

    def values(self) -> dict[str, frozenset[str]]:
        """By key, the values that a selected object may have, for the keys of which some are required."""
        found: dict[str, frozenset[str]] = {}
        for key, wanted in (*((key, frozenset({value})) for key, value in self.equal), *self.one_of):
            found[key] = found.get(key, wanted) & wanted
        return found

    def example(self) -> dict[str, str]:
        """Labels that it selects; for one that contradicts itself, labels that come near."""
        refused: dict[str, frozenset[str]] = {}
        for key, values in self.none_of:
            refused[key] = refused.get(key, frozenset()) | values
        made = {key: min(wanted - refused.get(key, frozenset()), default="") for key, wanted in self.values().items()}
        for key in self.present:
            # One letter more than any refused value has: whatever is refused, this is not.
            longest = max((len(value) for value in refused.get(key, ())), default=0)
            made.setdefault(key, "x" * (longest + 1))
        return made

    def _has_keys(self, labels: Mapping[str, str]) -> bool:
        return all(key in labels for key in self.present) and not any(key in labels for key in self.absent)


_EVERYTHING = LabelSelector()


def _never(narrow: LabelSelector, key: str, values: Mapping[str, frozenset[str]], refused: frozenset[str]) -> bool:
    """Whether what `narrow` selects never has one of the `refused` values."""
    if key in narrow.absent or (key in values and not values[key] & refused):
        return True
    return any(other == key and refused <= also for other, also in narrow.none_of)


def _match_labels(raw: Any) -> tuple[tuple[str, str], ...]:
    if raw is None:
        return ()
    _require(isinstance(raw, Mapping), f"matchLabels is no map of labels: {shown(raw)}")
    for key, value in raw.items():
        strings = isinstance(key, str) and isinstance(value, str)
        _require(strings, f"matchLabels holds {shown(key)}: {shown(value)}; both must be strings")
    return tuple(raw.items())


def _expressions(raw: Any) -> Sequence[Any]:
    if raw is None:
        return ()
    _require(isinstance(raw, list | tuple), f"matchExpressions is no list: {shown(raw)}")
    return tuple(raw)


def _requirement(raw: Any) -> tuple[str, str, frozenset[str]]:
    _require(
        isinstance(raw, Mapping) and isinstance(raw.get("key"), str), f"a label requirement needs a key: {shown(raw)}"
    )
    key, operator, values = raw["key"], raw.get("operator"), raw.get("values") or ()
    strings = isinstance(values, list | tuple) and all(isinstance(value, str) for value in values)
    _require(strings, f"the values of the requirement on {shown(key)} are no list of strings: {shown(values)}")
    known = operator in ("In", "NotIn", "Exists", "DoesNotExist")
    _require(known, f"{shown(operator)} is no label selector operator; there are In, NotIn, Exists and DoesNotExist")
    if operator in ("In", "NotIn"):
        _require(values, f"{operator} on {shown(key)} needs at least one value")
    else:
        _require(not values, f"{operator} on {shown(key)} takes no values")
    return key, operator, frozenset(values)


def _require(holds: object, problem: str) -> None:
    if not holds:
        raise ValueError(problem)
