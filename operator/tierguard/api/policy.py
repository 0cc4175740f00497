"""PaymentTierPolicy: which workloads are which tier, and what a workload of that tier must look like."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from tierguard.api.model import ApiModel, Sentence, Tier, Timestamp
from tierguard.api.scope import APPROVED_BY_ANOTHER, Accountable, LabelKey, StatusBase, WorkloadScope


class Enforcement(StrEnum):
    """What a broken rule does."""

    DENY = "Deny"
    WARN = "Warn"
    AUDIT = "Audit"


class BudgetMode(StrEnum):
    """Who sees to it that there is a disruption budget."""

    MAINTAIN = "Maintain"
    REQUIRE = "Require"
    SUGGEST = "Suggest"


class UnhealthyPodEviction(StrEnum):
    """The values of a PodDisruptionBudget's unhealthyPodEvictionPolicy."""

    ALWAYS_ALLOW = "AlwaysAllow"
    IF_HEALTHY_BUDGET = "IfHealthyBudget"


class Unsatisfiable(StrEnum):
    """What the scheduler does with a pod that would break the spread."""

    DO_NOT_SCHEDULE = "DoNotSchedule"
    SCHEDULE_ANYWAY = "ScheduleAnyway"


IntOrPercent = Annotated[
    Annotated[int, Field(ge=0, le=1000)]
    | Annotated[str, StringConstraints(pattern=r"^(100|[1-9]?[0-9])%$", max_length=4)],
    Field(json_schema_extra={"x-kubernetes-int-or-string": True}),
]

OWN_ENFORCEMENT = "Deny, Warn or Audit for this block alone. Absent: the policy's."


class RolloutRule(ApiModel):
    """How a workload may replace its pods."""

    enforcement: Enforcement | None = Field(default=None, description=OWN_ENFORCEMENT)
    max_unavailable: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="How many pods a rollout may take away at most, after Kubernetes' own rounding.",
    )


class DisruptionBudgetRule(ApiModel):
    """The disruption budget that a workload must have."""

    enforcement: Enforcement | None = Field(default=None, description=OWN_ENFORCEMENT)
    mode: BudgetMode = Field(
        default=BudgetMode.REQUIRE,
        description="Maintain: the operator makes a budget where there is none. Require: a workload without a sound budget"
        " is refused. Suggest: the refusal becomes a warning that prints one.",
    )
    max_unavailable: IntOrPercent = Field(
        default=1,
        description="maxUnavailable of budgets that are made, and the most that any may let go.",
    )
    unhealthy_pod_eviction_policy: UnhealthyPodEviction = Field(
        default=UnhealthyPodEviction.ALWAYS_ALLOW,
        description="unhealthyPodEvictionPolicy of the budgets that the operator makes. AlwaysAllow lets a drain evict pods"
        " that are not ready anyway.",
    )


class TopologySpreadRule(ApiModel):
    """How a workload's pods must be spread."""

    enforcement: Enforcement | None = Field(default=None, description=OWN_ENFORCEMENT)
    topology_keys: list[LabelKey] = Field(
        default=["topology.kubernetes.io/zone"],
        min_length=1,
        max_length=4,
        description="Node labels over which the pods must be spread, each by a constraint of its own.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    max_skew: int = Field(
        default=1, ge=1, le=100, description="The largest allowed difference in pods between two domains."
    )
    when_unsatisfiable: Unsatisfiable = Field(
        default=Unsatisfiable.DO_NOT_SCHEDULE,
        description="DoNotSchedule: only a constraint that the scheduler must keep counts. ScheduleAnyway: a wish will do.",
    )
    min_domains: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="The fewest domains over which the pods must be spread; only with DoNotSchedule. Absent: not checked.",
    )


class ReplicasRule(ApiModel):
    """How many pods a workload must have."""

    enforcement: Enforcement | None = Field(default=None, description=OWN_ENFORCEMENT)
    minimum: int = Field(
        ge=1,
        le=1000,
        description="The fewest replicas. Autoscalers scale through every freeze, but not below this.",
    )


class Rules(ApiModel):
    """What a workload must look like. A block that is absent is not enforced."""

    replicas: ReplicasRule | None = Field(default=None, description="How many pods a workload must have.")
    rollout: RolloutRule | None = Field(default=None, description="How a workload may replace its pods.")
    disruption_budget: DisruptionBudgetRule | None = Field(
        default=None, description="The PodDisruptionBudget that a workload must have."
    )
    topology_spread: TopologySpreadRule | None = Field(
        default=None, description="How a workload's pods must be spread over zones."
    )


class PolicySpec(Accountable):
    """Which workloads are of the tier, and the rules for them."""

    model_config = {"json_schema_extra": {"x-kubernetes-validations": [APPROVED_BY_ANOTHER]}}

    tier: Tier = Field(
        description="The tier of the workloads in scope: 0 financial truth, 1 money-changing, 2 settlement, reconciliation"
        " and risk, 3 reporting, 4 analytics. The lowest that anything gives a workload counts."
    )
    scope: WorkloadScope = Field(
        description="Which workloads are of this tier. Required, as {} means every workload of the cluster."
    )
    enforcement: Enforcement = Field(
        default=Enforcement.DENY,
        description="What a broken rule does. Deny: the change is refused. Warn: it passes with a warning. Audit: it is only"
        " recorded.",
    )
    effective_from: Timestamp | None = Field(
        default=None, description="Until then every finding is Audit. Absent: at once."
    )
    rules: Rules = Field(
        default=Rules(), description="What a workload must look like. An absent block is not enforced."
    )
    reason: Sentence | None = Field(default=None, description="Why, in a sentence.")


class PolicyStatus(StatusBase):
    """What the operator sees of a policy. Decisions never read it."""

    violating_workloads: int | None = Field(
        default=None, ge=0, description="How many of the guarded workloads break a rule."
    )
    violations: list[str] = Field(
        default=[],
        max_length=20,
        description="The first of them, as namespace/kind/name: rule, at most twenty.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class PaymentTierPolicy(ApiModel):
    """PaymentTierPolicy says which workloads are of a tier and what a workload of that tier must look like."""

    spec: PolicySpec = Field(description="Which workloads are of the tier, and the rules for them.")
    status: PolicyStatus | None = Field(default=None, description="What the operator sees. Decisions never read it.")
