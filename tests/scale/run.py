"""Starting tierguard beside everything that is there, and measuring it."""

import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from tests.bench.machine import cpu_seconds, family
from tests.cluster import components
from tests.cluster.controlplane import ControlPlane
from tests.cluster.install import OPERATOR, WEBHOOKS, Tierguard
from tests.e2e import manifests
from tests.scale import site
from tests.scale.client import Client
from tests.scale.site import Size, namespace
from tests.scale.table import Measured
from tests.scale.usage import MIB, memory, writes

WEBHOOK = WEBHOOKS[0]
BUDGETS = "/apis/policy/v1/poddisruptionbudgets"
FREEZES = "/apis/tierguard.io/v1alpha1/operationalfreezes"
LONGEST = 900.0
"""Seconds after which what is waited for does not come any more."""
IDLE_SECONDS = 60.0
CALM_SECONDS, CALM_CHANGE, CALM_TRIES = 20.0, 0.1, 20
"""The operator has come to rest when it takes about as much CPU as in the seconds before; or after so many tries."""
HEARTBEATS = (" leases", " nodes/status")
"""What is written whatever happens: by leaders, and by the kubelets, which KWOK is here."""
CHANGES = 5
CHANGE_SECONDS = 12.0
NO_PODS = "--controllers=*,-deployment-controller,-replicaset-controller"
_CONTROLLER = "kube-controller-manager"


def run(cluster: ControlPlane, size: Size) -> list[Measured]:
    """Everything, in order."""
    return Run(cluster, size).all()


class Run:
    """One run."""

    def __init__(self, cluster: ControlPlane, size: Size) -> None:
        self._cluster = cluster
        self._size = size
        self._client = Client(cluster)
        self._tierguard = Tierguard(cluster)
        self._measured: list[Measured] = []

    def all(self) -> list[Measured]:
        """Measure everything, in order."""
        self._build()
        self._start()
        self._restart_webhook()
        self._review_everywhere()
        self._calm_down()
        idle = self._idle()
        self._memory()
        self._change_workloads(idle)
        self._freeze()
        return self._measured

    def _note(self, what: str, value: float, unit: str, most: float | None = None, details: str = "") -> None:
        self._measured.append(Measured(what, value, unit, most, details))
        print(f"{what}: {value:.4g} {unit} {details}", file=sys.stderr, flush=True)

    def _build(self) -> None:
        """Without the controllers that would make pods."""
        processes = self._cluster.processes
        processes.stop(_CONTROLLER)
        command = components.controller_manager(self._cluster.binaries, self._cluster.layout)
        processes.start(_CONTROLLER, [*command, NO_PODS])
        began = time.monotonic()
        stored = site.build(self._client, self._size)
        print(f"made everything in {time.monotonic() - began:.0f} s, {stored} bytes each", file=sys.stderr, flush=True)

    def _start(self) -> None:
        tierguard = self._tierguard
        tierguard.install_chart()
        self._client.create("/apis/tierguard.io/v1alpha1/paymenttierpolicies", site.policy())
        began = time.monotonic()
        tierguard.start_operator(OPERATOR)
        tierguard.mount_certificates()
        tierguard.start_webhook(WEBHOOK)
        ready = self._wait("the operator is ready", lambda: tierguard.ready(OPERATOR), began)
        spent = 0.0

        def settled() -> bool:
            nonlocal spent
            spent = cpu_seconds(self._operator())
            return self._client.count(BUDGETS) >= self._size.workloads

        took = self._wait("every workload has a budget", settled, began, pause=0.5)
        self._note("operator: first pass, all budgets settled", took, "s", 60, f"{spent:.1f} s of CPU")
        self._note("operator: ready after", ready, "s")
        tierguard.wait_ready(WEBHOOK)

    def _restart_webhook(self) -> None:
        self._wait("the webhook configuration is there", self._tierguard.configured, time.monotonic())
        self._cluster.processes.stop(WEBHOOK)
        began = time.monotonic()
        self._tierguard.start_webhook(WEBHOOK)
        took = self._wait("the webhook is ready", lambda: self._tierguard.ready(WEBHOOK), began, pause=0.05)
        spent = cpu_seconds(self._webhook())
        self._note("webhook: ready with everything in its cache", took, "s", 10, f"{spent:.1f} s of CPU")

    def _review_everywhere(self) -> None:
        """Have the webhook look at each namespace once: what it works out about one is kept."""
        for number in range(self._size.namespaces):
            self._try(namespace(number))

    def _calm_down(self) -> None:
        earlier = float("inf")
        for _ in range(CALM_TRIES):
            before = cpu_seconds(self._operator())
            time.sleep(CALM_SECONDS)
            spent = cpu_seconds(self._operator()) - before
            if earlier - spent < CALM_CHANGE + 0.2 * earlier and earlier != float("inf"):
                return
            earlier = spent

    def _idle(self) -> float:
        """Nothing happens for a minute. Returns the share of a core that the operator takes then."""
        before, spent, began = writes(self._client), self._cpu(), time.monotonic()
        logged = self._audited()
        time.sleep(IDLE_SECONDS)
        after, used, seconds = writes(self._client), self._cpu(), time.monotonic() - began
        made = after - before
        leases = sum(count for name, count in made.items() if name.endswith(HEARTBEATS))
        others = {name: count for name, count in sorted(made.items()) if not name.endswith(HEARTBEATS)}
        who = Counter(self._audited()[len(logged) :])
        told = "; ".join(
            [*(f"{count} {name}" for name, count in others.items()), *(f"{n} by {u}" for u, n in who.items())]
        )
        self._note("operator: CPU while nothing happens", (used[0] - spent[0]) / seconds * 100, "% of a core", 2)
        self._note("webhook: CPU while nothing happens", (used[1] - spent[1]) / seconds * 100, "% of a core")
        self._note("writes in a minute in which nothing changes", sum(others.values()), "", 0, told)
        self._note("heartbeats in that minute", leases, "")
        return (used[0] - spent[0]) / seconds

    def _memory(self) -> None:
        for name, pids, most in (("webhook", self._webhook(), 120), ("operator", self._operator(), 250)):
            found = memory(pids)
            details = f"RSS {found['rss']:.0f}, peak {found['peak']:.0f}; {len(pids)} processes"
            if len(pids) > 1:
                details += ", RSS of each " + " and ".join(f"{memory([pid])['rss']:.0f}" for pid in pids)
            self._note(f"{name}: memory (PSS)", found["pss"] * MIB / 1e6, "MB", most, details)

    def _change_workloads(self, idle: float) -> None:
        """What one change costs the operator, beyond what nothing costs."""
        spent = []
        for number in range(CHANGES):
            before = cpu_seconds(self._operator())
            path = f"{site.DEPLOYMENTS.format(namespace(number + 1))}/service-0000"
            self._client.change(path, {"metadata": {"annotations": {"evidence.tierguard.io/release-id": f"r{number}"}}})
            time.sleep(CHANGE_SECONDS)
            spent.append(max(0.0, cpu_seconds(self._operator()) - before - idle * CHANGE_SECONDS))
        details = f"{min(spent):.2f} to {max(spent):.2f}, of {CHANGES} changes"
        self._note("operator: CPU of one changed workload", statistics.median(spent), "s", 0.2, details)

    def _freeze(self) -> None:
        place = namespace(0)
        began = time.monotonic()
        self._client.create(FREEZES, site.freeze(place))
        enforced = self._wait("the webhook refuses", lambda: "frozen" in self._try(place), began, pause=0.002)
        compiled = self._wait("the freeze is compiled", self._compiled, began, pause=0.02)
        self._note("a new freeze: enforced by the webhook after", enforced, "s", 1)
        self._note("a new freeze: compiled into the API server after", compiled, "s")

    def _try(self, place: str) -> str:
        """What is said to another image, in a dry run; empty where nothing is against it."""
        path = f"{site.DEPLOYMENTS.format(place)}/service-0000?dryRun=All"
        containers = [{"name": "app", "image": manifests.PINNED.replace("a" * 64, "b" * 64)}]
        patch = {"spec": {"template": {"spec": {"containers": containers}}}}
        status, said = self._client.call("PATCH", path, patch)
        return "" if status == HTTPStatus.OK else said.decode()

    def _compiled(self) -> bool:
        found = self._client.get(f"{FREEZES}/scale")
        conditions = found.get("status", {}).get("conditions", [])
        return any(each["type"] == "Compiled" and each["status"] == "True" for each in conditions)

    def _audited(self) -> list[str]:
        """Who wrote what, as the audit log has it: no Leases and Events in it, and no dry runs of ours."""
        found = []
        for line in Path(self._cluster.audit_log).read_text(encoding="utf-8").splitlines():
            event: dict[str, Any] = json.loads(line)
            if "dryRun" not in event["requestURI"] and event["objectRef"]["resource"] != "nodes":
                named = (
                    f"{event['user']['username'].rpartition(':')[2]} ({event['verb']} {event['objectRef']['resource']})"
                )
                found.append(named)
        return found

    def _cpu(self) -> tuple[float, float]:
        return cpu_seconds(self._operator()), cpu_seconds(self._webhook())

    def _operator(self) -> list[int]:
        return family(self._pid(OPERATOR))

    def _webhook(self) -> list[int]:
        return family(self._pid(WEBHOOK))

    def _pid(self, name: str) -> int:
        pid = self._cluster.processes.pid(name)
        if pid is None:
            raise RuntimeError(name)
        return pid

    @staticmethod
    def _wait(what: str, holds: Callable[[], bool], began: float, pause: float = 0.1) -> float:
        """Wait; returns the seconds since `began`. Raises RuntimeError after LONGEST."""
        while not holds():
            if time.monotonic() - began > LONGEST:
                message = f"not true after {LONGEST:.0f} s: {what}"
                raise RuntimeError(message)
            time.sleep(pause)
        return time.monotonic() - began
