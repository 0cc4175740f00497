"""Rule `disruption-budget`: a budget protects the workload's pods, and still lets a node be drained."""

import shlex
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import ClassVar

from tierguard.api.model import ApiModel
from tierguard.api.rule_values import BudgetMode, RuleId, UnhealthyPodEviction
from tierguard.api.rules import DisruptionBudgetRule
from tierguard.disruption import (
    OPERATOR_PREFIX,
    Allowance,
    Budget,
    Controller,
    Eviction,
    allowed_when_healthy,
    eviction,
    safe_maximum,
    scaled_value,
)
from tierguard.guard.model import objects
from tierguard.guard.model.decision import Effect
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.rules.coverage import FEWEST, SCALED_KINDS, controllers_of, covering, least_pods, wants_budget
from tierguard.guard.rules.rule import Reads, Situation, Violation
from tierguard.guard.tiers.classify import Classified
from tierguard.labels import LabelSelector

MADE_BY_OPERATOR = OPERATOR_PREFIX
"""How the names of budgets that the operator makes begin. They are removed as soon as there is another one."""
ACCEPT_DOWNTIME = "tierguard.io/accept-downtime"
"""The annotation of a workload with one pod, or none, by which people accept that a drain takes it away."""
NOT_MAINTAINED = "NotMaintained"
MAINTAINED_WITHIN = timedelta(seconds=60)
"""How long the operator has to make a budget before its absence is reported."""
_LONGEST = 63
"""Characters of a name in a text."""


class DisruptionBudget:
    """Exactly one PodDisruptionBudget covers the pods; it lets at least one go, and not more than the policy allows.

    Why: without a budget a node drain may take five of six `payment-core` pods at once; with one that allows nothing, or
    with two on the same pod, no node can be drained and the cluster cannot be patched. A budget covers pods by *their*
    labels, in its own namespace. Percentages round up, of the replicas of all workloads that the budget covers:
    `minAvailable: 67%` of 3 is 3, and lets nothing go; pods of DaemonSets and Jobs have no scale, and a budget that covers
    any cannot be computed unless its minAvailable is a number (pkg/controller/disruption). An autoscaled workload is judged
    at its least replicas. Of one pod a budget either blocks every drain or protects nothing: people are to decide that.
    """

    id: ClassVar[RuleId] = RuleId.DISRUPTION_BUDGET
    block: ClassVar[str] = "disruption_budget"
    kinds: ClassVar[frozenset[str]] = SCALED_KINDS | {"DaemonSet"}
    reads: ClassVar[Reads] = Reads.MORE

    def check(self, situation: Situation, settings: ApiModel) -> Iterator[Violation]:
        """Yield what is wrong with the budgets. A drain passes DaemonSets over: they need none, but a readable one."""
        assert isinstance(settings, DisruptionBudgetRule)  # noqa: S101 - the registry pairs block and rule
        workload, state = situation.subject.workload, situation.state
        budgets = _covering(situation.subject, state)
        if workload.kind == "DaemonSet":
            found = [(budget, controllers_of(budget, state, workload)) for budget in budgets]
            problems = (_unreadable(*each, allowed_when_healthy(*each)) for each in found)
            yield from [problem for problem in problems if problem is not None][:1]
            return
        least = least_pods(workload, state)
        if least < FEWEST and not accepts_downtime(workload):
            yield _single(workload, least, settings, state)
        if len(budgets) > 1:
            yield _several(budgets)
        elif budgets and (least or state.autoscaler_of(workload) is not None):
            yield from _judged(budgets[0], situation.subject, max(1, least), settings, state)
        elif not budgets and least >= FEWEST:
            yield from _missing(situation, least, settings)


def accepts_downtime(workload: Workload) -> bool:
    """Whether people have written down why the only pod may go."""
    return bool(str(workload.annotations.get(ACCEPT_DOWNTIME) or "").strip())


def _single(workload: Workload, least: int, settings: DisruptionBudgetRule, state: State) -> Violation:
    count = f"{least} replica{'' if least == 1 else 's'}"
    autoscaler = state.autoscaler_of(workload)
    what, more = count, "run two or more"
    if autoscaler is not None:
        field = "minReplicaCount" if autoscaler.kind == "ScaledObject" else "minReplicas"
        name = objects.printable(autoscaler.name, _LONGEST)
        what, more = f"its autoscaler may leave {count}", f"set {field} of {autoscaler.kind} {name} to 2 or more"
    return Violation(
        "SingleReplica",
        f"{what}: a budget either blocks every drain or lets the only pod go",
        f"{more}, or write the annotation {ACCEPT_DOWNTIME}: <reason>",
        Effect.WARN if settings.mode is BudgetMode.SUGGEST else Effect.DENY,
        rests_on_absence=autoscaler is None,
        gap=FEWEST - least,
    )


def _several(budgets: tuple[Budget, ...]) -> Violation:
    names = objects.printable(", ".join(budget.name for budget in budgets), _LONGEST)
    return Violation(
        "SeveralBudgets",
        f"{len(budgets)} budgets cover its pods ({names}): none can be evicted",
        "keep only one of them on these pods",
        gap=len(budgets) - 1,
    )


def _missing(situation: Situation, least: int, settings: DisruptionBudgetRule) -> Iterator[Violation]:
    if settings.mode is BudgetMode.MAINTAIN:
        if not _pending(situation, settings):
            yield Violation(
                NOT_MAINTAINED,
                "no PodDisruptionBudget covers its pods, and the operator has made none",
                "look at the logs of the operator, and for workloads whose selectors overlap",
                Effect.WARN,
                rests_on_absence=True,
            )
        return
    maximum = safe_maximum(settings.max_unavailable, least)
    remedy = f"create one with maxUnavailable: {maximum} and the selector of the workload"
    if settings.mode is BudgetMode.SUGGEST:
        remedy = _command(situation.subject.workload, maximum) or remedy
    yield Violation(
        "NoBudget",
        f"no PodDisruptionBudget covers its pods (replicas: {least})",
        remedy,
        Effect.WARN if settings.mode is BudgetMode.SUGGEST else Effect.DENY,
        rests_on_absence=True,
        gap=1,  # having none is as bad with four pods as with three: the count in the text makes it no new violation
    )


def _pending(situation: Situation, settings: DisruptionBudgetRule) -> bool:
    """Whether the operator still has time to make a budget: the workload, the policy, or its need of one is new."""
    workload, before = situation.subject.workload, situation.before
    if before is not None and not wants_budget(before.workload, situation.state):
        return True
    created = objects.instant(objects.value(workload.raw, "metadata", "creationTimestamp"))
    if created is None:
        return True  # it is not stored yet
    instants = [created]
    for policy in situation.subject.policies:
        if policy.spec is not None and policy.spec.rules.disruption_budget is settings:
            instants += [instant for instant in (policy.created, policy.spec.effective_from) if instant is not None]
    return situation.now - max(instants) < MAINTAINED_WITHIN


def _command(workload: Workload, maximum: int | str) -> str | None:
    """The command that makes a budget for `workload`; None where its selector cannot be read."""
    raw = objects.mapping(workload.spec, "selector")
    try:
        selector = LabelSelector.compile(raw)
    except ValueError:
        return None
    requirements = [
        *(f"{key}={value}" for key, value in selector.equal),
        *(f"{key} in ({','.join(sorted(values))})" for key, values in selector.one_of),
        *(f"{key} notin ({','.join(sorted(values))})" for key, values in selector.none_of),
        *selector.present,
        *(f"!{key}" for key in selector.absent),
    ]
    if not requirements:
        return None
    name = shlex.quote(workload.name.strip("-."))
    place = f" -n {shlex.quote(workload.namespace)}" if workload.namespace else ""
    written = shlex.quote(",".join(requirements))
    command = f"kubectl create pdb {name}{place} --selector={written} --max-unavailable={maximum}"
    return command if command.isprintable() else None


def _unreadable(budget: Budget, controllers: list[Controller], allowance: Allowance) -> Violation | None:
    if allowance.reason is None:
        return None
    name = objects.printable(budget.name, _LONGEST)
    unscalable = next((controller.kind for controller in controllers if not controller.has_scale), None)
    if unscalable is None:
        detail, remedy = (
            f"budget {name}: {objects.printable(allowance.reason, _LONGEST)}",
            "write a number or a percentage",
        )
    else:
        detail = f"budget {name} covers pods of a {unscalable}: only a number as minAvailable works"
        remedy = "write a number as minAvailable, or select other pods,"
    return Violation("UnreadableBudget", detail, f"{remedy} in PodDisruptionBudget {name}", about=budget.name)


def _covering(subject: Classified, state: State) -> tuple[Budget, ...]:
    """As `covering`: the same as long as the namespace has the same budgets."""
    there = state.budgets_in.get(subject.workload.namespace)
    if state.instead is not None or there is None:
        return covering(subject.workload, state)
    return subject.once_for("budgets", (there,), lambda: covering(subject.workload, state))


def _judged(
    budget: Budget, subject: Classified, replicas: int, settings: DisruptionBudgetRule, state: State
) -> Iterable[Violation]:
    """What is wrong with `budget`: the same as long as nothing of the namespace changes."""
    if state.instead is not None:
        return tuple(_unsound(budget, subject.workload, replicas, settings, state))
    return subject.once_for(
        ("budget", replicas, id(settings)),
        (budget, settings, state.autoscalers_in.get(subject.workload.namespace)),
        lambda: tuple(_unsound(budget, subject.workload, replicas, settings, state)),
    )


def _unsound(
    budget: Budget, workload: Workload, replicas: int, settings: DisruptionBudgetRule, state: State
) -> Iterator[Violation]:
    controllers = controllers_of(budget, state, workload, replicas)
    allowance = allowed_when_healthy(budget, controllers)
    if (unreadable := _unreadable(budget, controllers, allowance)) is not None:
        yield unreadable
        return
    name = objects.printable(budget.name, _LONGEST)
    maximum = safe_maximum(settings.max_unavailable, replicas)
    most = scaled_value(maximum, replicas, round_up=True)
    instead = "" if budget.min_available is None else " instead of minAvailable"
    remedy = f"set maxUnavailable: {maximum}{instead} in PodDisruptionBudget {name}"
    written = _written(budget)
    expected, desired = allowance.expected_pods, allowance.desired_healthy
    # How many pods a DaemonSet beside it brings is known once it runs; until then nothing is known to be blocked.
    daemons = any(controller.kind == "DaemonSet" and not controller.replicas for controller in controllers)
    if eviction(((budget, allowance),), ready=True) is not Eviction.ALLOWED and not daemons:
        rounded = f", so {desired}" if isinstance(budget.min_available, str) else ""
        yield Violation(
            "BlocksEviction",
            f"budget {name} ({written} of {expected}{rounded}) lets no pod go: no node can be drained",
            remedy,
            about=budget.name,
            gap=1 + max(0, desired - allowance.healthy),
        )
    elif allowance.allowed > most:
        yield Violation(
            "TooLoose",
            f"budget {name} lets {allowance.allowed} of {expected} pods go at once ({written}), {most} allowed",
            remedy,
            about=budget.name,
            gap=allowance.allowed - most,
        )
    yield from _unhealthy(budget, name, settings)


def _unhealthy(budget: Budget, name: str, settings: DisruptionBudgetRule) -> Iterator[Violation]:
    asked = settings.unhealthy_pod_eviction_policy
    if asked is UnhealthyPodEviction.ALWAYS_ALLOW and budget.unhealthy_pod_eviction_policy != asked.value:
        yield Violation(
            "UnhealthyEviction",
            f"budget {name} keeps pods that are not ready, and so may block a drain",
            f"set unhealthyPodEvictionPolicy: {asked.value} in PodDisruptionBudget {name}",
            Effect.WARN,
            about=budget.name,
        )


def _written(budget: Budget) -> str:
    if budget.max_unavailable is not None:
        return f"maxUnavailable: {budget.max_unavailable}"
    return "neither field set" if budget.min_available is None else f"minAvailable: {budget.min_available}"
