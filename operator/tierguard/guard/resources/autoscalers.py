"""Changes to an autoscaler: in a freeze it must not become a hand that scales down, or that no longer scales up.

HorizontalPodAutoscalers of autoscaling/v1 and v2, and the ScaledObjects of KEDA, which only the command meets as such.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tierguard.api.rule_values import RuleId
from tierguard.api.scope import ChangeKind
from tierguard.guard.message import ALLOWED_AS_IS, compose
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change
from tierguard.guard.model.decision import Decision, Finding
from tierguard.guard.model.facts import KEDA, KEDA_PAUSED, Autoscaler
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import Instead, State
from tierguard.guard.model.workload import Workload
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.guard.resources.autoscaler_behavior import scale_down, scale_up
from tierguard.guard.resources.resource import ANNOTATIONS, FINALIZERS, OWNERS, SPEC, UPDATE, Resource, Tie
from tierguard.guard.resources.surroundings import (
    blocked_by_workloads,
    consequences,
    gone_already,
    leads_to_deletion,
    there,
)
from tierguard.guard.tiers.classify import Classified, classify

_RULES = frozenset({RuleId.REPLICAS.value, RuleId.DISRUPTION_BUDGET.value, RuleId.ROLLOUT.value})
_ALPHA = "autoscaling.alpha.kubernetes.io/"
_IN_ANNOTATIONS = (_ALPHA, KEDA_PAUSED)
"""What autoscaling/v1 has no fields for, and how people pause KEDA."""
_COMPARED = frozenset(
    {
        "scaleTargetRef",
        "behavior",
        "minReplicas",
        "maxReplicas",
        "minReplicaCount",
        "maxReplicaCount",
        "idleReplicaCount",
    }
)
"""Fields of `spec` of which it can be told which way a change goes. Any change of others (metrics, triggers) is held."""


@dataclass(frozen=True, slots=True)
class _Reference:
    """A `scaleTargetRef`. The version in it makes no difference to Kubernetes: it looks for the group and the kind."""

    group: str
    kind: str
    name: str

    @classmethod
    def of(cls, autoscaler: KubeObject) -> "_Reference":
        written = objects.mapping(autoscaler, "spec", "scaleTargetRef")
        keda = autoscaler.get("kind") == KEDA
        group = str(written.get("apiVersion") or ("apps/v1" if keda else "")).rpartition("/")[0]
        kind = str(written.get("kind") or ("Deployment" if keda else ""))
        return cls(group, kind, str(written.get("name") or ""))

    def workload(self, namespace: str, state: State) -> Workload | None:
        """What it means, or would mean were it spelled well: whoever writes it badly first may mend it in a freeze."""
        for entry in WORKLOAD_KINDS.values():
            spelled = entry.kind.casefold() == self.kind.casefold() or entry.resource == self.kind.casefold()
            if spelled and self.group in (entry.group, "", "extensions"):
                return state.workload(entry.kind, namespace, self.name)
        return None


def evaluate_autoscaler(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to an autoscaler by what freezes and windows say about its old and its new target.

    What can only add pods passes. The tier rules look at what it may leave of its workload, too.
    """
    old, new = change.old, change.new
    if gone_already(change) or (_said(old) == _said(new) and not leads_to_deletion(change)):
        return ALLOWED_AS_IS
    unsound = _unsound(change, state, now)
    restrained = list(_restrained(change, state))
    decision = blocked_by_workloads(change, restrained, state, now, unsound)
    if decision.blocked_by or decision.bypass is not None or (restrained and old is not None):
        return decision
    kinds = (ChangeKind.CREATE if old is None else ChangeKind.CONFIGURATION,)
    return compose(change, kinds, None, unsound) if unsound else Decision(ALLOWED_AS_IS.outcome, kinds)


def _said(autoscaler: KubeObject | None) -> object:
    if autoscaler is None:
        return None
    return objects.mapping(autoscaler, "spec"), _annotated(autoscaler)


def _annotated(autoscaler: KubeObject) -> dict[str, str]:
    found = objects.annotations(autoscaler)
    return {key: value for key, value in found.items() if str(key).startswith(_IN_ANNOTATIONS)}


def _restrained(change: Change, state: State) -> Iterator[Classified]:
    """The workloads of a tier of which the change may take pods away, or that it may keep from growing."""
    there(change, state)
    labels = state.namespaces[change.namespace]
    for workload in _targets(change, state):
        classified = classify(workload, change.namespace, labels, state)
        if classified.tier is not None:
            yield classified


def _unsound(change: Change, state: State, now: datetime) -> tuple[Finding, ...]:
    """What the tier rules say about the workloads of an autoscaler that is made, changed or deleted."""
    before, after = (_with(change, side, state) for side in (change.old, change.new))
    sides = [{**side, "kind": change.kind} for side in (change.old, change.new) if side is not None]
    found = (there(change, state).named(*Autoscaler.of(side).target) for side in sides)
    workloads = {id(s.workload.raw): s for s in found if s is not None and s.tier is not None}
    return tuple(consequences(workloads.values(), before, after, now, _RULES))


def _with(change: Change, autoscaler: KubeObject | None, state: State) -> State:
    made = None if autoscaler is None else Autoscaler.of({**autoscaler, "kind": change.kind})
    return replace(state, instead=Instead(change.kind, change.namespace, change.name, made))


def _targets(change: Change, state: State) -> Iterator[Workload]:
    old, new = change.old, change.new
    before, after = (None if side is None else _Reference.of({**side, "kind": change.kind}) for side in (old, new))
    if old is not None and new is not None and before == after:
        if (
            (_restrains(old, new) or leads_to_deletion(change))
            and before is not None
            and (kept := before.workload(change.namespace, state))
        ):
            yield kept
        return
    lost = None if before is None else before.workload(change.namespace, state)
    if lost is not None:
        yield lost
    gained = None if after is None or new is None else after.workload(change.namespace, state)
    if gained is None or new is None or (lost is not None and lost.raw is gained.raw):
        return
    if not _only_adds(new, gained, change, state):
        yield gained


def _only_adds(autoscaler: KubeObject, workload: Workload, change: Change, state: State) -> bool:
    """Whether an autoscaler that is new to `workload` can do nothing but add pods to those that it runs now."""
    if workload.entry.made_by_controllers and objects.controller_of(workload.raw) is not None:
        return False  # two controllers would set its replicas
    if workload.replicas is None:
        return True  # nothing that an autoscaler could scale
    mine = {f"{change.kind}/{change.name}", *_made_by(autoscaler)}
    if any(f"{known.kind}/{known.name}" not in mine for known in state.autoscalers_of(workload)):
        return False  # of two with the same pods none scales any more (AmbiguousSelector)
    bounds = _Bounds.of(autoscaler)
    spec = objects.mapping(autoscaler, "spec")
    grows = scale_up(objects.mapping(spec, "behavior")).moves and not _annotated(autoscaler)
    return grows and min(bounds.minimum, bounds.maximum) >= workload.replicas


def _made_by(autoscaler: KubeObject) -> Iterator[str]:
    """KEDA makes a HorizontalPodAutoscaler for each ScaledObject: the two are one."""
    for owner in objects.owners(autoscaler):
        if objects.value(owner, "kind") == KEDA:
            yield f"{KEDA}/{objects.value(owner, 'name')}"


@dataclass(frozen=True, slots=True)
class _Bounds:
    """The fewest and the most pods that an autoscaler leaves."""

    minimum: int
    maximum: int

    @classmethod
    def of(cls, autoscaler: KubeObject) -> "_Bounds":
        spec = objects.mapping(autoscaler, "spec")
        written = objects.whole_number(spec, "maxReplicaCount" if "maxReplicaCount" in spec else "maxReplicas")
        # Absent is 100 for KEDA; a HorizontalPodAutoscaler must name it.
        return cls(Autoscaler.of(autoscaler).minimum, 100 if written is None else written)


def _restrains(old: KubeObject, new: KubeObject) -> bool:
    """Whether `new` may remove pods that `old` kept, or add fewer, or later. What cannot be told may."""
    before, after = _Bounds.of(old), _Bounds.of(new)
    if after.minimum < before.minimum or after.maximum < before.maximum:
        return True
    was, will = objects.mapping(old, "spec"), objects.mapping(new, "spec")
    if _rest(was) != _rest(will) or _annotated(old) != _annotated(new):
        return True
    was, will = objects.mapping(was, "behavior"), objects.mapping(will, "behavior")
    return not (scale_up(will).cover(scale_up(was)) and scale_down(was).cover(scale_down(will)))


def _rest(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key not in _COMPARED and value is not None}


AUTOSCALER = Resource(
    kind="HorizontalPodAutoscaler",
    group="autoscaling",
    version="v2",
    resource="horizontalpodautoscalers",
    evaluate=evaluate_autoscaler,
    held=(SPEC, *((*ANNOTATIONS, f"{_ALPHA}{part}") for part in ("behavior", "metrics")), OWNERS, FINALIZERS),
    ties=frozenset({Tie.PLACE}),
    subresources={"status": (UPDATE,)},
)
SCALED_OBJECT = Resource(
    kind=KEDA,
    group="keda.sh",
    version="v1alpha1",
    resource="scaledobjects",
    evaluate=evaluate_autoscaler,
    held=(SPEC, ANNOTATIONS, OWNERS, FINALIZERS),
    ties=frozenset({Tie.PLACE}),
)
