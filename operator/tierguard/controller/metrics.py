"""What the operator reports: the state of our resources, read from memory when asked."""

from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tierguard.api.kinds import FREEZE, POLICY, WINDOW
from tierguard.cluster.cache import ClusterCache
from tierguard.controller.reconcile import Reconciler
from tierguard.controller.webhooks.clock_probe import Reading
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject

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
        yield self._number(
            "tierguard_policy_exempted_workloads",
            "Workloads that break a rule of the policy from which they are exempt.",
            "exemptedWorkloads",
        )
        yield self._rules()

    def _rules(self) -> GaugeMetricFamily:
        family = GaugeMetricFamily(
            "tierguard_policy_violations", "Workloads that break this rule of the policy.", labels=("policy", "rule")
        )
        for resource, stored in sorted(self._cache.raw[POLICY.kind].items())[:MOST_RESOURCES]:
            for count in objects.sequence(stored, "status", "rules"):
                family.add_metric((resource, str(count.get("rule"))), float(count.get("workloads") or 0))
        return family

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


class ProcessCollector(Collector):
    """Gauges about this operator itself."""

    def __init__(self, cache: ClusterCache, reconciler: Reconciler) -> None:
        self._cache = cache
        self._reconciler = reconciler

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        leading = 1.0 if self._reconciler.leads() else 0.0
        yield GaugeMetricFamily("tierguard_leader", "1 while this operator leads.", value=leading)
        yield CounterMetricFamily(
            "tierguard_passed_unjudged",
            "Changes that were let through while the webhook could not be asked, since the operator started.",
            value=self._reconciler.accountant.total,
        )
        teller = self._reconciler.teller
        yield CounterMetricFamily(
            "tierguard_events_posted", "Events posted since the operator started.", value=teller.told
        )
        yield CounterMetricFamily(
            "tierguard_events_dropped",
            "Events about freezes and windows for which there were too many.",
            value=teller.dropped,
        )
        yield GaugeMetricFamily(
            "tierguard_events_waiting", "Events that were held back by the last pass.", value=float(teller.waiting)
        )
        staleness = GaugeMetricFamily(
            "tierguard_cache_staleness_seconds", "Since the API server was last heard of, by kind.", labels=("kind",)
        )
        for kind, seconds in self._cache.staleness().items():
            staleness.add_metric((kind,), float("inf") if seconds is None else seconds)
        yield staleness
        clockwork = self._reconciler.clockwork
        if clockwork.probes and leading:
            clock = GaugeMetricFamily(
                "tierguard_clock_policy",
                "1 for the state of the clock by which the API server tells planted times from real ones.",
                labels=("state",),
            )
            for reading in Reading:
                clock.add_metric((reading.value,), 1.0 if reading is clockwork.reading else 0.0)
            yield clock
        stretches = self._reconciler.configuration.stretches
        if stretches is not None:
            yield GaugeMetricFamily(
                "tierguard_compiled_intervals",
                "Coming stretches of freezes in the webhook configuration.",
                value=float(stretches.intervals),
            )
            yield GaugeMetricFamily(
                "tierguard_compiled_coarsened",
                "1 while there are too many, so that without a webhook the API server refuses more than they say.",
                value=1.0 if stretches.coarsened else 0.0,
            )
        trust = self._reconciler.trust
        expires = GaugeMetricFamily(
            "tierguard_certificate_expiry_timestamp_seconds",
            "When the webhook's certificate and its CA stop being valid, Unix time.",
            labels=("certificate",),
        )
        if trust is not None:
            expires.add_metric(("ca",), trust.authority_expires.timestamp())
            expires.add_metric(("serving",), trust.leaf_expires.timestamp())
        yield expires
