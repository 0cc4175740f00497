"""How many pods a Deployment's rolling update may take away, and how many it may add."""

from dataclasses import dataclass

from tierguard.disruption.scaled import scaled_value

DEFAULT = "25%"
"""Of both, where omitted (SetDefaults_Deployment, pkg/apis/apps/v1/defaults.go)."""


@dataclass(frozen=True, slots=True)
class RollingUpdateBounds:
    """In pods: at most `max_unavailable` fewer than the replicas are available, at most `max_surge` more exist."""

    max_unavailable: int
    max_surge: int


def rolling_update_bounds(
    replicas: int, max_unavailable: int | str | None, max_surge: int | str | None
) -> RollingUpdateBounds:
    """The effective bounds of a Deployment of `replicas` pods, with None for a field that is omitted.

    Follows ResolveFenceposts and MaxUnavailable (pkg/controller/deployment/util/deployment_util.go): surge rounds up,
    unavailable rounds down; if both come out as zero, one pod may be unavailable, so `maxUnavailable: 0` with
    `maxSurge: 0%` is no promise. The unavailable ones are capped at the replicas, the surge is not. Without replicas
    none can be unavailable. For strategy RollingUpdate: under Recreate all pods go at once.
    Raises ValueError, naming the value, for a string that is no percentage.
    """
    surge = scaled_value(DEFAULT if max_surge is None else max_surge, replicas, round_up=True)
    unavailable = scaled_value(DEFAULT if max_unavailable is None else max_unavailable, replicas, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return RollingUpdateBounds(min(unavailable, replicas), surge)
