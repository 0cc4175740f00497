"""PodDisruptionBudgets, computed as the disruption controller does (pkg/controller/disruption/disruption.go)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tierguard.disruption.scaled import scaled_value
from tierguard.labels import LabelSelector

_NOTHING = LabelSelector(nothing=True)

OPERATOR_PREFIX = "tierguard-"
"""How the names of budgets that the operator makes begin."""
MANAGED_BY = "app.kubernetes.io/managed-by"
OPERATOR = "tierguard"
"""The value of that label on budgets that the operator makes."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A PodDisruptionBudget's spec. `min_available` and `max_unavailable`: pods, or a percentage such as "67%".

    `by_operator` says whether it is one that the operator made, and removes when there is another: by name and label, as
    people copy manifests, and nobody else's budget is ever removed or passed over.
    """

    namespace: str
    name: str
    selector: Mapping[str, Any] | LabelSelector | None = None
    """As it is written, or compiled; it is kept compiled alone."""
    min_available: int | str | None = None
    max_unavailable: int | str | None = None
    unhealthy_pod_eviction_policy: str | None = None
    by_operator: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.selector, LabelSelector):
            return
        try:
            labels = LabelSelector.compile(self.selector)
        except ValueError:
            # The eviction API passes over a budget whose selector is invalid (GetPodPodDisruptionBudgets, client-go).
            labels = _NOTHING
        object.__setattr__(self, "selector", labels)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Budget":
        """The budget in a PodDisruptionBudget of policy/v1, as stored. Parts of the wrong type count as absent."""
        metadata, spec = _mapping(raw.get("metadata")), _mapping(raw.get("spec"))
        selector = spec.get("selector")
        policy = spec.get("unhealthyPodEvictionPolicy")
        name = str(metadata.get("name") or "")
        return cls(
            namespace=str(metadata.get("namespace") or ""),
            name=name,
            selector=selector if isinstance(selector, Mapping) else None,
            min_available=_number(spec.get("minAvailable")),
            max_unavailable=_number(spec.get("maxUnavailable")),
            unhealthy_pod_eviction_policy=policy if isinstance(policy, str) else None,
            by_operator=name.startswith(OPERATOR_PREFIX)
            and _mapping(metadata.get("labels")).get(MANAGED_BY) == OPERATOR,
        )

    @property
    def labels(self) -> LabelSelector:
        """Its selector, compiled; one that is absent or invalid selects nothing."""
        return self.selector if isinstance(self.selector, LabelSelector) else _NOTHING

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether it covers a pod of its namespace with `labels`. A selector that is absent or invalid selects none."""
        return self.labels.matches(labels)


@dataclass(frozen=True, slots=True)
class Controller:
    """What controls pods that a budget covers.

    `replicas` is its spec.replicas (for a DaemonSet or Job: the pods that it wants). `has_scale` says whether it has
    the scale subresource: Deployments, ReplicaSets, StatefulSets and ReplicationControllers do, DaemonSets and Jobs
    do not.
    """

    kind: str
    replicas: int
    has_scale: bool


@dataclass(frozen=True, slots=True)
class Expected:
    """How many pods a budget counts on, and how many must stay healthy. With a `reason` neither can be computed."""

    pods: int
    desired_healthy: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many healthy pods may be evicted now, and from which numbers that follows.

    A `reason` says why the budget cannot be computed; `allowed` is then 0, as the controller's failSafe sets it.
    """

    allowed: int
    healthy: int
    desired_healthy: int
    expected_pods: int
    reason: str | None = None


def expected(budget: Budget, controllers: Sequence[Controller], pods: int) -> Expected:
    """What `budget` expects, of `pods` existing pods that it selects and the distinct `controllers` of those pods.

    Follows getExpectedPodCount: percentages round up, of the sum of the controllers' replicas; an integer minAvailable
    looks at no controller and expects the pods that exist; everything else needs controllers that can be scaled.
    maxUnavailable wins if both are set (the API refuses that); with neither, nothing is expected. A pod without a
    controller adds nothing to the sum.
    """
    wanted = budget.min_available if budget.max_unavailable is None else budget.max_unavailable
    if wanted is None:
        return Expected(0, 0)
    if budget.max_unavailable is None and not isinstance(wanted, str):
        return Expected(pods, wanted)
    unscalable = next((controller.kind for controller in controllers if not controller.has_scale), None)
    if unscalable is not None:
        problem = f"{unscalable} does not implement the scale subresource: its pods need an integer minAvailable"
        return Expected(0, 0, problem)
    count = sum(controller.replicas for controller in controllers)
    try:
        scaled = scaled_value(wanted, count, round_up=True)
    except ValueError as error:
        return Expected(0, 0, str(error))
    return Expected(count, scaled if budget.max_unavailable is None else max(0, count - scaled))


def disruptions_allowed(
    budget: Budget, controllers: Sequence[Controller], healthy: int, pods: int | None = None
) -> Allowance:
    """How many pods `budget` lets go with `healthy` ready pods out of `pods` (default: the healthy ones).

    Follows updatePdbStatus: the healthy ones beyond the desired, and none at all while no pod is expected, so a budget
    that selects nothing, or that sets neither field, allows nothing.
    """
    found = expected(budget, controllers, healthy if pods is None else pods)
    allowed = 0 if found.reason is not None or found.pods <= 0 else max(0, healthy - found.desired_healthy)
    return Allowance(allowed, healthy, found.desired_healthy, found.pods, found.reason)


def allowed_when_healthy(budget: Budget, controllers: Sequence[Controller]) -> Allowance:
    """The best case: as many pods exist as the controllers want, and all are ready.

    What is not allowed even then is never allowed: a drain would wait for ever.
    """
    return disruptions_allowed(budget, controllers, sum(controller.replicas for controller in controllers))


def safe_maximum(written: int | str, replicas: int) -> int | str:
    """`written` as maxUnavailable of a workload with `replicas` pods at the least, made to let one go but never all.

    `50%` of one pod and `67%` of three round up to all of them, and `0` blocks every drain; then it is a number of pods.
    Of more replicas the same percentage never comes to all again. Raises ValueError as `scaled_value`.
    """
    scaled = scaled_value(written, replicas, round_up=True)
    safe = max(1, min(scaled, replicas - 1))
    return written if scaled == safe else safe


def _mapping(raw: Any) -> Mapping[str, Any]:
    return raw if isinstance(raw, Mapping) else {}


def _number(raw: Any) -> int | str | None:
    return raw if isinstance(raw, int | str) and not isinstance(raw, bool) else None
