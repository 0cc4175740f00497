"""The webhook's worker process: its picture of the cluster, the application, the probes' port."""

import contextlib
import ctypes
import functools
import gc
import logging
import multiprocessing.util
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from cryptography import x509
from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry, Gauge

from tierguard import logs
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api
from tierguard.cluster.health import StartResponse
from tierguard.cluster.mounted import REVIEW_PATHS
from tierguard.webhook import connections
from tierguard.webhook.app import Environment, Webhook
from tierguard.webhook.journalist import Journalist
from tierguard.webhook.metrics import dropped_connections
from tierguard.webhook.paths import Paths
from tierguard.webhook.server import CONNECTIONS, SYNC_SECONDS, Options

log = logging.getLogger("tierguard.webhook")

GARBAGE = 50_000
"""Objects more than at the last collection that make the interpreter look for cycles. A review makes some thousand, all gone
with it and none in a cycle; what does make cycles (a broken watch's traceback) is seldom, and still collected."""


_HEAPS = 1
"""Heaps of the C library. By itself it makes eight a core, and what is freed in one serves no other."""
_APART = 256 * 1024
"""Bytes that are taken from the kernel by themselves, and given back when free: a page of a list, a large review."""


def start(options: Options) -> Callable[[Environment, StartResponse], Iterable[bytes]]:
    """Make the application: connect, begin to watch, open the probes' port."""
    _die_with_parent()
    _spare_memory()
    logs.setup(options.log_level, batched=True)
    # What multiprocessing ends, as granian's worker is, knows nothing of atexit.
    multiprocessing.util.Finalize(None, logging.shutdown, exitpriority=0)
    api = Api.connect(options.kubeconfig)
    cache = ClusterCache(api, options.namespace, options.identities, immutable_tags=options.immutable_tags)
    registry = CollectorRegistry()
    for collector in (GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR):
        registry.register(collector)
    journalist = Journalist(api, options.namespace)
    webhook = Webhook(cache, api, registry, journalist, Paths(options.certificates / REVIEW_PATHS))
    webhook.listening = functools.partial(connections.listening, options.port)
    if connections.available():
        ports = (options.port, options.health_port)
        connections.Sweeper(ports, CONNECTIONS, dropped_connections(registry)).start()
    cache.start()
    journalist.start()
    webhook.health.serve(options.health_address, options.health_port)
    expires = Gauge(
        "tierguard_webhook_certificate_expiry_timestamp_seconds",
        "When the certificate that is served stops being valid, Unix time.",
        registry=registry,
    )
    expires.set(_expires(options.certificates / "tls.crt"))
    # Whoever connects to a worker that knows nothing yet is told 503: better that the worker before it goes on.
    deadline = time.monotonic() + SYNC_SECONDS
    while cache.unsynced() and time.monotonic() < deadline:
        time.sleep(0.05)
    spare_collector()
    _give_back()
    log.info("webhook started", extra={"address": options.address, "port": options.port})
    return webhook


def spare_collector() -> None:
    """Keep the garbage collector from looking through every review, and through the picture of the cluster each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, *gc.get_threshold()[1:])


def _expires(certificate: Path) -> float:
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc.timestamp()


def _die_with_parent() -> None:
    """Have the kernel end this worker when its supervisor is killed: an orphan would go on answering, unseen."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _spare_memory() -> None:
    """Have the C library keep little of what is free."""
    with contextlib.suppress(AttributeError):  # another C library than glibc
        library = ctypes.CDLL(None)
        m_mmap_threshold, m_arena_max = -3, -8
        library.mallopt(m_arena_max, _HEAPS)
        library.mallopt(m_mmap_threshold, _APART)


def _give_back() -> None:
    """What the first lists took is free by now: the kernel gets it back."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
