"""Where the pods of a workload are, and where they may go: topology counted as the scheduler counts it. Pure.

Follows pkg/scheduler/framework/plugins/podtopologyspread (k8s.io/kubernetes v1.36) and what it calls.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tierguard.guard.model import objects
from tierguard.guard.model.facts import Node, PlacedPod, Taint
from tierguard.guard.model.objects import KubeObject, Labels
from tierguard.guard.model.pod import PodSpec
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.labels import LabelSelector

BINDING = "DoNotSchedule"
CONSTRAINTS = "topologySpreadConstraints"
_KEEPS_AWAY = ("NoSchedule", "NoExecute")
_CORDON = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")
_UNKNOWN = "?"  # no value that a label can have

# What controllers write into the pods that they make, beyond the template: the same in all pods of a revision, or not.
_OF_REVISION = {"Deployment": ("pod-template-hash",), "StatefulSet": ("controller-revision-hash",)}
_OF_POD = {"StatefulSet": ("statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index")}


@dataclass(frozen=True, slots=True)
class Domain:
    """The nodes that have the same value of a topology key: how many pods are there, and whether more may come."""

    name: str
    pods: int = 0
    open: bool = True
    matched: bool = True
    """Whether the pods' own node selector and affinity reach any of its nodes; open says that a taint stops none either."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The pods of a workload over the domains of `key`."""

    key: str
    domains: tuple[Domain, ...] = field(default=())

    def skew(self, least_domains: int = 1) -> int:
        """How many more pods the fullest domain has than the emptiest; than none with fewer domains than that (minMatchNum).

        A domain where no pod is and none may go does not count: that it is empty is nobody's fault.
        """
        fullest, emptiest = self.extremes()
        if fullest is None or emptiest is None:
            return 0
        return fullest.pods - (emptiest.pods if len(self._counted()) >= least_domains else 0)

    def extremes(self) -> tuple[Domain | None, Domain | None]:
        """The fullest and the emptiest domain, of several the first by name."""
        counted = self._counted()
        fullest = min(counted, key=lambda domain: (-domain.pods, domain.name), default=None)
        return fullest, min(counted, key=lambda domain: (domain.pods, domain.name), default=None)

    def _counted(self) -> tuple[Domain, ...]:
        return tuple(domain for domain in self.domains if domain.open or domain.pods)


def pods_of(workload: Workload, state: State) -> tuple[PlacedPod, ...]:
    """The pods in the namespace of `workload` that its own selector selects."""
    selector = _selector(objects.value(workload.spec, "selector"))
    pods = tuple(state.pods_in.get(workload.namespace, {}).values())
    return tuple(pod for pod in pods if selector.matches(_spelt(pod.labels)))


def spread(key: str, pod: PodSpec, nodes: Iterable[Node], pods: Iterable[PlacedPod]) -> Spread:
    """The ready ones of `pods` over the domains of `key`, of those `nodes` that a pod like `pod` may mean.

    A node without any of the topology keys that bind the pod is none to the scheduler.
    """
    binding = (c.get("topologyKey") for c in pod.topology_spread_constraints if c.get("whenUnsatisfiable") == BINDING)
    keys = {key, *(named for named in binding if isinstance(named, str))}
    ready: dict[str, int] = {}
    for placed in pods:
        if placed.ready and placed.node:
            ready[placed.node] = ready.get(placed.node, 0) + 1
    found: dict[str, Domain] = {}
    for node in nodes:
        if not keys <= node.labels.keys():
            continue
        name = str(node.labels[key])
        known = found.get(name, Domain(name, 0, open=False, matched=False))
        matched = attracts(node, pod)
        found[name] = Domain(
            name,
            known.pods + (ready.get(node.name, 0) if matched else 0),
            known.open or (matched and tolerated(node, pod)),
            known.matched or matched,
        )
    return Spread(key, tuple(found[name] for name in sorted(found)))


def spreads(constraint: KubeObject, workload: Workload) -> bool:
    """Whether `constraint` counts the pods of `workload` against each other.

    An absent labelSelector selects nothing, and an empty one counts as nothing (countPodsMatchSelector). `matchLabelKeys`
    narrow it by the pod's own values, and keys that the pod has not are ignored (filterTopologySpreadConstraints): so
    no pod is ever excluded by them, but a label that is another one in each pod leaves each pod alone with itself.
    """
    selector = _selector(constraint.get("labelSelector"))
    of_pod = _OF_POD.get(workload.kind, ())
    added = dict.fromkeys((*_OF_REVISION.get(workload.kind, ()), *of_pod), _UNKNOWN)
    labels = {**_spelt(workload.template_labels), **added}
    keys = {key for key in objects.sequence(constraint, "matchLabelKeys") if isinstance(key, str) and key in labels}
    return selector.matches(labels) and keys.isdisjoint(of_pod) and (bool(keys) or not selector.everything)


def attracts(node: Node, pod: PodSpec) -> bool:
    """Whether nodeSelector and the required node affinity of `pod` let it go to `node`, as RequiredNodeAffinity."""
    if any(node.labels.get(key) != value for key, value in pod.node_selector.items()):
        return False
    terms = _required_terms(pod)
    return terms is None or any(_term_matches(term, node) for term in terms)


def tolerated(node: Node, pod: PodSpec) -> bool:
    """Whether `pod` bears all taints of `node` that keep pods away; a cordon is one."""
    taints = node.taints if node.schedulable else (*node.taints, _CORDON)
    return all(
        taint.effect not in _KEEPS_AWAY or any(_tolerates(toleration, taint) for toleration in pod.tolerations)
        for taint in taints
    )


def confined_to(pod: PodSpec, key: str) -> str | None:
    """The only value of the node label `key` that `pod` lets itself go to, where it says that itself."""
    named = pod.node_selector.get(key)
    if isinstance(named, str):
        return named
    values: set[str] = set()
    for term in _required_terms(pod) or ():
        allowed = [
            frozenset(str(value) for value in objects.sequence(expression, "values"))
            for expression in objects.sequence(term, "matchExpressions")
            if objects.value(expression, "key") == key and objects.value(expression, "operator") == "In"
        ]
        if not allowed:
            return None
        values |= frozenset.intersection(*allowed)
    return values.pop() if len(values) == 1 else None


def _selector(written: Any) -> LabelSelector:
    """The selector that is `written`; one that is absent or cannot be read selects nothing."""
    try:
        return LabelSelector.compile(written if isinstance(written, dict) else None)
    except ValueError:
        return LabelSelector(nothing=True)


def _spelt(labels: Mapping[str, Any]) -> dict[str, str]:
    return {key: value for key, value in labels.items() if isinstance(value, str)}


def _required_terms(pod: PodSpec) -> list[Mapping[str, Any]] | None:
    """The terms of which a node must match one; None where nothing is required. Empty ones match no node."""
    affinity = objects.mapping(pod.affinity, "nodeAffinity")
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not isinstance(required, dict):
        return None
    terms = (term for term in objects.sequence(required, "nodeSelectorTerms") if isinstance(term, dict))
    return [term for term in terms if term.get("matchExpressions") or term.get("matchFields")]


def _term_matches(term: KubeObject, node: Node) -> bool:
    fields = {"metadata.name": node.name}
    return all(_holds(expression, node.labels) for expression in objects.sequence(term, "matchExpressions")) and all(
        _holds(expression, fields) for expression in objects.sequence(term, "matchFields")
    )


def _holds(expression: Any, labels: Labels) -> bool:
    key, operator = objects.value(expression, "key"), objects.value(expression, "operator")
    values = objects.sequence(expression, "values")
    if not isinstance(key, str):
        return False
    there = labels.get(key)
    if operator == "In":
        return there is not None and there in values
    if operator == "NotIn":
        return there is None or there not in values
    if operator in ("Exists", "DoesNotExist"):
        return (there is not None) is (operator == "Exists")
    if operator in ("Gt", "Lt"):
        return _compared(there, values, greater=operator == "Gt")
    return False


def _compared(there: str | None, values: Iterable[Any], *, greater: bool) -> bool:
    try:
        (bound,) = (int(value) for value in values)
        number = int(there or "")
    except (TypeError, ValueError, OverflowError):
        return False
    return number > bound if greater else number < bound


def _tolerates(toleration: KubeObject, taint: Taint) -> bool:
    """As Toleration.ToleratesTaint; the operators Gt and Lt are behind a feature gate and bear nothing here."""
    if toleration.get("effect") not in (None, "", taint.effect) or toleration.get("key") not in (None, "", taint.key):
        return False
    operator = toleration.get("operator")
    if operator in (None, "", "Equal"):
        return str(toleration.get("value") or "") == taint.value
    return bool(operator == "Exists")
