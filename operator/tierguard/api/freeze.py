"""OperationalFreeze: what must not happen, for which workloads, and when."""

from enum import StrEnum

from pydantic import Field

from tierguard.api.model import ApiModel, Timestamp
from tierguard.api.schedule import Schedule
from tierguard.api.scope import (
    APPROVED_BY_ANOTHER,
    DEFAULT_ALLOWED,
    AllowedKind,
    Reasoned,
    Span,
    StatusBase,
    TieredScope,
)


class Operation(StrEnum):
    """What a freeze stops."""

    DEPLOY = "Deploy"


class FreezeSpec(Reasoned):
    """What must not happen, for which workloads, when; who asked, who approved, why."""

    model_config = {
        "json_schema_extra": {
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.expiresAt) != has(self.schedule)",
                    "message": "a freeze needs an end: set either expiresAt (one stretch) or schedule (repeating periods)",
                    "fieldPath": ".expiresAt",
                },
                {
                    "rule": "!has(self.startsAt) || has(self.expiresAt)",
                    "message": "startsAt goes with expiresAt; a schedule brings its own starts",
                    "fieldPath": ".startsAt",
                },
                {
                    "rule": "!has(self.startsAt) || !has(self.expiresAt) || self.startsAt < self.expiresAt",
                    "message": "expiresAt must be after startsAt",
                    "fieldPath": ".expiresAt",
                },
                APPROVED_BY_ANOTHER,
            ]
        }
    }

    operations: list[Operation] = Field(
        default=[Operation.DEPLOY],
        min_length=1,
        max_length=1,
        description="What is frozen. Deploy: changes to the workloads themselves.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    scope: TieredScope = Field(default=TieredScope(), description="Which workloads are frozen.")
    starts_at: Timestamp | None = Field(
        default=None, description="When the freeze begins, RFC 3339. Default: when it was created. May be in the past."
    )
    expires_at: Timestamp | None = Field(
        default=None, description="When the freeze ends, RFC 3339. Required unless schedule is set."
    )
    schedule: Schedule | None = Field(
        default=None, description="Repeating periods during which the freeze holds, instead of startsAt and expiresAt."
    )
    allow: list[AllowedKind] = Field(
        default=DEFAULT_ALLOWED,
        max_length=8,
        description="Change kinds that stay possible. Rollback: to a pod template that was available before the freeze"
        " began. Restart: only where the images cannot move under it.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class FreezeStatus(StatusBase):
    """What the operator sees of a freeze. Decisions never read it."""

    current: Span | None = Field(default=None, description="The stretch that holds now.")
    next: Span | None = Field(default=None, description="The next stretch that will hold.")
    upcoming: list[Span] = Field(
        default=[],
        max_length=5,
        description="The next stretches, at most five.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class OperationalFreeze(ApiModel):
    """OperationalFreeze stops changes to the workloads in its scope while it is active."""

    spec: FreezeSpec = Field(description="What must not happen, for which workloads, when; who asked, and why.")
    status: FreezeStatus | None = Field(default=None, description="What the operator sees. Decisions never read it.")
