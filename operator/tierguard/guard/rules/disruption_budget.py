"""Rule `disruption-budget`: a budget protects the workload's pods, and still lets a node be drained."""

from collections.abc import Iterator
from typing import ClassVar

from tierguard.api.model import ApiModel
from tierguard.api.policy import BudgetMode, DisruptionBudgetRule
from tierguard.disruption import Budget, Controller, allowed_when_healthy, scaled_value
from tierguard.guard import objects
from tierguard.guard.classify import Classified
from tierguard.guard.finding import Effect
from tierguard.guard.rules.rule import Violation
from tierguard.guard.state import State
from tierguard.guard.workload import Workload


class DisruptionBudget:
    """Exactly one PodDisruptionBudget covers the pods; it lets at least one go, and not more than the policy allows.

    Why: without a budget a node drain may take five of six `payment-core` pods at once; with one that allows nothing, or
    with two on the same pod, no node can be drained and the cluster cannot be patched. A budget covers pods by *their*
    labels, in its own namespace. Percentages round up, of the replicas of all workloads that the budget covers:
    `minAvailable: 67%` of 3 is 3, and lets nothing go (pkg/controller/disruption).
    """

    id: ClassVar[str] = "disruption-budget"
    block: ClassVar[str] = "disruption_budget"
    kinds: ClassVar[frozenset[str]] = frozenset({"Deployment", "StatefulSet"})

    def check(self, subject: Classified, settings: ApiModel, state: State) -> Iterator[Violation]:
        """Yield at most one violation. A workload without pods needs no budget."""
        assert isinstance(settings, DisruptionBudgetRule)  # noqa: S101 - the registry pairs block and rule
        workload = subject.workload
        if not workload.replicas:
            return
        budgets = covering(workload, state)
        if not budgets:
            yield from _missing(workload, settings)
        elif len(budgets) > 1:
            names = ", ".join(sorted(budget.name for budget in budgets))
            yield Violation(
                "SeveralBudgets",
                f"{len(budgets)} budgets cover its pods ({names}); with more than one no pod can be evicted",
                "keep one of them",
            )
        else:
            yield from _unsound(budgets[0], workload, settings, state)


def covering(workload: Workload, state: State) -> tuple[Budget, ...]:
    """The budgets that cover the pods of `workload`, where a budget that the operator made yields to any other."""
    found = tuple(b for b in state.budgets(workload.namespace) if b.selects(workload.template_labels))
    others = tuple(budget for budget in found if not budget.name.startswith(MADE_BY_OPERATOR))
    return others or found


MADE_BY_OPERATOR = "tierguard-"
"""How the names of budgets that the operator makes begin. They are removed as soon as there is another one."""


def controllers_of(budget: Budget, state: State, instead: Workload | None = None) -> list[Controller]:
    """The controllers whose pods `budget` covers, with `instead` in place of the stored workload of the same name."""
    stored = {(w.kind, w.name): w for w in state.in_namespace(budget.namespace)}
    if instead is not None:
        stored[(instead.kind, instead.name)] = instead
    return [
        Controller(w.kind, w.replicas or 0, w.entry.replicas is not None)
        for _, w in sorted(stored.items())
        if w.template_labels and w.kind != "CronJob" and budget.selects(w.template_labels)
    ]


def _missing(workload: Workload, settings: DisruptionBudgetRule) -> Iterator[Violation]:
    if settings.mode is BudgetMode.MAINTAIN:
        return  # the operator makes one
    yield Violation(
        "NoBudget",
        f"no PodDisruptionBudget covers its pods (replicas: {workload.replicas})",
        f"create one with maxUnavailable: {settings.max_unavailable} and the selector of the workload",
        Effect.WARN if settings.mode is BudgetMode.SUGGEST else Effect.DENY,
        rests_on_absence=True,
    )


def _unsound(budget: Budget, workload: Workload, settings: DisruptionBudgetRule, state: State) -> Iterator[Violation]:
    controllers = controllers_of(budget, state, workload)
    expected = sum(controller.replicas for controller in controllers)
    allowance = allowed_when_healthy(budget, controllers)
    written = (
        f"maxUnavailable: {budget.max_unavailable}"
        if budget.max_unavailable is not None
        else f"minAvailable: {budget.min_available}"
    )
    name = objects.printable(budget.name, 80)
    remedy = f"set maxUnavailable: {settings.max_unavailable} in PodDisruptionBudget {name}"
    if allowance.reason is not None:
        yield Violation("UnreadableBudget", f"budget {name} cannot be computed: {allowance.reason}", remedy)
    elif allowance.allowed < 1:
        yield Violation(
            "BlocksEviction",
            f"budget {name} wants {_kept(written, expected, allowance.desired_healthy)}: no pod may be evicted,"
            " so no node can be drained",
            remedy,
        )
    elif allowance.allowed > (most := max(1, scaled_value(settings.max_unavailable, expected, round_up=True))):
        yield Violation(
            "TooLoose",
            f"budget {name} lets {allowance.allowed} of {expected} pods go at once ({written}), {most} allowed",
            remedy,
        )


def _kept(written: str, expected: int, desired: int) -> str:
    if "%" in written:
        return (
            f"{written} of {expected}, which is {desired}" if "minAvailable" in written else f"{written} of {expected}"
        )
    return f"{written} of {expected}"
