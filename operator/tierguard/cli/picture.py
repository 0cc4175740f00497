"""A `State` out of plain objects: what files describe, or what was listed once. The webhook keeps its own from watches."""

from collections.abc import Iterable
from dataclasses import replace

from tierguard.api.kinds import FREEZE, POLICY, WINDOW
from tierguard.disruption import Budget
from tierguard.guard.freezes.compiled import compile_freeze, compile_policy, compile_window
from tierguard.guard.model import objects
from tierguard.guard.model.facts import AUTOSCALER_KINDS, Autoscaler, Node, PlacedPod, pull_secrets, selected_pods
from tierguard.guard.model.identities import Identities
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.guard.tiers.deletion import announced

CLUSTER_SCOPED = frozenset({FREEZE.kind, WINDOW.kind, POLICY.kind, "Namespace", "Node", "CustomResourceDefinition"})
DEFAULT_NAMESPACE = "default"


def placed(raw: KubeObject) -> KubeObject:
    """`raw` with the namespace that it goes to when it names none."""
    if raw.get("kind") in CLUSTER_SCOPED or objects.namespace(raw):
        return raw
    return {**raw, "metadata": {**objects.mapping(raw, "metadata"), "namespace": DEFAULT_NAMESPACE}}


def picture(everything: Iterable[KubeObject], identities: Identities | None = None) -> State:
    """The cluster as `everything` describes it. A namespace that no object describes has no labels."""
    known = [placed(raw) for raw in everything]
    state = State(
        freezes=tuple(compile_freeze(raw) for raw in known if raw["kind"] == FREEZE.kind),
        windows=tuple(compile_window(raw) for raw in known if raw["kind"] == WINDOW.kind),
        policies=tuple(compile_policy(raw) for raw in known if raw["kind"] == POLICY.kind),
        identities=identities or Identities(),
        revisions={},  # it is made once, and changed by nobody
    )
    for raw in known:
        _add(state, raw)
    return state


def _add(state: State, raw: KubeObject) -> None:  # noqa: C901 - one branch a kind
    kind, namespace, name = str(raw["kind"]), objects.namespace(raw), objects.name(raw)
    if namespace:
        state.namespaces.setdefault(namespace, {})
    if kind == "Namespace":
        state.namespaces[name] = objects.labels(raw)
        if announced(raw):
            state.announced.add(name)
    elif kind == "Node":
        state.nodes[name] = Node.of(raw)
    elif kind == "PodDisruptionBudget":
        budget = replace(Budget.of(raw), namespace=namespace)
        state.budgets_in[namespace] = (*state.budgets_in.get(namespace, ()), budget)
    elif kind in AUTOSCALER_KINDS:
        state.autoscalers_in.setdefault(namespace, {})[f"{kind}/{name}"] = Autoscaler.of(raw)
    elif kind == "NetworkPolicy":
        state.network_policies_in.setdefault(namespace, {})[name] = selected_pods(raw)
    elif kind == "Service":
        if selector := objects.mapping(raw, "spec", "selector"):
            state.services_in.setdefault(namespace, {})[name] = selector
    elif kind == "ServiceAccount":
        state.pull_secrets_in.setdefault(namespace, {})[name] = pull_secrets(raw)
    elif kind in WORKLOAD_KINDS:
        state.workloads_in.setdefault(namespace, {})[(kind, namespace, name)] = raw
        if kind == "Pod" and (pod := PlacedPod.of(raw)) is not None and pod.node:
            state.pods_in.setdefault(namespace, {})[name] = pod
