"""The background scan: what is there, judged by the same function as a change, but only where something changed.

A namespace is judged again when anything in it changed, when a policy, freeze or node did, when an instant passed at which
a policy or an exemption begins or ends, and once in a while in any case, as proof grows old without any change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tierguard.guard.model.state import State
from tierguard.guard.survey import Surveyed, survey_namespace

LONGEST_TRUST = timedelta(seconds=60)
"""How long a judgement stands without any change: a dependency in another namespace may have moved."""


@dataclass(frozen=True, slots=True)
class _Judged:
    version: int
    common: tuple[object, ...]
    at: datetime
    surveyed: tuple[Surveyed, ...]


class Scan:
    """Remembers the judgement of each namespace. Used by one thread."""

    def __init__(self) -> None:
        self._judged: dict[str, _Judged] = {}
        self.judged_namespaces = 0
        """How many namespaces the last survey judged anew."""

    def survey(self, state: State, versions: Mapping[str, int], now: datetime) -> tuple[Surveyed, ...]:
        """As `guard.survey.survey`; `versions` counts, by namespace, how often anything in it changed."""
        # Read before anything is judged: what changes meanwhile is judged again next time.
        common = (state.policies, state.nodes)
        counted = {namespace: versions.get(namespace, 0) for namespace in sorted(state.workloads_in)}
        instants = _instants(state)
        self.judged_namespaces = 0
        kept: dict[str, _Judged] = {}
        for namespace, version in counted.items():
            known = self._judged.get(namespace)
            if known is None or not _stands(known, version, common, instants, now):
                known = _Judged(version, common, now, survey_namespace(namespace, state, now))
                self.judged_namespaces += 1
            kept[namespace] = known
        self._judged = kept
        return tuple(surveyed for judged in kept.values() for surveyed in judged.surveyed)


def _stands(
    known: _Judged, version: int, common: tuple[object, ...], instants: tuple[datetime, ...], now: datetime
) -> bool:
    same = known.version == version and all(a is b for a, b in zip(known.common, common, strict=True))
    fresh = now - known.at < LONGEST_TRUST and known.at <= now
    return same and fresh and not any(known.at < instant <= now for instant in instants)


def _instants(state: State) -> tuple[datetime, ...]:
    found = []
    for policy in state.policies:
        if policy.spec is not None:
            found += [policy.spec.effective_from] if policy.spec.effective_from else []
            found += [exemption.expires_at for exemption in policy.spec.exemptions]
    return tuple(found)
