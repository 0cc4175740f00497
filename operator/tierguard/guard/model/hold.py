"""A freeze, a window or a policy as decisions read it: compiled once, from what is stored."""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from tierguard.api.freeze import FreezeException, Lift, MissedRuns, Operation
from tierguard.api.policy import PolicySpec
from tierguard.api.rule_values import Enforcement
from tierguard.api.scope import Accountable, ChangeKind
from tierguard.guard.model.decision import Effect
from tierguard.guard.model.scope import Scope
from tierguard.guard.model.workload import Workload
from tierguard.schedule import BEGINNING, Timeline

_EFFECTS = {Enforcement.DENY: Effect.DENY, Enforcement.WARN: Effect.WARN, Enforcement.AUDIT: Effect.AUDIT}


def approved(request: Accountable) -> bool:
    """Whether somebody other than who asked has approved."""
    return any(name != request.requested_by for name in request.approved_by)


@dataclass(frozen=True, slots=True, eq=False)
class Hold:
    """A freeze or a window: a scope, the times that count, and the kinds of change that pass all the same.

    The `timeline` of a freeze is when it is active, that of a window when it is open.
    """

    kind: str
    name: str
    reason: str
    ticket: str
    tiers: frozenset[int]
    scope: Scope
    timeline: Timeline
    allow: frozenset[str]
    generation: int = 0
    broken: str | None = None
    created: datetime = BEGINNING
    uid: str = ""
    operations: frozenset[str] = frozenset({Operation.DEPLOY.value})
    providers: frozenset[str] | None = frozenset()
    """What the operation Provider means; None: every provider."""
    exceptions: tuple[FreezeException, ...] = ()
    lift: Lift | None = None
    """The lift, once it is approved."""
    until_lifted: bool = False
    missed_runs: MissedRuns = MissedRuns.SKIP
    announce: tuple[timedelta, ...] = ()
    reviewed: frozenset[tuple[str, str]] = frozenset()
    """(id, who) of each review."""
    zone: tzinfo | None = None
    """The zone in which people read its times; None where that is UTC."""
    zone_name: str = ""

    @property
    def deploys(self) -> bool:
        """Whether it holds changes to workloads, and not only batch work."""
        return Operation.DEPLOY in self.operations

    @property
    def source(self) -> str:
        """`Kind/name`, as findings name it."""
        return f"{self.kind}/{self.name}"

    def lets(self, kind: ChangeKind) -> bool:
        """Whether it lets changes of `kind` pass while it holds."""
        return kind in self.allow


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A PaymentTierPolicy, compiled. A broken one gives its tier to all that can still be read of its scope."""

    name: str
    tier: int
    scope: Scope
    spec: PolicySpec | None
    generation: int = 0
    broken: str | None = None
    created: datetime | None = None

    @property
    def source(self) -> str:
        """`Kind/name`, as findings name it."""
        return f"PaymentTierPolicy/{self.name}"

    def in_effect(self, now: datetime) -> bool:
        """Whether its enforcement counts at `now`; before that every finding is Audit."""
        return self.spec is not None and (self.spec.effective_from is None or self.spec.effective_from <= now)

    def effect(self, own: Enforcement | None, now: datetime) -> Effect:
        """What a finding does at `now` that comes from a block whose enforcement is `own`."""
        if self.spec is None or not self.in_effect(now):
            return Effect.AUDIT
        return _EFFECTS[own or self.spec.enforcement]

    def exempts(self, workload: Workload, rule: str, now: datetime) -> datetime | None:
        """Until when `workload` need not keep `rule`; None when it must. One that has expired at `now` does not count."""
        if self.spec is None or not self.spec.exemptions:
            return None
        place = (workload.kind, workload.namespace, workload.name)
        return max(
            (
                exemption.expires_at
                for exemption in self.spec.exemptions
                if exemption.expires_at > now
                and rule in exemption.rules
                and place == (exemption.workload.kind, exemption.workload.namespace, exemption.workload.name)
                and approved(exemption)
            ),
            default=None,
        )
