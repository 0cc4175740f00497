"""What tierguard adds to a write through the real API server, beside a policy in CEL that asks for a part of the same."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from tests.bench.picture import deployment, digest
from tests.cluster.controlplane import ControlPlane
from tests.cluster.install import WEBHOOKS, Tierguard
from tests.cluster.processes import poll
from tests.cluster.toolchain import ensure_binaries
from tests.e2e import manifests
from tests.e2e.world import EmbeddedWorld
from tests.scale.client import Client

REPOSITORY = Path(__file__).resolve().parents[2]
WORKLOADS = 12
"""In each namespace."""
WARM_UP = 12
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
class Taken:
    """Seconds that updates took: the median, and the quarters between which half of them lie."""

    median: float
    lower: float
    upper: float

    @classmethod
    def of(cls, seconds: list[float]) -> "Taken":
        """The figures of two or more updates."""
        lower, middle, upper = quantiles(seconds, n=4)
        return cls(middle, lower, upper)


@dataclass(frozen=True)
class Through:
    """An update that nobody reviews, one that tierguard does, and one that CEL does; `updates` of each."""

    plain: Taken
    guarded: Taken
    cel: Taken
    updates: int
    calls_of_plain: float
    """Reviews that the webhooks counted while only updates were made that nobody is to review."""
    calls_of_guarded: float
    """The same of as many guarded updates: that they are counted at all."""

    @property
    def added(self) -> float:
        """What tierguard adds to the median, in seconds."""
        return self.guarded.median - self.plain.median

    @property
    def added_by_cel(self) -> float:
        """What CEL adds."""
        return self.cel.median - self.plain.median


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
                for number in range(WORKLOADS):
                    client.create(_path(namespace), _workload(namespace, number))
            client.create(_PLURAL, manifests.policy("bench", RULES))
            _bind(client)
            _settle(client)
            EmbeddedWorld(cluster, tierguard).surveyed(GUARDED)
            return _measure(client, tierguard, updates)


def _workload(namespace: str, number: int = 0) -> dict[str, Any]:
    made = deployment(0)
    for field in ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"):
        del made["metadata"][field]
    del made["status"]
    made["metadata"] |= {"namespace": namespace, "name": _name(number)}
    made["spec"]["paused"] = True  # the cluster is not to roll anything out
    if namespace != GUARDED:  # no tier and no label by which anything of ours could select it
        for labels in (made["metadata"]["labels"], made["spec"]["template"]["metadata"]["labels"]):
            labels.clear()
            labels["name"] = "core"
        made["spec"]["selector"] = {"matchLabels": {"name": "core"}}
    return made


def _name(number: int) -> str:
    return f"core-{number % WORKLOADS}"


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
        path = f"{_path(namespace, _name(0))}?dryRun=All"
        change = {"spec": {"template": {"spec": {"containers": containers}}}}

        def refused(path: str = path, change: Any = change) -> bool:
            return client.call("PATCH", path, change)[0] in (403, 422)

        if not poll(refused, 60):
            message = f"nothing is refused in {namespace}"
            raise RuntimeError(message)


def _measure(client: Client, tierguard: Tierguard, updates: int) -> Through:
    seconds: dict[str, list[float]] = {PLAIN: [], GUARDED: [], CEL: []}
    for number in range(updates + WARM_UP):
        order = list(seconds)
        first = number % len(order)
        for namespace in (*order[first:], *order[:first]):  # nobody always comes after the same one
            began = time.perf_counter()
            _update(client, namespace, number)
            if number >= WARM_UP:
                seconds[namespace].append(time.perf_counter() - began)
    calls = {namespace: _calls(client, tierguard, namespace, updates) for namespace in (PLAIN, GUARDED)}
    plain, guarded, cel = (Taken.of(seconds[namespace]) for namespace in (PLAIN, GUARDED, CEL))
    return Through(plain, guarded, cel, updates, calls[PLAIN], calls[GUARDED])


def _update(client: Client, namespace: str, number: int) -> None:
    # Of several in turn, as a controller's own write of a status makes the API server try the next one again.
    body = {
        "metadata": {"annotations": {"release": str(number)}},
        "spec": {"template": {"metadata": {"annotations": {"release": digest(number)}}}},
    }
    client.change(_path(namespace, _name(number)), body)


def _calls(client: Client, tierguard: Tierguard, namespace: str, updates: int) -> float:
    """Reviews that the webhooks answer while `updates` are made in `namespace`, and nothing else is."""
    before = _quiet(tierguard)
    for number in range(updates):
        _update(client, namespace, -1 - number)
    return _quiet(tierguard) - before


def _quiet(tierguard: Tierguard) -> float:
    """The webhooks' count of reviews, once it stands still for a second. Raises RuntimeError where it never does."""
    last = [-1.0, 0.0]

    def still() -> bool:
        found, now = _reviews(tierguard), time.monotonic()
        if found != last[0]:
            last[:] = [found, now]
        return now - last[1] >= 1.0

    if not poll(still, 60):
        message = "the webhooks are asked all the time"
        raise RuntimeError(message)
    return last[0]


def _reviews(tierguard: Tierguard) -> float:
    """Reviews that the webhooks have answered, by their own count. Raises RuntimeError where one does not tell."""
    total = 0.0
    for name in WEBHOOKS:
        status, text = tierguard.get(name, "/metrics")
        if status != 200:
            message = f"{name} tells no metrics: {status}"
            raise RuntimeError(message)
        counts = (line for line in text.splitlines() if line.startswith("tierguard_webhook_reviews_total{"))
        total += sum(float(line.rpartition(" ")[2]) for line in counts)
    return total
