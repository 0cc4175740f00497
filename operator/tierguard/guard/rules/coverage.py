"""Which disruption budgets cover which workloads, and how many pods each of these brings."""

from collections.abc import Iterable

from tierguard.disruption import Budget, Controller
from tierguard.guard.model import objects
from tierguard.guard.model.by_labels import ByLabels
from tierguard.guard.model.objects import Labels
from tierguard.guard.model.state import BUDGET, State
from tierguard.guard.model.workload import JOB_NAME, Workload
from tierguard.guard.tiers.classified import Classified
from tierguard.guard.tiers.neighbours import Neighbours, neighbours

SCALED_KINDS = frozenset({"Deployment", "StatefulSet"})
"""Kinds that are to have a budget: a drain passes over the pods of DaemonSets."""

FEWEST = 2
"""Replicas below which no budget can do anything."""
_NO_LABELS: Labels = {}
_MOST = 2**31 - 1
"""Replicas that fit the API's field; a file on the command line may say more."""


def covering(workload: Workload, state: State) -> tuple[Budget, ...]:
    """The budgets that cover the pods of `workload`, by name, where a budget that the operator made yields to any other."""
    there = state.budgets_in.get(workload.namespace, ())
    filed: ByLabels[Budget] = state.indexed(("budgets", workload.namespace), there, _by_labels)
    labels = pod_labels(workload)
    found = list(filed.selecting(labels))
    if (other := state.put_instead(BUDGET, workload.namespace)) is not None:
        found = [budget for budget in found if budget.name != other.name]
        if isinstance(other.value, Budget) and other.value.selects(labels):
            found.append(other.value)
    found.sort(key=lambda budget: budget.name)
    return tuple(budget for budget in found if not budget.by_operator) or tuple(found)


def wants_budget(workload: Workload, state: State) -> bool:
    """Whether a budget makes sense: of one pod it would either block every drain or let it go."""
    return least_pods(workload, state) >= FEWEST


def least_pods(workload: Workload, state: State) -> int:
    """The fewest pods that a workload with replicas may come to; never what no API server would take."""
    return min(max(0, state.least_replicas(workload) or 0), _MOST)


def _by_labels(budgets: Iterable[Budget]) -> ByLabels[Budget]:
    return ByLabels((budget.labels, budget) for budget in budgets)


def pod_labels(workload: Workload) -> Labels:
    """The labels of its pods: its template's, and the one by which the pods of a Job can be told from all others."""
    if workload.kind in ("Job", "CronJob"):
        return {**workload.template_labels, JOB_NAME: workload.name}
    return workload.template_labels


def controllers_of(
    budget: Budget, state: State, instead: Workload | None = None, replicas: int | None = None
) -> list[Controller]:
    """The controllers whose pods `budget` covers, each at its least replicas.

    `instead` is put in place of the stored workload of the same name, with `replicas` where they are given. Pods that
    nothing controls are left out: they add nothing to what is expected, and nobody replaces them.
    """
    place = None if instead is None else (instead.kind, instead.name)
    there = neighbours(budget.namespace, state.namespaces.get(budget.namespace, _NO_LABELS), state)
    beside = (subject.workload for subject in there.candidates(budget.labels))
    found = {(w.kind, w.name): w for w in beside if _covered(w, budget)}
    if instead is not None and place is not None:
        found.pop(place, None)
        if _covered(instead, budget):
            found[place] = instead
    return [
        Controller(w.kind, replicas if w is instead and replicas is not None else _pods(w, state), _has_scale(w))
        for _, w in sorted(found.items(), key=lambda item: item[0])
    ]


def covered_by(budget: Budget, there: Neighbours) -> list[Classified]:
    """The workloads of a namespace whose pods `budget` covers, classified or not."""
    return [subject for subject in there.candidates(budget.labels) if budget.selects(pod_labels(subject.workload))]


def _covered(workload: Workload, budget: Budget) -> bool:
    return workload.kind != "Pod" and bool(workload.template_labels) and budget.selects(pod_labels(workload))


def _pods(workload: Workload, state: State) -> int:
    if workload.kind == "DaemonSet":
        wanted = objects.value(workload.raw, "status", "desiredNumberScheduled")
        return min(max(0, wanted), _MOST) if isinstance(wanted, int) else 0
    return least_pods(workload, state)


def _has_scale(workload: Workload) -> bool:
    return workload.entry.replicas is not None
