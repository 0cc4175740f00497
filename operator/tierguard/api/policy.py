"""PaymentTierPolicy: which workloads are which tier, and what a workload of that tier must look like."""

from pydantic import Field

from tierguard.api.freeze import WorkloadReference
from tierguard.api.model import ApiModel, Line, Sentence, Tier, Timestamp
from tierguard.api.rule_values import Enforcement, RuleId
from tierguard.api.rules import Rules
from tierguard.api.scope import APPROVED_BY_ANOTHER, Accountable, StatusBase, WorkloadScope


class Exemption(Accountable):
    """One workload that need not keep some rules for a while. It counts once somebody other than requestedBy approved."""

    model_config = {"json_schema_extra": {"x-kubernetes-validations": [APPROVED_BY_ANOTHER]}}

    workload: WorkloadReference = Field(description="Which workload is exempt.")
    rules: list[RuleId] = Field(
        min_length=1,
        max_length=16,
        description="The rules that it need not keep, by their ids.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    reason: Sentence | None = Field(default=None, description="Why, in a sentence.")
    expires_at: Timestamp = Field(description="When the exemption stops counting, RFC 3339: to the second, everywhere.")


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
    exemptions: list[Exemption] = Field(
        default=[],
        max_length=50,
        description="Workloads that need not keep some rules until a given instant. Over kubectl one person asks and another"
        " approves, each in a write of their own.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    reason: Sentence | None = Field(default=None, description="Why, in a sentence.")


class RuleCount(ApiModel):
    """How many workloads break a rule."""

    rule: RuleId = Field(description="The rule.")
    workloads: int = Field(ge=1, description="How many workloads break it.")


class PolicyStatus(StatusBase):
    """What the operator sees of a policy. Decisions never read it."""

    violating_workloads: int | None = Field(
        default=None,
        ge=0,
        description="How many of the guarded workloads break a rule; exempted findings do not count.",
    )
    exempted_workloads: int | None = Field(
        default=None, ge=0, description="How many of the guarded workloads break a rule from which they are exempt now."
    )
    rules: list[RuleCount] = Field(
        default=[],
        max_length=16,
        description="The rules that are broken, and by how many workloads.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["rule"]},
    )
    violations: list[Line] = Field(
        default=[],
        max_length=20,
        description="The worst offenders first, as namespace/kind/name: rule, at most twenty.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class PaymentTierPolicy(ApiModel):
    """PaymentTierPolicy says which workloads are of a tier and what a workload of that tier must look like."""

    spec: PolicySpec = Field(description="Which workloads are of the tier, and the rules for them.")
    status: PolicyStatus | None = Field(default=None, description="What the operator sees. Decisions never read it.")
