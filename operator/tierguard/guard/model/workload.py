"""The kinds of workload, and where each of them keeps what a decision reads. A further kind is one table entry."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tierguard.guard.model import objects
from tierguard.guard.model.digest import condensed, encoded
from tierguard.guard.model.objects import KubeObject, Labels
from tierguard.guard.model.once import once

# Written by controllers into the templates that they copy; they are no part of what a person wrote.
HASH_LABELS = ("pod-template-hash", "controller-revision-hash", "pod-template-generation")
_COPIED_INTO_PODS = ("finalizers", "name", "generateName", "namespace", "ownerReferences")
JOB_NAME = "batch.kubernetes.io/job-name"
"""A label that the Job controller gives to its pods, and that no other pods have."""
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


@dataclass(frozen=True, slots=True)
class WorkloadKind:
    """Where a kind keeps its pod template, its replicas and its pause switch.

    `template` and the others are paths from the object's root; None where the kind has no such thing. `made_by` says
    that Kubernetes' own controllers usually create this kind for a parent.
    """

    kind: str
    group: str
    version: str
    resource: str
    template: tuple[str, ...]
    replicas: tuple[str, ...] | None = None
    paused: tuple[str, ...] | None = None
    made_by_controllers: bool = False
    announced_deletion: bool = False
    api_version: str = field(init=False)
    """`group/version`, as manifests write it."""
    no_settings: frozenset[str] = field(init=False)
    """The keys of `spec` that are the pod template, the replicas or the pause switch."""

    @property
    def root(self) -> str:
        """Where the API server has its version of the group."""
        return f"/{'apis' if self.group else 'api'}/{self.api_version}"

    @property
    def path(self) -> str:
        """Where the API server has all of them."""
        return f"{self.root}/{self.resource}"

    def __post_init__(self) -> None:
        written = f"{self.group}/{self.version}" if self.group else self.version
        paths = (self.template, self.replicas or (), self.paused or ())
        object.__setattr__(self, "api_version", written)
        object.__setattr__(self, "no_settings", frozenset(path[1] for path in paths if path))


_TEMPLATE = ("spec", "template")
_REPLICAS = ("spec", "replicas")

WORKLOAD_KINDS: Mapping[str, WorkloadKind] = {
    entry.kind: entry
    for entry in (
        WorkloadKind(
            "Deployment",
            "apps",
            "v1",
            "deployments",
            _TEMPLATE,
            _REPLICAS,
            paused=("spec", "paused"),
            announced_deletion=True,
        ),
        WorkloadKind("StatefulSet", "apps", "v1", "statefulsets", _TEMPLATE, _REPLICAS, announced_deletion=True),
        WorkloadKind("DaemonSet", "apps", "v1", "daemonsets", _TEMPLATE, announced_deletion=True),
        WorkloadKind("ReplicaSet", "apps", "v1", "replicasets", _TEMPLATE, _REPLICAS, made_by_controllers=True),
        WorkloadKind(
            "ReplicationController", "", "v1", "replicationcontrollers", _TEMPLATE, _REPLICAS, announced_deletion=True
        ),
        WorkloadKind("Pod", "", "v1", "pods", (), made_by_controllers=True),
        WorkloadKind("Job", "batch", "v1", "jobs", _TEMPLATE, paused=("spec", "suspend"), made_by_controllers=True),
        WorkloadKind(
            "CronJob",
            "batch",
            "v1",
            "cronjobs",
            ("spec", "jobTemplate", "spec", "template"),
            paused=("spec", "suspend"),
            announced_deletion=True,
        ),
    )
}
KIND_OF_RESOURCE: Mapping[str, WorkloadKind] = {entry.resource: entry for entry in WORKLOAD_KINDS.values()}


@dataclass(frozen=True)
class Workload:
    """A workload as one decision sees it: the object, and where to look in it. Made for a request, then dropped."""

    entry: WorkloadKind
    raw: KubeObject

    @classmethod
    def of(cls, raw: KubeObject) -> "Workload | None":
        """The workload in `raw`, or None when its kind is not one of ours."""
        entry = WORKLOAD_KINDS.get(str(raw.get("kind")))
        if entry is None or raw.get("apiVersion", entry.api_version) != entry.api_version:
            return None
        return cls(entry, raw)

    @once
    def kind(self) -> str:
        """Its kind, for example `Deployment`."""
        return self.entry.kind

    @once
    def name(self) -> str:
        """Its name; for one that the API server is yet to name, the prefix."""
        return objects.name(self.raw) or str(objects.mapping(self.raw, "metadata").get("generateName") or "")

    @once
    def namespace(self) -> str:
        """Its namespace."""
        return objects.namespace(self.raw)

    @once
    def labels(self) -> Labels:
        """Its own labels."""
        return objects.labels(self.raw)

    @once
    def template(self) -> KubeObject:
        """Its pod template; a Pod is its own."""
        return objects.mapping(self.raw, *self.entry.template)

    @once
    def template_labels(self) -> Labels:
        """The labels that its pods carry."""
        return objects.labels(self.template)

    @once
    def pod_spec(self) -> KubeObject:
        """The `spec` of its pods."""
        return objects.mapping(self.template, "spec")

    @once
    def replicas(self) -> int | None:
        """How many pods it wants; absent means one, as in Kubernetes. None for kinds that are not counted."""
        if self.entry.replicas is None:
            return None
        found = objects.value(self.raw, *self.entry.replicas)
        return found if isinstance(found, int) else 1

    @once
    def paused(self) -> bool:
        """Whether its controller rolls nothing out (Deployment) or starts nothing (Job, CronJob)."""
        return self.entry.paused is not None and objects.value(self.raw, *self.entry.paused) is True

    @once
    def essence(self) -> Mapping[str, Any]:
        """What a person wrote into its pod template, for comparing."""
        return essence(self.template)

    @once
    def template_hash(self) -> str:
        """The digest of its pod template."""
        return _digest(self.essence)

    def settings(self) -> dict[str, Any]:
        """The rest of its spec: everything but the pod template, the replicas and the pause switch."""
        return {key: value for key, value in _without(self.raw, self.entry).items() if value is not None}

    def settled_as(self, other: "Workload") -> bool:
        """Whether `other` has the same settings; without making either's, where the template has nothing around it."""
        if self.entry is not other.entry or self.entry.template != _TEMPLATE:
            return self.settings() == other.settings()
        mine, others = objects.mapping(self.raw, "spec"), objects.mapping(other.raw, "spec")
        keys = (mine.keys() | others.keys()) - self.entry.no_settings
        return [mine.get(key) for key in keys] == [others.get(key) for key in keys]

    def __str__(self) -> str:
        """`Kind namespace/name`, as messages name it."""
        return f"{self.kind} {self.namespace}/{self.name}"


def _without(raw: KubeObject, entry: WorkloadKind) -> dict[str, Any]:
    if not entry.template:  # a Pod is nothing but its template
        return {}
    spec = dict(objects.mapping(raw, "spec"))
    for path in (entry.replicas, entry.paused):
        if path is not None:
            spec.pop(path[-1], None)
    spec.pop(entry.template[1], None)
    if len(entry.template) > len(_TEMPLATE):  # CronJob: what surrounds the template inside jobTemplate counts too
        outer = dict(objects.mapping(raw, *entry.template[:-2]))
        inner = dict(objects.mapping(outer, "spec"))
        inner.pop("template", None)
        spec[entry.template[1]] = {**outer, "spec": inner}
    return spec


def essence(template: KubeObject) -> dict[str, Any]:
    """A pod template without what controllers and `kubectl rollout restart` write into it, for comparing."""
    labels = {key: value for key, value in objects.labels(template).items() if key not in HASH_LABELS}
    annotations = {key: value for key, value in objects.annotations(template).items() if key != RESTARTED_AT}
    found = {"labels": labels, "annotations": annotations, "spec": objects.mapping(template, "spec")}
    metadata = objects.mapping(template, "metadata")
    # Hardly any template has them; where one does, they are copied into the pods like everything else.
    rest = {key: metadata[key] for key in _COPIED_INTO_PODS if metadata.get(key)}
    return {**found, "metadata": rest} if rest else found


def template_hash(template: KubeObject) -> str:
    """A digest of what a person wrote into `template`: 32 hexadecimal digits, the same for the same pods.

    All templates compared have been through the API server's defaulting, which also drops what is empty, so the plain
    content is right. Hash labels and the restart annotation are left out. Of a large part its digest counts, so that a
    watched template, which is cut, has the same hash as a reviewed one.
    """
    return _digest(essence(template))


def _digest(found: Mapping[str, Any]) -> str:
    return hashlib.sha256(encoded({key: condensed(part) for key, part in found.items()})).hexdigest()[:32]
