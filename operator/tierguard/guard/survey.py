"""The workloads that are there, judged by the same functions as a change: what the operator's scan is made of."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Self, TypeVar

from tierguard.guard.model.decision import Effect, Finding
from tierguard.guard.model.hold import Hold, Policy
from tierguard.guard.model.once import once
from tierguard.guard.model.state import State
from tierguard.guard.rules.dependencies import places_of_dependencies
from tierguard.guard.rules.evaluate import judge
from tierguard.guard.tiers.classified import Classified
from tierguard.guard.tiers.neighbours import Neighbours, neighbours


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A stored workload, its place, and what the tier rules say about it."""

    classified: Classified
    findings: tuple[Finding, ...]

    def breaks(self, policy: Policy) -> tuple[Finding, ...]:
        """The findings that come from `policy`."""
        return tuple(finding for finding in self.findings if finding.source == policy.source)


T = TypeVar("T")
MOST_KEPT = 1_000
"""Things that are kept of one survey: there are some hundred freezes, windows and policies."""


class Memo:
    """What was worked out about a survey, kept as long as that stands."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[object, Any]] = {}

    def note(self, key: Hashable, source: object) -> None:
        """Take note that something was done, with `source`."""
        self._kept[key] = (source, True)

    def noted(self, key: Hashable, source: object) -> bool:
        """Whether it was done, with the same."""
        known = self._kept.get(key)
        return known is not None and known[0] == source

    def kept(self, key: Hashable, source: object, make: Callable[[], T]) -> T:
        """What `make` makes under `key`: once for each `source`, which is all that it is made of beside the survey."""
        known = self._kept.get(key)
        if known is not None and known[0] == source:
            found: T = known[1]
            return found
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        made = make()
        self._kept[key] = (source, made)
        return made


@dataclass(frozen=True, slots=True)
class Part:
    """The surveyed workloads of one namespace. `named` are other namespaces whose workloads count, too."""

    namespace: str
    surveyed: tuple[Surveyed, ...]
    named: frozenset[str] = frozenset()
    memo: Memo = field(default_factory=Memo, compare=False, repr=False)


class Survey(tuple[Surveyed, ...]):  # noqa: SLOT001 - a tuple can have none
    """All surveyed workloads, and the same by namespace."""

    parts: tuple[Part, ...]
    memo: Memo

    def __new__(cls, parts: Iterable[Part]) -> Self:
        """Put them together."""
        parts = tuple(parts)
        made = super().__new__(cls, [surveyed for part in parts for surveyed in part.surveyed])
        made.parts, made.memo = parts, Memo()
        return made

    @classmethod
    def of(cls, surveyed: Iterable[Surveyed]) -> "Survey":
        """The survey itself, or one of whatever workloads these are."""
        if isinstance(surveyed, cls):
            return surveyed
        by_namespace: dict[str, list[Surveyed]] = {}
        for subject in surveyed:
            by_namespace.setdefault(subject.classified.workload.namespace, []).append(subject)
        return cls(Part(namespace, tuple(found)) for namespace, found in by_namespace.items())


Labelled = tuple[str, tuple[tuple[str, str], ...]]
"""A namespace, and labels as sorted pairs."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is around some workloads, and would act on them.

    `namespaces` that they are in; `read` are the (kind, namespace, name) of the ConfigMaps, Secrets and ServiceAccounts that
    they need; `services` the pods behind the Services that select them; `selectors` what their controllers adopt; `members`
    how the pods of StatefulSets among them are called, up to the ordinal, as `namespace/name-`; `claims` are
    `namespace/claim`, or a prefix of it where an ordinal follows; `scaled` are those that have replicas, as
    `resource/namespace/name`.
    """

    namespaces: frozenset[str] = frozenset()
    read: frozenset[tuple[str, str, str]] = frozenset()
    services: frozenset[Labelled] = frozenset()
    selectors: frozenset[Labelled] = frozenset()
    members: frozenset[str] = frozenset()
    claims: frozenset[str] = frozenset()
    scaled: frozenset[str] = frozenset()


def surroundings(surveyed: Iterable[Surveyed], state: State) -> Surroundings:
    """What surrounds the `surveyed`."""
    namespaces: set[str] = set()
    read: set[tuple[str, str, str]] = set()
    selectors: set[Labelled] = set()
    members: set[str] = set()
    mounted: set[str] = set()
    chosen: set[tuple[str, str, str]] = set()
    scaled: set[str] = set()
    for subject in surveyed:
        workload = subject.classified.workload
        place = workload.namespace
        namespaces.add(place)
        chosen.add(_key(subject.classified))
        if workload.entry.replicas is not None:
            scaled.add(f"{workload.entry.resource}/{place}/{workload.name}")
        for kind, name in workload.references:
            read.add((kind, place, name))
            if kind == "ServiceAccount":
                read |= {("Secret", place, s) for s in state.pull_secrets_in.get(place, {}).get(name, ())}
        if workload.kind not in ("Pod", "CronJob"):
            selectors.add((place, tuple(sorted(workload.selector.equal))))
        if workload.kind == "StatefulSet":
            members.add(f"{place}/{workload.name}-")
        mounted |= {f"{place}/{name}" for name in (*workload.claims, *workload.claim_prefixes)}
    services = {
        (place, tuple(sorted(selector.items())))
        for place in namespaces
        for selector in state.services_in.get(place, {}).values()
        if any(_key(served) in chosen for served in _there(place, state).served_by(selector))
    }
    return Surroundings(
        frozenset(namespaces),
        frozenset(read),
        frozenset(services),
        frozenset(selectors),
        frozenset(members),
        frozenset(mounted),
        frozenset(scaled),
    )


def around_all(surveyed: Iterable[Surveyed], state: State) -> Surroundings:
    """As `surroundings`; what is around the workloads of a namespace is kept as long as its survey stands."""
    survey = Survey.of(surveyed)

    def together() -> Surroundings:
        return _joined(around_part(part, state) for part in survey.parts)

    return survey.memo.kept("around", None, together)


def around_part(part: Part, state: State) -> Surroundings:
    """The same of one namespace."""
    return part.memo.kept("around", None, lambda: surroundings(part.surveyed, state))


def _joined(found: Iterable[Surroundings]) -> Surroundings:
    several = tuple(found)
    names = [each.name for each in fields(Surroundings)]
    return Surroundings(**{name: frozenset().union(*(getattr(one, name) for one in several)) for name in names})


class Selection:
    """Surveyed workloads and what is around them; what is around those that one freeze selects. Each is worked out once."""

    def __init__(self, surveyed: Sequence[Surveyed], state: State) -> None:
        self.surveyed = surveyed
        self.state = state

    @once
    def around(self) -> Surroundings:
        """What is around all of them."""
        return around_all(self.surveyed, self.state)

    def around_those_of(self, hold: Hold) -> Surroundings:
        """What is around those that `hold` selects."""
        selected = selected_by(hold, self.surveyed)
        memo = Survey.of(self.surveyed).memo
        return memo.kept(("around", hold.source), hold, lambda: surroundings(selected, self.state))


def _there(namespace: str, state: State) -> Neighbours:
    return neighbours(namespace, state.namespaces.get(namespace, {}), state)


def survey(state: State, now: datetime) -> Survey:
    """All workloads that anything classifies, in a stable order."""
    return Survey(survey_namespace(namespace, state, now) for namespace in sorted(state.workloads_in))


def survey_namespace(namespace: str, state: State, now: datetime) -> Part:
    """Those of one namespace, in a stable order."""
    labels = state.namespaces.get(namespace)
    if labels is None:
        return Part(namespace, ())  # it is on its way out, or not seen yet: the next survey will tell
    found: list[Surveyed] = []
    named: set[str] = set()
    for classified in neighbours(namespace, labels, state).classified:
        # Every policy counts by itself here, so nothing is merged: each one's status speaks for that policy.
        found.append(Surveyed(classified, tuple(_by_policy(classified, state, now))))
        named |= places_of_dependencies(classified.workload)
    found.sort(key=lambda surveyed: _key(surveyed.classified))
    return Part(namespace, tuple(found), frozenset(named - {namespace}))


def _by_policy(classified: Classified, state: State, now: datetime) -> Iterator[Finding]:
    for policy in classified.policies:
        alone = replace(classified, policies=(policy,))
        yield from judge(alone, None, state, now, Effect.DENY).findings


def _key(classified: Classified) -> tuple[str, str, str]:
    workload = classified.workload
    return (workload.namespace, workload.kind, workload.name)


def selected_by(hold: Hold, surveyed: Iterable[Surveyed]) -> tuple[Surveyed, ...]:
    """Those of `surveyed` that `hold` selects."""
    survey = Survey.of(surveyed)
    return survey.memo.kept(("selected", hold.source), hold, lambda: _selected(hold, survey))


def _selected(hold: Hold, survey: Survey) -> tuple[Surveyed, ...]:
    found: list[Surveyed] = []
    for part in survey.parts:
        # The workloads of one namespace have the same labels of it; most freezes mean few namespaces.
        if part.surveyed and hold.scope.namespaces.matches(part.surveyed[0].classified.namespace_labels):
            found += (s for s in part.surveyed if s.classified.selected_by(hold))
    return tuple(found)
