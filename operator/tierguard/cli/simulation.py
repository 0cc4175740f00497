"""What goes when nodes go: in a drain, which asks the budgets, and with a zone, which asks nobody. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tierguard.disruption import Allowance, Budget, Controller, Eviction, Expected, eviction, expected
from tierguard.guard.model import objects
from tierguard.guard.model.change import being_deleted
from tierguard.guard.model.facts import Node, PlacedPod
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.rules.topology import attracts, tolerated
from tierguard.guard.tiers.classify import Classified, classify

_LONGEST = 63


class Verdict(StrEnum):
    """What happens to a workload."""

    PASSES = "Passes"
    """The drain takes its pods at once, and others are left."""
    WAITS = "Waits"
    """The drain takes one after the other, as replacements become ready."""
    BLOCKED = "Blocked"
    """The drain never ends."""
    KEEPS = "Keeps"
    """Enough is left."""
    DROPS = "Drops"
    """Fewer pods are left ready than its budget wants."""
    GONE = "Gone"
    """No ready pod is left."""


BAD = frozenset({Verdict.BLOCKED, Verdict.DROPS, Verdict.GONE})
"""What somebody has to see to beforehand."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget as it stands: the pods that it covers, what it asks for, and how many it covers when all are there."""

    budget: Budget
    covered: tuple[PlacedPod, ...]
    expected: Expected
    whole: int

    def left(self, nodes: frozenset[str]) -> int:
        """How many of its pods are ready when those on `nodes` are not counted."""
        return sum(pod.ready and pod.node not in nodes for pod in self.covered)

    def allowed(self, healthy: int) -> int:
        """How many it lets go when that many are ready."""
        return max(0, healthy - self.expected.desired_healthy) if self.expected.pods > 0 else 0


@dataclass(frozen=True, slots=True)
class Loss:
    """What happens to one workload: how many pods go, how many are ready before and after, what budgets say."""

    subject: Classified
    gone: int
    ready: int
    after: int
    standings: tuple[Standing, ...]
    verdict: Verdict
    says: str


@dataclass(frozen=True, slots=True)
class Placement:
    """The pods of each workload, and the budgets that cover them, as they are now.

    `told` are what the disruption controller made of budgets, by namespace and name: it knows more than the listed kinds.
    """

    state: State
    told: Mapping[tuple[str, str], Expected]

    def drain(self, nodes: frozenset[str], *, all_tiers: bool = False) -> tuple[Loss, ...]:
        """What a drain of `nodes`, all of them cordoned first, does to the workloads with pods there.

        Pods of DaemonSets stay (--ignore-daemonsets). Whether there is room for the replacements nobody knows; whether any
        other node may take them, by its labels and taints, is looked at.
        """
        return tuple(
            self._drained(subject, pods, nodes)
            for subject, pods in self._subjects(nodes, all_tiers=all_tiers)
            if subject.workload.kind != "DaemonSet"
        )

    def loss(self, nodes: frozenset[str], *, all_tiers: bool = False) -> tuple[Loss, ...]:
        """What is left of the workloads with pods on `nodes` when these are gone, before anything is replaced."""
        return tuple(self._lost(subject, pods, nodes) for subject, pods in self._subjects(nodes, all_tiers=all_tiers))

    def _subjects(
        self, nodes: frozenset[str], *, all_tiers: bool
    ) -> Iterator[tuple[Classified, tuple[PlacedPod, ...]]]:
        for namespace in sorted(self.state.pods_in):
            labels = self.state.namespaces.get(namespace, {})
            for workload, pods in _groups(namespace, self.state):
                if any(pod.node in nodes for pod in pods):
                    subject = classify(workload, namespace, labels, self.state)
                    if subject.critical or (all_tiers and subject.tier is not None):
                        yield subject, pods

    def _standings(self, namespace: str, pods: Iterable[PlacedPod]) -> tuple[Standing, ...]:
        """The budgets that cover any of `pods`, by name."""
        labels = [pod.labels for pod in pods]
        covering = (b for b in self.state.budgets(namespace) if any(b.selects(each) for each in labels))
        return tuple(self._standing(budget) for budget in sorted(covering, key=lambda budget: budget.name))

    def _standing(self, budget: Budget) -> Standing:
        everything = self.state.pods_in.get(budget.namespace, {}).values()
        covered = tuple(pod for pod in everything if budget.selects(pod.labels))
        controllers = _controllers(budget.namespace, covered, self.state)
        wanted = self.told.get((budget.namespace, budget.name)) or expected(budget, controllers, len(covered))
        # Of an integer minAvailable the pods that are there are expected, be they too many or too few just now.
        counted = budget.max_unavailable is None and isinstance(budget.min_available, int)
        alone = sum(not pod.owner for pod in covered)
        whole = alone + sum(controller.replicas for controller in controllers)
        return Standing(budget, covered, wanted, whole if counted else wanted.pods)

    def _drained(self, subject: Classified, pods: tuple[PlacedPod, ...], nodes: frozenset[str]) -> Loss:
        there = [pod for pod in pods if pod.node in nodes]
        standings = self._standings(subject.workload.namespace, there)
        elsewhere = any(_takes(node, subject.workload) for node in self.state.nodes.values() if node.name not in nodes)
        ready = sum(pod.ready for pod in pods)
        after = ready - sum(pod.ready for pod in there)
        if not any(pod.owner for pod in there):
            verdict, says = Verdict.BLOCKED, "nothing controls it: a drain refuses, and --force deletes it for good"
        elif len(standings) > 1:
            names = objects.printable(", ".join(standing.budget.name for standing in standings), _LONGEST)
            verdict, says = Verdict.BLOCKED, f"{len(standings)} budgets cover its pods ({names}): every eviction fails"
        elif standings:
            some_ready = any(pod.ready for pod in there)
            verdict, says = _asked(standings[0], nodes, some_ready=some_ready, elsewhere=elsewhere)
        elif ready and not after:
            verdict, says = Verdict.GONE, "no budget: every ready pod goes at once"
        else:
            verdict, says = Verdict.PASSES, "no budget: they go at once"
        if verdict in (Verdict.PASSES, Verdict.GONE) and not elsewhere:
            says += "; no other node takes replacements"
        return Loss(subject, len(there), ready, after, standings, verdict, says)

    def _lost(self, subject: Classified, pods: tuple[PlacedPod, ...], nodes: frozenset[str]) -> Loss:
        standings = self._standings(subject.workload.namespace, pods)
        gone = sum(pod.node in nodes for pod in pods)
        ready = sum(pod.ready for pod in pods)
        after = sum(pod.ready and pod.node not in nodes for pod in pods)
        short = [s for s in standings if s.expected.reason is None and s.left(nodes) < s.expected.desired_healthy]
        if not after:
            verdict, says = Verdict.GONE, "no ready pod is left"
        elif short:
            left, name = short[0].left(nodes), objects.printable(short[0].budget.name, _LONGEST)
            verdict, says = Verdict.DROPS, f"{left} left, {name} wants {short[0].expected.desired_healthy}"
        else:
            verdict, says = Verdict.KEEPS, "enough is left" if standings else "no budget says how many are enough"
        return Loss(subject, gone, ready, after, standings, verdict, says)


def told_by(budget: KubeObject) -> Expected | None:
    """What the disruption controller made of a stored budget; None where it has not seen it as it is now."""
    status = objects.mapping(budget, "status")
    if not status or status.get("observedGeneration") != objects.value(budget, "metadata", "generation"):
        return None
    pods, desired = status.get("expectedPods"), status.get("desiredHealthy")
    if not isinstance(pods, int) or not isinstance(desired, int):
        return None
    for condition in objects.sequence(status, "conditions"):
        if objects.value(condition, "reason") == "SyncFailed":
            return Expected(0, 0, objects.printable(str(objects.value(condition, "message") or "SyncFailed"), 160))
    return Expected(pods, desired)


def owners_of(namespace: str, state: State) -> dict[str, tuple[str, str]]:
    """By the uid of what controls a pod, the kind and name of the workload that the pod is of: a ReplicaSet's Deployment."""
    known = [Workload.of(raw) for raw in state.workloads_in.get(namespace, {}).values()]
    own = {objects.uid(w.raw): w for w in known if w is not None and objects.uid(w.raw)}
    found: dict[str, tuple[str, str]] = {}
    for uid, workload in own.items():
        parent = own.get(str((objects.controller_of(workload.raw) or {}).get("uid") or ""), workload)
        found[uid] = (parent.kind, parent.name)
    return found


def _groups(namespace: str, state: State) -> Iterator[tuple[Workload, tuple[PlacedPod, ...]]]:
    """The workloads of `namespace` and their pods; those of a controller that is not known go by the name of the first."""
    owners = owners_of(namespace, state)
    pods: dict[tuple[str, str], list[PlacedPod]] = {}
    for _, pod in sorted(state.pods_in.get(namespace, {}).items()):
        pods.setdefault(owners.get(pod.owner, ("Pod", pod.owner or pod.name)), []).append(pod)
    for (kind, name), mine in sorted(pods.items()):
        workload = state.workload(kind, namespace, name) or _standing_for(mine[0])
        if workload is not None:
            yield workload, tuple(mine)


def _standing_for(pod: PlacedPod) -> Workload | None:
    metadata = {"name": pod.name, "namespace": pod.namespace, "labels": dict(pod.labels)}
    return Workload.of({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})


def _controllers(namespace: str, pods: Iterable[PlacedPod], state: State) -> list[Controller]:
    """The distinct controllers of `pods`. One of a kind that is not listed counts as wanting the pods that it has."""
    owners = owners_of(namespace, state)
    counts: dict[tuple[str, str], int] = {}
    for pod in pods:
        if pod.owner:
            key = owners.get(pod.owner, ("", pod.owner))
            counts[key] = counts.get(key, 0) + 1
    found = []
    for (kind, name), count in sorted(counts.items()):
        workload = state.workload(kind, namespace, name)
        replicas = None if workload is None or being_deleted(workload.raw) else workload.replicas
        has_scale = kind != "DaemonSet" if workload is None else workload.entry.replicas is not None
        found.append(Controller(kind, count if replicas is None else max(0, replicas), has_scale))
    return found


def _takes(node: Node, workload: Workload) -> bool:
    return attracts(node, workload.pod) and tolerated(node, workload.pod)


def _asked(standing: Standing, nodes: frozenset[str], *, some_ready: bool, elsewhere: bool) -> tuple[Verdict, str]:
    """The verdict of a single budget about a drain of `nodes`. `some_ready` says whether any of its pods is ready."""
    name, wanted = objects.printable(standing.budget.name, _LONGEST), standing.expected
    healthy = standing.left(frozenset())
    going, allowed = healthy - standing.left(nodes), standing.allowed(healthy)
    at_best = standing.allowed(standing.whole)
    allowance = Allowance(allowed, healthy, wanted.desired_healthy, wanted.pods, wanted.reason)
    if not some_ready and eviction(((standing.budget, allowance),), ready=False) is Eviction.ALLOWED:
        return Verdict.PASSES, f"none of them is ready, and {name} lets them go"
    if 0 < going <= allowed:
        return Verdict.PASSES, f"{name} lets {allowed} go at once"
    if wanted.reason is not None:
        return Verdict.BLOCKED, f"{name} cannot be computed: {objects.printable(wanted.reason, 120)}"
    if at_best < 1 or not elsewhere:
        why = "even when all are ready" if at_best < 1 else "and no other node takes replacements"
        return Verdict.BLOCKED, f"{name} lets {allowed or 'no'} pod{'s' if allowed > 1 else ''} go, {why}"
    missing = wanted.desired_healthy + 1 - healthy
    how = f"{at_best} at a time, as replacements become ready"
    return Verdict.WAITS, f"{name} lets {how}" if allowed else f"until {missing} more are ready, then {how}"
