"""What the operator reports: the state of our resources, read from memory when asked."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tierguard.api.kinds import FREEZE, POLICY, WINDOW
from tierguard.cluster.cache import ClusterCache
from tierguard.guard import objects

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

    def _number(self, name: str, text: str, field: str) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name, text, labels=("policy",))
        for resource, stored in sorted(self._cache.raw[POLICY.kind].items())[:MOST_RESOURCES]:
            value = objects.value(stored, "status", field)
            if isinstance(value, int):
                family.add_metric((resource,), float(value))
        return family
