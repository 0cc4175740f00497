"""What the webhook counts. Labels come from closed sets, never from what a client wrote: their number is bounded."""

from collections.abc import Callable, Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from tierguard import logs
from tierguard.cluster.cache import ClusterCache
from tierguard.guard.model import objects
from tierguard.guard.model.decision import Decision
from tierguard.guard.model.memory import MEMORIES
from tierguard.webhook import connections, gate

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0)


class _Counts(Protocol):
    def inc(self, amount: float = 1) -> None:
        """Count."""


class Metrics:
    """The metrics of one webhook process."""

    def __init__(self, registry: CollectorRegistry, waiting: Callable[[], float]) -> None:
        self._reviews = Counter(
            "tierguard_webhook_reviews_total",
            "Admission reviews answered, by outcome and by the gravest kind of change.",
            ("outcome", "change"),
            registry=registry,
        )
        self._refusals = Counter(
            "tierguard_webhook_refusals_total",
            "Refused changes, by the rules that refused.",
            ("rule",),
            registry=registry,
        )
        self._broken_glass = Counter(
            "tierguard_webhook_break_glass_total", "Changes that passed by a break-glass mark.", registry=registry
        )
        self.malformed = Counter(
            "tierguard_webhook_malformed_total", "Requests that were no admission review.", registry=registry
        )
        self.strangers = Counter(
            "tierguard_webhook_unknown_path_total",
            "Requests on another path than the one that the API server was given.",
            registry=registry,
        )
        self.errors = Counter(
            "tierguard_webhook_errors_total",
            "Reviews that were not decided for a mistake of tierguard's.",
            registry=registry,
        )
        self.lookups = Counter(
            "tierguard_webhook_lookups_total",
            "Questions to the API server for what was not in memory, by result: answered, failed, cached (answered a moment"
            " ago), limited (its user, or all users together, asked too much, or the API server is sick).",
            ("result",),
            registry=registry,
        )
        self.seconds = Histogram(
            "tierguard_webhook_review_duration_seconds",
            "Time from the decoded request to the encoded answer.",
            buckets=SECONDS,
            registry=registry,
        )
        shed = Counter(
            "tierguard_webhook_shed_total",
            "Reviews answered 503 unread, by reason: too many waited, one waited too long, too many large ones at once.",
            ("reason",),
            registry=registry,
        )
        self.shed = {reason: shed.labels(reason) for reason in gate.REASONS}
        Gauge("tierguard_webhook_waiting", "Reviews that wait for their turn.", registry=registry).set_function(waiting)
        unwritten = Gauge(
            "tierguard_webhook_log_lines_waiting",
            "Lines of log that are not written yet: more than a few where nobody reads standard error.",
            registry=registry,
        )
        unwritten.set_function(logs.waiting)
        self._bound: dict[tuple[str, str], _Counts] = {}
        self._refused_by: dict[str, _Counts] = {}

    def count(self, decision: Decision) -> None:
        """Count `decision`."""
        key = (decision.outcome, decision.kinds[0])
        bound = self._bound.get(key)
        if bound is None:  # looking a label set up costs more than counting; there are a few dozen of them
            bound = self._bound[key] = self._reviews.labels(*key)
        bound.inc()
        if decision.bypass is not None:
            self._broken_glass.inc()
        if not decision.allowed:
            for rule in {finding.rule for finding in decision.findings}:
                refused = self._refused_by.get(rule)
                if refused is None:
                    refused = self._refused_by[rule] = self._refusals.labels(rule)
                refused.inc()


def dropped_connections(registry: CollectorRegistry) -> Callable[[str], None]:
    """Count connections that were dropped, by reason."""
    counter = Counter(
        "tierguard_webhook_dropped_connections_total",
        "Connections that were closed because nothing came (idle), or no whole request in time (slow).",
        ("reason",),
        registry=registry,
    )
    bound = {reason: counter.labels(reason) for reason in connections.REASONS}
    return lambda reason: bound[reason].inc()


MOST_RESOURCES = 500
"""Resources of one kind that are reported by name: labels must stay few."""


class MemoryCollector(Collector):
    """Reports, when asked, how much is remembered of parts of objects, and how often that helped."""

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Yield the families."""
        size = GaugeMetricFamily(
            "tierguard_memory_bytes", "Bytes of parts of objects that are remembered, by part.", labels=("part",)
        )
        lookups = CounterMetricFamily(
            "tierguard_memory_lookups",
            "Parts of objects that were looked up, by part and by result: known or new.",
            labels=("part", "result"),
        )
        for memory in MEMORIES:
            size.add_metric((memory.name,), memory.bytes)
            lookups.add_metric((memory.name, "known"), memory.hits)
            lookups.add_metric((memory.name, "new"), memory.misses)
        yield size
        yield lookups


class CacheCollector(Collector):
    """Reports, when asked, what this replica knows: how fresh it is, and which generation of our resources it decides by."""

    def __init__(self, cache: ClusterCache) -> None:
        self._cache = cache

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges. A kind that was never listed has no sample."""
        family = GaugeMetricFamily(
            "tierguard_cache_seconds_since_sync",
            "Seconds since the API server was last heard of, by watched kind.",
            labels=("kind",),
        )
        for kind, seconds in self._cache.staleness().items():
            if seconds is not None:
                family.add_metric((kind,), seconds)
        yield family
        generations = GaugeMetricFamily(
            "tierguard_webhook_resource_generation",
            "metadata.generation of the freezes, windows and policies that this replica decides by.",
            labels=("kind", "name"),
        )
        for kind, stored in self._cache.raw.items():
            for name, resource in sorted(stored.items())[:MOST_RESOURCES]:
                generations.add_metric((kind, name), float(objects.generation(resource)))
        yield generations
