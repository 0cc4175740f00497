"""The real webhook server in a process of its own, before an API server that is none."""

import json
import os
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.cluster.ports import free_port
from tests.cluster.processes import poll
from tests.fakes.apiserver import FakeApiServer
from tierguard.cluster.review_path import KEY, PREFIX, ReviewPath, encode
from tierguard.controller.certificates.authority import make_authority, make_leaf

START_SECONDS = 30.0
PATH = f"{PREFIX}/{'0a' * 32}"
"""Where it takes reviews."""


@dataclass(frozen=True)
class Hook:
    """A running webhook."""

    process: "subprocess.Popen[bytes]"
    port: int
    health: int
    trust: ssl.SSLContext
    api: FakeApiServer
    authority: str
    """The certificate to trust."""

    def connect(self, seconds: float = 30.0) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=seconds)
        return self.trust.wrap_socket(plain, server_hostname="localhost")

    def ask(self, body: bytes, query: str = "?timeout=5s", seconds: float = 20.0) -> tuple[int, str, float]:
        """Post a review on a connection of its own: status (0 for none), text, seconds that it took."""
        began = time.monotonic()
        request = urllib.request.Request(
            f"https://localhost:{self.port}{PATH}{query}", data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, context=self.trust, timeout=seconds) as answer:  # noqa: S310
                return answer.status, answer.read().decode(), time.monotonic() - began
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), time.monotonic() - began
        except OSError as error:
            return 0, str(error), time.monotonic() - began

    def get(self, path: str) -> tuple[int, str]:
        """What the plain-HTTP port answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def metric(self, sample: str) -> float:
        """One sample of a scrape; -1 when there is none."""
        for line in self.get("/metrics")[1].splitlines():
            name, _, value = line.rpartition(" ")
            if name == sample:
                return float(value)
        return -1.0

    def workers(self) -> list[int]:
        """The processes that answer."""
        pid = self.process.pid
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]

    def resident(self) -> int:
        """Bytes of memory of the worker."""
        pages = sum(int(Path(f"/proc/{p}/statm").read_text(encoding="ascii").split()[1]) for p in self.workers())
        return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def webhook(directory: Path, api: FakeApiServer) -> Iterator[Hook]:
    """Start it, wait until it answers, and stop it."""
    now = datetime.now(UTC)
    authority = make_authority(now)
    leaf = make_leaf(authority, frozenset({"localhost"}), now + timedelta(seconds=1))
    (directory / "tls.crt").write_bytes(leaf.certificate)
    (directory / "tls.key").write_bytes(leaf.key)
    (directory / KEY).write_bytes(encode([ReviewPath(PATH, now)]))
    port, health = free_port(), free_port()
    command = [
        *(sys.executable, "-m", "tierguard", "webhook", "--namespace=tierguard-system"),
        f"--kubeconfig={api.kubeconfig(directory / 'kubeconfig')}",
        f"--listen=127.0.0.1:{port}",
        f"--health-listen=127.0.0.1:{health}",
        f"--certificates={directory}",
    ]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    trust = ssl.create_default_context(cadata=authority.certificate.decode())
    hook = Hook(process, port, health, trust, api, authority.certificate.decode())
    try:
        ready = poll(lambda: hook.get("/readyz")[0] == 200, START_SECONDS)
        assert ready, (directory / "log").read_text(encoding="utf-8")
        yield hook
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def review(namespace: str, labels: dict[str, str] | None = None, **more: Any) -> bytes:
    """An AdmissionReview of a new Deployment."""
    template = {"metadata": {"labels": {"app": "a", **(labels or {})}}, "spec": {"containers": []}}
    workload = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "namespace": namespace, "labels": labels or {}},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "a"}}, "template": template},
        **more,
    }
    request = {
        "uid": "u-1",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "name": "a",
        "namespace": namespace,
        "operation": "CREATE",
        "userInfo": {"username": "dana@payments.example"},
        "object": workload,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()
