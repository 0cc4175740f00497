"""The base of every API model: one way to spell, to bound and to refuse.

The models are the one source of `crds/` and of what `kubectl explain` prints, so every field has a description and a
bound: the API server estimates the cost of CEL rules from those bounds and refuses a CRD without them.
"""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

GROUP = "tierguard.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class ApiModel(BaseModel):
    """A part of a tierguard resource: camelCase on the wire, immutable once read, unknown fields refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
    )


Identity = Annotated[str, StringConstraints(min_length=1, max_length=253)]
"""A user name as Kubernetes authenticates it, or a team's name."""

Ticket = Annotated[str, StringConstraints(min_length=1, max_length=128)]
"""A change ticket's id."""

Sentence = Annotated[str, StringConstraints(min_length=1, max_length=256)]
"""Text for people. Short: it is repeated in every refusal."""

Line = Annotated[str, StringConstraints(max_length=512)]
"""A line of a status: what the operator writes about one object, cut to this."""

Timestamp = AwareDatetime
"""An RFC 3339 instant; one without an offset is refused."""

Tier = Annotated[int, Field(ge=0, le=4)]
"""0 financial truth, 1 money-changing, 2 settlement, reconciliation and risk, 3 reporting, 4 analytics."""


def rfc3339(instant: datetime) -> str:
    """Write an aware `instant` the way the Kubernetes API does: UTC, whole seconds, `Z`."""
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
