"""The rule blocks of a PaymentTierPolicy: what a workload of a tier must look like."""

from typing import Annotated

from pydantic import Field, StringConstraints

from tierguard.api.model import ApiModel
from tierguard.api.rule_values import (
    SET,
    AnnotationName,
    BudgetMode,
    DeletionMode,
    Enforcement,
    EnvironmentSecrets,
    IntOrPercent,
    ObjectName,
    Pinning,
    Presence,
    ResourceName,
    UnhealthyPodEviction,
    Unsatisfiable,
)
from tierguard.api.scope import LabelKey


class RuleBlock(ApiModel):
    """What every block has."""

    enforcement: Enforcement | None = Field(
        default=None, description="Deny, Warn or Audit for this block alone. Absent: the policy's."
    )


class ReplicasRule(RuleBlock):
    """How many pods a workload must have."""

    minimum: int = Field(
        ge=1,
        le=1000,
        description="The fewest replicas, also of what an autoscaler may leave (its minReplicas). Autoscalers scale through"
        " every freeze, but not below this.",
    )


class RolloutRule(RuleBlock):
    """How a workload may replace its pods."""

    max_unavailable: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="How many pods a rollout may take away at most, after Kubernetes' own rounding. A StatefulSet always"
        " takes one away.",
    )
    min_ready_seconds: int | None = Field(
        default=None,
        ge=0,
        le=3600,
        description="The least minReadySeconds: how long a new pod must be ready before the next one is replaced. Absent:"
        " not checked.",
    )
    revision_history_limit: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="The least revisionHistoryLimit: how many earlier revisions are kept to roll back to. Absent: not"
        " checked.",
    )


class DisruptionBudgetRule(RuleBlock):
    """The disruption budget that a workload must have."""

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
        description="unhealthyPodEvictionPolicy of budgets. AlwaysAllow lets a drain evict pods that are not ready anyway;"
        " IfHealthyBudget takes either.",
    )


class TopologySpreadRule(RuleBlock):
    """How a workload's pods must be spread."""

    topology_keys: list[LabelKey] = Field(
        default=["topology.kubernetes.io/zone"],
        min_length=1,
        max_length=4,
        description="Node labels over which the pods must be spread, each by a constraint of its own.",
        json_schema_extra=SET,
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


class ProbesRule(RuleBlock):
    """The probes that every container must have."""

    readiness: Presence = Field(
        default=Presence.REQUIRED,
        description="Required: every container has a readinessProbe; without one a pod counts as ready when it starts.",
    )
    liveness: Presence = Field(
        default=Presence.REQUIRED,
        description="Required: every container has a livenessProbe; without one a hung process stays.",
    )
    distinct: bool = Field(
        default=True,
        description="Whether liveness must ask something else than readiness: where both ask the same, what should only take"
        " the pod out of service restarts it.",
    )
    liveness_tolerance_seconds: int | None = Field(
        default=None,
        ge=1,
        le=86400,
        description="How long a container must be allowed to fail before liveness kills it, at least: periodSeconds times"
        " failureThreshold. Absent: not checked.",
    )
    forbidden_paths: list[Annotated[str, StringConstraints(pattern=r"^/", max_length=253)]] = Field(
        default=[],
        max_length=20,
        description="HTTP paths that no liveness probe may ask, such as those that look at dependencies: a slow database"
        " would restart every pod.",
        json_schema_extra=SET,
    )


class TerminationRule(RuleBlock):
    """How a pod may end."""

    grace_period_seconds: int = Field(
        default=30,
        ge=1,
        le=86400,
        description="The least terminationGracePeriodSeconds: a payment that is under way gets this long to end.",
    )


class ResourcesRule(RuleBlock):
    """The resources that every container must ask for and be bounded by."""

    requests: list[ResourceName] = Field(
        default=[ResourceName.CPU, ResourceName.MEMORY],
        max_length=3,
        description="What every container must request.",
        json_schema_extra=SET,
    )
    limits: list[ResourceName] = Field(
        default=[ResourceName.MEMORY],
        max_length=3,
        description="What every container must be limited in.",
        json_schema_extra=SET,
    )


class SecretsRule(RuleBlock):
    """How secrets may reach a container."""

    environment: EnvironmentSecrets = Field(
        default=EnvironmentSecrets.FORBIDDEN,
        description="Forbidden: no secret in environment variables, neither by reference nor written out; what is in the"
        " environment ends in logs and crash dumps, and is not renewed while the pod lives.",
    )


class ImagesRule(RuleBlock):
    """How images must be named, and from where they may come."""

    pinning: Pinning = Field(
        default=Pinning.DIGEST,
        description="Digest: every image is named by digest. Tag: by a digest, or by a tag other than latest.",
    )
    registries: list[Annotated[str, StringConstraints(min_length=1, max_length=253)]] = Field(
        default=[],
        max_length=20,
        description="Registries, or repositories in them, from which images may come, such as"
        " registry.example.com/payments/. Empty: any.",
        json_schema_extra=SET,
    )


class PriorityRule(RuleBlock):
    """The priority of the pods."""

    class_names: list[ObjectName] = Field(
        min_length=1,
        max_length=20,
        description="Priority classes; the pods must have one of these.",
        json_schema_extra=SET,
    )


class IsolationRule(RuleBlock):
    """Who may speak to the pods."""

    network_policy: Presence = Field(
        default=Presence.REQUIRED, description="Required: a NetworkPolicy selects the pods."
    )


class DependenciesRule(RuleBlock):
    """What a workload may need to decide."""

    lowest_tier: int = Field(
        default=2,
        ge=0,
        le=4,
        description="The highest tier number that anything in the annotation tierguard.io/depends-on may have.",
    )


class Proof(ApiModel):
    """Recurring proof that something was tried."""

    annotation: AnnotationName = Field(
        description="The name behind evidence.tierguard.io/ of the annotation with the date, such as last-restore-test."
    )
    max_age_days: int = Field(ge=1, le=3660, description="How old the proof may be, in days.")


class EvidenceRule(RuleBlock):
    """The evidence that a rollout must carry."""

    annotations: list[AnnotationName] = Field(
        default=[],
        max_length=20,
        description="Annotations that each rollout must set again, by the part of their name after evidence.tierguard.io/,"
        " such as release-id or risk-approval. evidence.tierguard.io/images then lists the images that they are for.",
        json_schema_extra=SET,
    )
    proofs: list[Proof] = Field(
        default=[],
        max_length=10,
        description="Recurring proof that must not be too old.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["annotation"]},
    )


class DeletionRule(RuleBlock):
    """When a workload may be deleted."""

    mode: DeletionMode = Field(
        default=DeletionMode.ANNOUNCED_ONLY,
        description="AnnouncedOnly: only after the annotation tierguard.io/allow-deletion was set in a separate change."
        " Tiers 0 and 1 are deleted no other way, with or without this block.",
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
    probes: ProbesRule | None = Field(default=None, description="The probes that every container must have.")
    termination: TerminationRule | None = Field(default=None, description="How a pod may end.")
    resources: ResourcesRule | None = Field(
        default=None, description="The resources that every container must ask for and be bounded by."
    )
    secrets: SecretsRule | None = Field(default=None, description="How secrets may reach a container.")
    images: ImagesRule | None = Field(default=None, description="How images are named, and from where they come.")
    priority: PriorityRule | None = Field(default=None, description="The priority of the pods.")
    isolation: IsolationRule | None = Field(default=None, description="Who may speak to the pods.")
    dependencies: DependenciesRule | None = Field(default=None, description="What a workload may need to decide.")
    evidence: EvidenceRule | None = Field(default=None, description="The evidence that a rollout must carry.")
    deletion: DeletionRule | None = Field(default=None, description="When a workload may be deleted.")
