"""`make bench`: what a review costs the webhook, in CPU, over HTTPS keep-alive, on a real control plane.

The figure is the CPU time (user and system) of the webhook's processes over the reviews answered, read from the kernel's
accounting; the load comes from another process on the same machine. Reviews are of a real Deployment update: both objects
as the API server stores them, about 9 KB each, under a policy with all rules, a freeze that is over, and an open window.
"""

import copy
import json
import os
import platform
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from tests.cluster.controlplane import ControlPlane
from tests.cluster.install import WEBHOOKS, Tierguard
from tests.cluster.processes import poll
from tests.cluster.toolchain import ensure_binaries
from tests.e2e import manifests
from tests.e2e.world import EmbeddedWorld, only_in

REPOSITORY = Path(__file__).resolve().parents[2]
NAMESPACE = "bench"
CONNECTIONS = (8, 32)
REVIEWS = 8000
ROUNDS = 3


def cpu_seconds(pids: list[int]) -> float:
    """CPU time that the processes have used, user and system."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and its children: granian's supervisor and its worker."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *map(int, children)]


def request(path: str, review: dict[str, Any]) -> bytes:
    body = json.dumps(review).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nUser-Agent: bench\r\n\r\n"
    )
    return head.encode() + body


def answer(connection: ssl.SSLSocket) -> bytes:
    """One HTTP response with a Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(
        next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")).split(b":")[1]
    )
    while len(body) < length:
        body += connection.recv(65536)
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode(errors="replace") + body.decode(errors="replace"))
    return body


def load(port: int, authority: str, payload: bytes, connections: int, reviews: int) -> list[float]:
    """Send `reviews` over `connections`; returns the latencies in seconds."""
    context = ssl.create_default_context(cafile=authority)
    latencies: list[float] = []

    def work(count: int) -> None:
        mine = []
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as Go's client has it
            for _ in range(count):
                began = time.perf_counter()
                connection.sendall(payload)
                answer(connection)
                mine.append(time.perf_counter() - began)
        latencies.extend(mine)

    threads = [threading.Thread(target=work, args=(reviews // connections,)) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies


def stored_deployment(world: EmbeddedWorld) -> dict[str, Any]:
    """A Deployment of about 9 KB, as the API server stores it."""
    workload = manifests.deployment(NAMESPACE)
    container = workload["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": f"SETTING_{n:03}", "value": f"value-of-setting-{n:03}"} for n in range(60)]
    container["readinessProbe"] = {"httpGet": {"path": "/ready", "port": 8080}}
    answered = world.apply(workload)
    if not answered.passed:
        raise RuntimeError(answered.out)
    found: dict[str, Any] = world.get("deployment", "payment-core", "-n", NAMESPACE)
    return found


def review_of(old: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    new = copy.deepcopy(old)
    change(new)
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
            "name": "payment-core",
            "namespace": NAMESPACE,
            "operation": "UPDATE",
            "userInfo": {"username": "dana@payments.example", "groups": ["system:authenticated"]},
            "object": new,
            "oldObject": old,
            "dryRun": False,
            "options": {"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    }


def new_image(workload: dict[str, Any]) -> None:
    workload["spec"]["template"]["spec"]["containers"][0]["image"] = f"{manifests.IMAGE}:2"


def nothing(workload: dict[str, Any]) -> None:
    workload["metadata"]["annotations"]["note"] = "synced"


def measure(tierguard: Tierguard, payload: bytes) -> None:
    name = WEBHOOKS[0]
    pid = tierguard.cluster.processes.pid(name)
    if pid is None:
        raise RuntimeError(name)
    authority = str(tierguard.certificates / "ca.crt")
    for connections in CONNECTIONS:
        microseconds, rates, p99 = [], [], []
        for round_ in range(ROUNDS + 1):
            pids = family(pid)
            spent = cpu_seconds(pids)
            script = [
                sys.executable,
                "-m",
                "tests.bench.load",
                str(tierguard.port),
                authority,
                str(connections),
                str(REVIEWS),
            ]
            done = subprocess.run(script, input=payload, stdout=subprocess.PIPE, check=True, timeout=120)
            result = json.loads(done.stdout)
            if round_:  # the first one warms up
                microseconds.append((cpu_seconds(pids) - spent) / result["reviews"] * 1e6)
                rates.append(result["reviews"] / result["seconds"])
                p99.append(result["p99"] * 1e3)
        print(
            f"    {connections:>3} connections: {statistics.median(microseconds):6.0f} µs CPU a review"
            f" (of {ROUNDS} rounds: {min(microseconds):.0f} to {max(microseconds):.0f}),"
            f" {statistics.median(rates):7.0f} reviews/s, p99 {statistics.median(p99):.1f} ms"
        )


def main() -> int:
    """Measure."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(prefix="tierguard-bench-") as directory:
        cluster = ControlPlane(Path(directory), ensure_binaries(REPOSITORY))
        with cluster:
            tierguard = Tierguard(cluster)
            tierguard.install()
            # One replica alone, so that all reviews are its own.
            cluster.processes.stop(*WEBHOOKS[1:])
            world = EmbeddedWorld(cluster, tierguard)
            world.create_namespace(NAMESPACE)
            stored = stored_deployment(world)
            rules = {"rollout": {}, "topologySpread": {}, "disruptionBudget": {"mode": "Maintain"}}
            over = manifests.freeze("over", startsAt="2020-01-01T00:00:00Z", expiresAt="2021-01-01T00:00:00Z")
            window = manifests.window("always", {"from": "00:00", "to": "24:00"})
            resources = [only_in(NAMESPACE, r) for r in (manifests.policy("bench", rules), over, window)]
            answered = world.apply(*resources)
            if not answered.passed:
                raise RuntimeError(answered.out)
            known = poll(lambda: len(next(iter(world.generations()))) == len(resources), 30)
            if not known:
                raise RuntimeError("the webhook did not learn the resources")  # noqa: EM101, TRY003 - a bench
            for title, change in (("a new image", new_image), ("a no-op sync", nothing)):
                payload = request(urlparse(tierguard.review_url()).path, review_of(stored, change))
                print(f"  {title}: a review of {len(payload) / 1024:.1f} KiB")
                measure(tierguard, payload)
    return 0


if __name__ == "__main__":
    sys.exit(main())
