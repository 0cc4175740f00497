"""How many pods a rolling update may take away, and how many it may add."""

from dataclasses import dataclass, field

from tierguard.disruption.scaled import scaled_value

DEFAULT = "25%"
"""Of both, where omitted in a Deployment (SetDefaults_Deployment, pkg/apis/apps/v1/defaults.go)."""


@dataclass(frozen=True, slots=True)
class RollingUpdateBounds:
    """In pods: at most `max_unavailable` fewer than the replicas are available, at most `max_surge` more exist.

    `fell_back` where neither field lets a rollout move, so that Kubernetes takes one pod away after all.
    """

    max_unavailable: int
    max_surge: int
    fell_back: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class NodeBounds:
    """What a DaemonSet's rolling update takes away, of a number of nodes that nobody knows beforehand.

    At least `max_unavailable` pods; more on enough nodes where there is a `percentage` of them, which rounds up.
    """

    max_unavailable: int
    percentage: int = 0


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
    fell_back = surge == 0 and unavailable == 0
    return RollingUpdateBounds(min(1 if fell_back else unavailable, replicas), surge, fell_back)


def stateful_set_unavailable(replicas: int, max_unavailable: int | str | None) -> int:
    """How many of its `replicas` pods a StatefulSet's rolling update takes away at once; None for an omitted field.

    Follows getStatefulSetMaxUnavailable (pkg/controller/statefulset/stateful_set_utils.go): one where omitted; a percentage
    rounds down, but never below one. Behind the feature gate MaxUnavailableStatefulSet, off up to 1.36, which also keeps
    the field from being stored: where it is, it counts. The pod management policy makes no difference to the number.
    Raises ValueError, naming the value, for a string that is no percentage.
    """
    scaled = 1 if max_unavailable is None else scaled_value(max_unavailable, replicas, round_up=False)
    return min(max(1, scaled), replicas)


def daemon_set_bounds(max_unavailable: int | str | None, max_surge: int | str | None) -> NodeBounds:
    """What a DaemonSet's rolling update takes away, with None for a field that is omitted (one, and no surge).

    Follows updatedDesiredNodeCounts (pkg/controller/daemon/update.go): percentages are of the nodes that should run a pod,
    and both round up, so any but 0% is at least one; if both fields are zero, one pod may be unavailable.
    Raises ValueError, naming the value, for a string that is no percentage.
    """
    surge = 0 if max_surge is None else scaled_value(max_surge, 1, round_up=True)
    unavailable = 1 if max_unavailable is None else max_unavailable
    on_one_node = scaled_value(unavailable, 1, round_up=True)
    if isinstance(unavailable, str) and on_one_node > 0:
        return NodeBounds(1, scaled_value(unavailable, 100, round_up=True))
    return NodeBounds(1 if surge == 0 and on_one_node == 0 else on_one_node)
