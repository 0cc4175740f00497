"""HorizontalPodAutoscalers: what scales a guarded workload."""

from dataclasses import replace
from datetime import datetime

from tierguard.api.rules import RuleId
from tierguard.api.scope import ChangeKind
from tierguard.guard.message import ALLOWED_AS_IS, compose
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change
from tierguard.guard.model.decision import Decision, Finding
from tierguard.guard.model.facts import Autoscaler
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.resources.resource import FINALIZERS, OWNERS, SPEC, UPDATE, Resource, Tie
from tierguard.guard.resources.surroundings import (
    blocked_by_workloads,
    consequences,
    gone_already,
    leads_to_deletion,
    there,
)
from tierguard.guard.tiers.classify import Classified

_RULES = frozenset({RuleId.REPLICAS.value, RuleId.DISRUPTION_BUDGET.value, RuleId.ROLLOUT.value})


def evaluate_autoscaler(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to a HorizontalPodAutoscaler: lowering its bounds, aiming it elsewhere and deleting it hold.

    The tier rules look at what it may leave of its workload, too.
    """
    old, new = change.old, change.new
    if gone_already(change):
        return ALLOWED_AS_IS
    unsound = _unsound(change, state, now)
    if old is None or (new is not None and not _lowers(old, new) and not leads_to_deletion(change)):
        kinds = (ChangeKind.CREATE if old is None else ChangeKind.CONFIGURATION,)
        return compose(change, kinds, None, unsound) if unsound else Decision(ALLOWED_AS_IS.outcome, kinds)
    return blocked_by_workloads(change, _targets(change, state, old), state, now, unsound)


def _targets(change: Change, state: State, *sides: KubeObject | None) -> list[Classified]:
    neighbours = there(change, state)
    found = (neighbours.named(*Autoscaler.of(side).target) for side in sides if side is not None)
    return [subject for subject in found if subject is not None and subject.tier is not None]


def _unsound(change: Change, state: State, now: datetime) -> tuple[Finding, ...]:
    """What the tier rules say about the workloads of an autoscaler that is made, changed or deleted."""
    before, after = (_autoscalers(change, side, state) for side in (change.old, change.new))
    workloads = _targets(change, state, change.old, change.new)
    return tuple(consequences(workloads, before, after, now, _RULES))


def _autoscalers(change: Change, autoscaler: KubeObject | None, state: State) -> State:
    key = f"{change.kind}/{change.name}"
    others = {k: v for k, v in state.autoscalers_in.get(change.namespace, {}).items() if k != key}
    mine = {} if autoscaler is None else {key: Autoscaler.of({**autoscaler, "kind": change.kind})}
    return replace(state, autoscalers_in={**state.autoscalers_in, change.namespace: {**others, **mine}})


def _lowers(old: KubeObject, new: KubeObject) -> bool:
    before, after = objects.mapping(old, "spec"), objects.mapping(new, "spec")
    if before.get("scaleTargetRef") != after.get("scaleTargetRef"):
        return True
    return any(_number(after.get(bound)) < _number(before.get(bound)) for bound in ("minReplicas", "maxReplicas"))


def _number(written: object) -> int:
    return written if isinstance(written, int) else 1


AUTOSCALER = Resource(
    kind="HorizontalPodAutoscaler",
    group="autoscaling",
    version="v2",
    resource="horizontalpodautoscalers",
    evaluate=evaluate_autoscaler,
    held=(SPEC, OWNERS, FINALIZERS),
    ties=frozenset({Tie.PLACE}),
    subresources={"status": (UPDATE,)},
)
