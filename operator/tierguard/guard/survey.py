"""The workloads that are there, judged by the same functions as a change: what the operator's scan is made of."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from tierguard.guard.model.decision import Effect, Finding
from tierguard.guard.model.hold import Hold, Policy
from tierguard.guard.model.scope import GUARDED_TIERS
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import references
from tierguard.guard.rules.evaluate import judge
from tierguard.guard.tiers.classify import Classified, classify


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A stored workload, its place, and what the tier rules say about it."""

    classified: Classified
    findings: tuple[Finding, ...]

    def breaks(self, policy: Policy) -> tuple[Finding, ...]:
        """The findings that come from `policy`."""
        return tuple(finding for finding in self.findings if finding.source == policy.source)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What around workloads that anything classifies matters to them.

    `namespaces` that hold any, and `guarded` those with some that a freeze or window may mean. Of the latter, `read` are the
    (kind, namespace, name) of the ConfigMaps and Secrets that they read, and `services` the (namespace, pod selector as
    sorted pairs) of the Services that select pods of tier 0 and 1.
    """

    namespaces: frozenset[str] = frozenset()
    guarded: frozenset[str] = frozenset()
    read: frozenset[tuple[str, str, str]] = frozenset()
    services: frozenset[tuple[str, tuple[tuple[str, str], ...]]] = frozenset()


def surroundings(surveyed: Iterable[Surveyed], state: State) -> Surroundings:
    """What surrounds the `surveyed`."""
    namespaces, guarded, read, services = set(), set(), set(), set()
    meant = {*GUARDED_TIERS, *(tier for hold in (*state.freezes, *state.windows) for tier in hold.tiers)}
    for subject in surveyed:
        workload = subject.classified.workload
        namespaces.add(workload.namespace)
        if subject.classified.tier not in meant:
            continue
        guarded.add(workload.namespace)
        read |= {(kind, workload.namespace, name) for kind, name in references(workload.pod_spec)}
        if subject.classified.guarded:
            for selector in state.services_in.get(workload.namespace, {}).values():
                if selector.items() <= workload.template_labels.items():
                    services.add((workload.namespace, tuple(sorted(selector.items()))))
    return Surroundings(frozenset(namespaces), frozenset(guarded), frozenset(read), frozenset(services))


def survey(state: State, now: datetime) -> tuple[Surveyed, ...]:
    """All workloads that anything classifies, in a stable order."""
    return tuple(found for namespace in sorted(state.workloads_in) for found in survey_namespace(namespace, state, now))


def survey_namespace(namespace: str, state: State, now: datetime) -> tuple[Surveyed, ...]:
    """Those of one namespace, in a stable order."""
    labels = state.namespaces.get(namespace)
    if labels is None:
        return ()  # it is on its way out, or not seen yet: the next survey will tell
    found = []
    for workload in state.in_namespace(namespace):
        classified = classify(workload, namespace, labels, state)
        if classified.tier is not None:
            # Every policy counts by itself here, so nothing is merged: each one's status speaks for that policy.
            found.append(Surveyed(classified, tuple(_by_policy(classified, state, now))))
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
    return tuple(
        s
        for s in surveyed
        if s.classified.tier in hold.tiers
        and hold.scope.matches(s.classified.namespace_labels, s.classified.candidates)
    )
