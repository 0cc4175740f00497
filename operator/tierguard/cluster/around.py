"""What is around workloads, kept in a `State`: namespaces' services, autoscalers, network policies; nodes and pods."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tierguard.cluster.reflector import Collection
from tierguard.guard.model import objects
from tierguard.guard.model.facts import Autoscaler, Node, PlacedPod, pull_secrets, selected_pods
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State


@dataclass(frozen=True, slots=True)
class Source:
    """A collection and what happens when one of its objects changes or goes."""

    collection: Collection
    changed: Callable[[KubeObject], None]
    gone: Callable[[KubeObject], None]


def around(state: State, *, placement: bool) -> list[Source]:
    """The collections around workloads; with `placement` also where pods are, which only the operator looks at."""
    keeper = _Keeper(state)
    sources = [
        Source(Collection("/api/v1/services", "v1", "Service"), keeper.service, keeper.service_gone),
        Source(
            Collection("/apis/autoscaling/v2/horizontalpodautoscalers", "autoscaling/v2", "HorizontalPodAutoscaler"),
            keeper.autoscaler,
            keeper.autoscaler_gone,
        ),
        Source(
            Collection("/apis/networking.k8s.io/v1/networkpolicies", "networking.k8s.io/v1", "NetworkPolicy"),
            keeper.network_policy,
            keeper.network_policy_gone,
        ),
    ]
    accounts = Collection("/api/v1/serviceaccounts", "v1", "ServiceAccount")
    sources.append(Source(accounts, keeper.account, keeper.account_gone))
    if placement:
        sources += [
            Source(Collection("/api/v1/nodes", "v1", "Node"), keeper.node, keeper.node_gone),
            Source(Collection("/api/v1/pods", "v1", "Pod"), keeper.pod, keeper.pod_gone),
        ]
    return sources


class _Keeper:
    """Swaps whole values: readers run beside it."""

    def __init__(self, state: State) -> None:
        self._state = state

    def service(self, obj: KubeObject) -> None:
        selector = objects.mapping(obj, "spec", "selector")
        if not selector:
            self.service_gone(obj)
            return
        if self._state.services_in.get(objects.namespace(obj), {}).get(objects.name(obj)) != selector:
            _put(self._state.services_in, obj, objects.name(obj), selector)

    def service_gone(self, obj: KubeObject) -> None:
        _drop(self._state.services_in, obj, objects.name(obj))

    def account(self, obj: KubeObject) -> None:
        names = pull_secrets(obj)
        known = self._state.pull_secrets_in.get(objects.namespace(obj), {})
        if names and known.get(objects.name(obj)) != names:
            _put(self._state.pull_secrets_in, obj, objects.name(obj), names)
        elif not names and objects.name(obj) in known:
            self.account_gone(obj)

    def account_gone(self, obj: KubeObject) -> None:
        _drop(self._state.pull_secrets_in, obj, objects.name(obj))

    def autoscaler(self, obj: KubeObject) -> None:
        _put(self._state.autoscalers_in, obj, f"{obj['kind']}/{objects.name(obj)}", Autoscaler.of(obj))

    def autoscaler_gone(self, obj: KubeObject) -> None:
        _drop(self._state.autoscalers_in, obj, f"{obj['kind']}/{objects.name(obj)}")

    def network_policy(self, obj: KubeObject) -> None:
        _put(self._state.network_policies_in, obj, objects.name(obj), selected_pods(obj))

    def network_policy_gone(self, obj: KubeObject) -> None:
        _drop(self._state.network_policies_in, obj, objects.name(obj))

    def node(self, obj: KubeObject) -> None:
        self._state.nodes = {**self._state.nodes, objects.name(obj): Node.of(obj)}

    def node_gone(self, obj: KubeObject) -> None:
        self._state.nodes = {name: node for name, node in self._state.nodes.items() if name != objects.name(obj)}

    def pod(self, obj: KubeObject) -> None:
        # In place: a namespace may have thousands, and only the operator, which reads them one pass at a time, has any.
        placed = PlacedPod.of(obj)
        pods = self._state.pods_in.setdefault(objects.namespace(obj), {})
        if placed is None:
            pods.pop(objects.name(obj), None)
        else:
            pods[objects.name(obj)] = placed

    def pod_gone(self, obj: KubeObject) -> None:
        self._state.pods_in.get(objects.namespace(obj), {}).pop(objects.name(obj), None)


def _put(kept: dict[str, dict[str, Any]], obj: KubeObject, key: str, value: Any) -> None:
    namespace = objects.namespace(obj)
    kept[namespace] = {**kept.get(namespace, {}), key: value}


def _drop(kept: dict[str, dict[str, Any]], obj: KubeObject, key: str) -> None:
    namespace = objects.namespace(obj)
    left = {name: value for name, value in kept.get(namespace, {}).items() if name != key}
    if left:
        kept[namespace] = left
    else:
        kept.pop(namespace, None)
