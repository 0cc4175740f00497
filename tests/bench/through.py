"""What tierguard adds to a write through the real API server, beside a policy in CEL that asks for a part of the same."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.picture import deployment, digest
from tests.cluster.controlplane import ControlPlane
from tests.cluster.install import WEBHOOKS, Tierguard
from tests.cluster.processes import poll
from tests.cluster.toolchain import ensure_binaries
from tests.e2e import manifests
from tests.scale.client import Client

REPOSITORY = Path(__file__).resolve().parents[2]
PLAIN, GUARDED, CEL = "bench-plain", "bench-guarded", "bench-cel"
_PLURAL = "/apis/tierguard.io/v1alpha1/paymenttierpolicies"
RULES: dict[str, Any] = {
    "replicas": {"minimum": 3},
    "probes": {},
    "resources": {},
    "images": {"registries": ["registry.example.com/payments", "registry.example.com/mesh"]},
}
"""The rules that the policy in CEL has too."""
_CONTAINERS = "object.spec.template.spec.containers.all(c, {})"
_PRESENT = ("has(c.resources.requests)", "has(c.resources.limits)", "'cpu' in c.resources.requests")
_REGISTRIES = ("registry.example.com/payments/", "registry.example.com/mesh/")
_CEL = (
    "object.spec.replicas >= 3",
    _CONTAINERS.format("has(c.readinessProbe) && has(c.livenessProbe)"),
    _CONTAINERS.format(" && ".join((*_PRESENT, "'memory' in c.resources.requests", "'memory' in c.resources.limits"))),
    _CONTAINERS.format(" || ".join(f"c.image.startsWith('{prefix}')" for prefix in _REGISTRIES)),
    _CONTAINERS.format("c.image.contains('@sha256:')"),
)


@dataclass(frozen=True)
class Through:
    """Medians in seconds of an update that nobody reviews, of one that tierguard does, and of one that CEL does."""

    plain: float
    guarded: float
    cel: float
    updates: int
    calls_of_plain: float
    """Reviews that the webhook counted for the updates that nobody is to review."""

    @property
    def added(self) -> float:
        """What tierguard adds."""
        return self.guarded - self.plain

    @property
    def added_by_cel(self) -> float:
        """What CEL adds."""
        return self.cel - self.plain


def through_the_api_server(updates: int) -> Through:
    """Measure, `updates` of each, taking turns, on an embedded control plane of its own."""
    with tempfile.TemporaryDirectory(prefix="tierguard-bench-") as directory:
        cluster = ControlPlane(Path(directory), ensure_binaries(REPOSITORY))
        with cluster:
            tierguard = Tierguard(cluster)
            tierguard.install()
            client = Client(cluster)
            for namespace in (PLAIN, GUARDED, CEL):
                client.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
                client.create(_path(namespace), _workload(namespace))
            client.create(_PLURAL, manifests.policy("bench", RULES))
            _bind(client)
            _settle(client)
            return _measure(client, tierguard, updates)


def _workload(namespace: str) -> dict[str, Any]:
    made = deployment(0)
    for field in ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"):
        del made["metadata"][field]
    del made["status"]
    made["metadata"]["namespace"] = namespace
    made["spec"]["paused"] = True  # the cluster is not to roll anything out
    if namespace != GUARDED:  # no tier and no label by which anything of ours could select it
        for labels in (made["metadata"]["labels"], made["spec"]["template"]["metadata"]["labels"]):
            labels.clear()
            labels["name"] = "core"
        made["spec"]["selector"] = {"matchLabels": {"name": "core"}}
    return made


def _path(namespace: str, name: str = "") -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments{'/' + name if name else ''}"


def _bind(client: Client) -> None:
    group = "/apis/admissionregistration.k8s.io/v1"
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments"]}
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": each} for each in _CEL]}
    client.create(f"{group}/validatingadmissionpolicies", {"metadata": {"name": "bench"}, "spec": spec})
    labels = {"kubernetes.io/metadata.name": CEL}
    binding = {
        "policyName": "bench",
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": labels}},
    }
    client.create(f"{group}/validatingadmissionpolicybindings", {"metadata": {"name": "bench"}, "spec": binding})


def _settle(client: Client) -> None:
    """Wait until both refuse what they are there to refuse."""
    for namespace in (GUARDED, CEL):
        containers = _workload(namespace)["spec"]["template"]["spec"]["containers"]
        containers[0]["image"] = "docker.io/other/core:1"
        path = f"{_path(namespace, 'payment-core')}?dryRun=All"
        change = {"spec": {"template": {"spec": {"containers": containers}}}}

        def refused(path: str = path, change: Any = change) -> bool:
            return client.call("PATCH", path, change)[0] in (403, 422)

        if not poll(refused, 60):
            message = f"nothing is refused in {namespace}"
            raise RuntimeError(message)


def _measure(client: Client, tierguard: Tierguard, updates: int) -> Through:
    seconds: dict[str, list[float]] = {PLAIN: [], GUARDED: [], CEL: []}
    calls = 0.0
    for number in range(1, updates + 11):
        for namespace, taken in seconds.items():
            body = {
                "metadata": {"annotations": {"release": str(number)}},
                "spec": {"template": {"metadata": {"annotations": {"release": digest(number)}}}},
            }
            before = _reviews(tierguard) if namespace == PLAIN and number <= 10 else 0.0
            began = time.perf_counter()
            client.change(_path(namespace, "payment-core"), body)
            passed = time.perf_counter() - began
            if namespace == PLAIN and number <= 10:
                calls += _reviews(tierguard) - before
            else:
                taken.append(passed)
    plain, guarded, cel = (median(seconds[namespace][-updates:]) for namespace in (PLAIN, GUARDED, CEL))
    return Through(plain, guarded, cel, updates, calls)


def _reviews(tierguard: Tierguard) -> float:
    """Reviews that the webhooks have answered, by their own count."""
    total = 0.0
    for name in WEBHOOKS:
        for line in tierguard.get(name, "/metrics")[1].splitlines():
            if line.startswith("tierguard_webhook_reviews_total{"):
                total += float(line.rpartition(" ")[2])
    return total
