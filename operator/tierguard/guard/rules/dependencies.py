"""Rule `dependencies`: what moves money waits for nothing that may be down."""

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from itertools import islice
from typing import ClassVar

from tierguard.api.model import ApiModel
from tierguard.api.rule_values import RuleId
from tierguard.api.rules import DependenciesRule
from tierguard.guard.model import objects
from tierguard.guard.model.decision import Effect
from tierguard.guard.model.objects import Labels
from tierguard.guard.model.state import State, WorkloadKey
from tierguard.guard.model.workload import Workload
from tierguard.guard.rules.rule import AUTHORED, Reads, Situation, Violation
from tierguard.guard.tiers.classified import alone
from tierguard.guard.tiers.neighbours import Neighbours, neighbours

DEPENDS_ON = "tierguard.io/depends-on"
MOST_ENTRIES = 50
_SHOWN = 45
_ENTRY = re.compile(
    r"(?:(?:(?P<kind>[A-Z][A-Za-z]{0,62})/)?(?P<namespace>[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)/)?"
    r"(?P<name>[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)"
)
_NO_LABELS: Labels = {}
_LONGEST = 512
"""Characters of an entry: a kind, a namespace and a name have fewer."""
_LONGEST_KEPT = 4096
"""Characters of the longest annotation whose entries are remembered."""
_FIELD = f"the annotation {DEPENDS_ON}"


class Dependencies:
    """Whatever the annotation `tierguard.io/depends-on` names is of a tier that the policy allows.

    Why: a payment that waits for the report database is as reliable as the report database; tiers 0 and 1 never depend on
    tiers 3 and 4. The annotation, on the workload or its pod template, names what the workload needs to decide, separated by
    commas: `name`, `namespace/name` or `Kind/namespace/name` of a workload, or of a Service, which stands for the workloads
    behind it, the least important of them counting.
    """

    id: ClassVar[RuleId] = RuleId.DEPENDENCIES
    block: ClassVar[str] = "dependencies"
    kinds: ClassVar[frozenset[str]] = AUTHORED
    reads: ClassVar[Reads] = Reads.MORE

    def check(self, situation: Situation, settings: ApiModel) -> Iterator[Violation]:
        """Yield at most one violation an entry, in the order of the entries."""
        assert isinstance(settings, DependenciesRule)  # noqa: S101 - the registry pairs block and rule
        workload = situation.subject.workload
        entries = _entries(workload)
        if len(entries) > MOST_ENTRIES:
            yield Violation(
                "UnreadableDependency",
                f"{_FIELD} names {len(entries)} workloads, {MOST_ENTRIES} allowed",
                "name what the workload needs to decide, and nothing else",
                about="annotation",
                gap=len(entries) - MOST_ENTRIES,
            )
            return
        for entry in entries:
            yield from _judge(entry, workload, situation.state, settings)


def _entries(workload: Workload) -> tuple[str, ...]:
    own, of_pods = workload.annotations.get(DEPENDS_ON), workload.pods.annotations.get(DEPENDS_ON)
    if own is None and of_pods is None:
        return ()
    written = f"{own or ''},{of_pods or ''}"
    return _listed(written) if len(written) <= _LONGEST_KEPT else _split(written)


def _split(written: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entry.strip() for entry in written.split(",") if entry.strip()))


_listed = lru_cache(maxsize=1024)(_split)


def places_of_dependencies(workload: Workload) -> frozenset[str]:
    """The namespaces in which a workload names something: what changes there may change what is said about it."""
    found = (_ENTRY.fullmatch(entry) for entry in islice(_entries(workload), MOST_ENTRIES + 1))
    return frozenset(match["namespace"] for match in found if match is not None and match["namespace"])


def _judge(entry: str, workload: Workload, state: State, settings: DependenciesRule) -> Iterator[Violation]:
    named = _named(entry) if len(entry) <= _LONGEST else None
    if named is None:
        yield Violation(
            "UnreadableDependency",
            f"{DEPENDS_ON} has {objects.printable(entry, _SHOWN)}, which is no name",
            "write name, namespace/name or Kind/namespace/name, separated by commas",
            about=entry,
        )
        return
    kind, namespace, name = named[0], named[1] or workload.namespace, named[2]
    if (namespace, name) == (workload.namespace, workload.name) and kind in (None, workload.kind):
        return  # itself
    there = neighbours(namespace, state.namespaces.get(namespace, _NO_LABELS), state)
    mine = (workload.kind, workload.namespace, workload.name)
    yield from there.once_for(
        (entry, mine, settings.lowest_tier),
        lambda: tuple(_wrong(entry, mine, _meant(kind, name, there, state), settings.lowest_tier)),
    )


def _wrong(
    entry: str, mine: WorkloadKey, meant: Collection[tuple[WorkloadKey, int | None]], lowest: int
) -> Iterator[Violation]:
    tiers = [tier for place, tier in meant if place != mine]
    if meant and not tiers:
        return  # a Service of its own
    if not tiers:
        yield Violation(
            "UnknownDependency",
            f"depends on {objects.printable(entry, _SHOWN)}, which is not there",
            f"correct {_FIELD}",
            Effect.WARN,
            rests_on_absence=True,
            about=entry,
        )
        return
    known = [tier for tier in tiers if tier is not None]
    if (highest := max(known, default=0)) > lowest:
        shown = objects.printable(entry, _SHOWN)
        yield Violation(
            "LowerTier",
            f"depends on {shown}, which is tier {highest}; lowest allowed is {lowest}",
            "do without it (a cache, a default, a queue), or raise the tier of what it depends on",
            about=entry,
            gap=highest - lowest,
        )
    elif len(known) < len(tiers):
        yield Violation(
            "UnclassifiedDependency",
            f"depends on {objects.printable(entry, _SHOWN)}, which nothing gives a tier",
            "label it with tierguard.io/tier",
            Effect.WARN,
            about=entry,
        )


@lru_cache(maxsize=1024)
def _named(entry: str) -> tuple[str | None, str | None, str] | None:
    """Kind, namespace and name in `entry`; None where it is no name."""
    match = _ENTRY.fullmatch(entry)
    return None if match is None else (match["kind"], match["namespace"], match["name"])


def _meant(kind: str | None, name: str, there: Neighbours, state: State) -> tuple[tuple[WorkloadKey, int | None], ...]:
    """The workloads of that name, or those behind the Service of that name, and what tier each of them is by itself."""

    def find() -> tuple[tuple[WorkloadKey, int | None], ...]:
        found = [workload for workload in there.called(name) if kind in (None, workload.kind)]
        if not found and kind in (None, "Service"):
            found = there.behind(name)
        labels = state.namespaces.get(there.namespace, _NO_LABELS)
        return tuple(((w.kind, w.namespace, w.name), alone(w, there.namespace, labels, state, 0).tier) for w in found)

    return there.once_for(("depends on", kind, name), find)
