"""Which disruption budgets the operator should keep. Pure.

One for each workload that a policy with `disruptionBudget.mode: Maintain` selects and that no other budget covers: two
budgets on one pod make every eviction fail, so ours yields to anybody's, and never two of ours meet.
"""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from tierguard.api.policy import BudgetMode, DisruptionBudgetRule
from tierguard.disruption import scaled_value
from tierguard.guard import objects
from tierguard.guard.objects import KubeObject
from tierguard.guard.rules.disruption_budget import MADE_BY_OPERATOR, DisruptionBudget
from tierguard.guard.state import State
from tierguard.guard.survey import Surveyed
from tierguard.guard.workload import Workload
from tierguard.labels import LabelSelector

MANAGED_BY = {"app.kubernetes.io/managed-by": "tierguard"}
_LONGEST_NAME = 253


def wanted_budgets(surveyed: Iterable[Surveyed], state: State, now: datetime) -> Iterator[KubeObject]:
    """The PodDisruptionBudgets that should exist, for server-side apply, in a stable order."""
    taken: dict[str, list[LabelSelector]] = {}
    for subject in surveyed:
        workload = subject.classified.workload
        rule = _strictest(subject, workload, now)
        if rule is None or not workload.replicas or _covered(workload, state):
            continue
        ours = taken.setdefault(workload.namespace, [])
        if any(selector.matches(workload.template_labels) for selector in ours):
            continue  # two workloads whose selectors overlap: Kubernetes itself is undefined there
        selector = objects.mapping(workload.raw, "spec", "selector")
        ours.append(LabelSelector.compile(selector))
        yield _budget(workload, rule)


def _covered(workload: Workload, state: State) -> bool:
    return any(
        budget.selects(workload.template_labels) and not budget.name.startswith(MADE_BY_OPERATOR)
        for budget in state.budgets(workload.namespace)
    )


def _strictest(subject: Surveyed, workload: Workload, now: datetime) -> DisruptionBudgetRule | None:
    """The rule that lets the fewest pods go, of the policies that are in effect and want budgets kept."""
    if workload.kind not in DisruptionBudget.kinds:
        return None
    rules = [
        rule
        for policy in subject.classified.policies
        if policy.spec is not None and policy.in_effect(now) and (rule := policy.spec.rules.disruption_budget)
        if rule.mode is BudgetMode.MAINTAIN
    ]
    return min(
        rules, key=lambda r: scaled_value(r.max_unavailable, workload.replicas or 0, round_up=True), default=None
    )


def budget_name(kind: str, name: str) -> str:
    """The name of the budget kept for the workload `name` of `kind`."""
    full = f"{MADE_BY_OPERATOR}{kind.lower()}-{name}"
    if len(full) <= _LONGEST_NAME:
        return full
    digest = hashlib.sha256(full.encode()).hexdigest()[:12]
    return f"{full[: _LONGEST_NAME - 13].rstrip('-.')}-{digest}"


def _budget(workload: Workload, rule: DisruptionBudgetRule) -> KubeObject:
    entry = workload.entry
    owner: dict[str, Any] = {
        "apiVersion": entry.api_version,
        "kind": entry.kind,
        "name": workload.name,
        "uid": objects.uid(workload.raw),
        "controller": True,
    }
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {
            "name": budget_name(entry.kind, workload.name),
            "namespace": workload.namespace,
            "labels": MANAGED_BY,
            "ownerReferences": [owner],
        },
        "spec": {
            "maxUnavailable": rule.max_unavailable,
            "selector": objects.mapping(workload.raw, "spec", "selector"),
            "unhealthyPodEvictionPolicy": rule.unhealthy_pod_eviction_policy.value,
        },
    }
