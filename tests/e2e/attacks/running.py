"""Attacks on what runs in a frozen namespace, and on how much of it."""

from typing import Any

from tests.e2e import manifests
from tests.e2e.attacks import place
from tests.e2e.attacks.caller import Caller, Change, Document, Said
from tests.e2e.attacks.kinds import CRON, IMAGE, OTHER_IMAGE, A, B, S, Way, Ways, edit, every, field, make, relabelled
from tests.e2e.test_surroundings import autoscaler, plain


def labels_of_pods(c: Caller) -> dict[str, str]:
    """The labels that the Deployment's ReplicaSet adopts."""
    sets = c.world.get("replicasets", "-n", c.namespace, "-l", "app=payment-core")["items"]
    return dict(sets[0]["spec"]["selector"]["matchLabels"])


def _pod_of(c: Caller, owner: str = "payment-core") -> str:
    """One that a workload controls."""
    pods = c.world.get("pods", "-n", c.namespace)["items"]
    return str(next(found["metadata"]["name"] for found in pods if found["metadata"]["name"].startswith(owner)))


def _of_a_pod(change: Change, sub: str = "", owner: str = "payment-core") -> Way:
    return lambda c: c.edit("pods", _pod_of(c, owner), change, "v1", sub)


KEPT = field("metadata", "finalizers", to=["example.com/never"])


def _replica_set(c: Caller) -> str:
    found = c.world.get("replicasets", "-n", c.namespace, "-l", "app=payment-core")["items"]
    return str(found[0]["metadata"]["name"])


def _adopted(namespace: str, **spec: Any) -> Document:
    return place.pod(namespace, "foreign", {"app": "payment-core"}, **spec)


def _mounting(name: str) -> dict[str, Any]:
    return {"volumes": [{"name": "x", "persistentVolumeClaim": {"claimName": name}}]}


def _deployment_mounting(namespace: str) -> Document:
    made = manifests.deployment(namespace, "reader", tier=None)
    made["spec"]["template"]["spec"] |= _mounting("data")
    return made


def _job_mounting(namespace: str) -> Document:
    made = place.job(namespace, "reader", tier=None)
    made["spec"]["template"]["spec"] |= _mounting("data-ledger-db-0")
    return made


def _replica_set_alike(namespace: str) -> Document:
    made = manifests.deployment(namespace, "alike", tier=None)
    labels = {"app": "payment-core"}
    made["spec"] |= {"selector": {"matchLabels": labels}}
    made["spec"]["template"]["metadata"]["labels"] = labels
    made["metadata"]["labels"] = labels
    del made["spec"]["strategy"]
    return {**made, "kind": "ReplicaSet"}


def _autoscaler(namespace: str, **spec: Any) -> Document:
    made = autoscaler(namespace)
    made["metadata"]["name"] = "mine"
    made["spec"] |= spec
    target = spec.pop("target", None)
    if target is not None:
        made["spec"].pop("target")
        made["spec"]["scaleTargetRef"] = target
    return made


def _quota(namespace: str) -> Document:
    return plain("ResourceQuota", namespace, "none", spec={"hard": {"pods": "0"}})


def _limits(namespace: str) -> Document:
    return plain("LimitRange", namespace, "tiny", spec={"limits": [{"type": "Container", "max": {"memory": "1Ki"}}]})


def bound(c: Caller, labels: dict[str, str]) -> Said:
    """The stray pod sent to a node, by a Binding with labels, which Kubernetes copies into the pod."""
    made = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "stray", "namespace": c.namespace, "labels": labels},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "node-0"},
    }
    return c.call("POST", f"{place.path(c.namespace, 'pods', 'stray')}/binding", made)


def _revision(namespace: str) -> Document:
    """A revision that the StatefulSet controller would adopt."""
    return {
        **plain("ControllerRevision", namespace, "foreign", revision=1, data={"spec": {}}),
        "apiVersion": A,
        "metadata": {"name": "foreign", "labels": {"app": "ledger-db"}},
    }


def _revision_of(c: Caller, name: str) -> Document:
    made = _revision(c.namespace)
    uid = c.world.get("deployment", name, "-n", c.namespace)["metadata"]["uid"]
    made["metadata"]["ownerReferences"] = [{"apiVersion": A, "kind": "Deployment", "name": name, "uid": uid}]
    return made


def _drop_revision(c: Caller) -> Said:
    found = c.world.get("controllerrevisions", "-n", c.namespace, "-l", "app=ledger-db")["items"]
    return c.drop("controllerrevisions", found[0]["metadata"]["name"], A)


RUNS: Ways = {
    # What runs: templates, pods, and what becomes a pod.
    "another image of a Deployment": edit("Deployment", IMAGE),
    "another image of a Deployment of tier 2": edit("Deployment of tier 2", IMAGE),
    "another image of a StatefulSet": edit("StatefulSet", IMAGE),
    "another image of a DaemonSet": edit("DaemonSet", IMAGE),
    "another image of a ReplicationController": edit("ReplicationController", IMAGE),
    "another image of a CronJob": edit("CronJob", field(*CRON, to=OTHER_IMAGE)),
    "a Deployment behind whose label there is none": edit(
        "Deployment", every(IMAGE, relabelled({"tierguard.io/tier": None}))
    ),
    "an image volume with a tag": edit(
        "Deployment",
        lambda it: it["spec"]["template"]["spec"]["volumes"].append(
            {"name": "code", "image": {"reference": "registry.example.com/code:latest"}}
        ),
    ),
    "a paused Deployment that goes on": edit("Deployment", field("spec", "paused", to=False), name="prepared"),
    "a partition that is lifted": edit(
        "StatefulSet", field("spec", "updateStrategy", "rollingUpdate", "partition", to=0)
    ),
    "a revision made to be adopted": make("controllerrevisions", A, _revision),
    "a revision with an owner of a tier that is not frozen, made to be adopted": lambda c: c.make(
        "controllerrevisions", _revision_of(c, "reports"), A
    ),
    "a revision deleted, so that the next one counts": _drop_revision,
    "the image of a running pod": _of_a_pod(field("spec", "containers", 0, "image", to=OTHER_IMAGE)),
    "a debug container": _of_a_pod(
        field("spec", "ephemeralContainers", to=[{"name": "x", "image": OTHER_IMAGE}]), "ephemeralcontainers"
    ),
    "less memory for a running pod": _of_a_pod(
        field("spec", "containers", 0, "resources", to={"limits": {"memory": "8Mi"}, "requests": {"memory": "8Mi"}}),
        "resize",
        "charge",
    ),
    "a deadline for a running pod": _of_a_pod(field("spec", "activeDeadlineSeconds", to=1)),
    "a finalizer, with which a pod that is deleted stays": _of_a_pod(KEPT, owner="ledger-db"),
    "the same through its status": _of_a_pod(KEPT, "status", owner="ledger-db"),
    "a pod relabelled to be adopted": lambda c: c.edit("pods", "stray", relabelled(dict(labels_of_pods(c)))),
    "a pod relabelled to be adopted, through its status": lambda c: c.edit(
        "pods", "stray", relabelled(dict(labels_of_pods(c))), sub="status"
    ),
    "a pod made to be adopted": lambda c: c.make("pods", place.pod(c.namespace, "foreign", labels_of_pods(c))),
    "a pod behind the Service": make("pods", "v1", _adopted),
    "a pod with a generated name behind the Service": lambda c: c.make(
        "pods", {**_adopted(c.namespace), "metadata": {"generateName": "x-", "labels": {"app": "payment-core"}}}
    ),
    "a pod adopted by a ReplicationController": make(
        "pods", "v1", lambda ns: place.pod(ns, "foreign", {"app": "legacy"})
    ),
    "a ReplicaSet made to be adopted": make("replicasets", A, _replica_set_alike),
    "a ReplicaSet of the Deployment with another image": lambda c: c.edit("replicasets", _replica_set(c), IMAGE, A),
    "a member's name": make("pods", "v1", lambda ns: place.pod(ns, "ledger-db-7", {"app": "ledger-db"})),
    "a member's name without its labels": make("pods", "v1", lambda ns: place.pod(ns, "ledger-db-8")),
    "a pod with a frozen claim": make("pods", "v1", lambda ns: place.pod(ns, "reader", **_mounting("data"))),
    "a pod with a member's claim": make(
        "pods", "v1", lambda ns: place.pod(ns, "reader", **_mounting("data-ledger-db-1"))
    ),
    "a Deployment with a frozen claim": make("deployments", A, _deployment_mounting),
    "a Job with a member's claim": make("jobs", B, _job_mounting),
    "a new Deployment of tier 1": make("deployments", A, lambda ns: manifests.deployment(ns, "more")),
    "a Deployment that becomes one of tier 1": edit("Deployment", relabelled({"tierguard.io/tier": "1"}), name="other"),
    "a suspended Job that starts": edit("Job", field("spec", "suspend", to=False), name="halted"),
}

STOPS: Ways = {
    # How many run: scaling, suspension, autoscalers, and what keeps pods from being made.
    "scaled to zero": edit("Deployment", field("spec", "replicas", to=0)),
    "scaled down": edit("Deployment", field("spec", "replicas", to=1)),
    "scaled to zero through /scale": edit("Deployment", field("spec", "replicas", to=0), "scale"),
    "a StatefulSet scaled down through /scale": edit("StatefulSet", field("spec", "replicas", to=1), "scale"),
    "a ReplicationController scaled to zero": edit("ReplicationController", field("spec", "replicas", to=0)),
    "a ReplicationController scaled down through /scale": edit(
        "ReplicationController", field("spec", "replicas", to=1), "scale"
    ),
    "the ReplicaSet scaled to zero through /scale": lambda c: c.edit(
        "replicasets", _replica_set(c), field("spec", "replicas", to=0), A, "scale"
    ),
    "a running Job that is suspended": edit("Job", field("spec", "suspend", to=True)),
    "a running Job without pods": edit("Job", field("spec", "parallelism", to=0)),
    "a running Job with a deadline": edit("Job", field("spec", "activeDeadlineSeconds", to=1)),
    "a new autoscaler with a low maximum": make(
        "horizontalpodautoscalers", S, lambda ns: _autoscaler(ns, minReplicas=1, maxReplicas=1)
    ),
    "a new autoscaler of a StatefulSet": make(
        "horizontalpodautoscalers",
        S,
        lambda ns: _autoscaler(ns, minReplicas=1, target={"apiVersion": A, "kind": "StatefulSet", "name": "ledger-db"}),
    ),
    "a new autoscaler by the old version": lambda c: c.call(
        "POST",
        f"/apis/autoscaling/v1/namespaces/{c.namespace}/horizontalpodautoscalers",
        {**_autoscaler(c.namespace, minReplicas=1, maxReplicas=1), "apiVersion": "autoscaling/v1"},
    ),
    "somebody else's autoscaler aimed at a frozen workload": edit(
        "HorizontalPodAutoscaler", field("spec", "scaleTargetRef", "name", to="payment-core"), name="other"
    ),
    "an autoscaler that adds no pods any more": edit(
        "HorizontalPodAutoscaler", field("spec", "behavior", to={"scaleUp": {"selectPolicy": "Disabled"}})
    ),
    "an autoscaler that removes pods at once": edit(
        "HorizontalPodAutoscaler", field("spec", "behavior", to={"scaleDown": {"stabilizationWindowSeconds": 0}})
    ),
    "an autoscaler with another target value": edit(
        "HorizontalPodAutoscaler",
        lambda it: it["spec"]["metrics"][0]["resource"]["target"].update(averageUtilization=1000),
    ),
    "an autoscaler with a lower minimum": edit("HorizontalPodAutoscaler", field("spec", "minReplicas", to=1)),
    "an autoscaler that looks elsewhere": edit(
        "HorizontalPodAutoscaler", field("spec", "scaleTargetRef", "name", to="other")
    ),
    "a looser budget": edit("PodDisruptionBudget", field("spec", "maxUnavailable", to=3)),
    "a budget for other pods": edit("PodDisruptionBudget", field("spec", "selector", "matchLabels", "app", to="x")),
    "a quota of no pods": make("resourcequotas", "v1", _quota),
    "the quota lowered": edit("ResourceQuota", field("spec", "hard", "pods", to="0")),
    "limits that no pod keeps": make("limitranges", "v1", _limits),
    "the limits lowered": edit("LimitRange", field("spec", "limits", 0, "max", "storage", to="1Mi")),
    "a namespace where no pod passes the security standards": edit(
        "Namespace", field("metadata", "labels", "pod-security.kubernetes.io/enforce", to="restricted")
    ),
}
