"""Which workloads a freeze, a window or a policy means."""

from collections.abc import Iterable
from dataclasses import dataclass

from tierguard.api.scope import Selector, WorkloadScope
from tierguard.guard.model.objects import Labels, printable
from tierguard.labels import LabelSelector

TIER_LABEL = "tierguard.io/tier"
TIERS = frozenset({"0", "1", "2", "3", "4"})
GUARDED_TIERS = frozenset({0, 1})


@dataclass(frozen=True, slots=True)
class Scope:
    """A compiled scope: both selectors must match. The source stays for the API server's own copy of the check."""

    namespaces: LabelSelector
    workloads: LabelSelector
    source: WorkloadScope

    @classmethod
    def compile(cls, source: WorkloadScope) -> "Scope":
        """Compile the selectors of `source`; an absent one selects everything."""
        return cls(_compile(source.namespace_selector), _compile(source.workload_selector), source)

    def matches(self, namespace: Labels, candidates: Iterable[Labels]) -> bool:
        """Whether `namespace` matches and any of `candidates` (the workload's labels, its pods' labels) does."""
        if not self.namespaces.matches(namespace):
            return False
        for labels in candidates:  # noqa: SIM110 - this runs per request and hold, and any() doubles its cost
            if self.workloads.matches(labels):
                return True
        return False


def _compile(selector: Selector | None) -> LabelSelector:
    source = selector or Selector()
    return LabelSelector.compile(source.model_dump(by_alias=True, exclude_none=True, mode="json"))


def tier_of_label(labels: Labels) -> int | None:
    """The tier in `labels`; None without the label, and 0 for a value that is none: the safe direction."""
    found: object = labels.get(TIER_LABEL)  # of any type: the API server checks labels, but not everybody is it
    if found is None:
        return None
    return int(found) if isinstance(found, str) and found in TIERS else 0


def no_tier(labels: Labels) -> str | None:
    """What stands for a tier in `labels` and is none; None where there is a tier, or nothing."""
    found: object = labels.get(TIER_LABEL)
    if found is None or (isinstance(found, str) and found in TIERS):
        return None
    return printable(str(found), 63)
