"""ChangeWindow: when changes are allowed."""

from pydantic import Field

from tierguard.api.ledger import Ledger
from tierguard.api.model import ApiModel, Sentence
from tierguard.api.schedule import Schedule
from tierguard.api.scope import (
    APPROVED_BY_ANOTHER,
    DEFAULT_ALLOWED,
    Accountable,
    AllowedKind,
    Span,
    StatusBase,
    TieredScope,
)


class WindowSpec(Accountable):
    """When changes are allowed for the workloads that it selects."""

    model_config = {"json_schema_extra": {"x-kubernetes-validations": [APPROVED_BY_ANOTHER]}}

    scope: TieredScope = Field(
        default=TieredScope(),
        description="Which workloads may be changed only while one of the windows that select them is open.",
    )
    schedule: Schedule = Field(description="The periods during which the window is open.")
    allow: list[AllowedKind] = Field(
        default=DEFAULT_ALLOWED,
        max_length=len(AllowedKind),
        description="Change kinds that are possible also while the window is closed.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    reason: Sentence | None = Field(default=None, description="Why, in a sentence. People read it in every refusal.")


class WindowStatus(StatusBase):
    """What the operator sees of a window. Decisions never read it."""

    current: Span | None = Field(default=None, description="The stretch during which it is open now.")
    next: Span | None = Field(default=None, description="The next stretch during which it will be open.")
    upcoming: list[Span] = Field(
        default=[],
        max_length=5,
        description="The next stretches during which it will be open, at most five.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    refused: Ledger | None = Field(
        default=None, description="Changes that were refused because it is, or was last, closed."
    )


class ChangeWindow(ApiModel):
    """ChangeWindow says when the workloads in its scope may be changed."""

    spec: WindowSpec = Field(description="When changes are allowed, for which workloads; who asked, and why.")
    status: WindowStatus | None = Field(default=None, description="What the operator sees. Decisions never read it.")
