"""The values that the fields of a PaymentTierPolicy's rule blocks may have."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints
from pydantic.config import JsonDict


class Enforcement(StrEnum):
    """What a broken rule does."""

    DENY = "Deny"
    WARN = "Warn"
    AUDIT = "Audit"


class RuleId(StrEnum):
    """The rules, as findings, exemptions and docs/rules.md name them."""

    DEPENDENCIES = "dependencies"
    DISRUPTION_BUDGET = "disruption-budget"
    EVIDENCE = "evidence"
    IMAGES = "images"
    ISOLATION = "isolation"
    PRIORITY = "priority"
    PROBES = "probes"
    REPLICAS = "replicas"
    RESOURCES = "resources"
    ROLLOUT = "rollout"
    SECRETS = "secrets"
    TERMINATION = "termination"
    TOPOLOGY_SPREAD = "topology-spread"


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


class Presence(StrEnum):
    """Whether something must be there."""

    REQUIRED = "Required"
    OPTIONAL = "Optional"


class EnvironmentSecrets(StrEnum):
    """Whether secrets may be handed over in environment variables."""

    FORBIDDEN = "Forbidden"
    ALLOWED = "Allowed"


class Pinning(StrEnum):
    """How firmly an image must be named."""

    DIGEST = "Digest"
    TAG = "Tag"


class ResourceName(StrEnum):
    """The compute resources that a container must speak about."""

    CPU = "cpu"
    MEMORY = "memory"
    EPHEMERAL_STORAGE = "ephemeral-storage"


class DeletionMode(StrEnum):
    """When a workload may be deleted."""

    ANNOUNCED_ONLY = "AnnouncedOnly"


IntOrPercent = Annotated[
    Annotated[int, Field(ge=0, le=1000)]
    | Annotated[str, StringConstraints(pattern=r"^(100|[1-9]?[0-9])%$", max_length=4)],
    Field(json_schema_extra={"x-kubernetes-int-or-string": True}),
]

AnnotationName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=63)
]
"""The part of an annotation's key behind `evidence.tierguard.io/`."""

ObjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]

SET: JsonDict = {"x-kubernetes-list-type": "set"}
