"""The kinds of workload, and where each of them keeps what a decision reads. A further kind is one table entry."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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


TEMPLATE = ("spec", "template")
_REPLICAS = ("spec", "replicas")

WORKLOAD_KINDS: Mapping[str, WorkloadKind] = {
    entry.kind: entry
    for entry in (
        WorkloadKind(
            "Deployment",
            "apps",
            "v1",
            "deployments",
            TEMPLATE,
            _REPLICAS,
            paused=("spec", "paused"),
            announced_deletion=True,
        ),
        WorkloadKind("StatefulSet", "apps", "v1", "statefulsets", TEMPLATE, _REPLICAS, announced_deletion=True),
        WorkloadKind("DaemonSet", "apps", "v1", "daemonsets", TEMPLATE, announced_deletion=True),
        WorkloadKind("ReplicaSet", "apps", "v1", "replicasets", TEMPLATE, _REPLICAS, made_by_controllers=True),
        WorkloadKind(
            "ReplicationController", "", "v1", "replicationcontrollers", TEMPLATE, _REPLICAS, announced_deletion=True
        ),
        WorkloadKind("Pod", "", "v1", "pods", (), made_by_controllers=True),
        WorkloadKind("Job", "batch", "v1", "jobs", TEMPLATE, paused=("spec", "suspend"), made_by_controllers=True),
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
