"""Which disruption budgets the operator should keep. Pure.

One for each workload that a policy with `disruptionBudget.mode: Maintain` selects and that no other budget covers: two
budgets on one pod make every eviction fail, so ours yields to anybody's, and never two of ours meet. What is wanted follows
from what is stored alone, so that an operator that starts again wants the same.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from tierguard.api.rule_values import BudgetMode, UnhealthyPodEviction
from tierguard.api.rules import DisruptionBudgetRule
from tierguard.disruption import MANAGED_BY, OPERATOR, OPERATOR_PREFIX, safe_maximum, scaled_value
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import JOB_NAME, Workload
from tierguard.guard.rules.coverage import SCALED_KINDS, covering, least_pods, pod_labels, wants_budget
from tierguard.guard.survey import Part, Surveyed
from tierguard.guard.tiers.neighbours import Neighbours, neighbours
from tierguard.labels import LabelSelector

_LONGEST_NAME = 253


@dataclass(frozen=True)
class _Candidate:
    """A workload that is to have a budget, the rules that ask for it, and the selector that the budget would have."""

    workload: Workload
    rules: tuple[DisruptionBudgetRule, ...]
    selector: KubeObject
    least: int

    @cached_property
    def labels(self) -> LabelSelector:
        return LabelSelector.compile(self.selector)

    def covers(self, workload: Workload) -> bool:
        return self.labels.matches(pod_labels(workload))

    def covered(self, there: Neighbours) -> set[tuple[str, str]]:
        """All that it covers, by kind and name."""
        found = (subject.workload for subject in there.candidates(self.labels))
        return {_place(workload) for workload in found if self.covers(workload)}


def wanted_in(part: Part, state: State, now: datetime) -> Iterator[KubeObject]:
    """The PodDisruptionBudgets that should exist in one namespace, for server-side apply, in a stable order."""
    there = neighbours(part.namespace, state.namespaces.get(part.namespace, {}), state)
    candidates = (_candidate(subject, there, state, now) for subject in part.surveyed)
    yield from map(_budget, _apart([one for one in candidates if one is not None], there))


def _apart(candidates: list[_Candidate], there: Neighbours) -> list[_Candidate]:
    """Those whose budgets share no pod, of any workload that is there: one that is scaled to zero comes back.

    Where selectors overlap, the one that covers the most of the others is enough.
    """
    covered = {id(one): one.covered(there) for one in candidates}
    mine = {_place(one.workload) for one in candidates}
    chosen: list[_Candidate] = []
    taken: set[tuple[str, str]] = set()
    for candidate in sorted(candidates, key=lambda c: (-len(covered[id(c)] & mine), c.workload.kind, c.workload.name)):
        if not covered[id(candidate)] & taken:
            chosen.append(candidate)
            taken |= covered[id(candidate)]
    return sorted(chosen, key=lambda c: (c.workload.kind, c.workload.name))


def _place(workload: Workload) -> tuple[str, str]:
    return workload.kind, workload.name


def _candidate(subject: Surveyed, there: Neighbours, state: State, now: datetime) -> _Candidate | None:
    workload = subject.classified.workload
    rules = _rules(subject, workload, now)
    if not rules or not wants_budget(workload, state) or _covered(workload, state):
        return None
    selector = objects.mapping(workload.spec, "selector")
    try:
        own = LabelSelector.compile(selector)
    except ValueError:
        return None
    if own.everything or not own.matches(workload.template_labels):
        return None  # no API server takes such a workload
    beside = [w for w in (s.workload for s in there.candidates(own)) if own.matches(w.template_labels)]
    if any(other.kind in ("Job", "CronJob") for other in beside):
        # Pods of Jobs have no scale: with one of them among its pods a budget by maxUnavailable allows nothing.
        expressions = [*objects.sequence(selector, "matchExpressions"), {"key": JOB_NAME, "operator": "DoesNotExist"}]
        selector = {**selector, "matchExpressions": expressions}
    found = _Candidate(workload, rules, selector, least_pods(workload, state))
    return None if any(_forbids(other, found, state) for other in beside) else found


def _forbids(other: Workload, candidate: _Candidate, state: State) -> bool:
    """Whether a budget of `candidate` would meet somebody's own on `other`, or could not be computed because of it."""
    return candidate.covers(other) and (other.kind == "DaemonSet" or _covered(other, state))


def _covered(workload: Workload, state: State) -> bool:
    return any(not budget.by_operator for budget in covering(workload, state))


def _rules(subject: Surveyed, workload: Workload, now: datetime) -> tuple[DisruptionBudgetRule, ...]:
    """Those of the policies that are in effect and want budgets kept."""
    if workload.kind not in SCALED_KINDS:
        return ()
    return tuple(
        rule
        for policy in subject.classified.policies
        if policy.spec is not None and policy.in_effect(now) and (rule := policy.spec.rules.disruption_budget)
        if rule.mode is BudgetMode.MAINTAIN
    )


def budget_name(kind: str, name: str) -> str:
    """The name of the budget kept for the workload `name` of `kind`."""
    full = f"{OPERATOR_PREFIX}{kind.lower()}-{name}"
    if len(full) <= _LONGEST_NAME:
        return full
    digest = hashlib.sha256(full.encode()).hexdigest()[:12]
    return f"{full[: _LONGEST_NAME - 13].rstrip('-.')}-{digest}"


def _budget(candidate: _Candidate) -> KubeObject:
    workload, least = candidate.workload, candidate.least
    entry = workload.entry
    owner: dict[str, Any] = {
        "apiVersion": entry.api_version,
        "kind": entry.kind,
        "name": workload.name,
        "uid": objects.uid(workload.raw),
        "controller": True,
    }
    # The one that lets the fewest pods go; of equals the number, which stays what it is when the workload grows.
    maxima = (safe_maximum(rule.max_unavailable, least) for rule in candidate.rules)
    strictest = min(maxima, key=lambda m: (scaled_value(m, least, round_up=True), isinstance(m, str), str(m)))
    evictions = {rule.unhealthy_pod_eviction_policy for rule in candidate.rules}
    always = UnhealthyPodEviction.ALWAYS_ALLOW
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {
            "name": budget_name(entry.kind, workload.name),
            "namespace": workload.namespace,
            "labels": {MANAGED_BY: OPERATOR},
            "ownerReferences": [owner],
        },
        "spec": {
            "maxUnavailable": strictest,
            "selector": candidate.selector,
            # Who asks for IfHealthyBudget takes either.
            "unhealthyPodEvictionPolicy": (always if always in evictions else min(evictions)).value,
        },
    }
