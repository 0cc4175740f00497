"""Changes to a PodDisruptionBudget, judged by what they do to the workloads that it covers."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from tierguard.api.scope import ChangeKind
from tierguard.disruption import Budget, allowed_when_healthy
from tierguard.guard.message import ALLOWED_AS_IS, compose
from tierguard.guard.model.change import Change, being_deleted
from tierguard.guard.model.decision import Decision, Effect, Finding, Outcome
from tierguard.guard.model.state import Instead, State
from tierguard.guard.resources.resource import FINALIZERS, OWNERS, SPEC, UPDATE, Resource, Tie
from tierguard.guard.resources.surroundings import blocked_by_workloads, gone_already, leads_to_deletion, there, united
from tierguard.guard.rules import DisruptionBudget
from tierguard.guard.rules.coverage import controllers_of, covered_by, pod_labels
from tierguard.guard.rules.disruption_budget import NOT_MAINTAINED
from tierguard.guard.rules.evaluate import judge
from tierguard.guard.tiers.classify import Classified

_RULE = DisruptionBudget.id


def evaluate_budget(change: Change, state: State, now: datetime) -> Decision:
    """Refuse a budget that would leave a covered workload without a sound one.

    What was unsound before, and does not become worse, only warns. The policy's mode makes no difference to a budget that
    is there: a second one on the same pods, or one that blocks drains, is refused in all of them.
    """
    old, new = change.old, change.new
    if gone_already(change):
        return ALLOWED_AS_IS
    before, after = (None if obj is None else _placed(Budget.of(obj), change) for obj in (old, new))
    ends = leads_to_deletion(change)
    if before == after and not ends:
        return ALLOWED_AS_IS
    neighbours = there(change, state)
    sides = [side for side in (before, after) if side is not None]
    covered = [
        subject
        for subject in united(*(covered_by(side, neighbours) for side in sides))
        if not being_deleted(subject.workload.raw)
    ]
    found, absent = _consequences(covered, (_with(state, change, before), _with(state, change, after)), now)
    if before is not None:
        looser = [c for c in covered if c.tier is not None and (ends or _loosens(c, before, after, state))]
        decision = blocked_by_workloads(change, looser, state, now, found)
        return replace(decision, hinges_on_absence=absent and decision.outcome is Outcome.DENIED)
    kinds = (ChangeKind.CREATE,)
    tier = min((c.tier for c in covered if c.tier is not None), default=None)
    if not found:
        return Decision(ALLOWED_AS_IS.outcome, kinds, tier)
    return compose(change, kinds, tier, found, hinges_on_absence=absent)


def _placed(budget: Budget, change: Change) -> Budget:
    return replace(budget, namespace=change.namespace, name=change.name)


def _loosens(subject: Classified, before: Budget, after: Budget | None, state: State) -> bool:
    """Whether more of the workload's pods may be evicted at once than before."""
    labels = pod_labels(subject.workload)
    if not before.selects(labels):
        return False
    if after is None or not after.selects(labels):
        return True
    was, will = (allowed_when_healthy(budget, controllers_of(budget, state)) for budget in (before, after))
    return will.allowed > was.allowed


def _with(state: State, change: Change, budget: Budget | None) -> State:
    """`state`, had it `budget` (or none) under the changed one's name."""
    return replace(state, instead=Instead(change.kind, change.namespace, change.name, budget))


def _consequences(
    covered: Iterable[Classified], states: tuple[State, State], now: datetime
) -> tuple[tuple[Finding, ...], bool]:
    """What the rule finds once the budget is changed, and whether a refusal rests on what is not known yet."""
    earlier, later = states
    found: list[Finding] = []
    absent = False
    for subject in covered:
        judged = judge(subject, subject, later, now, earlier_state=earlier)
        # That the operator's budget is not there is no consequence: it makes one as soon as this one goes.
        mine = [f for f in judged.findings if f.rule == _RULE and f.reason != NOT_MAINTAINED]
        found += [replace(finding, detail=f"{subject.workload}: {finding.detail}") for finding in mine]
        absent = absent or (judged.rests_on_absence and any(f.effect is Effect.DENY for f in mine))
    return tuple(found), absent


BUDGET = Resource(
    kind="PodDisruptionBudget",
    group="policy",
    version="v1",
    resource="poddisruptionbudgets",
    evaluate=evaluate_budget,
    held=(SPEC, OWNERS, FINALIZERS),
    ties=frozenset({Tie.PLACE}),
    subresources={"status": (UPDATE,)},
)
