"""What a freeze's or window's status tells of people: refused changes, broken glass, what is under way."""

from typing import Annotated

from pydantic import Field, StringConstraints

from tierguard.api.model import ApiModel, Identity, Sentence, Ticket, Timestamp

Subject = Annotated[str, StringConstraints(max_length=512)]
"""`Kind namespace/name`, as messages name an object."""
Kinds = Annotated[str, StringConstraints(max_length=256)]
"""Change kinds, the gravest first, separated by commas."""

MOST_ENTRIES = 20
"""Refused changes that a ledger keeps, the newest."""
MOST_LISTED = 50
"""Workloads, rollouts, jobs and reviews that a status lists."""


class Refusal(ApiModel):
    """Changes of one kind to one object by one user that were refused: tries of the same thing are one entry."""

    user: Identity = Field(description="Who tried, as the API server authenticated them.")
    change: Kinds = Field(description="What kind of change it was.")
    subject: Subject = Field(description="What it would have changed.")
    first: Timestamp = Field(description="When it was refused first.")
    last: Timestamp = Field(description="When it was refused last.")
    count: int = Field(ge=1, description="How often it was refused.")


class Ledger(ApiModel):
    """The refused changes of one stretch."""

    since: Timestamp | None = Field(
        default=None,
        description="Which stretch this speaks about: by the start of a freeze's, or by the opening that ends a window's.",
    )
    total: int = Field(default=0, ge=0, description="How many changes were refused, every try counted.")
    newest: list[Refusal] = Field(
        default=[],
        max_length=MOST_ENTRIES,
        description="The newest of them, the last one first.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class ReviewOwed(ApiModel):
    """A break-glass change that nobody has reviewed yet."""

    id: str = Field(max_length=64, description="What spec.reviews[].id refers to: the uid of the admission request.")
    user: Identity = Field(description="Who broke the glass.")
    change: Kinds = Field(description="What kind of change it was.")
    subject: Subject = Field(description="What was changed.")
    ticket: Ticket = Field(description="The ticket that was named.")
    reason: Sentence = Field(description="The reason that was given.")
    at: Timestamp = Field(description="When.")


class Suspended(ApiModel):
    """A CronJob that tierguard suspended, and what it was before."""

    namespace: str = Field(max_length=63, description="Its namespace.")
    name: str = Field(max_length=253, description="Its name.")
    uid: str = Field(max_length=64, description="Its uid: one made anew under its name is another one.")
    suspended_before: bool = Field(description="Whether it was suspended before; such a one is left as it is.")
    since: Timestamp = Field(description="Since when this freeze keeps it suspended.")
