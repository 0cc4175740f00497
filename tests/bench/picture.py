"""What the benchmark reviews: a payment Deployment, the bodies that change it, and the cluster that is around it."""

import copy
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.e2e import manifests
from tests.fakes.apiserver import FakeApiServer

Document = dict[str, Any]

PLACE = "payments"
ACCEPTED, REFUSED, UNCHANGED = "accepted rollout", "refused, several findings", "no-op sync"
CASES = (ACCEPTED, REFUSED, UNCHANGED)
BODIES = 1500
"""Different bodies of a case, where they differ."""
RULES: Document = manifests.ALL_RULES | {
    "images": {"registries": ["registry.example.com/payments", "registry.example.com/mesh"]},
    "dependencies": {"lowestTier": 2},
    "evidence": {"annotations": ["approval"], "proofs": [{"annotation": "restore", "maxAgeDays": 3650}]},
}
"""All thirteen."""
_PROXY = "registry.example.com/mesh/proxy@sha256:" + "b" * 64


@dataclass(frozen=True)
class Size:
    """How much of the cluster does not concern the workload."""

    namespaces: int
    budgets: int
    holds: int
    """Freezes, and as many windows, of other scopes."""
    policies: int


FULL = Size(namespaces=5_000, budgets=20_000, holds=97, policies=49)
"""Together with what concerns the workload: two hundred freezes and windows, fifty policies."""


def digest(release: int) -> str:
    """An image digest."""
    return "sha256:" + hashlib.sha256(str(release).encode()).hexdigest()


def deployment(release: int) -> Document:
    """`release` of the workload, about 9 KiB as the API server stores it, which breaks no rule."""
    made = manifests.deployment(PLACE)
    made["metadata"] |= {
        "uid": "0f6e1c4e-8c1d-4a5b-9d53-1f0a2b3c4d5e",
        "resourceVersion": str(1_000 + release),
        "generation": 1 + release,
        "creationTimestamp": "2026-01-05T08:00:00Z",
        "annotations": {
            "deployment.kubernetes.io/revision": str(1 + release),
            "evidence.tierguard.io/approval": f"CAB-{release}",
            "evidence.tierguard.io/images": f"{digest(release)},sha256:{'b' * 64}",
            "evidence.tierguard.io/restore": "2026-11-20",
            "tierguard.io/depends-on": f"{PLACE}/ledger-db",
        },
        "managedFields": [_managed(manager) for manager in ("helm", "kube-controller-manager")],
    }
    made["spec"] |= {"minReadySeconds": 10, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}
    pod = made["spec"]["template"]["spec"]
    app = pod["containers"][0] | {
        "image": f"registry.example.com/payments/core@{digest(release)}",
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": "RELEASE", "value": str(release)}, *_settings(36)],
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "readinessProbe": _probe("/ready"),
        "livenessProbe": _probe("/live"),
        "resources": {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}},
        "volumeMounts": [{"name": f"v{n}", "mountPath": f"/etc/config/{n}", "readOnly": True} for n in range(8)],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
    proxy = copy.deepcopy(app) | {"name": "proxy", "image": _PROXY, "env": _settings(8)}
    pod |= {
        "containers": [app, proxy],
        "volumes": [
            *({"name": f"v{n}", "configMap": {"name": f"config-{n}", "defaultMode": 420}} for n in range(7)),
            {"name": "v7", "secret": {"secretName": "keys", "defaultMode": 420}},
        ],
        "priorityClassName": "payments",
        "terminationGracePeriodSeconds": 60,
        "serviceAccountName": "core",
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
    }
    made["status"] = {"observedGeneration": 1 + release, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3}
    return made


def broken(release: int) -> Document:
    """`release` with several things wrong."""
    made = deployment(release)
    made["spec"]["replicas"] = 2
    del made["metadata"]["annotations"]["evidence.tierguard.io/approval"]
    pod = made["spec"]["template"]["spec"]
    pod |= {"priorityClassName": "batch", "terminationGracePeriodSeconds": 30}
    pod["containers"][0] |= {"image": f"docker.io/other/core:{release}"}
    del pod["containers"][0]["readinessProbe"]
    return made


def synced() -> Document:
    """What a GitOps tool writes that changes nothing."""
    made = deployment(0)
    made["metadata"]["annotations"]["example.com/synced-at"] = "2026-11-20T12:00:00Z"
    made["metadata"]["resourceVersion"] = "1001"
    return made


def bodies(case: str) -> list[bytes]:
    """The bodies of `case`, as the API server sends them."""
    old = deployment(0)
    if case == UNCHANGED:
        return [body(old, synced())]
    make = deployment if case == ACCEPTED else broken
    return [body(old, make(release)) for release in range(1, BODIES + 1)]


def body(old: Document, new: Document) -> bytes:
    """An AdmissionReview of making `new` out of `old`: compact JSON, in the API server's order of fields."""
    kind = {"group": "apps", "version": "v1", "kind": "Deployment"}
    resource = {"group": "apps", "version": "v1", "resource": "deployments"}
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": kind,
        "resource": resource,
        "requestKind": kind,
        "requestResource": resource,
        "name": new["metadata"]["name"],
        "namespace": PLACE,
        "operation": "UPDATE",
        "userInfo": {"username": "dana@payments.example", "groups": ["payments", "system:authenticated"]},
        "object": new,
        "oldObject": old,
        "dryRun": False,
        "options": {"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "helm"},
    }
    review = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
    return json.dumps(review, separators=(",", ":")).encode()


def fill(api: FakeApiServer, size: Size) -> None:
    """Put the cluster into `api`: the workload and what concerns it, and `size` of what does not."""
    for path, obj in (*_concerned(), *_others(size)):
        metadata = dict(obj["metadata"])
        name, namespace = metadata.pop("name"), metadata.pop("namespace", "")
        stored = {"uid": f"{path}/{namespace}/{name}", "generation": 1, "creationTimestamp": "2026-01-05T08:00:00Z"}
        api.put(path, name, namespace, **{**obj, "metadata": stored | metadata})
    api.compact()


def _concerned() -> Iterator[tuple[str, Document]]:
    yield "/api/v1/namespaces", _namespace(PLACE)
    yield "/apis/apps/v1/deployments", deployment(0)
    yield "/apis/apps/v1/statefulsets", manifests.stateful_set(PLACE)
    budget = manifests.budget(PLACE, maxUnavailable=1, unhealthyPodEvictionPolicy="AlwaysAllow")
    yield "/apis/policy/v1/poddisruptionbudgets", budget
    yield (
        "/apis/networking.k8s.io/v1/networkpolicies",
        {"metadata": {"name": "all", "namespace": PLACE}, "spec": {"podSelector": {}}},
    )
    yield _path("paymenttierpolicies"), manifests.policy("all", RULES)
    for number in range(3):
        scope = {"tiers": [0, 1]}
        freeze = manifests.freeze(f"mine-{number}", startsAt="2098-11-11T00:00:00Z", scope=scope)
        yield _path("operationalfreezes"), freeze
        yield _path("changewindows"), manifests.window(f"mine-{number}", {"from": "00:00", "to": "24:00"}, scope=scope)


def _others(size: Size) -> Iterator[tuple[str, Document]]:
    for number in range(size.namespaces):
        yield "/api/v1/namespaces", _namespace(f"ns-{number:05}")
    for number in range(size.budgets):
        namespace = f"ns-{number % size.namespaces:05}"
        yield "/apis/policy/v1/poddisruptionbudgets", manifests.budget(namespace, f"b-{number}", app=f"app-{number}")
    for number in range(size.holds):
        scope = {"tiers": [0, 1], "namespaceSelector": {"matchLabels": {"team": f"team-{number}"}}}
        freeze = manifests.freeze(f"other-{number}", startsAt="2098-11-11T00:00:00Z", scope=scope)
        yield _path("operationalfreezes"), freeze
        yield _path("changewindows"), manifests.window(f"other-{number}", {"from": "00:00", "to": "24:00"}, scope=scope)
    for number in range(size.policies):
        policy = manifests.policy(f"other-{number}", {"replicas": {"minimum": 2}}, app=f"other-{number}")
        yield _path("paymenttierpolicies"), policy


def _path(plural: str) -> str:
    return f"/apis/tierguard.io/v1alpha1/{plural}"


def _namespace(name: str) -> Document:
    return {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}}


def _settings(count: int) -> list[Document]:
    return [{"name": f"SETTING_{n:02}", "value": f"value-of-setting-{n:02}"} for n in range(count)]


def _probe(path: str) -> Document:
    asked = {"path": path, "port": "http", "scheme": "HTTP"}
    return {"httpGet": asked, "periodSeconds": 10, "failureThreshold": 6, "timeoutSeconds": 1, "successThreshold": 1}


def _managed(manager: str) -> Document:
    fields: Document = {f"f:field-{n}": {'k:{"name":"app"}': {".": {}, "f:name": {}}} for n in range(22)}
    entry = {"manager": manager, "operation": "Apply", "apiVersion": "apps/v1", "time": "2026-11-01T00:00:00Z"}
    return {**entry, "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": fields}}
