"""OperationalFreeze: what must not happen, for which workloads, and when."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from tierguard.api.ledger import MOST_LISTED, Ledger, ReviewOwed, Subject, Suspended
from tierguard.api.model import ApiModel, Identity, Sentence, Timestamp
from tierguard.api.schedule import Duration, Schedule
from tierguard.api.scope import (
    APPROVED_BY_ANOTHER,
    DEFAULT_ALLOWED,
    Accountable,
    AllowedKind,
    LabelValue,
    Reasoned,
    Span,
    StatusBase,
    TieredScope,
)

_DIGEST = r"^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$"
"""The algorithms that the OCI image specification registers."""


class Operation(StrEnum):
    """What a freeze stops."""

    DEPLOY = "Deploy"
    PAYMENT_CREATE = "PaymentCreate"
    CONFIRM = "Confirm"
    CAPTURE = "Capture"
    REFUND = "Refund"
    PAYOUT = "Payout"
    SETTLEMENT = "Settlement"
    ADJUSTMENT = "Adjustment"
    PROVIDER = "Provider"


class MissedRuns(StrEnum):
    """What becomes of a run that was due while its CronJob was suspended."""

    SKIP = "Skip"
    RUN = "Run"


class FreezeScope(TieredScope):
    """Which workloads are meant. Tiers narrow the operation Deploy; other operations mean what carries their label."""

    providers: list[LabelValue] = Field(
        default=[],
        max_length=50,
        description="For the operation Provider: the values of the label tierguard.io/provider that are meant.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class WorkloadReference(ApiModel):
    """One workload."""

    kind: str = Field(max_length=63, pattern=r"^[A-Z][A-Za-z]*$", description="Its kind, for example Deployment.")
    namespace: str = Field(min_length=1, max_length=63, description="Its namespace.")
    name: str = Field(min_length=1, max_length=253, description="Its name.")


class Lift(Reasoned):
    """The end of a freeze before its time. It counts once somebody other than requestedBy has approved it."""

    model_config = {"json_schema_extra": {"x-kubernetes-validations": [APPROVED_BY_ANOTHER]}}

    until: Timestamp | None = Field(
        default=None,
        description="Until when the freeze is lifted, RFC 3339. Required for a freeze with a schedule, whose later stretches"
        " shall hold; without one the freeze is lifted for good.",
    )


class FreezeException(Accountable):
    """One workload that may be changed in spite of the freeze. It counts once somebody other than requestedBy approved."""

    model_config = {"json_schema_extra": {"x-kubernetes-validations": [APPROVED_BY_ANOTHER]}}

    workload: WorkloadReference = Field(description="Which workload may be changed.")
    image_digest: Annotated[str, StringConstraints(pattern=_DIGEST, max_length=135)] | None = Field(
        default=None,
        description="The digest of the image that may be rolled out, sha256:… (or sha384, sha512): then nothing but images"
        " may change, and each changed one must be named by this digest. Absent: any change but deletion, and but leaving"
        " the tier.",
    )
    reason: Sentence | None = Field(default=None, description="Why, in a sentence.")
    expires_at: Timestamp = Field(description="When the exception stops counting, RFC 3339: to the second, everywhere.")


class Review(ApiModel):
    """That a break-glass change was looked at afterwards, by somebody who did not make it."""

    id: str = Field(min_length=1, max_length=64, description="The id under which status.reviewsOwed lists the change.")
    reviewed_by: Identity = Field(description="Who reviewed it.")
    note: Sentence = Field(description="What came of it, in a sentence.")


class FreezeSpec(Reasoned):
    """What must not happen, for which workloads, when; who asked, who approved, why."""

    model_config = {
        "json_schema_extra": {
            "x-kubernetes-validations": [
                {
                    "rule": "[has(self.expiresAt), has(self.schedule), has(self.untilLifted) && self.untilLifted]"
                    ".filter(end, end).size() == 1",
                    "message": "a freeze needs one end: set expiresAt (one stretch), schedule (repeating periods), or"
                    " untilLifted: true (until two people lift it)",
                    "fieldPath": ".expiresAt",
                },
                {
                    "rule": "!has(self.startsAt) || !has(self.schedule)",
                    "message": "startsAt goes with expiresAt or untilLifted; a schedule brings its own starts",
                    "fieldPath": ".startsAt",
                },
                {
                    "rule": "!has(self.startsAt) || !has(self.expiresAt) || self.startsAt < self.expiresAt",
                    "message": "expiresAt must be after startsAt",
                    "fieldPath": ".expiresAt",
                },
                {
                    "rule": "!has(self.lift) || !has(self.schedule) || has(self.lift.until)",
                    "message": "the lift of a freeze with a schedule needs until: its later stretches shall hold",
                    "fieldPath": ".lift.until",
                },
                {
                    "rule": "('Provider' in self.operations) =="
                    " (has(self.scope.providers) && size(self.scope.providers) > 0)",
                    "message": "scope.providers and the operation Provider belong together",
                    "fieldPath": ".scope.providers",
                },
                APPROVED_BY_ANOTHER,
            ]
        }
    }

    operations: list[Operation] = Field(
        default=[Operation.DEPLOY],
        min_length=1,
        max_length=len(Operation),
        description="What is frozen. Deploy: changes to the workloads themselves. The others act on batch work: CronJobs"
        " labelled tierguard.io/operation (payment-create, confirm, capture, refund, payout, settlement, adjustment) or,"
        " for Provider, tierguard.io/provider are suspended, and new Jobs with that label refused.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    scope: FreezeScope = Field(default=FreezeScope(), description="Which workloads are frozen.")
    starts_at: Timestamp | None = Field(
        default=None, description="When the freeze begins, RFC 3339. Default: when it was created. May be in the past."
    )
    expires_at: Timestamp | None = Field(
        default=None, description="When the freeze ends, RFC 3339. Instead of it: schedule, or untilLifted."
    )
    until_lifted: bool | None = Field(
        default=None, description="true: the freeze has no end of its own; two people lift it (spec.lift)."
    )
    schedule: Schedule | None = Field(
        default=None, description="Repeating periods during which the freeze holds, instead of startsAt and expiresAt."
    )
    allow: list[AllowedKind] = Field(
        default=DEFAULT_ALLOWED,
        max_length=len(AllowedKind),
        description="Change kinds that stay possible. Rollback: to a pod template that was available before the freeze"
        " began. Restart: only where the images cannot move under it.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    missed_runs: MissedRuns = Field(
        default=MissedRuns.SKIP,
        description="What becomes of a CronJob's run that was due while an operation was frozen. Skip: nothing. Run: the"
        " latest one starts when the freeze ends, unless the CronJob's startingDeadlineSeconds says that it is too late.",
    )
    announce: list[Duration] = Field(
        default=["1d", "1h"],
        max_length=5,
        description="How long before each stretch an Event announces it, in days, hours and minutes.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    lift: Lift | None = Field(
        default=None,
        description="Ends the freeze early. Two people: one writes requestedBy, their own name; another adds theirs to"
        " approvedBy and changes nothing else in that write.",
    )
    exceptions: list[FreezeException] = Field(
        default=[],
        max_length=20,
        description="Workloads that may be changed all the same, each requested by one person and approved by another.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    reviews: list[Review] = Field(
        default=[],
        max_length=100,
        description="Reviews of break-glass changes. status.reviewsOwed lists what is still to be reviewed.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"]},
    )


class FreezeStatus(StatusBase):
    """What the operator sees of a freeze. Decisions never read it."""

    current: Span | None = Field(default=None, description="The stretch that holds now.")
    until: str | None = Field(
        default=None,
        max_length=32,
        description="When the stretch that holds now ends, RFC 3339; Lifted when two people have to lift it. Absent: it does"
        " not hold now, or no end is known.",
    )
    next: Span | None = Field(default=None, description="The next stretch that will hold.")
    upcoming: list[Span] = Field(
        default=[],
        max_length=5,
        description="The next stretches, at most five.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    workloads: list[Subject] = Field(
        default=[],
        max_length=MOST_LISTED,
        description="The workloads that it selects, the first fifty of them.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    rollouts_in_flight: list[Subject] = Field(
        default=[],
        max_length=MOST_LISTED,
        description="Rollouts that were under way when the stretch began, and still are: they finish.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    refused: Ledger | None = Field(
        default=None, description="The changes that it refused in the stretch that holds now, or held last."
    )
    reviews_owed: list[ReviewOwed] = Field(
        default=[],
        max_length=MOST_LISTED,
        description="Break-glass changes during it that nobody has reviewed yet: add a review to spec.reviews.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    suspended: list[Suspended] = Field(
        default=[],
        max_length=MOST_LISTED,
        description="CronJobs that are suspended while their operation is frozen.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    running_jobs: list[Subject] = Field(
        default=[],
        max_length=MOST_LISTED,
        description="Jobs of a frozen operation that were running and finish: suspending them would kill their pods.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    lifted_at: Timestamp | None = Field(default=None, description="When the operator saw that the lift was approved.")
    lifted_by: list[Identity] = Field(
        default=[],
        max_length=17,
        description="Who lifted it: who asked, then who approved.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class OperationalFreeze(ApiModel):
    """OperationalFreeze stops changes to the workloads in its scope while it is active."""

    spec: FreezeSpec = Field(description="What must not happen, for which workloads, when; who asked, and why.")
    status: FreezeStatus | None = Field(default=None, description="What the operator sees. Decisions never read it.")
