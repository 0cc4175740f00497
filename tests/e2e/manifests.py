"""Workloads and resources of the end-to-end tests, small and sound unless a test makes them otherwise."""

import copy
from typing import Any

Document = dict[str, Any]

IMAGE = "registry.example.com/payments/core"
TAGS = ("1", "2", "3")
SLEEP = ["python3", "-c", "import time; time.sleep(1e9)"]
"""What the containers run where something runs them: on kind, in tierguard's own image under the names above."""
PINNED = f"{IMAGE}@sha256:{'a' * 64}"


ALL_RULES: Document = {
    "replicas": {"minimum": 3},
    "rollout": {"minReadySeconds": 5, "revisionHistoryLimit": 5},
    "disruptionBudget": {"mode": "Suggest"},
    "topologySpread": {},
    "probes": {"livenessToleranceSeconds": 30, "forbiddenPaths": ["/health"]},
    "termination": {"gracePeriodSeconds": 60},
    "resources": {},
    "secrets": {},
    "images": {},
    "priority": {"classNames": ["payments"]},
    "isolation": {},
    "dependencies": {},
    "evidence": {},
}
"""All thirteen, for whoever says more of some of them."""


def deployment(namespace: str, name: str = "payment-core", *, tier: str | None = "1", **changes: Any) -> Document:
    """A sound Deployment. `changes`: replicas, image, strategy."""
    labels = {"app": name, **({"tierguard.io/tier": tier} if tier is not None else {})}
    constraint = {
        "topologyKey": "topology.kubernetes.io/zone",
        "maxSkew": 1,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": name}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": changes.get("replicas", 3),
            "strategy": changes.get("strategy", {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 3}}),
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "topologySpreadConstraints": [constraint],
                    "containers": [{"name": "app", "image": changes.get("image", f"{IMAGE}:1"), "command": SLEEP}],
                },
            },
        },
    }


def with_image(workload: Document, image: str) -> Document:
    """The same workload with another image."""
    changed = copy.deepcopy(workload)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return changed


def stateful_set(namespace: str, name: str = "ledger-db", tier: str = "0") -> Document:
    """A sound StatefulSet without volumes."""
    workload = deployment(namespace, name, tier=tier)
    workload["kind"] = "StatefulSet"
    workload["spec"]["serviceName"] = name
    workload["spec"]["podManagementPolicy"] = "Parallel"
    del workload["spec"]["strategy"]
    return workload


def budget(namespace: str, name: str = "own", app: str = "payment-core", **spec: Any) -> Document:
    """A PodDisruptionBudget."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**(spec or {"maxUnavailable": 1}), "selector": {"matchLabels": {"app": app}}},
    }


def freeze(name: str, **spec: Any) -> Document:
    """A freeze that holds until 2099."""
    return {
        "apiVersion": "tierguard.io/v1alpha1",
        "kind": "OperationalFreeze",
        "metadata": {"name": name},
        "spec": {
            "reason": "11.11 promotion",
            "changeTicket": "PAYOPS-9821",
            "requestedBy": "sre-lead",
            "approvedBy": ["payments-director"],
            "expiresAt": "2099-01-01T00:00:00Z",
            **spec,
        },
    }


def window(name: str, *periods: Document, **spec: Any) -> Document:
    """A change window in Bangkok."""
    return {
        "apiVersion": "tierguard.io/v1alpha1",
        "kind": "ChangeWindow",
        "metadata": {"name": name},
        "spec": {
            "requestedBy": "platform-team",
            "schedule": {"timeZone": "Asia/Bangkok", "periods": list(periods)},
            **spec,
        },
    }


def policy(name: str, rules: Document, tier: int = 1, app: str = "payment-core") -> Document:
    """A policy for the workloads of one app."""
    return {
        "apiVersion": "tierguard.io/v1alpha1",
        "kind": "PaymentTierPolicy",
        "metadata": {"name": name},
        "spec": {
            "tier": tier,
            "requestedBy": "platform-team",
            "scope": {"workloadSelector": {"matchLabels": {"app": app}}},
            "rules": rules,
        },
    }
