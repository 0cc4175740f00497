"""The workloads that are there, judged by the same functions as a change: what the operator's scan is made of."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tierguard.guard.model.decision import Effect, Finding
from tierguard.guard.model.hold import Hold, Policy
from tierguard.guard.model.once import once
from tierguard.guard.model.state import State
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


class Selection:
    """Surveyed workloads and what is around them; what is around those that one freeze selects. Each is worked out once."""

    def __init__(self, surveyed: Sequence[Surveyed], state: State) -> None:
        self.surveyed = surveyed
        self.state = state
        self._by_freeze: dict[str, Surroundings] = {}

    @once
    def around(self) -> Surroundings:
        """What is around all of them."""
        return surroundings(self.surveyed, self.state)

    def around_those_of(self, hold: Hold) -> Surroundings:
        """What is around those that `hold` selects."""
        if hold.name not in self._by_freeze:
            self._by_freeze[hold.name] = surroundings(selected_by(hold, self.surveyed), self.state)
        return self._by_freeze[hold.name]


def _there(namespace: str, state: State) -> Neighbours:
    return neighbours(namespace, state.namespaces.get(namespace, {}), state)


def survey(state: State, now: datetime) -> tuple[Surveyed, ...]:
    """All workloads that anything classifies, in a stable order."""
    return tuple(found for namespace in sorted(state.workloads_in) for found in survey_namespace(namespace, state, now))


def survey_namespace(namespace: str, state: State, now: datetime) -> tuple[Surveyed, ...]:
    """Those of one namespace, in a stable order."""
    labels = state.namespaces.get(namespace)
    if labels is None:
        return ()  # it is on its way out, or not seen yet: the next survey will tell
    # Every policy counts by itself here, so nothing is merged: each one's status speaks for that policy.
    there = neighbours(namespace, labels, state).classified
    found = [Surveyed(classified, tuple(_by_policy(classified, state, now))) for classified in there]
    return tuple(sorted(found, key=lambda surveyed: _key(surveyed.classified)))


def _by_policy(classified: Classified, state: State, now: datetime) -> Iterator[Finding]:
    for policy in classified.policies:
        alone = replace(classified, policies=(policy,))
        yield from judge(alone, None, state, now, Effect.DENY).findings


def _key(classified: Classified) -> tuple[str, str, str]:
    workload = classified.workload
    return (workload.namespace, workload.kind, workload.name)


def selected_by(hold: Hold, surveyed: Iterable[Surveyed]) -> tuple[Surveyed, ...]:
    """Those of `surveyed` that `hold` selects."""
    return tuple(s for s in surveyed if s.classified.selected_by(hold))
