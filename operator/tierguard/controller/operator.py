"""The kopf part: its life, its watches on our three kinds, its probes. What is done is in `reconcile`.

kopf's own admission server, peering and posting are not used. On objects that are not ours nothing of kopf's is registered
at all, as it would neither see what vanished during a gap in a watch (after a relist it only reports what is there), nor
leave them without its marks if a handler kept any: they are watched by `cluster.reflector`, as in the webhook.
"""

import asyncio
import logging
import os
import secrets
import socket
from dataclasses import replace
from typing import Any

import kopf
from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry

from tierguard import logs
from tierguard.api.kinds import KINDS
from tierguard.api.model import GROUP, VERSION
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.changes import RESTLESS
from tierguard.cluster.client import Api
from tierguard.cluster.health import Health
from tierguard.controller.certificates import trust as identity
from tierguard.controller.election import Election, Gate, LeaderApi
from tierguard.controller.loop import Loop
from tierguard.controller.metrics import ProcessCollector, ResourceCollector
from tierguard.controller.options import Options
from tierguard.controller.reconcile import Reconciler
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject

log = logging.getLogger("tierguard.operator")

STARTUP_PAUSE = 2.0
"""Seconds after a start that failed."""
_OUR_KINDS = frozenset(kind.kind for kind in KINDS)


class Operator:
    """One operator process: kopf calls its methods, which only unpack and delegate."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._loop: Loop | None = None
        self._cache: ClusterCache | None = None
        self._reconciler: Reconciler | None = None
        self._election: Election | None = None

    def register(self, registry: kopf.OperatorRegistry) -> None:
        """Register the handlers with kopf."""
        # An API server that restarts at the same moment is back soon; kopf's own pause is a minute.
        kopf.on.startup(registry=registry, backoff=STARTUP_PAUSE)(self.startup)
        kopf.on.cleanup(registry=registry)(self.cleanup)
        kopf.on.login(registry=registry)(self.login)
        for kind in KINDS:
            kopf.on.event(GROUP, VERSION, kind.plural, registry=registry)(self.changed)

    async def startup(self, settings: kopf.OperatorSettings, **_: Any) -> None:
        """Set kopf up, connect, and start to reconcile."""
        settings.posting.enabled = False  # we post our own events, with names that make them unique
        settings.scanning.disabled = True  # our kinds come with the chart; watching all CRDs would need more rights
        settings.watching.server_timeout = 240
        settings.watching.client_timeout = 300
        settings.networking.request_timeout = 30
        api = await asyncio.to_thread(Api.connect, self._options.kubeconfig)
        writer = await asyncio.to_thread(LeaderApi.connect, self._options.kubeconfig)
        writer.gate = gate = Gate()
        own_name = await asyncio.to_thread(identity.own_name, api)
        known = self._options.identities
        self._cache = cache = ClusterCache(
            api,
            self._options.namespace,
            replace(known, controllers=known.controllers | {own_name}),
            status=True,
            immutable_tags=self._options.immutable_tags,
            listener=self._noted,
            compare=self._compared,
            configuration=self._options.account_for_configuration,
        )
        self._reconciler = Reconciler(writer, cache, self._options, gate.open)
        self._loop = Loop(self._reconciler)
        name = f"{socket.gethostname()}-{secrets.token_hex(4)}"
        lease = f"{self._options.configuration_name}-operator"
        self._election = election = Election(
            api, self._options.namespace, lease, name, gate, self._led, remarks=self._reconciler.remarks
        )
        self._reconciler.inherited = lambda: election.inherited
        self._serve_health(cache, self._loop, self._reconciler)
        cache.start()
        self._loop.start()
        self._election.start()
        log.info("operator started", extra={"user": own_name, "namespace": self._options.namespace})

    async def cleanup(self, **_: Any) -> None:
        """Stop. A pass that is under way is finished."""
        if self._loop is not None:
            await self._loop.stop()
        if self._election is not None:
            await asyncio.to_thread(self._election.stop)
        if self._cache is not None:
            self._cache.stop()

    async def login(self, **kwargs: Any) -> kopf.ConnectionInfo | None:
        """Let kopf connect as the rest of the process does."""
        if self._options.kubeconfig is not None:
            return kopf.login_with_kubeconfig(**kwargs)
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    async def changed(self, **_: Any) -> None:
        """One of our resources changed, or kopf listed it."""
        self._wake()

    def _led(self, leading: bool) -> None:  # noqa: FBT001 - a callback's signature
        if leading and self._reconciler is not None:
            self._reconciler.start_over()
        self._wake()

    def _noted(self, kind: str, obj: KubeObject) -> None:
        if self._reconciler is not None:
            self._reconciler.observe(kind, obj)
        if self._loop is not None:
            self._loop.wake(soon=kind not in RESTLESS)

    def _compared(self, before: KubeObject | None, after: KubeObject | None) -> None:
        subject = after if after is not None else before
        if self._reconciler is None or subject is None:
            return
        if subject.get("kind") not in _OUR_KINDS:
            if self._reconciler.compare(before, after):
                self._wake()
        elif after is not None and _rewritten(before, after):
            self._reconciler.learn(f"{after['kind']}/{objects.name(after)}")

    def _wake(self) -> None:
        if self._loop is not None:
            self._loop.wake()

    def _serve_health(self, cache: ClusterCache, loop: Loop, reconciler: Reconciler) -> None:
        registry = CollectorRegistry()
        for collector in (GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, ResourceCollector(cache)):
            registry.register(collector)
        registry.register(ProcessCollector(cache, reconciler))

        def not_ready() -> str:
            waiting = cache.unsynced()
            return f"not synced yet: {', '.join(waiting)}" if waiting else "" if loop.passes else "no pass yet"

        health = Health(registry, lambda: "" if loop.alive() else "the reconcile loop is stuck", not_ready)
        health.serve(self._options.health_address, self._options.health_port)


def _rewritten(before: KubeObject | None, after: KubeObject) -> bool:
    """Whether it is new, or says something else: not only its status."""
    if before is None or objects.uid(before) != objects.uid(after):
        return True
    return bool(objects.value(before, "spec") != objects.value(after, "spec"))


def run(options: Options) -> None:
    """Run until SIGTERM or SIGINT."""
    logs.setup(options.log_level)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    if options.kubeconfig is not None:
        os.environ["KUBECONFIG"] = str(options.kubeconfig)  # where kopf's login looks
    registry = kopf.OperatorRegistry()
    Operator(options).register(registry)
    kopf.run(registry=registry, clusterwide=True, standalone=True)
