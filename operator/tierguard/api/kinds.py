"""The table of the three kinds: names, models, and the columns that `kubectl get` prints."""

from dataclasses import dataclass

from tierguard.api.freeze import OperationalFreeze
from tierguard.api.model import ApiModel
from tierguard.api.policy import PaymentTierPolicy
from tierguard.api.window import ChangeWindow


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column: heading, type, JSON path, what it says; `priority` 1 shows only with `-o wide`."""

    name: str
    type: str
    path: str
    description: str
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """One of our kinds: how it is called and what it looks like."""

    kind: str
    plural: str
    short: str
    model: type[ApiModel]
    columns: tuple[Column, ...]

    @property
    def singular(self) -> str:
        """The lower-case singular, as `kubectl` takes it."""
        return self.kind.lower()


def _condition(condition_type: str) -> str:
    return f'.status.conditions[?(@.type=="{condition_type}")].status'


_WORKLOADS = Column("Workloads", "integer", ".status.guardedWorkloads", "How many workloads it selects now.")
_TICKET = Column("Ticket", "string", ".spec.changeTicket", "The change ticket.", priority=1)
_REQUESTED = Column("Requested-By", "string", ".spec.requestedBy", "Who asked for it.", priority=1)
_REFUSED = Column("Refused", "integer", ".status.refused.total", "How many changes were refused in this stretch.")
_REASON = Column("Reason", "string", ".spec.reason", "Why.")
_AGE = Column("Age", "date", ".metadata.creationTimestamp", "How old it is.")

FREEZE = Kind(
    kind="OperationalFreeze",
    plural="operationalfreezes",
    short="ofz",
    model=OperationalFreeze,
    columns=(
        Column("Active", "string", _condition("Active"), "Whether it holds now."),
        Column(
            "Until", "string", ".status.until", "When the stretch that holds now ends; Lifted: when two people lift it."
        ),
        Column("Next", "string", ".status.next.start", "When it holds next."),
        _REFUSED,
        _WORKLOADS,
        _REASON,
        _TICKET,
        _REQUESTED,
        _AGE,
    ),
)
WINDOW = Kind(
    kind="ChangeWindow",
    plural="changewindows",
    short="cw",
    model=ChangeWindow,
    columns=(
        Column("Open", "string", _condition("Open"), "Whether changes are allowed now."),
        Column("Closes", "string", ".status.current.end", "When it closes."),
        Column("Opens", "string", ".status.next.start", "When it opens next."),
        _REFUSED,
        _WORKLOADS,
        _REASON,
        _TICKET,
        _REQUESTED,
        _AGE,
    ),
)
POLICY = Kind(
    kind="PaymentTierPolicy",
    plural="paymenttierpolicies",
    short="ptp",
    model=PaymentTierPolicy,
    columns=(
        Column("Tier", "integer", ".spec.tier", "The tier it gives."),
        Column("Enforcement", "string", ".spec.enforcement", "What a broken rule does."),
        Column("In-Effect", "string", _condition("InEffect"), "Whether the enforcement is in effect yet."),
        _WORKLOADS,
        Column("Violating", "integer", ".status.violatingWorkloads", "How many of them break a rule."),
        _REASON,
        _TICKET,
        _REQUESTED,
        _AGE,
    ),
)
KINDS = (FREEZE, WINDOW, POLICY)
