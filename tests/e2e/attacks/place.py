"""A namespace with one of everything that a freeze holds, and two people who would change it."""

import json
from collections.abc import Iterator
from typing import Any

from tests.e2e import manifests
from tests.e2e.test_surroundings import autoscaler, claim, plain
from tests.e2e.world import DANA, EmbeddedWorld

Document = dict[str, Any]
CI = "ci@payments.example"
"""A pipeline that may do everything with the built-in kinds of the namespace, subresources included."""
MACHINE = "system:kube-controller-manager"
"""Whom nobody asks: what this one cannot do either is refused by Kubernetes itself, and shows nothing."""
ANNOUNCE = "tierguard.io/allow-deletion"
FINALIZER = "example.com/later"
GROUPS = ["", "apps", "batch", "autoscaling", "policy", "networking.k8s.io"]
PATHS = {
    "apps/v1": "apis/apps/v1",
    "batch/v1": "apis/batch/v1",
    "v1": "api/v1",
    "autoscaling/v2": "apis/autoscaling/v2",
    "policy/v1": "apis/policy/v1",
    "networking.k8s.io/v1": "apis/networking.k8s.io/v1",
}


def path(namespace: str, resource: str, name: str = "", version: str = "v1") -> str:
    """Where the API server has a resource of `namespace`, or one object of it."""
    found = f"/{PATHS[version]}/namespaces/{namespace}"
    if resource != "namespaces":
        found += f"/{resource}"
    return f"{found}/{name}" if name and resource != "namespaces" else found


def _pod(workload: Document) -> Document:
    found: Document = workload["spec"]["template"]["spec"]
    return found


def core(namespace: str) -> Document:
    """The Deployment of tier 1 that most attacks are about, with all that it needs."""
    workload = manifests.deployment(namespace)
    pod = _pod(workload)
    pod["serviceAccountName"] = "core"
    pod["imagePullSecrets"] = [{"name": "pull"}]
    pod["containers"][0]["envFrom"] = [
        {"configMapRef": {"name": "limits"}},
        {"configMapRef": {"name": "doomed", "optional": True}},
        {"secretRef": {"name": "keys"}},
    ]
    pod["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    return workload


def database(namespace: str) -> Document:
    """A StatefulSet of tier 0 with a volume for each of its members, and a rollout prepared behind a partition."""
    workload = manifests.stateful_set(namespace)
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    workload["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": storage}]
    workload["spec"]["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": {"partition": 3}}
    return workload


def never_placed(workload: Document) -> Document:
    """The same with pods that no node takes: they neither run nor end."""
    _pod(workload)["nodeSelector"] = {"example.com/nowhere": "x"}
    return workload


def job(namespace: str, name: str = "charge", tier: str | None = "1", **spec: Any) -> Document:
    """A Job that is at work."""
    labels = {} if tier is None else {"tierguard.io/tier": tier}
    memory = {"memory": "64Mi"}
    container = {"name": "app", "image": "charge:1", "resources": {"limits": memory, "requests": memory}}
    pod = {"restartPolicy": "Never", "containers": [container]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    made = plain("Job", namespace, name, spec={"parallelism": 2, "completions": 4, "template": template, **spec})
    made["metadata"]["labels"] = labels
    return never_placed({**made, "apiVersion": "batch/v1"})


def cron_job(namespace: str) -> Document:
    """A CronJob of tier 1 that does not start by itself in a test."""
    made = job(namespace, "settle")
    template = {"spec": {"template": made["spec"]["template"]}}
    return {**made, "kind": "CronJob", "spec": {"schedule": "0 1 1 1 *", "jobTemplate": template}}


def controller(namespace: str) -> Document:
    """A ReplicationController of tier 1."""
    made = manifests.deployment(namespace, "legacy")
    spec = {"replicas": 2, "selector": {"app": "legacy"}, "template": made["spec"]["template"]}
    return {**made, "apiVersion": "v1", "kind": "ReplicationController", "spec": spec}


def agent(namespace: str) -> Document:
    """A DaemonSet of tier 1."""
    made = manifests.deployment(namespace, "agent")
    _pod(made).pop("topologySpreadConstraints")
    return {**made, "kind": "DaemonSet", "spec": {key: made["spec"][key] for key in ("selector", "template")}}


def pod(namespace: str, name: str, labels: dict[str, str] | None = None, **spec: Any) -> Document:
    """A pod that stays where it is: no node takes it."""
    spec = {"containers": [{"name": "app", "image": "evil:1"}], "nodeSelector": {"example.com/nowhere": "x"}, **spec}
    made = plain("Pod", namespace, name, spec=spec)
    made["metadata"]["labels"] = labels or {}
    return made


def ingress(namespace: str, service: str = "core", name: str = "core") -> Document:
    """An Ingress with one backend."""
    backend = {"service": {"name": service, "port": {"number": 80}}}
    rule = {"host": "pay.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return {**plain("Ingress", namespace, name, spec={"rules": [rule]}), "apiVersion": "networking.k8s.io/v1"}


def silence(namespace: str, name: str = "silence", app: str = "payment-core") -> Document:
    """A NetworkPolicy that lets nothing in or out."""
    spec = {"podSelector": {"matchLabels": {"app": app}}, "policyTypes": ["Ingress", "Egress"]}
    return {**plain("NetworkPolicy", namespace, name, spec=spec), "apiVersion": "networking.k8s.io/v1"}


def service(namespace: str, name: str = "core", app: str = "payment-core") -> Document:
    """A Service of the pods of `app`."""
    return plain("Service", namespace, name, spec={"selector": {"app": app}, "ports": [{"port": 80}]})


def _bomb(document: Document, *, announced: bool = False) -> Document:
    document["metadata"]["finalizers"] = [FINALIZER]
    if announced:
        document["metadata"]["annotations"] = {ANNOUNCE: document["metadata"]["name"]}
    return document


def furniture(namespace: str) -> Iterator[Document]:
    """Everything, in the order in which it is made."""
    yield plain("ServiceAccount", namespace, "core", imagePullSecrets=[{"name": "pull-of-account"}])
    for name in ("limits", "unread"):
        yield plain("ConfigMap", namespace, name, data={"max": "100"})
    yield _bomb(plain("ConfigMap", namespace, "doomed", data={"max": "100"}))
    for name in ("keys", "pull", "pull-of-account"):
        yield plain("Secret", namespace, name, stringData={"key": "s3cret"})
    data = claim(namespace, "data")
    data["metadata"]["labels"] = {"tierguard.io/tier": "1"}
    yield data
    yield _bomb(claim(namespace, "archive"), announced=True)
    yield core(namespace)
    settlement = manifests.deployment(namespace, "settlement", tier="2")
    yield settlement
    yield _bomb(manifests.deployment(namespace, "doomed", tier="2", replicas=0))
    old = manifests.deployment(namespace, "announced")
    old["metadata"]["annotations"] = {ANNOUNCE: "announced"}
    yield old
    paused = manifests.deployment(namespace, "prepared")
    paused["spec"]["paused"] = True
    yield paused
    archiver = manifests.deployment(namespace, "archiver", replicas=0)
    _pod(archiver)["volumes"] = [{"name": "a", "persistentVolumeClaim": {"claimName": "archive"}}]
    yield archiver
    yield manifests.deployment(namespace, "other", tier=None)
    yield manifests.deployment(namespace, "reports", tier="3", replicas=1)
    yield database(namespace)
    yield controller(namespace)
    yield agent(namespace)
    yield cron_job(namespace)
    yield job(namespace)
    yield job(namespace, "halted", suspend=True)
    yield service(namespace)
    yield service(namespace, "elsewhere", "other")
    yield ingress(namespace)
    yield silence(namespace, "present", "ledger-db")
    yield manifests.budget(namespace)
    yield autoscaler(namespace)
    stray = autoscaler(namespace)
    stray["metadata"]["name"] = "other"
    stray["spec"] = {**stray["spec"], "maxReplicas": 3, "minReplicas": 1}
    stray["spec"]["scaleTargetRef"] = {**stray["spec"]["scaleTargetRef"], "name": "other"}
    yield stray
    yield plain("ResourceQuota", namespace, "most", spec={"hard": {"pods": "100"}})
    yield plain(
        "LimitRange",
        namespace,
        "least",
        spec={"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "64Gi"}}]},
    )
    yield pod(namespace, "stray")
    yield pod(namespace, "alone", {"tierguard.io/tier": "1"})


def furnish(world: EmbeddedWorld, namespace: str) -> None:
    """Make all of it, and let it come to rest."""
    rbac = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": "ci", "namespace": namespace}}
    binding = {
        **role,
        "kind": "RoleBinding",
        "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "ci"},
        "subjects": [{"apiGroup": rbac, "kind": "User", "name": CI}],
    }
    made = world.apply(
        {**role, "rules": [{"apiGroups": GROUPS, "resources": ["*"], "verbs": ["*"]}]},
        binding,
        *furniture(namespace),
        options=("--server-side",),
    )
    assert made.passed, made.out
    for name in ("payment-core", "settlement", "announced"):
        world.rolled_out(namespace, name)
    for name in ("payment-core", "ledger-db"):
        kind = "statefulset" if name == "ledger-db" else "deployment"
        world.ok("wait", f"{kind}/{name}", "-n", namespace, "--for=jsonpath={.status.readyReplicas}=3", "--timeout=60s")
    # What is prepared before, to be set off inside.
    for kind, name in (("deployments", "prepared"), ("statefulsets", "ledger-db")):
        image = {"name": "app", "image": f"{manifests.IMAGE}:2"}
        patch = {"spec": {"template": {"spec": {"containers": [image]}}}}
        world.ok("patch", kind, name, "-n", namespace, "-p", json.dumps(patch), user=DANA)
    for kind, name in (("configmap", "doomed"), ("pvc", "archive"), ("deployment", "doomed")):
        world.ok("delete", kind, name, "-n", namespace, "--wait=false", user=CI)
