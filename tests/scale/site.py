"""What is there to be guarded: sound Deployments of one size, the policy that guards them, and a freeze."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.e2e import manifests
from tests.scale.client import Client

Document = dict[str, Any]
LABEL = "tierguard.io/tier"
DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"
RULES: Document = manifests.ALL_RULES | {
    "replicas": {"minimum": 2},
    "rollout": {"maxUnavailable": 0},
    "disruptionBudget": {"mode": "Maintain"},
    "probes": {},
    "termination": {"gracePeriodSeconds": 30},
    "images": {"registries": ["registry.example.com/payments/"]},
    "evidence": {
        "annotations": ["release-id"],
        "proofs": [{"annotation": "last-restore-test", "maxAgeDays": 365}],
    },
    "deletion": {},
}
"""All thirteen rules, and when workloads may be deleted."""


@dataclass(frozen=True)
class Size:
    """How much there is."""

    workloads: int
    namespaces: int
    kib: int

    def places(self) -> Iterator[tuple[str, str]]:
        """Namespace and name of each Deployment."""
        for number in range(self.workloads):
            yield namespace(number % self.namespaces), f"service-{number // self.namespaces:04}"


def namespace(number: int) -> str:
    return f"team-{number:03}"


def policy() -> Document:
    """A policy of all rules, for whatever has the label of tier 1."""
    made = manifests.policy("scale", RULES)
    made["spec"]["scope"] = {"workloadSelector": {"matchLabels": {LABEL: "1"}}}
    return made


def freeze(place: str) -> Document:
    """A freeze of one namespace that holds now."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": place}}
    return manifests.freeze("scale", scope={"namespaceSelector": selector})


def deployment(place: str, name: str, settings: int) -> Document:
    """A sound Deployment with that many variables. Half of their values are like those of its neighbours, half are not."""
    made = manifests.deployment(place, name, image=manifests.PINNED)
    made["metadata"]["annotations"] = {
        "evidence.tierguard.io/release-id": f"release-{name}",
        "evidence.tierguard.io/images": manifests.PINNED,
        "evidence.tierguard.io/last-restore-test": datetime.now(UTC).date().isoformat(),
    }
    pod = made["spec"]["template"]["spec"]
    pod |= {"priorityClassName": "payments", "terminationGracePeriodSeconds": 60}
    pod["containers"][0] |= {
        "env": [{"name": f"SETTING_{n:03}", "value": _value(place, name, n)} for n in range(settings)],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "128Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
        "livenessProbe": {"httpGet": {"path": "/live", "port": 8080}},
    }
    return made


def _value(place: str, name: str, number: int) -> str:
    if number % 2:
        return f"{number}.{name}.{place}.svc"
    return hashlib.sha256(f"{place}/{name}/{number}".encode()).hexdigest()[:20]


def build(client: Client, size: Size) -> int:
    """Make all of it; returns the bytes of one Deployment, as stored."""

    def make_namespace(number: int) -> None:
        place = namespace(number)
        client.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place}})
        isolated = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "all", "namespace": place},
            "spec": {"podSelector": {}},
        }
        client.create(f"/apis/networking.k8s.io/v1/namespaces/{place}/networkpolicies", isolated)

    client.all_at_once(make_namespace, range(size.namespaces))
    settings, stored = _fitting(client, size)

    def make(place: tuple[str, str]) -> None:
        client.create(DEPLOYMENTS.format(place[0]), deployment(*place, settings))

    client.all_at_once(make, size.places())
    return stored


def _fitting(client: Client, size: Size) -> tuple[int, int]:
    """How many variables make a Deployment as large as it shall be, and how large it is then."""

    def stored(settings: int) -> int:
        path = DEPLOYMENTS.format(namespace(0)) + "?dryRun=All"
        answered = client.create(path, deployment(namespace(0), "service-0000", settings))
        return len(json.dumps(answered, separators=(",", ":")))

    few, many = 10, 40
    each = (stored(many) - stored(few)) / (many - few)
    settings = few + round((size.kib * 1024 - stored(few)) / each)
    return settings, stored(settings)
