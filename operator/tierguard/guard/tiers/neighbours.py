"""The workloads of one namespace, indexed by what ties other objects to them.

A review asks "what reads this ConfigMap?" or "what would adopt this pod?" and must not look at every workload for it: a
namespace of thousands costs what one of twenty costs. The index is made once for each version of what it is made of
(`State.revisions`), and reviews share it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Generic, TypeVar

from tierguard.guard.model import objects
from tierguard.guard.model.objects import Labels
from tierguard.guard.model.once import once
from tierguard.guard.model.references import EVERYTHING, claim_prefixes, claims, references
from tierguard.guard.model.scope import GUARDED_TIERS
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import JOB_NAME, Workload
from tierguard.guard.tiers.classified import Classified, alone
from tierguard.labels import LabelSelector

Pair = tuple[str, str]

MOST_NAMESPACES = 5_000
"""Namespaces whose index is kept. With more, all are made again as they are needed."""
MOST_SERVED = 200
"""Workloads behind one Service that are looked at to tell which freezes select them."""


T = TypeVar("T")


class ByLabels(Generic[T]):
    """Selectors, found by the labels that they select: each is filed under one label that it asks for."""

    def __init__(self, entries: Iterable[tuple[LabelSelector, T]]) -> None:
        self._filed: dict[Pair, list[tuple[LabelSelector, T]]] = {}
        self._others: list[tuple[LabelSelector, T]] = []
        for selector, subject in entries:
            if selector.nothing:
                continue
            place = self._filed.setdefault(min(selector.equal), []) if selector.equal else self._others
            place.append((selector, subject))

    def selecting(self, labels: Labels) -> Iterator[T]:
        """The subjects whose selectors match `labels`."""
        for pair in labels.items():
            if _is_text(pair[1]):
                for selector, subject in self._filed.get(pair, ()):
                    if selector.matches(labels):
                        yield subject
        for selector, subject in self._others:
            if selector.matches(labels):
                yield subject


class Neighbours:
    """The workloads of `namespace`, classified, and what ties to them. Each index is made when it is first asked for."""

    def __init__(self, namespace: str, labels: Labels, state: State) -> None:
        self.namespace = namespace
        self._services = dict(state.services_in.get(namespace, {}))
        self._pull_secrets = dict(state.pull_secrets_in.get(namespace, {}))
        self._base = tuple(alone(workload, namespace, labels, state) for workload in state.in_namespace(namespace))

    @once
    def members(self) -> tuple[Classified, ...]:
        """All workloads of the namespace, with the tier that a Service beside a critical workload gives them."""
        return tuple(self.beside(subject) for subject in self._base)

    @once
    def classified(self) -> tuple[Classified, ...]:
        """Those of them that have a tier."""
        return tuple(subject for subject in self.members if subject.tier is not None)

    @once
    def _members_by_label(self) -> Mapping[Pair, list[int]]:
        found: dict[Pair, list[int]] = {}
        for index, subject in enumerate(self._base):
            pairs = list(subject.workload.template_labels.items())
            if subject.workload.kind in ("Job", "CronJob"):
                pairs.append((JOB_NAME, subject.workload.name))
            for pair in pairs:
                if _is_text(pair[1]):
                    found.setdefault(pair, []).append(index)
        return found

    def candidates(self, selector: LabelSelector) -> list[Classified]:
        """The workloads, classified or not, that are worth trying with `selector`: those with one label that it asks for."""
        if selector.nothing:
            return []
        if not selector.equal:
            return list(self.members)
        filed = min((self._members_by_label.get(pair, []) for pair in selector.equal), key=len)
        return [self.members[index] for index in filed]

    def _behind(self, selector: Labels) -> Iterator[int]:
        """The numbers of the members whose pods have all labels of `selector`, which is a plain map."""
        if not all(map(_is_text, selector.values())):
            return
        filed = min((self._members_by_label.get(pair, []) for pair in selector.items()), key=len, default=[])
        for index in filed:
            if selector.items() <= self._base[index].workload.template_labels.items():
                yield index

    @once
    def _services_by_label(self) -> Mapping[Pair, list[tuple[Labels, int]]]:
        """Services with a critical workload behind them, by one label that they ask for, with its tier."""
        found: dict[Pair, list[tuple[Labels, int]]] = {}
        for selector in self._services.values():
            tiers = (self._base[index].tier for index in self._behind(selector))
            known = [tier for tier in tiers if tier is not None and tier in GUARDED_TIERS]
            if known:  # so all that it asks for is text
                found.setdefault(min(selector.items()), []).append((selector, min(known)))
        return found

    def beside(self, subject: Classified) -> Classified:
        """`subject` with the tier of a critical workload that serves behind the same Service, where that is lower."""
        if subject.tier == 0 or not self._services:
            return subject
        labels = subject.workload.template_labels
        tier = subject.tier
        for pair in labels.items():
            filed = self._services_by_label.get(pair, ()) if _is_text(pair[1]) else ()
            for selector, found in filed:
                if (tier is None or found < tier) and selector.items() <= labels.items():
                    tier = found
        return subject if tier == subject.tier else replace(subject, tier=tier)

    @once
    def _behind_services(self) -> ByLabels[Classified]:
        entries = []
        for selector in self._services.values():
            if selector and (served := self.served_by(selector)):
                compiled = LabelSelector(equal=tuple((str(key), str(value)) for key, value in selector.items()))
                entries += [(compiled, subject) for subject in served[:MOST_SERVED]]
        return ByLabels(entries)

    def serving_beside(self, labels: Labels) -> Iterator[Classified]:
        """Classified workloads that serve behind a Service that pods of `labels` serve behind too."""
        return self._behind_services.selecting(labels)

    def served_by(self, selector: Labels) -> list[Classified]:
        """The classified workloads behind a Service with that selector; none behind one without."""
        if not selector:
            return []
        return [self.members[index] for index in self._behind(selector) if self.members[index].tier is not None]

    def selected(self, selector: LabelSelector) -> list[Classified]:
        """The classified workloads whose pods `selector` matches."""
        there = self.candidates(selector)
        return [s for s in there if s.tier is not None and selector.matches(s.workload.template_labels)]

    @once
    def _named(self) -> Mapping[Pair, Classified]:
        return {(subject.workload.kind, subject.workload.name): subject for subject in self.members}

    @once
    def _by_name(self) -> Mapping[str, list[Workload]]:
        found: dict[str, list[Workload]] = {}
        for subject in self._base:
            found.setdefault(subject.workload.name, []).append(subject.workload)
        return found

    def called(self, name: str) -> list[Workload]:
        """The workloads of that name, of any kind, classified or not."""
        return self._by_name.get(name, [])

    def behind(self, service: str) -> list[Workload]:
        """The workloads behind the Service of that name, classified or not."""
        selector = self._services.get(service)
        return [self._base[index].workload for index in self._behind(selector)] if selector else []

    def named(self, kind: str, name: str) -> Classified | None:
        """The workload of that kind and name, if it is there."""
        return self._named.get((kind, name))

    @once
    def _adopters(self) -> ByLabels[Classified]:
        found = (s for s in self.classified if s.workload.kind not in ("Pod", "CronJob"))
        return ByLabels((selector_of(s.workload), s) for s in found)

    def adopters(self, labels: Labels) -> list[Classified]:
        """The classified workloads whose controllers take an object of `labels` for theirs, if nobody owns it."""
        return list(self._adopters.selecting(labels))

    @once
    def _read(self) -> Mapping[Pair, list[Classified]]:
        found: dict[Pair, list[Classified]] = {}
        for subject in self.classified:
            for reference in references(subject.workload.pod_spec):
                found.setdefault(reference, []).append(subject)
                if reference[0] == "ServiceAccount":
                    for secret in self._pull_secrets.get(reference[1], ()):
                        found.setdefault(("Secret", secret), []).append(subject)
        return found

    def readers(self, kind: str, name: str) -> list[Classified]:
        """The classified workloads whose pods need the ConfigMap, Secret or ServiceAccount of that name."""
        found = (*self._read.get((kind, name), ()), *self._read.get((kind, EVERYTHING), ()))
        return list({id(s.workload.raw): s for s in found}.values())

    @once
    def _mounted(self) -> Mapping[str, list[Classified]]:
        found: dict[str, list[Classified]] = {}
        for subject in self.classified:
            for claim in claims(subject.workload):
                found.setdefault(claim, []).append(subject)
        return found

    @once
    def _prefixes(self) -> Mapping[str, Classified]:
        return {prefix: s for s in self.classified for prefix in claim_prefixes(s.workload)}

    def users_of_claim(self, claim: str) -> list[Classified]:
        """The classified workloads that mount `claim`, by name or as one made from a StatefulSet's claim templates."""
        found = [*self._mounted.get(claim, ()), *self._mounted.get(EVERYTHING, ())]
        prefix, dash, ordinal = claim.rpartition("-")
        maker = self._prefixes.get(prefix + dash) if ordinal.isdecimal() else None
        return found if maker is None else [*found, maker]

    def member_of(self, pod: str) -> Classified | None:
        """The classified StatefulSet whose member a pod of that name is, or would be."""
        name, _, ordinal = pod.rpartition("-")
        found = self._named.get(("StatefulSet", name)) if ordinal.isdecimal() else None
        return found if found is not None and found.tier is not None else None


def _is_text(value: object) -> bool:
    """Files on the command line may have anything for a label; what is no text is none that a selector asks for."""
    return isinstance(value, str)


def selector_of(workload: Workload) -> LabelSelector:
    """The pods that a workload's controller takes for its own; for what has no selector, those of its template's labels."""
    written = objects.mapping(workload.raw, "spec", "selector")
    if not written:
        labels = workload.template_labels
        return LabelSelector.compile({"matchLabels": dict(labels)}) if labels else LabelSelector(nothing=True)
    try:
        # A ReplicationController's is a plain map of labels.
        plain = workload.kind == "ReplicationController"
        return LabelSelector.compile({"matchLabels": dict(written)} if plain else written)
    except ValueError:
        return LabelSelector(nothing=True)


def neighbours(namespace: str, labels: Labels, state: State) -> Neighbours:
    """The index of `namespace`, which has `labels`: the one that is kept, as long as nothing that it is made of changed."""
    if state.revisions is None:
        return Neighbours(namespace, labels, state)  # made by hand, and perhaps changed in place
    made_of = (
        state.revisions.get(namespace, 0),
        state.workloads_in.get(namespace),
        state.services_in.get(namespace),
        state.pull_secrets_in.get(namespace),
        state.policies,
        labels,
    )
    kept = state.indexes.get(namespace)
    if kept is not None and kept[0][0] == made_of[0] and all(map(_same, kept[0][1:], made_of[1:])):
        found: Neighbours = kept[1]
        return found
    if len(state.indexes) >= MOST_NAMESPACES:
        state.indexes.clear()
    made = Neighbours(namespace, labels, state)
    state.indexes[namespace] = (made_of, made)
    return made


def _same(one: object, other: object) -> bool:
    """By identity: each of these is replaced as a whole, or counted by a revision."""
    return one is other
