"""What takes the pods of a running Job away: the bounds that its controller enforces at once when they become tighter."""

from collections.abc import Iterator
from math import inf

from tierguard.api.scope import ChangeKind
from tierguard.guard.model import objects
from tierguard.guard.model.workload import Workload

_COUNTS = {"parallelism": 1.0, "completions": inf}
"""How many pods a Job runs, and how many it needs, with what an absent field means: of fewer the others are deleted."""
_LIMITS = {"activeDeadlineSeconds": inf, "backoffLimit": 6.0, "maxFailedIndexes": inf}
"""Past one of these a Job fails, and all its pods are deleted (terminateJob in Kubernetes' job_controller.go)."""


def ends_pods(old: Workload, new: Workload) -> set[ChangeKind]:
    """The kinds of scaling that tighter bounds of a running Job amount to. They are settings as well."""
    return set(_tightened(old, new))


def _tightened(old: Workload, new: Workload) -> Iterator[ChangeKind]:
    for field, absent in _COUNTS.items():
        before, after = _number(old, field, absent), _number(new, field, absent)
        if after < before:
            yield ChangeKind.SCALE_DOWN if after > 0 else ChangeKind.SCALE_TO_ZERO
    for field, absent in _LIMITS.items():
        if _number(new, field, absent) < _number(old, field, absent):
            yield ChangeKind.SCALE_TO_ZERO


def _number(job: Workload, field: str, absent: float) -> float:
    found = objects.whole_number(job.spec, field)
    return absent if found is None else found
