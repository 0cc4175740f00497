"""Changes to a PodDisruptionBudget, judged by what they do to the workloads that it covers."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from tierguard.api.scope import ChangeKind
from tierguard.disruption import Budget, allowed_when_healthy
from tierguard.guard.change import Change, being_deleted
from tierguard.guard.classify import Classified, classify
from tierguard.guard.compose import ALLOWED_AS_IS, compose
from tierguard.guard.configuration import held_by_workloads
from tierguard.guard.finding import Decision, Effect, Finding, Undecidable
from tierguard.guard.rules import DisruptionBudget
from tierguard.guard.rules.disruption_budget import controllers_of
from tierguard.guard.soundness import judge
from tierguard.guard.state import State

_RULE = DisruptionBudget.id


def evaluate_budget(change: Change, state: State, now: datetime) -> Decision:
    """Refuse a budget that would leave a covered workload without a sound one; what was unsound before only warns."""
    old, new = change.old, change.new
    if old is not None and (being_deleted(old) or (new is not None and old.get("spec") == new.get("spec"))):
        return ALLOWED_AS_IS
    labels = state.namespaces.get(change.namespace)
    if labels is None:
        message = f"namespace {change.namespace} is not known yet"
        raise Undecidable(message)
    before, after = (None if obj is None else Budget.of(obj) for obj in (old, new))
    covered = [
        classify(workload, change.namespace, labels, state)
        for workload in state.in_namespace(change.namespace)
        if any(b is not None and b.selects(workload.template_labels) for b in (before, after))
    ]
    kind = ChangeKind.CREATE if old is None else ChangeKind.CONFIGURATION
    found = tuple(_findings(covered, (_with(state, change, before), _with(state, change, after)), now))
    if before is not None:
        looser = [c for c in covered if c.tier is not None and _loosens(c, before, after, state)]
        return held_by_workloads(change, looser, state, now, found)
    tier = min((c.tier for c in covered if c.tier is not None), default=None)
    return compose(change, (kind,), tier, found) if found else Decision(ALLOWED_AS_IS.outcome, (kind,), tier)


def _loosens(subject: Classified, before: Budget, after: Budget | None, state: State) -> bool:
    """Whether more of the workload's pods may be evicted at once than before."""
    labels = subject.workload.template_labels
    if not before.selects(labels):
        return False
    if after is None or not after.selects(labels):
        return True
    was, will = (allowed_when_healthy(budget, controllers_of(budget, state)) for budget in (before, after))
    return will.allowed > was.allowed


def _with(state: State, change: Change, budget: Budget | None) -> State:
    """`state`, had it `budget` (or none) under the changed one's name."""
    others = tuple(b for b in state.budgets(change.namespace) if b.name != change.name)
    mine = () if budget is None else (replace(budget, namespace=change.namespace, name=change.name),)
    return replace(state, budgets_in={**state.budgets_in, change.namespace: (*others, *mine)})


def _findings(covered: list[Classified], states: tuple[State, State], now: datetime) -> Iterator[Finding]:
    earlier, later = states
    for subject in covered:
        was = {(f.reason, f.detail) for f in judge(subject, None, earlier, now).findings if f.rule == _RULE}
        for finding in judge(subject, None, later, now).findings:
            if finding.rule != _RULE:
                continue
            effect = min(finding.effect, Effect.WARN) if (finding.reason, finding.detail) in was else finding.effect
            yield replace(finding, detail=f"{subject.workload}: {finding.detail}", effect=effect)
