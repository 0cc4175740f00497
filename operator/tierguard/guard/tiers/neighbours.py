"""The workloads of one namespace, indexed by what ties other objects to them.

A review asks "what reads this ConfigMap?" or "what would adopt this pod?" and must not look at every workload for it: a
namespace of thousands costs what one of twenty costs. The index is made once, reviews share it, and it follows the workloads
that change (`State.revisions`); it is made again when anything else changes of which it is made.
"""

import threading
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from operator import is_
from typing import Any, TypeVar

from tierguard.guard.model.answers import Alike, Known, answered
from tierguard.guard.model.by_labels import Pair, is_text
from tierguard.guard.model.objects import Labels
from tierguard.guard.model.once import once
from tierguard.guard.model.references import EVERYTHING
from tierguard.guard.model.scope import GUARDED_TIERS
from tierguard.guard.model.state import UNCHANGED, State, WorkloadKey
from tierguard.guard.model.workload import Workload
from tierguard.guard.tiers.classified import Classified, alone
from tierguard.guard.tiers.filed import Filed
from tierguard.guard.tiers.ties import adopts_by, behind, owners, pairs
from tierguard.labels import LabelSelector

T = TypeVar("T")

MOST_NAMESPACES = 5_000
"""Namespaces whose index is kept. With more, all are made again as they are needed."""
MOST_KNOWN = 1_000
"""Answers of one index that are kept."""
MOST_SERVED = 200
"""Workloads behind one Service that are looked at to tell which freezes select them."""


class Neighbours:
    """The workloads of `namespace`, classified, and what ties to them. Each index is made when it is first asked for.

    `follow` takes a few changed workloads into all of them.
    """

    def __init__(self, namespace: str, labels: Labels, state: State) -> None:
        self.namespace = namespace
        self._labels = labels
        self._following = threading.Lock()
        self._known: Known = {}
        self._alike = Alike(MOST_KNOWN)
        self._services = dict(state.services_in.get(namespace, {}))
        self._pull_secrets = dict(state.pull_secrets_in.get(namespace, {}))
        self._base = {
            (workload.kind, namespace, workload.name): alone(workload, namespace, labels, state)
            for workload in state.in_namespace(namespace)
        }

    def once_for(self, question: Hashable, find: Callable[[], T]) -> T:
        """What `find` says, which goes by this index and the question alone."""
        return answered(self._known, question, (), find, MOST_KNOWN)

    def alike(self, workload: Workload, find: Callable[[], T]) -> T:
        """What `find` says, which goes by this index and by what classifies and ties a `workload` without an owner."""
        marks = (workload.labels, workload.template_labels, workload.claims)
        return self._alike.once_for((workload.kind, workload.name), marks, find)

    @once
    def _members(self) -> dict[WorkloadKey, Classified]:
        return {place: self.beside(subject) for place, subject in self._base.items()}

    @property
    def members(self) -> tuple[Classified, ...]:
        """All workloads of the namespace, with the tier that a Service beside a critical workload gives them."""
        return tuple(self._members.values())

    @property
    def classified(self) -> tuple[Classified, ...]:
        """Those of them that have a tier."""
        return tuple(subject for subject in self.members if subject.tier is not None)

    @once
    def _by_label(self) -> Filed[Pair]:
        return Filed(pairs, self._members)

    @once
    def _base_by_label(self) -> Filed[Pair]:
        return Filed(pairs, self._base)

    def candidates(self, selector: LabelSelector) -> tuple[Classified, ...]:
        """The workloads, classified or not, that are worth trying with `selector`: those with one label that it asks for."""
        if selector.nothing:
            return ()
        return self._by_label.fewest(selector.equal) if selector.equal else self.members

    @once
    def _service_tiers(self) -> dict[str, int | None]:
        """The lowest tier behind each Service, where that is critical: by what workloads are without it."""
        return {name: self._tier_behind(selector) for name, selector in self._services.items()}

    def _tier_behind(self, selector: Labels) -> int | None:
        tiers = (subject.tier for subject in behind(self._base_by_label, selector))
        return min((tier for tier in tiers if tier is not None and tier in GUARDED_TIERS), default=None)

    @once
    def _critical_services(self) -> Mapping[Pair, list[tuple[Labels, int]]]:
        """Services with a critical workload behind them, by one label that they ask for, with its tier."""
        found: dict[Pair, list[tuple[Labels, int]]] = {}
        for name, tier in self._service_tiers.items():
            if tier is not None:  # so all that it asks for is text
                selector = self._services[name]
                found.setdefault(min(selector.items()), []).append((selector, tier))
        return found

    def beside(self, subject: Classified) -> Classified:
        """`subject` with the tier of a critical workload that serves behind the same Service, where that is lower."""
        if subject.tier == 0 or not self._services:
            return subject
        labels = subject.workload.template_labels
        tier = subject.tier
        for pair in labels.items():
            filed = self._critical_services.get(pair, ()) if is_text(pair[1]) else ()
            for selector, found in filed:
                if (tier is None or found < tier) and selector.items() <= labels.items():
                    tier = found
        return subject if tier == subject.tier else replace(subject, tier=tier)

    @once
    def _services_by_label(self) -> Mapping[Pair, list[Labels]]:
        found: dict[Pair, list[Labels]] = {}
        for selector in self._services.values():
            if selector and all(map(is_text, selector.values())):
                found.setdefault(min(selector.items()), []).append(selector)
        return found

    def serving_beside(self, labels: Labels) -> Iterator[Classified]:
        """Classified workloads that serve behind a Service that pods of `labels` serve behind too."""
        if not self._services:
            return
        for pair in labels.items():
            for selector in self._services_by_label.get(pair, ()) if is_text(pair[1]) else ():
                if selector.items() <= labels.items():
                    yield from islice(self.served_by(selector), MOST_SERVED)

    def served_by(self, selector: Labels) -> Iterator[Classified]:
        """The classified workloads behind a Service with that selector; none behind one without."""
        if selector:
            yield from (subject for subject in behind(self._by_label, selector) if subject.tier is not None)

    def selected(self, selector: LabelSelector) -> list[Classified]:
        """The classified workloads whose pods `selector` matches."""
        there = self.candidates(selector)
        return [s for s in there if s.tier is not None and selector.matches(s.workload.template_labels)]

    @once
    def _by_name(self) -> Filed[str]:
        return Filed(lambda subject: (subject.workload.name,), self._members)

    def called(self, name: str) -> list[Workload]:
        """The workloads of that name, of any kind, classified or not."""
        return [subject.workload for subject in self._by_name.under(name)]

    def behind(self, service: str) -> list[Workload]:
        """The workloads behind the Service of that name, classified or not."""
        selector = self._services.get(service)
        return [subject.workload for subject in behind(self._by_label, selector)] if selector else []

    def named(self, kind: str, name: str) -> Classified | None:
        """The workload of that kind and name, if it is there."""
        return self._members.get((kind, self.namespace, name))

    @once
    def _adopters(self) -> Filed[Pair | None]:
        return Filed(adopts_by, self._members)

    def adopters(self, labels: Labels) -> list[Classified]:
        """The classified workloads whose controllers take an object of `labels` for theirs, if nobody owns it."""
        asked: list[Pair | None] = [pair for pair in labels.items() if is_text(pair[1])]
        found = (subject for pair in (*asked, None) for subject in self._adopters.under(pair))
        return [subject for subject in found if subject.workload.selector.matches(labels)]

    @once
    def _read(self) -> Filed[Pair]:
        return Filed(self._reads, self._members)

    def _reads(self, subject: Classified) -> Iterator[Pair]:
        if subject.tier is None:
            return
        for reference in subject.workload.references:
            yield reference
            if reference[0] == "ServiceAccount":
                for secret in self._pull_secrets.get(reference[1], ()):
                    yield "Secret", secret

    def readers(self, kind: str, name: str) -> list[Classified]:
        """The classified workloads whose pods need the ConfigMap, Secret or ServiceAccount of that name."""
        found = (*self._read.under((kind, name)), *self._read.under((kind, EVERYTHING)))
        return list({id(s.workload.raw): s for s in found}.values())

    @once
    def _mounted(self) -> Filed[str]:
        return Filed(lambda subject: subject.workload.claims if subject.tier is not None else (), self._members)

    @once
    def _prefixes(self) -> Filed[str]:
        return Filed(lambda subject: subject.workload.claim_prefixes if subject.tier is not None else (), self._members)

    def users_of_claim(self, claim: str) -> list[Classified]:
        """The classified workloads that mount `claim`, by name or as one made from a StatefulSet's claim templates."""
        prefix, dash, ordinal = claim.rpartition("-")
        makers = self._prefixes.under(prefix + dash) if ordinal.isdecimal() else ()
        return [*self._mounted.under(claim), *self._mounted.under(EVERYTHING), *makers]

    def member_of(self, pod: str) -> Classified | None:
        """The classified StatefulSet whose member a pod of that name is, or would be."""
        name, _, ordinal = pod.rpartition("-")
        found = self.named("StatefulSet", name) if ordinal.isdecimal() else None
        return found if found is not None and found.tier is not None else None

    @once
    def _owned(self) -> Filed[Pair]:
        """By the kind and name of an owner: they have its tier."""
        return Filed(owners, self._base)

    def follow(self, places: Collection[WorkloadKey], state: State) -> bool:
        """Take the workloads at `places` as they are now. False where that changes others too: then all is made again."""
        with self._following:
            if not places:
                return True  # nearly always
            followed = all(self._follow(place, state) for place in places)
            # Others: what was found out before does not get into them.
            self._known, self._alike = {}, Alike(MOST_KNOWN)
            return followed

    def _follow(self, place: WorkloadKey, state: State) -> bool:
        was = self._base.get(place)
        raw = state.workloads_in.get(self.namespace, {}).get(place)
        workload = None if raw is None else state.member(raw)
        now = None if workload is None else alone(workload, self.namespace, self._labels, state)
        kind, _, name = place
        if self._owned.under((kind, name)) or self._moves_services(was, now):
            return False
        self._put(self._base, _OF_BASE, place, now)
        self._put(self._members, _OF_MEMBERS, place, None if now is None else self.beside(now))
        return True

    def _put(
        self, kept: dict[WorkloadKey, Classified], names: Iterable[str], place: WorkloadKey, subject: Classified | None
    ) -> None:
        if subject is not None:
            kept[place] = subject
        else:
            kept.pop(place, None)
        for name in names:
            filed: Filed[Any] | None = self.__dict__.get(name)  # those alone that somebody has asked for
            if filed is not None:
                filed.put(place, subject)

    def _moves_services(self, was: Classified | None, now: Classified | None) -> bool:
        """Whether a Service has another tier when `was` becomes `now`, so that others behind it have."""
        if not self._services:
            return False
        before, after = (None if s is None else (s.tier, s.workload.template_labels) for s in (was, now))
        if before == after:
            return False  # nearly always
        for subject, comes in ((was, False), (now, True)):
            tier = None if subject is None else subject.tier
            if subject is None or tier not in GUARDED_TIERS:
                continue
            labels = subject.workload.template_labels.items()
            behind_it = (name for name, selector in self._services.items() if selector and selector.items() <= labels)
            known = (self._service_tiers[name] for name in behind_it)
            if any((each is None or each > tier) if comes else each == tier for each in known):
                return True
        return False


_OF_BASE = ("_base_by_label", "_owned")
_OF_MEMBERS = ("_by_label", "_by_name", "_adopters", "_read", "_mounted", "_prefixes")


def neighbours(namespace: str, labels: Labels, state: State) -> Neighbours:
    """The index of `namespace`, which has `labels`: the one that is kept, as long as nothing that it is made of changed."""
    if state.revisions is None:
        return Neighbours(namespace, labels, state)  # made by hand, and perhaps changed in place
    revision = state.revisions.get(namespace, UNCHANGED)
    number = revision.number
    # By identity: each of these is replaced as a whole, or followed by its revision.
    made_of = (*state.ties_in(namespace), state.policies, labels)
    kept = state.indexes.get(namespace)
    if kept is not None and all(map(is_, kept[0], made_of)):
        earlier, found = kept[1]
        changed = frozenset() if earlier == number else revision.since(earlier, number)
        if changed is not None and found.follow(changed, state):
            if changed:
                state.indexes[namespace] = (made_of, (number, found))
            return found  # type: ignore[no-any-return]
    if len(state.indexes) >= MOST_NAMESPACES:
        state.indexes.clear()
    made = Neighbours(namespace, labels, state)
    state.indexes[namespace] = (made_of, (number, made))
    return made
