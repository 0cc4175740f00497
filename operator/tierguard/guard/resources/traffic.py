"""Services, Ingresses and NetworkPolicies: what reaches a guarded workload. Change kind `Traffic`.

Blue/green changes what serves without touching a pod template: the Service is pointed at other pods.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from tierguard.api.rule_values import RuleId
from tierguard.api.scope import ChangeKind
from tierguard.guard.message import ALLOWED_AS_IS
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, Operation
from tierguard.guard.model.decision import Decision, Finding
from tierguard.guard.model.facts import selected_pods
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import Instead, State
from tierguard.guard.resources.resource import FINALIZERS, OWNERS, SPEC, UPDATE, Resource, Tie
from tierguard.guard.resources.surroundings import blocked_by_workloads, consequences, gone_already, there, united
from tierguard.guard.tiers.classify import Classified

_ISOLATION = frozenset({RuleId.ISOLATION.value})


def evaluate_service(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to a Service by what freezes say about the workloads behind it, before or after."""
    if gone_already(change):
        return ALLOWED_AS_IS
    neighbours = there(change, state)
    sides = [side for side in (change.old, change.new) if side is not None]
    served = united(*(neighbours.served_by(_pods_of(side)) for side in sides))
    return blocked_by_workloads(change, served, state, now, kind=ChangeKind.TRAFFIC, windows=False)


def _pods_of(service: KubeObject) -> objects.Labels:
    return objects.mapping(service, "spec", "selector")


def evaluate_ingress(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to an Ingress by what freezes say about the workloads behind the Services that it names."""
    if gone_already(change):
        return ALLOWED_AS_IS
    neighbours = there(change, state)
    services = state.services_in.get(change.namespace, {})
    names = {name for side in (change.old, change.new) if side is not None for name in _backends(side)}
    served = united(*(neighbours.served_by(services[name]) for name in sorted(names) if name in services))
    return blocked_by_workloads(change, served, state, now, kind=ChangeKind.TRAFFIC, windows=False)


def _backends(ingress: KubeObject) -> Iterator[str]:
    spec = objects.mapping(ingress, "spec")
    yield str(objects.value(spec, "defaultBackend", "service", "name") or "")
    for rule in objects.sequence(spec, "rules"):
        for path in objects.sequence(rule, "http", "paths"):
            yield str(objects.value(path, "backend", "service", "name") or "")


def evaluate_network_policy(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to a NetworkPolicy by the workloads that it isolates, before or after.

    In a freeze nobody lets more in, or less: a policy that lets nothing in takes a workload's traffic away. At any time the
    rule `isolation` is kept.
    """
    if gone_already(change):
        return ALLOWED_AS_IS
    neighbours = there(change, state)
    sides = [side for side in (change.old, change.new) if side is not None]
    isolated = united(*(neighbours.selected(selected_pods(side)) for side in sides))
    found = tuple(_unsound(change, isolated, state, now)) if change.operation is not Operation.CREATE else ()
    return blocked_by_workloads(change, isolated, state, now, found, kind=ChangeKind.TRAFFIC, windows=False)


def _unsound(change: Change, isolated: list[Classified], state: State, now: datetime) -> Iterator[Finding]:
    before, after = (_policies(change, side, state) for side in (change.old, change.new))
    return consequences(isolated, before, after, now, _ISOLATION)


def _policies(change: Change, policy: KubeObject | None, state: State) -> State:
    selector = None if policy is None else selected_pods(policy)
    return replace(state, instead=Instead(change.kind, change.namespace, change.name, selector))


SERVICE = Resource(
    kind="Service",
    group="",
    version="v1",
    resource="services",
    evaluate=evaluate_service,
    held=(SPEC, OWNERS, FINALIZERS),
    ties=frozenset({Tie.PLACE}),
    subresources={"status": (UPDATE,)},
)
INGRESS = Resource(
    kind="Ingress",
    group="networking.k8s.io",
    version="v1",
    resource="ingresses",
    evaluate=evaluate_ingress,
    held=(SPEC, OWNERS, FINALIZERS),
    ties=frozenset({Tie.PLACE}),
    subresources={"status": (UPDATE,)},
)
NETWORK_POLICY = Resource(
    kind="NetworkPolicy",
    group="networking.k8s.io",
    version="v1",
    resource="networkpolicies",
    evaluate=evaluate_network_policy,
    held=(SPEC, OWNERS, FINALIZERS),
    ties=frozenset({Tie.PLACE}),
)
