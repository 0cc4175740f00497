"""The webhook process: granian serves the application over TLS, a small plain-HTTP server answers probes and scrapes.

Granian's WSGI mode was chosen by measurement (CPU a review, `make bench`): HTTP and TLS are handled outside Python, and the
synchronous application is called with nothing in between.
"""

import functools
import resource
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server import Server

from tierguard.cluster.mounted import REVIEW_PATHS
from tierguard.guard.model.identities import Identities
from tierguard.webhook.renewal import Renewal

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
    for path in (certificate, key, options.certificates / REVIEW_PATHS):
        if not path.is_file():
            message = f"{path} does not exist: the operator makes it, the Secret must be mounted there"
            raise FileNotFoundError(message)
    _allow_descriptors()
    server = make_server("tierguard.webhook.server:load", options.address, options.port, certificate, key)

    @server.on_reload  # type: ignore[untyped-decorator]
    def renew() -> None:
        # The kubelet's links lead to another directory now.
        server.build_ssl_context(certificate, key, None, SSLProtocols.tls13, None, [], client_verify=False)

    Renewal(certificate, key).start()
    server.serve(target_loader=functools.partial(load, options), wrap_loader=False)


def make_server(target: str, address: str, port: int, certificate: Path, key: Path) -> Any:
    """The web server before the application `target`, with all limits that it has."""
    return Server(
        target,
        address=address,
        port=port,
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


def load(options: Options) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """Make the application, in the worker process. What it is made of is imported there: the supervisor needs none of it."""
    from tierguard.webhook.worker import start  # noqa: PLC0415

    return start(options)


def _allow_descriptors() -> None:
    """As many open files as the system lets us have: some runtimes begin with no more than we serve connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
