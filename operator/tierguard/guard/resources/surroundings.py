"""Changes to what is around workloads, judged by the tier rules as changes of the workloads that they concern."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from tierguard.api.rules import RuleId
from tierguard.api.scope import ChangeKind
from tierguard.guard.message import ALLOWED_AS_IS, compose
from tierguard.guard.model.change import Change, being_deleted
from tierguard.guard.model.decision import Decision, Effect, Finding, Undecidable
from tierguard.guard.model.facts import Autoscaler, selected_pods
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.rules.evaluate import judge
from tierguard.guard.tiers.classify import Classified, classify

OF_AUTOSCALERS = frozenset({RuleId.REPLICAS.value, RuleId.DISRUPTION_BUDGET.value, RuleId.ROLLOUT.value})
OF_NETWORK_POLICIES = frozenset({RuleId.ISOLATION.value})


def concerned(change: Change, state: State, meant: Callable[[Workload], bool]) -> Iterator[Classified]:
    """The classified workloads of the change's namespace that are `meant`. Raises Undecidable for one not known yet."""
    labels = state.namespaces.get(change.namespace)
    if labels is None:
        message = f"namespace {change.namespace} is not known yet"
        raise Undecidable(message)
    for workload in filter(meant, state.in_namespace(change.namespace)):
        classified = classify(workload, change.namespace, labels, state)
        if classified.tier is not None:
            yield classified


def consequences(
    workloads: Iterable[Classified], earlier: State, later: State, now: datetime, rules: frozenset[str]
) -> Iterator[Finding]:
    """What of `rules` the workloads break in `later`; what they broke in the same way in `earlier` only warns."""
    for subject in workloads:
        was = {(f.rule, f.reason, f.detail) for f in judge(subject, None, earlier, now).findings}
        for finding in judge(subject, None, later, now).findings:
            if finding.rule in rules:
                before = (finding.rule, finding.reason, finding.detail) in was
                effect = min(finding.effect, Effect.WARN) if before else finding.effect
                yield replace(finding, detail=f"{subject.workload}: {finding.detail}", effect=effect)


def autoscaled(change: Change, state: State, now: datetime) -> tuple[Finding, ...]:
    """What the tier rules say about the workloads of an autoscaler that is made, changed or deleted."""
    sides = tuple(Autoscaler.of(side) for side in (change.old, change.new) if side is not None)
    targets = {side.target for side in sides}
    workloads = tuple(concerned(change, state, lambda workload: (workload.kind, workload.name) in targets))
    before, after = (_autoscalers(change, side, state) for side in (change.old, change.new))
    return tuple(consequences(workloads, before, after, now, OF_AUTOSCALERS))


def _autoscalers(change: Change, autoscaler: KubeObject | None, state: State) -> State:
    key = f"{change.kind}/{change.name}"
    others = {k: v for k, v in state.autoscalers_in.get(change.namespace, {}).items() if k != key}
    mine = {} if autoscaler is None else {key: Autoscaler.of({**autoscaler, "kind": change.kind})}
    return replace(state, autoscalers_in={**state.autoscalers_in, change.namespace: {**others, **mine}})


def evaluate_network_policy(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to a NetworkPolicy, or its deletion, by the workloads that nothing isolates any more."""
    old, new = change.old, change.new
    if old is None or being_deleted(old) or (new is not None and old.get("spec") == new.get("spec")):
        return ALLOWED_AS_IS
    isolated = selected_pods(old)
    workloads = tuple(concerned(change, state, lambda workload: isolated.matches(workload.template_labels)))
    before, after = (_policies(change, side, state) for side in (old, new))
    kinds = (ChangeKind.CONFIGURATION,)
    found = tuple(consequences(workloads, before, after, now, OF_NETWORK_POLICIES))
    tier = min((workload.tier for workload in workloads if workload.tier is not None), default=None)
    return compose(change, kinds, tier, found) if found else Decision(ALLOWED_AS_IS.outcome, kinds, tier)


def _policies(change: Change, policy: KubeObject | None, state: State) -> State:
    others = {k: v for k, v in state.network_policies_in.get(change.namespace, {}).items() if k != change.name}
    mine = {} if policy is None else {change.name: selected_pods(policy)}
    return replace(state, network_policies_in={**state.network_policies_in, change.namespace: {**others, **mine}})
