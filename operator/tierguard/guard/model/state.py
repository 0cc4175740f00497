"""What a decision knows of the cluster: plain containers that an adapter keeps, each value replaced as a whole.

The webhook fills one from its watches, the command line from files, a test by hand. Readers run beside the writer: they
take each container once, and every container here is only ever changed by swapping one value for another.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tierguard.disruption import Budget
from tierguard.guard.model import objects
from tierguard.guard.model.answers import Known, answered
from tierguard.guard.model.facts import AUTOSCALER_KINDS, Autoscaler, Node, PlacedPod
from tierguard.guard.model.hold import Hold, Policy
from tierguard.guard.model.identities import Identities
from tierguard.guard.model.objects import KubeObject, Labels
from tierguard.guard.model.workload import Workload
from tierguard.labels import LabelSelector

BUDGET, NETWORK_POLICY = "PodDisruptionBudget", "NetworkPolicy"

WorkloadKey = tuple[str, str, str]
"""Kind, namespace, name."""


@dataclass(frozen=True, slots=True)
class Instead:
    """A budget, autoscaler or NetworkPolicy as it would be, in the place of the stored one of that name; None: gone."""

    kind: str
    namespace: str
    name: str
    value: Budget | Autoscaler | LabelSelector | None


class Revision:
    """How often the workloads of a namespace changed, and which of them did lately. One thread a kind of workload writes."""

    def __init__(self) -> None:
        self._writing = threading.Lock()
        self._said: tuple[int, tuple[WorkloadKey, ...]] = (0, ())

    @property
    def number(self) -> int:
        """How often."""
        return self._said[0]

    def note(self, place: WorkloadKey) -> None:
        """Something is at `place` that was not, or the other way round."""
        with self._writing:
            number, lately = self._said
            self._said = (number + 1, (*lately[1 - MOST_LATELY :], place))

    def since(self, earlier: int, number: int) -> frozenset[WorkloadKey] | None:
        """What changed after change `earlier`, up to `number` or later; None where that is not known any more."""
        if earlier == number:
            return frozenset()
        last, lately = self._said
        missed = last - earlier
        return frozenset(lately[-missed:]) if 0 < missed <= len(lately) else None


MOST_LATELY = 256
"""Changes of a namespace's workloads that are remembered one by one. After more, all that was worked out is made again."""
MOST_INDEXES = 50_000
"""Indexes that are kept: several of each namespace."""
UNCHANGED = Revision()
"""Of a namespace in which nothing has changed yet."""


@dataclass(slots=True)
class State:
    """The cluster as far as decisions go.

    `namespaces` maps a namespace to its labels; `workloads_in` a namespace to its workloads by (kind, namespace, name);
    `budgets_in` a namespace to its disruption budgets; `available` a workload's uid to the instants at which its
    templates, by hash, were first seen available: the rollback record.
    """

    freezes: tuple[Hold, ...] = ()
    windows: tuple[Hold, ...] = ()
    policies: tuple[Policy, ...] = ()
    namespaces: dict[str, Labels] = field(default_factory=dict)
    workloads_in: dict[str, dict[WorkloadKey, KubeObject]] = field(default_factory=dict)
    budgets_in: dict[str, tuple[Budget, ...]] = field(default_factory=dict)
    available: Mapping[str, Mapping[str, datetime]] = field(default_factory=dict)
    identities: Identities = field(default_factory=Identities)
    announced: set[str] = field(default_factory=set)
    """Namespaces whose deletion was announced, which covers what is in them."""
    services_in: dict[str, dict[str, Labels]] = field(default_factory=dict)
    """By namespace, the pod selectors of its Services, by name; those without a selector are left out."""
    immutable_tags: tuple[str, ...] = ()
    """Prefixes of images whose tags the registry never moves."""

    autoscalers_in: dict[str, dict[str, Autoscaler]] = field(default_factory=dict)
    """By namespace and `Kind/name`."""
    network_policies_in: dict[str, dict[str, LabelSelector]] = field(default_factory=dict)
    """By namespace and name, the pods that each NetworkPolicy selects."""
    nodes: dict[str, Node] = field(default_factory=dict)
    """Empty where nobody watches nodes: the webhook and the command line judge no placement."""
    pods_in: dict[str, dict[str, PlacedPod]] = field(default_factory=dict)
    """By namespace and name; empty where nobody watches pods."""
    pull_secrets_in: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict)
    """By namespace and ServiceAccount, the Secrets with which its pods pull their images."""
    revisions: dict[str, Revision] | None = None
    """By namespace, how often its workloads changed, and which did lately. None for a state that somebody may change in
    place: nothing that is worked out from one is kept."""
    indexes: Known = field(default_factory=dict)
    """What was worked out, with what it was worked out from (`tiers.neighbours`, `indexed`)."""

    instead: Instead | None = None
    """What a decision puts in the place of one stored object, without a copy of all others."""

    def with_these_declarations(self) -> "State":
        """The same cluster, which goes on changing, with the freezes, windows, policies and namespaces that there are now.

        What is worked out over a while is so worked out for the same declarations from beginning to end. And a namespace
        that comes meanwhile is not taken for one whose workloads were looked at.
        """
        return replace(self, namespaces=dict(self.namespaces))

    def put_instead(self, kind: str, namespace: str) -> Instead | None:
        """What is in the place of one of the stored objects of `kind` in `namespace`."""
        found = self.instead
        return found if found is not None and (found.kind, found.namespace) == (kind, namespace) else None

    def ties_in(self, namespace: str) -> tuple[object, ...]:
        """What ties objects of `namespace` to each other: its workloads, Services, and Secrets for pulling images."""
        return self.workloads_in.get(namespace), self.services_in.get(namespace), self.pull_secrets_in.get(namespace)

    def indexed(self, key: tuple[str, str], source: Any, make: Callable[[Any], Any]) -> Any:
        """`make(source)`, kept under `key` as long as `source` is the same object."""
        if self.revisions is None:
            return make(source)
        return answered(self.indexes, key, (source,), lambda: make(source), MOST_INDEXES)

    def workload(self, kind: str, namespace: str, name: str) -> Workload | None:
        """The workload of that name, if it is known."""
        raw = self.workloads_in.get(namespace, {}).get((kind, namespace, name))
        return None if raw is None else Workload.of(raw)

    def owner_of(self, obj: KubeObject, namespace: str) -> Workload | None:
        """The workload that owns `obj`, if it is known and is indeed the one meant (its uid fits).

        Not only the controlling one: `kubectl create job --from` makes a CronJob a mere owner of the Job.
        """
        for reference in objects.owners(obj):
            kind, name = str(objects.value(reference, "kind")), str(objects.value(reference, "name"))
            owner = self.workload(kind, namespace, name)
            if owner is not None and objects.uid(owner.raw) == objects.value(reference, "uid"):
                return owner
        return None

    def in_namespace(self, namespace: str) -> Iterator[Workload]:
        """The workloads of `namespace`, without what a workload's controller made (a Deployment's ReplicaSets).

        A Deployment or StatefulSet that some operator's own resource controls is a workload like any other.
        """
        for raw in tuple(self.workloads_in.get(namespace, {}).values()):
            if (found := self.member(raw)) is not None:
                yield found

    @staticmethod
    def member(raw: KubeObject) -> Workload | None:
        """The workload in `raw`, if it is one that `in_namespace` tells of."""
        found = Workload.of(raw)
        if found is not None and found.entry.made_by_controllers and objects.controller_of(raw) is not None:
            return None
        return found

    def everything(self) -> Iterator[Workload]:
        """The same of all namespaces."""
        for namespace in tuple(self.workloads_in):
            yield from self.in_namespace(namespace)

    def autoscalers_of(self, workload: Workload) -> list[Autoscaler]:
        """All that scale `workload`."""
        there = self.autoscalers_in.get(workload.namespace) or {}
        aim = (workload.kind, workload.name)
        by_target = self.indexed(("autoscalers", workload.namespace), there, _by_target)
        found: list[Autoscaler] = by_target.get(aim, [])
        for kind in AUTOSCALER_KINDS:
            if (other := self.put_instead(kind, workload.namespace)) is not None:
                found = [known for known in found if (known.kind, known.name) != (kind, other.name)]
                if isinstance(other.value, Autoscaler) and other.value.target == aim:
                    found.append(other.value)
        return found

    def autoscaler_of(self, workload: Workload) -> Autoscaler | None:
        """What scales `workload`; of several the one that leaves the fewest pods."""
        if self.instead is None and not self.autoscalers_in.get(workload.namespace):
            return None
        found = self.autoscalers_of(workload)
        return min(found, key=lambda autoscaler: (autoscaler.minimum, autoscaler.name), default=None)

    def least_replicas(self, workload: Workload) -> int | None:
        """The fewest pods that `workload` may come to: its autoscaler's minimum, else its replicas (absent: one).

        None for kinds that are not counted.
        """
        if workload.replicas is None:
            return None
        autoscaler = self.autoscaler_of(workload)
        return workload.replicas if autoscaler is None else autoscaler.minimum

    def budgets(self, namespace: str) -> Iterable[Budget]:
        """The disruption budgets of `namespace`."""
        found = self.budgets_in.get(namespace, ())
        other = self.put_instead(BUDGET, namespace)
        if other is None:
            return found
        mine = (other.value,) if isinstance(other.value, Budget) else ()
        return (*(budget for budget in found if budget.name != other.name), *mine)


def _by_target(autoscalers: dict[str, Autoscaler]) -> dict[tuple[str, str], list[Autoscaler]]:
    found: dict[tuple[str, str], list[Autoscaler]] = {}
    for autoscaler in tuple(autoscalers.values()):
        found.setdefault(autoscaler.target, []).append(autoscaler)
    return found
