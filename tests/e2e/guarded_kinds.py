"""One sound object of every guarded kind, and a change to each field of it that a freeze may hold.

The tables are looked up with the registry's keys: a kind or a field that is new there and not here is a KeyError.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.e2e import manifests
from tests.e2e.table import merged
from tierguard.guard.model.scope import TIER_LABEL
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.guard.resources.registry import AROUND
from tierguard.guard.resources.resource import (
    ANNOTATIONS,
    ANNOUNCEMENT,
    CREATE,
    DELETE,
    FINALIZERS,
    LABELS,
    OWNERS,
    SPEC,
    STATUS,
    UPDATE,
    Path,
    Resource,
    Tie,
)
from tierguard.guard.tiers.deletion import ALLOW_DELETION

Document = dict[str, Any]

STORED, ENDING, LOOSE, FRESH = "stored", "ending", "loose", "fresh"
"""What is there; what is there and on its way out; what is there and of no tier; what is yet to be made."""
KEEP = "example.com/keep"
"""A finalizer that nobody takes away."""
FREEZE_LABEL = "frozen-by"
"""On namespaces: what the freeze goes by."""
GONE = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-4000-8000-000000000000"}]


@dataclass(frozen=True)
class Place:
    """A namespace with everything in it, and one on its way out."""

    name: str
    ending: str

    def called(self, kind: str, which: str) -> str:
        """The name of the object of that kind: namespaces have names of their own."""
        return {STORED: self.name, ENDING: self.ending}[which] if kind == "Namespace" else which


def _reader(which: str) -> dict[str, str]:
    return {"app": f"reads-{which}"}


def pods(labels: Mapping[str, str], **spec: Any) -> Document:
    """A pod template whose pods stay pending."""
    container = {"name": "app", "image": manifests.PINNED, "resources": {"requests": {"cpu": "10m"}}}
    return {
        "metadata": {"labels": dict(labels)},
        "spec": {
            "containers": [container],
            "schedulerName": "nobody",
            "automountServiceAccountToken": False,
            **spec,
        },
    }


def reader(namespace: str, which: str) -> Document:
    """A paused Deployment of tier 1 that reads, mounts and runs as everything of that name, whether it is there or not."""
    found = manifests.deployment(namespace, f"reads-{which}")
    template = pods(
        {**_reader(which), TIER_LABEL: "1"},
        serviceAccountName=which,
        volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": which}}],
    )
    template["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": which}}, {"secretRef": {"name": which}}]
    found["spec"] |= {"paused": True, "template": template}
    return found


def _workload(kind: str, which: str) -> Document:
    """Its own labels make it a workload of tier 1."""
    labels = {"app": f"{kind.lower()}-{which}", TIER_LABEL: "1"}
    selected = {"app": labels["app"]}
    template = pods(labels)
    spec: Document = {"replicas": 2, "selector": {"matchLabels": selected}, "template": template}
    uncounted = {key: value for key, value in spec.items() if key != "replicas"}
    runs: Document = {"template": pods(labels, restartPolicy="Never")}
    specs: dict[str, Document] = {
        "Deployment": {**spec, "paused": True},
        "StatefulSet": {**spec, "serviceName": which},
        "DaemonSet": {**uncounted, "template": pods(labels, nodeSelector={"there": "is-none"})},
        "ReplicationController": {**spec, "selector": selected},
        "ReplicaSet": spec,
        "Pod": template["spec"],
        "Job": runs,
        "CronJob": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": runs}},
    }
    return {"metadata": {"labels": labels}, "spec": specs[kind]}


def _around(kind: str, which: str) -> Document:
    """What is around the workload `reads-…` of the same name."""
    backend = {"service": {"name": STORED, "port": {"number": 80}}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"reads-{which}"}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": ""}
    found: dict[str, Document] = {
        "PersistentVolumeClaim": {"metadata": {"labels": {TIER_LABEL: "1"}}, "spec": claim},
        "ConfigMap": {"data": {"key": "old"}},
        "Secret": {"stringData": {"key": "old"}},
        # Of what is made without any field the API server never keeps who wrote what, and when: it has no clock.
        "ServiceAccount": {"metadata": {"labels": _reader(which)}},
        "Service": {"spec": {"selector": _reader(which), "ports": [{"port": 80}]}},
        "Ingress": {"spec": {"defaultBackend": backend}},
        "NetworkPolicy": {"spec": {"podSelector": {"matchLabels": _reader(which)}}},
        "PodDisruptionBudget": {"spec": {"maxUnavailable": 1, "selector": {"matchLabels": _reader(which)}}},
        "HorizontalPodAutoscaler": {
            # One that is made is held where it may take pods away: there are three.
            "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 5}
        },
        "ResourceQuota": {"spec": {"hard": {"services.nodeports": "100"}}},
        "LimitRange": {"spec": {"limits": [{"type": "PersistentVolumeClaim", "max": {"storage": "1Ti"}}]}},
        "ControllerRevision": {"metadata": {"labels": {"app": f"statefulset-{STORED}"}}, "data": {}, "revision": 1},
    }
    return found[kind]


def sound(resource: Resource, place: Place, which: str) -> Document:
    """An object of the kind that the freeze is about."""
    body = _workload(resource.kind, which) if resource.kind in WORKLOAD_KINDS else _around(resource.kind, which)
    version = f"{resource.group}/{resource.version}" if resource.group else resource.version
    named = {**body.get("metadata", {}), "name": which, "namespace": place.name}
    if which == ENDING:
        named["finalizers"] = [KEEP]
    return {"apiVersion": version, "kind": resource.kind, **body, "metadata": named}


_RELEASE = {"template": {"metadata": {"annotations": {"release": "2"}}}}
CHANGES: Mapping[tuple[str, Path], Document] = {
    **{(kind, SPEC): {"spec": _RELEASE} for kind in WORKLOAD_KINDS},
    ("Pod", SPEC): {"spec": {"containers": [{**pods({})["spec"]["containers"][0], "image": f"{manifests.IMAGE}:2"}]}},
    ("Job", SPEC): {"spec": {"suspend": True}},
    ("CronJob", SPEC): {"spec": {"schedule": "0 0 2 1 *"}},
    ("Namespace", LABELS): {"metadata": {"labels": {FREEZE_LABEL: "another"}}},
    ("Namespace", SPEC): {"spec": {"finalizers": []}},
    ("ConfigMap", ("data",)): {"data": {"key": "new"}},
    ("ConfigMap", ("binaryData",)): {"binaryData": {"more": "bmV3"}},
    ("Secret", ("data",)): {"data": {"key": "bmV3"}},
    ("Secret", ("stringData",)): {"stringData": {"key": "new"}},
    ("Secret", ("type",)): {"type": "example.com/another"},
    ("ServiceAccount", ("imagePullSecrets",)): {"imagePullSecrets": [{"name": "another"}]},
    ("ServiceAccount", ("secrets",)): {"secrets": [{"name": "another"}]},
    ("ServiceAccount", ("automountServiceAccountToken",)): {"automountServiceAccountToken": False},
    ("ServiceAccount", ANNOTATIONS): {"metadata": {"annotations": {"cloud.example.com/role": "another"}}},
    ("Service", SPEC): {"spec": {"selector": {"app": "another"}}},
    ("Ingress", SPEC): {"spec": {"defaultBackend": {"service": {"name": "another"}}}},
    ("NetworkPolicy", SPEC): {"spec": {"policyTypes": ["Ingress", "Egress"]}},
    ("PodDisruptionBudget", SPEC): {"spec": {"maxUnavailable": 2}},
    ("HorizontalPodAutoscaler", SPEC): {"spec": {"maxReplicas": 3}},
    ("HorizontalPodAutoscaler", (*ANNOTATIONS, "autoscaling.alpha.kubernetes.io/behavior")): {
        "metadata": {
            "annotations": {
                "autoscaling.alpha.kubernetes.io/behavior": '{"ScaleUp":{"SelectPolicy":"Disabled",'
                '"Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15}]}}'
            }
        }
    },
    ("HorizontalPodAutoscaler", (*ANNOTATIONS, "autoscaling.alpha.kubernetes.io/metrics")): {
        "metadata": {
            "annotations": {
                "autoscaling.alpha.kubernetes.io/metrics": '[{"type":"Resource","resource":'
                '{"name":"memory","targetAverageUtilization":90}}]'
            }
        }
    },
    ("ResourceQuota", SPEC): {"spec": {"hard": {"pods": "0"}}},
    **{(kind, STATUS): {"status": {"observedGeneration": 99}} for kind in WORKLOAD_KINDS},
    ("CronJob", STATUS): {"status": {"lastScheduleTime": "2026-01-01T00:00:00Z"}},
    ("Job", STATUS): {"status": {"conditions": [{"type": "Mine", "status": "True"}]}},
    ("ControllerRevision", ("data",)): {"data": {"spec": {}}},
    ("ControllerRevision", ("revision",)): {"revision": 9},
    ("LimitRange", SPEC): {"spec": {"limits": [{"type": "Pod", "max": {"cpu": "1m"}}]}},
}
"""A merge patch for each field that is a kind's own."""

OF_SUBRESOURCE: Mapping[str, Document] = {
    "resize": {
        "spec": {"containers": [{**pods({})["spec"]["containers"][0], "resources": {"requests": {"cpu": "20m"}}}]}
    },
    "ephemeralcontainers": {"spec": {"ephemeralContainers": [{"name": "debug", "image": f"{manifests.IMAGE}:2"}]}},
}
"""The change of `spec` through a path that takes no other."""


def patch_of(resource: Resource, subresource: str, field: Path, name: str) -> Document:
    """A change of that field."""
    if field == SPEC and subresource in OF_SUBRESOURCE:
        return OF_SUBRESOURCE[subresource]
    own = CHANGES.get((resource.kind, field))
    return own if own is not None else _common(name)[field]


def _common(name: str) -> Mapping[Path, Document]:
    return {
        LABELS: {"metadata": {"labels": {TIER_LABEL: "3"}}},
        OWNERS: {"metadata": {"ownerReferences": GONE}},
        ANNOUNCEMENT: {"metadata": {"annotations": {ALLOW_DELETION: name}}},
        FINALIZERS: {"metadata": {"finalizers": None}},
    }


@dataclass(frozen=True)
class Case:
    """A write: to which object of a kind, through which path, and what it changes.

    `field` is the held field, or none. `version` is another one of the kind's, where its own cannot say it.
    """

    resource: Resource
    operation: str
    which: str
    subresource: str = ""
    field: Path = ()
    body: Document | None = None
    why: str = ""
    version: str = ""

    def __str__(self) -> str:
        path = f"/{self.subresource}" if self.subresource else ""
        changed = ".".join(self.field) or self.why
        return f"{self.operation} {self.resource.kind}{path} {self.which} {changed}".rstrip()

    @property
    def only_removes(self) -> bool:
        """Whether it leaves no new time in managedFields: the API server counts it as inside of any stretch to come."""
        return self.field == FINALIZERS or self.body == CHANGES["Namespace", SPEC]


def cases(place: Place) -> Iterator[Case]:
    """Every path of every guarded kind, with each field that is held."""
    for resource in AROUND:
        if CREATE in resource.operations:
            yield Case(resource, CREATE, FRESH, body=sound(resource, place, FRESH))
        yield from _becoming_guarded(resource, place)
        for subresource in ("", *resource.subresources):
            for field in resource.held:
                if field == STATUS and subresource != "status":
                    continue  # nowhere else does the API server take it
                which = ENDING if field == FINALIZERS or subresource == "finalize" else STORED
                body = patch_of(resource, subresource, field, place.called(resource.kind, which))
                # The annotations of autoscaling/v1 are fields of v2, which drops them.
                version = "v1" if any("autoscaling.alpha" in step for step in field) else ""
                yield Case(resource, UPDATE, which, subresource, field, body, version=version)
        if DELETE in resource.operations:
            yield Case(resource, DELETE, STORED)
        if resource.scaled:
            yield Case(resource, UPDATE, STORED, "scale", body={"spec": {"replicas": 1}}, why="to fewer")


def _becoming_guarded(resource: Resource, place: Place) -> Iterator[Case]:
    """What has no tier of its own, and acts for a workload that has one."""
    if Tie.POD in resource.ties:
        mounting = loose(resource, place, FRESH)
        volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": STORED}}]
        _pod_spec(mounting)["volumes"] = volumes
        yield Case(resource, CREATE, FRESH, body=mounting, why="mounting a guarded claim")
    if Tie.ADOPTION in resource.ties:
        adopted = merged(loose(resource, place, FRESH), {"metadata": {"labels": _reader(STORED)}})
        yield Case(resource, CREATE, FRESH, body=adopted, why="to be adopted")
        yield Case(resource, UPDATE, LOOSE, body={"metadata": {"labels": _reader(STORED)}}, why="to be adopted")
    if resource.kind == "Pod":
        member = loose(resource, place, FRESH)
        member["metadata"]["name"] = f"{STORED}-7"
        yield Case(resource, CREATE, FRESH, body=member, why="as a StatefulSet's member")


def loose(resource: Resource, place: Place, which: str) -> Document:
    """A workload of no tier."""
    found = copy.deepcopy(sound(resource, place, which))
    spec = found["spec"]
    inner = spec.get("jobTemplate", {}).get("spec", spec).get("template", {})
    for labels in (found["metadata"]["labels"], inner.get("metadata", {}).get("labels", {})):
        labels.pop(TIER_LABEL, None)
    return found


def _pod_spec(workload: Document) -> Document:
    spec: Document = workload["spec"]
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    found: Document = spec["template"]["spec"] if "template" in spec else spec
    return found
