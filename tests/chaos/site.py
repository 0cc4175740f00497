"""The cluster that is broken: tierguard with a wire between each of its processes and the API server."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from tests.chaos.clients import Load
from tests.chaos.wire import Wire
from tests.cluster import kubelet
from tests.cluster.controlplane import ControlPlane
from tests.cluster.install import OPERATORS, RELEASE, WEBHOOKS, Tierguard
from tests.cluster.processes import poll
from tests.e2e import manifests
from tests.e2e.outage import compiled
from tests.e2e.world import DANA, EmbeddedWorld, only_in
from tierguard.controller.unreviewed.accountant import SETTLED
from tierguard.controller.unreviewed.snapshot import decode

NAMESPACE = "payments"
FREEZE = "peak"
WELL_SECONDS = 60.0
MOUNT_SECONDS = 1.0
PROBE = "probe"


class Site:
    """A cluster under faults."""

    def __init__(self, cluster: ControlPlane) -> None:
        self.cluster = cluster
        self.tierguard = Tierguard(cluster)
        self.world = EmbeddedWorld(cluster, self.tierguard)
        self.wires = {name: Wire(cluster.server) for name in (*OPERATORS, *WEBHOOKS)}
        self.tierguard.servers = {name: wire.url for name, wire in self.wires.items()}
        self.load = Load(cluster, NAMESPACE)
        self.mounting = True
        """Whether the kubelet carries the Secret with the certificate to its files."""
        self._closed = threading.Event()

    def build(self) -> None:
        """Install tierguard, and make what is written to."""
        self.tierguard.install()
        self.world.create_namespace(NAMESPACE)
        self.world.ok("create", "role", "ci", "-n", NAMESPACE, "--verb=*", "--resource=deployments.apps/status")
        self.world.ok("create", "rolebinding", "ci", "-n", NAMESPACE, "--role=ci", f"--user={DANA}")
        self.load.prepare(self.world.call)
        self.world.apply(manifests.deployment(NAMESPACE, PROBE, replicas=2))
        far = manifests.freeze(
            "next-year", startsAt=_at(20 * 86400), expiresAt=_at(21 * 86400), scope={"tiers": [0, 1]}
        )
        self.world.apply(only_in(NAMESPACE, far))
        self.world.until("the API server knows the freeze to come", lambda: compiled(self.world, "next-year"))
        threading.Thread(target=self._mount, name="mount", daemon=True).start()

    def close(self) -> None:
        """Let go of everything but the cluster."""
        self._closed.set()
        for wire in self.wires.values():
            wire.close()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """A freeze of tiers 0 and 1, in force for the length of a block."""
        made = manifests.freeze(FREEZE, startsAt=_at(-3600), scope={"tiers": [0, 1]})
        with self.world.in_force(dict(only_in(NAMESPACE, made))):
            began = time.monotonic()
            self.world.until("the API server knows the freeze", lambda: compiled(self.world, FREEZE))
            # A change right after a freeze's creation may have come before it: nobody puts that on the account.
            self.world.until(
                "it has been there for a while", lambda: time.monotonic() - began > SETTLED.total_seconds()
            )
            self.world.until("the operator has written down what there is", lambda: self._written_down(FREEZE))
            yield
            inside = self._asked()
        self.world.until("the API server has forgotten it", lambda: self._asked() != inside)

    def _written_down(self, freeze: str) -> bool:
        """Whether the operator's snapshot, from which the next one would look back, says that the freeze holds."""
        found: Any = self.world.get("configmap", "tierguard-account", "-n", "tierguard-system")
        snapshot = decode(str((found or {}).get("binaryData", {}).get("snapshot", "")))
        return f"OperationalFreeze/{freeze}" in snapshot.get("", {}).get("covering", ())

    def _asked(self) -> Any:
        found = self.world.get("validatingwebhookconfigurations", RELEASE)["webhooks"][0]
        return next(each for each in found["matchConditions"] if each["name"] == "inside-a-freeze")

    def well(self, frozen: bool) -> float:
        """Wait until everything works as it should again; returns the seconds that it took. Raises AssertionError."""
        began, began_at = time.monotonic(), datetime.now(UTC)
        names = (*OPERATORS, *WEBHOOKS)
        processes = self.cluster.processes
        for name in names:
            if not processes.alive(name):
                (self.tierguard.start_operator if name in OPERATORS else self.tierguard.start_webhook)(name)
        self.world.until("every process is ready", lambda: all(map(self.tierguard.ready, names)), WELL_SECONDS)
        self.world.until("one operator leads", lambda: len(self.leaders()) == 1, WELL_SECONDS)
        self.world.until("a webhook answers the API server", lambda: self.judged(frozen), WELL_SECONDS)
        # A killed one's successor waits until the Lease has run out. The next fault shall not begin with an old Lease.
        self.world.until("the controller manager renews its Lease", lambda: self._renewed() > began_at, WELL_SECONDS)
        return time.monotonic() - began

    def _renewed(self) -> datetime:
        found: Any = self.world.get("lease", "kube-controller-manager", "-n", "kube-system")
        return datetime.fromisoformat(found["spec"]["renewTime"])

    def judged(self, frozen: bool) -> bool:
        """Whether the webhook's own word is heard: a refused deletion, which it explains, not an outage."""
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{PROBE}"
        words = "denied the request" if frozen else "was not announced"
        return words in str(self.world.call("DELETE", path, dryRun="All")[1].get("message"))

    def leaders(self) -> list[str]:
        """The operators that say that they lead."""
        alive = filter(self.cluster.processes.alive, OPERATORS)
        return [name for name in alive if "tierguard_leader 1.0" in self.tierguard.get(name, "/metrics")[1]]

    def seconds_until(self, what: str, holds: Callable[[], bool], most: float) -> float:
        """How long it takes until something holds. Raises AssertionError when it does not."""
        began = time.monotonic()
        assert poll(holds, most), f"not true after {most:.0f} s: {what}"
        return time.monotonic() - began

    def _mount(self) -> None:
        while not self._closed.wait(MOUNT_SECONDS):
            if self.mounting:
                kubelet.mount(self.tierguard.read_secret(), self.tierguard.certificates)


def _at(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
