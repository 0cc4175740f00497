"""What all three kinds share: who is responsible, and which workloads are meant."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints
from pydantic.config import JsonDict

from tierguard.api.model import ApiModel, Identity, Line, Sentence, Ticket, Tier, Timestamp

LabelKey = Annotated[
    str,
    StringConstraints(
        pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$", max_length=317
    ),
]
LabelValue = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]


class SelectorOperator(StrEnum):
    """The operators of a Kubernetes label selector."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class SelectorRequirement(ApiModel):
    """One requirement on a label."""

    model_config = {
        "json_schema_extra": {
            "x-kubernetes-validations": [
                {
                    "rule": "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
                    "message": "In and NotIn need values; Exists and DoesNotExist take none",
                    "fieldPath": ".values",
                }
            ]
        }
    }

    key: LabelKey = Field(description="The label's key.")
    operator: SelectorOperator = Field(description="How the label's value relates to values.")
    values: list[LabelValue] | None = Field(
        default=None,
        max_length=50,
        description="The values, for In and NotIn.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class Selector(ApiModel):
    """A Kubernetes label selector: matchLabels and matchExpressions, all of which must hold. An empty one selects all."""

    match_labels: dict[LabelKey, LabelValue] | None = Field(
        default=None, max_length=20, description="Labels that must be there with exactly these values."
    )
    match_expressions: list[SelectorRequirement] | None = Field(
        default=None,
        max_length=20,
        description="Requirements on labels; all of them must hold.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class WorkloadScope(ApiModel):
    """Which workloads are meant. Both selectors must match; an absent one matches everything."""

    namespace_selector: Selector | None = Field(
        default=None, description="Labels of the workload's namespace. Absent or empty: every namespace."
    )
    workload_selector: Selector | None = Field(
        default=None,
        description="Labels of the workload, or of its pod template: either may match. Absent or empty: every workload.",
    )


class TieredScope(WorkloadScope):
    """Which workloads are meant, by tier, namespace and labels. All of them must match."""

    tiers: list[Tier] = Field(
        default=[0, 1],
        min_length=1,
        max_length=5,
        description="Tiers that are meant: 0 financial truth, 1 money-changing, 2 settlement, reconciliation and risk,"
        " 3 reporting, 4 analytics.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class ChangeKind(StrEnum):
    """What a change does, read from the old and the new object, never from what the caller says."""

    NONE = "None"
    CREATE = "Create"
    DELETE = "Delete"
    ROLLOUT = "Rollout"
    ROLLBACK = "Rollback"
    RESTART = "Restart"
    SCALE_UP = "ScaleUp"
    SCALE_DOWN = "ScaleDown"
    SCALE_TO_ZERO = "ScaleToZero"
    SETTINGS = "Settings"
    PAUSE = "Pause"
    RESUME = "Resume"
    DECLASSIFY = "Declassify"
    CONFIGURATION = "Configuration"
    TRAFFIC = "Traffic"


class AllowedKind(StrEnum):
    """The change kinds that a freeze or a closed window may let through."""

    CREATE = "Create"
    ROLLOUT = "Rollout"
    ROLLBACK = "Rollback"
    RESTART = "Restart"
    SCALE_UP = "ScaleUp"
    SCALE_DOWN = "ScaleDown"
    SCALE_TO_ZERO = "ScaleToZero"
    SETTINGS = "Settings"
    CONFIGURATION = "Configuration"
    TRAFFIC = "Traffic"


DEFAULT_ALLOWED = [AllowedKind.ROLLBACK, AllowedKind.SCALE_UP, AllowedKind.RESTART]

APPROVED_BY_ANOTHER: JsonDict = {
    "rule": "!has(self.approvedBy) || !(self.requestedBy in self.approvedBy)",
    "message": "approvedBy must not contain requestedBy: nobody approves their own request",
    "fieldPath": ".approvedBy",
}


class Accountable(ApiModel):
    """Who asked, who approved, under which ticket, and why: the evidence that every tierguard resource carries."""

    requested_by: Identity = Field(description="Who asked for this.")
    approved_by: list[Identity] = Field(
        default=[],
        max_length=16,
        description="Who approved it. Nobody approves their own request: it does not contain requestedBy.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    change_ticket: Ticket | None = Field(default=None, description="The change ticket under which this was agreed.")


class Reasoned(Accountable):
    """As Accountable, with the reason that people read in every refusal."""

    reason: Sentence = Field(description="Why, in a sentence. People read it in every refusal.")


class ConditionStatus(StrEnum):
    """The three values of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ApiModel):
    """A Kubernetes condition (metav1.Condition)."""

    type: str = Field(
        pattern=r"^[A-Za-z][A-Za-z0-9]*$", max_length=64, description="What the condition is about, CamelCase."
    )
    status: ConditionStatus = Field(description="True, False or Unknown.")
    reason: str = Field(
        pattern=r"^[A-Za-z][A-Za-z0-9]*$", max_length=128, description="Why, as one CamelCase word for programs."
    )
    message: str = Field(max_length=1024, description="Why, for people.")
    last_transition_time: Timestamp = Field(description="When status last changed.")
    observed_generation: int | None = Field(
        default=None, ge=0, description="The metadata.generation that this condition speaks about."
    )


class Span(ApiModel):
    """A stretch of time, half-open: start belongs to it, end does not."""

    start: Timestamp = Field(description="The first instant.")
    end: Timestamp | None = Field(
        default=None, description="The first instant after it. Absent: not before five years."
    )


class StatusBase(ApiModel):
    """What every status has."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="The metadata.generation that this status speaks about."
    )
    conditions: list[Condition] = Field(
        default=[],
        max_length=16,
        description="The latest observations.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    guarded_workloads: int | None = Field(default=None, ge=0, description="How many workloads this selects now.")

    passed_unjudged: list[Line] = Field(
        default=[],
        max_length=20,
        description="Changes that this would have refused and that are there all the same, as the webhook could not be asked"
        " when they were made; the newest twenty, oldest first.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
