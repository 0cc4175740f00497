"""What the operator reports: the state of our resources, read from memory when asked."""

from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tierguard.api.kinds import FREEZE, POLICY, WINDOW
from tierguard.cluster.cache import ClusterCache
from tierguard.guard import objects
from tierguard.guard.objects import KubeObject

MOST_RESOURCES = 500
"""Resources of one kind that are reported one by one, by name: labels must stay few."""


class ResourceCollector(Collector):
    """Gauges about each freeze, window and policy, from their statuses."""

    def __init__(self, cache: ClusterCache) -> None:
        self._cache = cache

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the families."""
        yield self._condition("tierguard_freeze_active", "1 while the freeze holds.", FREEZE.kind, "Active", "freeze")
        yield self._condition("tierguard_window_open", "1 while the window is open.", WINDOW.kind, "Open", "window")
        yield self._instant(
            "tierguard_freeze_next_start_timestamp_seconds", "When the freeze holds next, Unix time.", "next", "start"
        )
        yield self._instant(
            "tierguard_freeze_end_timestamp_seconds",
            "When the stretch that holds now ends, Unix time.",
            "current",
            "end",
        )
        yield self._of_freezes(
            "tierguard_freeze_refused_changes",
            "Changes refused in the stretch that holds now, or held last.",
            lambda stored: objects.value(stored, "status", "refused", "total"),
        )
        yield self._of_freezes(
            "tierguard_freeze_reviews_owed",
            "Break-glass changes that nobody has reviewed yet.",
            lambda stored: len(objects.sequence(stored, "status", "reviewsOwed")),
        )
        yield self._number(
            "tierguard_policy_guarded_workloads", "Workloads that the policy selects.", "guardedWorkloads"
        )
        yield self._number(
            "tierguard_policy_violating_workloads", "Workloads that break a rule of the policy.", "violatingWorkloads"
        )

    def _condition(self, name: str, text: str, kind: str, condition: str, label: str) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name, text, labels=(label,))
        for resource, stored in sorted(self._cache.raw[kind].items())[:MOST_RESOURCES]:
            for known in objects.sequence(stored, "status", "conditions"):
                if known.get("type") == condition:
                    family.add_metric((resource,), 1.0 if known.get("status") == "True" else 0.0)
        return family

    def _instant(self, name: str, text: str, span: str, edge: str) -> GaugeMetricFamily:
        def read(stored: KubeObject) -> float | None:
            written = objects.value(stored, "status", span, edge)
            return datetime.fromisoformat(written).timestamp() if isinstance(written, str) else None

        return self._of_freezes(name, text, read)

    def _of_freezes(self, name: str, text: str, read: Callable[[KubeObject], float | None]) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name, text, labels=("freeze",))
        for resource, stored in sorted(self._cache.raw[FREEZE.kind].items())[:MOST_RESOURCES]:
            value = read(stored)
            if value is not None:
                family.add_metric((resource,), float(value))
        return family

    def _number(self, name: str, text: str, field: str) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name, text, labels=("policy",))
        for resource, stored in sorted(self._cache.raw[POLICY.kind].items())[:MOST_RESOURCES]:
            value = objects.value(stored, "status", field)
            if isinstance(value, int):
                family.add_metric((resource,), float(value))
        return family
