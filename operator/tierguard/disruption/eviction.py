"""What the eviction API answers (pkg/registry/core/pod/storage/eviction.go)."""

from collections.abc import Sequence
from enum import Enum

from tierguard.disruption.budget import Allowance, Budget

_ALWAYS_ALLOW = "AlwaysAllow"


class Eviction(Enum):
    """The three answers, with their HTTP status."""

    ALLOWED = 201
    REFUSED = 429
    FAILS = 500


def eviction(covering: Sequence[tuple[Budget, Allowance]], *, ready: bool) -> Eviction:
    """The answer about a running pod that is `ready` or not, and that the budgets in `covering` select.

    Two budgets on one pod are more than the API can deal with, whatever they allow. A pod that is not ready may go where
    the budget says AlwaysAllow, or else where enough others are healthy; and in any case where a healthy one may.
    """
    if len(covering) > 1:
        return Eviction.FAILS
    for budget, allowance in covering:
        if not ready:
            if budget.unhealthy_pod_eviction_policy == _ALWAYS_ALLOW:
                return Eviction.ALLOWED
            if allowance.healthy >= allowance.desired_healthy > 0:
                return Eviction.ALLOWED
        if allowance.allowed < 1:
            return Eviction.REFUSED
    return Eviction.ALLOWED
