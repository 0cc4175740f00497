"""How fast an autoscaler may add and remove pods: which of two `behavior` blocks lets it do more. Pure.

Where it cannot be shown that one lets it do at least as much as the other, the answer is no: the safe direction, as the
caller asks whether a change is harmless.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tierguard.guard.model import objects

_DISABLED, _MIN, _MAX = "Disabled", "Min", "Max"


@dataclass(frozen=True, slots=True)
class Policy:
    """So many pods, or so many percent of them, in so many seconds."""

    kind: str
    value: float
    period: float

    def covers(self, other: "Policy") -> bool:
        """Whether it lets at least as much happen as `other` does."""
        return self.kind == other.kind and self.value >= other.value and self.period <= other.period


@dataclass(frozen=True, slots=True)
class Rules:
    """One direction of `spec.behavior`, with Kubernetes' defaults filled in."""

    select: str
    window: float
    policies: tuple[Policy, ...]
    tolerance: object

    @property
    def moves(self) -> bool:
        """Whether they let anything happen at all."""
        if self.select == _DISABLED:
            return False
        counts = [policy.value > 0 for policy in self.policies]
        return all(counts) if self.select == _MIN else any(counts)

    def cover(self, other: "Rules") -> bool:
        """Whether they surely let at least as much happen, at least as soon, as `other` does."""
        if other.select == _DISABLED:
            return True
        if self.select == _DISABLED or self.window > other.window or self.tolerance != other.tolerance:
            return False
        return self._reach(other)

    def _reach(self, other: "Rules") -> bool:
        mine, others = self.policies, other.policies
        if self.select == _MAX:
            quantifier = any if other.select == _MIN else all
            return quantifier(any(policy.covers(each) for policy in mine) for each in others)
        if other.select == _MIN:
            return all(any(policy.covers(each) for each in others) for policy in mine)
        return all(policy.covers(each) for policy in mine for each in others)


# autoscaling/v2 defaults.go of Kubernetes; 300 s is the default of --horizontal-pod-autoscaler-downscale-stabilization.
_UP = Rules(_MAX, 0.0, (Policy("Pods", 4, 15), Policy("Percent", 100, 15)), None)
_DOWN = Rules(_MAX, 300.0, (Policy("Percent", 100, 15),), None)


def scale_up(behavior: Mapping[str, Any]) -> Rules:
    """The rules for adding pods in `behavior`."""
    return _read(objects.mapping(behavior, "scaleUp"), _UP)


def scale_down(behavior: Mapping[str, Any]) -> Rules:
    """The rules for removing pods in `behavior`."""
    return _read(objects.mapping(behavior, "scaleDown"), _DOWN)


def _read(written: Mapping[str, Any], default: Rules) -> Rules:
    policies = tuple(
        Policy(str(objects.value(each, "type")), _number(each, "value", 0.0), _number(each, "periodSeconds", 0.0))
        for each in objects.sequence(written, "policies")
    )
    return Rules(
        str(written.get("selectPolicy") or default.select),
        _number(written, "stabilizationWindowSeconds", default.window),
        policies or default.policies,
        written.get("tolerance"),
    )


def _number(parent: Any, field: str, absent: float) -> float:
    found = objects.value(parent, field)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else absent
