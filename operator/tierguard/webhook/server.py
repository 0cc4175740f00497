"""The webhook process: granian serves the application over TLS, a small plain-HTTP server answers probes and scrapes.

Granian's WSGI mode was chosen by measurement (CPU a review, `make bench`): HTTP and TLS are handled outside Python, and the
synchronous application is called with nothing in between.
"""

import ctypes
import functools
import gc
import logging
import resource
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server import Server
from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry, Gauge

from tierguard import logs
from tierguard.cluster import review_path
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api
from tierguard.cluster.health import StartResponse
from tierguard.guard.model.state import Identities
from tierguard.webhook import connections
from tierguard.webhook.app import Environment, Webhook
from tierguard.webhook.journalist import Journalist
from tierguard.webhook.metrics import dropped_connections
from tierguard.webhook.paths import Paths
from tierguard.webhook.renewal import Renewal

log = logging.getLogger("tierguard.webhook")

CONNECTIONS = 1024
"""Connections that are served at once, and threads for them: a thread waits as long as its client takes to send a body, so
fewer threads could all be held by slow ones. Threads are made as they are needed. Reviews are decided one at a time all
the same (`gate`): they are pure CPU under one interpreter lock. A rare look-up makes others wait, half a second at most."""
BACKLOG = 1024
"""Connections that may wait to be accepted; further ones are not answered."""
HEADER_BYTES = 64 * 1024
"""Read ahead of each connection, at most. Longer headers are refused."""
SYNC_SECONDS = 20.0
"""How long a worker that starts waits for its picture of the cluster before it takes connections."""
OVERLAP_SECONDS = 25.0
"""How long a worker and the one that replaces it run side by side, at most: longer than SYNC_SECONDS."""
DRAIN_SECONDS = 10
"""How long requests that are under way may take after SIGTERM."""
GARBAGE = 50_000
"""Objects more than at the last collection that make the interpreter look for cycles. A review makes some thousand, all gone
with it and none in a cycle; what does make cycles (a broken watch's traceback) is seldom, and still collected."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the webhook process is started."""

    address: str
    port: int
    health_address: str
    health_port: int
    certificates: Path
    namespace: str
    kubeconfig: Path | None = None
    identities: Identities = field(default_factory=Identities)
    immutable_tags: tuple[str, ...] = ()
    log_level: str = "INFO"


def serve(options: Options) -> None:
    """Serve until SIGTERM or SIGINT. Raises FileNotFoundError when there is no certificate."""
    certificate, key = options.certificates / "tls.crt", options.certificates / "tls.key"
    for path in (certificate, key, options.certificates / review_path.KEY):
        if not path.is_file():
            message = f"{path} does not exist: the operator makes it, the Secret must be mounted there"
            raise FileNotFoundError(message)
    _allow_descriptors()
    server = Server(
        "tierguard.webhook.server:load",
        address=options.address,
        port=options.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        workers=1,
        blocking_threads=CONNECTIONS,
        backlog=BACKLOG,
        backpressure=CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=10_000, keep_alive=True, max_buffer_size=HEADER_BYTES),
        ssl_cert=certificate,
        ssl_key=key,
        log_enabled=False,
        workers_kill_timeout=DRAIN_SECONDS,
        respawn_failed_workers=True,
        respawn_interval=OVERLAP_SECONDS,
        process_name=None,
    )

    @server.on_reload
    def renew() -> None:
        # The kubelet's links lead to another directory now.
        server.build_ssl_context(certificate, key, None, SSLProtocols.tls13, None, [], client_verify=False)

    Renewal(certificate, key).start()
    server.serve(target_loader=functools.partial(load, options), wrap_loader=False)


def load(options: Options) -> Callable[[Environment, StartResponse], Iterable[bytes]]:
    """Make the application in the worker process: connect, begin to watch, open the probes' port."""
    _die_with_parent()
    logs.setup(options.log_level)
    api = Api.connect(options.kubeconfig)
    cache = ClusterCache(api, options.namespace, options.identities, immutable_tags=options.immutable_tags)
    registry = CollectorRegistry()
    for collector in (GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR):
        registry.register(collector)
    journalist = Journalist(api, options.namespace)
    webhook = Webhook(cache, api, registry, journalist, Paths(options.certificates / review_path.KEY))
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
    log.info("webhook started", extra={"address": options.address, "port": options.port})
    return webhook


def spare_collector() -> None:
    """Keep the garbage collector from looking through every review, and through the picture of the cluster each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, *gc.get_threshold()[1:])


def _expires(certificate: Path) -> float:
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc.timestamp()


def _allow_descriptors() -> None:
    """As many open files as the system lets us have: some runtimes begin with no more than we serve connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _die_with_parent() -> None:
    """Have the kernel end this worker when its supervisor is killed: an orphan would go on answering, unseen."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)
