"""What a decision says: findings, and the decision that they add up to."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

from tierguard.api.scope import ChangeKind
from tierguard.guard.model.change import Question

MESSAGE_LIMIT = 350
"""Characters of a refusal. GitOps tools show it every few minutes, in a narrow column."""

WARNING_LIMIT = 120
"""Characters of a Kubernetes warning; the API server cuts longer ones."""


class Effect(IntEnum):
    """What a finding does to the change, from least to most."""

    AUDIT = 0
    WARN = 1
    DENY = 2


class Outcome(StrEnum):
    """The three answers. `Undecided` is never dressed up as a refusal: the caller answers 503 and stands aside."""

    ALLOWED = "Allowed"
    DENIED = "Denied"
    UNDECIDED = "Undecided"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong with a change, or with what it would leave behind.

    `rule` is the id in `docs/rules.md`; `source` the object that asks for it, as `Kind/name`; `reason` a constant
    CamelCase word for programs; `detail` has the effective values; `remedy` says what to do.
    """

    rule: str
    source: str
    reason: str
    detail: str
    remedy: str
    effect: Effect = field(default=Effect.DENY, compare=False)
    exempt_until: datetime | None = field(default=None, compare=False)
    """Until when an exemption of the policy makes it a mere note."""

    def sentence(self) -> str:
        """The finding as people read it."""
        return f"{self.rule}: {self.detail}; {self.remedy}" if self.remedy else f"{self.rule}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A freeze or window that refused a change or was bypassed, and the stretch of it that did: what a ledger is kept by.

    `since` is the start of the freeze's stretch; for a window the instant at which it opens next, FOREVER for never.
    """

    source: str
    uid: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Bypass:
    """A break-glass mark that counted: the ticket and the reason that were given, and what was passed by."""

    ticket: str
    reason: str
    past: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """All that one evaluation found.

    `kinds` is never empty; its first entry is the gravest. `message` is empty unless denied or undecided. `possible_from`
    is the first instant (UTC) at which nothing holds the change; None where nothing holds it, or no such instant is known.
    `hinges_on_absence` is true when a refusal rests on something that is *not* in the state, so that a caller whose state
    may lag can look again before it says no.
    """

    outcome: Outcome
    kinds: tuple[ChangeKind, ...]
    tier: int | None = None
    findings: tuple[Finding, ...] = ()
    message: str = ""
    warnings: tuple[str, ...] = ()
    possible_from: datetime | None = None
    hinges_on_absence: bool = False
    question: Question | None = None
    """What to ask RBAC before deciding again, when that is all that is missing."""
    blocked_by: tuple[Stretch, ...] = ()
    """The freezes and windows that refused it."""
    bypass: Bypass | None = None

    @property
    def allowed(self) -> bool:
        """Whether the change may go on."""
        return self.outcome is Outcome.ALLOWED

    def reasons(self) -> tuple[str, ...]:
        """`rule/reason` of every finding, in order: what logs and audit annotations carry."""
        return tuple(f"{finding.rule}/{finding.reason}" for finding in self.findings)


class Undecidable(Exception):  # noqa: N818 - it is no error: it is the third outcome, on its way out
    """The state does not (yet) know what the decision needs; the text says what is missing."""
