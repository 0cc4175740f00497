"""The background scan: what is there, judged by the same function as a change, but only where something changed.

A namespace is judged again when anything in it changed, or in one whose workloads it names as dependencies; when a policy or
node did; when an instant passed at which a policy or an exemption begins or ends, or a budget should be there; and once in a
while in any case, as proof grows old without any change: not all namespaces at once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zlib import crc32

from tierguard.guard.model import objects
from tierguard.guard.model.state import State
from tierguard.guard.rules.disruption_budget import MAINTAINED_WITHIN
from tierguard.guard.survey import Part, Survey, survey_namespace

LONGEST_TRUST = timedelta(minutes=10)
"""How long a judgement stands without any change. Proof is dated by the day."""
SPREAD = 0.4
"""The part of it by which some stand shorter than others."""


@dataclass(frozen=True, slots=True)
class _Judged:
    versions: tuple[int, ...]
    common: tuple[object, ...]
    at: datetime
    until: datetime
    part: Part


class Scan:
    """Remembers the judgement of each namespace. Used by one thread."""

    def __init__(self) -> None:
        self._judged: dict[str, _Judged] = {}
        self._survey = Survey(())
        self.judged_namespaces = 0
        """How many namespaces the last survey judged anew."""

    def survey(self, state: State, versions: Mapping[str, int], now: datetime) -> Survey:
        """As `guard.survey.survey`; `versions` counts, by namespace, how often anything in it changed.

        Where nothing did, it is the survey that was made before.
        """
        # Read before anything is judged: what changes meanwhile is judged again next time.
        common = (state.policies, state.nodes)
        counted = dict(versions)
        namespaces = sorted(state.workloads_in)
        instants = _instants(state)
        self.judged_namespaces = 0
        kept: dict[str, _Judged] = {}
        for namespace in namespaces:
            known = self._judged.get(namespace)
            if known is None or not _stands(known, counted, common, instants, now):
                known = self._judge(namespace, state, counted, common, now)
            kept[namespace] = known
        self._judged = kept
        parts = [judged.part for judged in kept.values()]
        if len(parts) != len(self._survey.parts) or any(
            a is not b for a, b in zip(parts, self._survey.parts, strict=True)
        ):
            self._survey = Survey(parts)
        return self._survey

    def _judge(
        self, namespace: str, state: State, versions: Mapping[str, int], common: tuple[object, ...], now: datetime
    ) -> _Judged:
        self.judged_namespaces += 1
        part = survey_namespace(namespace, state, now)
        shorter = LONGEST_TRUST * SPREAD * (crc32(namespace.encode()) % 100) / 100
        until = min([now + LONGEST_TRUST - shorter, *_pending(part, now)])
        return _Judged(_versions(part, versions), common, now, until, part)


def _versions(part: Part, versions: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(versions.get(namespace, 0) for namespace in (part.namespace, *sorted(part.named)))


def _stands(
    known: _Judged,
    versions: Mapping[str, int],
    common: tuple[object, ...],
    instants: Iterable[datetime],
    now: datetime,
) -> bool:
    same = known.versions == _versions(known.part, versions)
    same = same and all(a is b for a, b in zip(known.common, common, strict=True))
    return same and known.at <= now < known.until and not any(known.at < instant <= now for instant in instants)


def _instants(state: State) -> tuple[datetime, ...]:
    found = []
    for policy in state.policies:
        if policy.spec is not None:
            begins = [instant for instant in (policy.created, policy.spec.effective_from) if instant is not None]
            found += [*begins, *(instant + MAINTAINED_WITHIN for instant in begins)]
            found += [exemption.expires_at for exemption in policy.spec.exemptions]
    return tuple(found)


def _pending(part: Part, now: datetime) -> Iterable[datetime]:
    """When the operator should have made budgets for what is new (`MAINTAINED_WITHIN`)."""
    for subject in part.surveyed:
        created = objects.instant(objects.value(subject.classified.workload.raw, "metadata", "creationTimestamp"))
        if created is not None and created + MAINTAINED_WITHIN > now:
            yield created + MAINTAINED_WITHIN
