"""What decisions read of a pod's spec, as types. What is not read here is never decoded.

The names are those of the API (core/v1 PodSpec), in snake case. Where Kubernetes grows new variants, or where a part is
compared as a whole (probes, affinity, tolerations), it stays as it was decoded.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Raw, Struct, field

from tierguard.guard.model.digest import encoded
from tierguard.guard.model.shape import Part, Shape

Fragment = Mapping[str, Any]
"""A small part whose fields are read as they are."""

READS = "tierguard.io/reads"
"""In a pod spec that was cut: what its pods read and claim, as lines of `Kind/name`."""
CONTAINER_PARTS = ("containers", "initContainers", "ephemeralContainers")
VOLUMES = "volumes"


class Typed(Struct, rename="camel", frozen=True, gc=False):
    """A part of an object, named as in the API."""


class Named(Typed, frozen=True):
    """A reference to an object of the same namespace."""

    name: str = ""


class EnvSource(Typed, frozen=True):
    """Where the value of a variable comes from."""

    config_map_key_ref: Named | None = None
    secret_key_ref: Named | None = None


class EnvVar(Typed, frozen=True):
    """A variable of a container's environment."""

    name: str = ""
    value: str | None = None
    value_from: EnvSource | None = None


class EnvFrom(Typed, frozen=True):
    """An object all of whose keys become variables."""

    config_map_ref: Named | None = None
    secret_ref: Named | None = None


class Port(Typed, frozen=True):
    """A port of a container."""

    name: str = ""
    container_port: int = 0


class Amounts(Typed, frozen=True):
    """What is requested, and what may not be exceeded."""

    limits: dict[str, Any] = {}
    requests: dict[str, Any] = {}


_ABSENT = Raw(b"")
_ENV: Part[tuple[EnvVar, ...]] = Part("env", tuple[EnvVar, ...])
_ENV_FROM: Part[tuple[EnvFrom, ...]] = Part("envFrom", tuple[EnvFrom, ...])
_PORTS: Part[tuple[Port, ...]] = Part("ports", tuple[Port, ...])
_RESOURCES: Part[Amounts] = Part("resources", Amounts)
_MAPPING: Part[dict[str, Any]] = Part("mapping", dict[str, Any])
_MAPPINGS: Part[tuple[dict[str, Any], ...]] = Part("mappings", tuple[dict[str, Any], ...])


class ContainerSpec(Typed, frozen=True):
    """A container of any sort. What is long, and hardly ever another one, is decoded when it is read."""

    name: str = "?"
    image: str = ""
    image_pull_policy: str = ""
    restart_policy: str = ""
    env_written: Raw = field(default=_ABSENT, name="env")
    env_from_written: Raw = field(default=_ABSENT, name="envFrom")
    ports_written: Raw = field(default=_ABSENT, name="ports")
    resources_written: Raw = field(default=_ABSENT, name="resources")
    readiness_written: Raw = field(default=_ABSENT, name="readinessProbe")
    liveness_written: Raw = field(default=_ABSENT, name="livenessProbe")
    startup_written: Raw = field(default=_ABSENT, name="startupProbe")
    lifecycle_written: Raw = field(default=_ABSENT, name="lifecycle")

    @property
    def env(self) -> tuple[EnvVar, ...]:
        """The variables of its environment."""
        return _ENV.of(self.env_written)

    @property
    def env_from(self) -> tuple[EnvFrom, ...]:
        """The objects all of whose keys become variables."""
        return _ENV_FROM.of(self.env_from_written)

    @property
    def ports(self) -> tuple[Port, ...]:
        """Its ports."""
        return _PORTS.of(self.ports_written)

    @property
    def resources(self) -> Amounts:
        """What it requests and may not exceed."""
        return _RESOURCES.of(self.resources_written)

    @property
    def readiness_probe(self) -> Fragment:
        """What says whether it can serve."""
        return _MAPPING.of(self.readiness_written)

    @property
    def liveness_probe(self) -> Fragment:
        """What says whether it is hung."""
        return _MAPPING.of(self.liveness_written)

    @property
    def startup_probe(self) -> Fragment:
        """What says whether it has started."""
        return _MAPPING.of(self.startup_written)

    @property
    def lifecycle(self) -> Fragment:
        """Its hooks."""
        return _MAPPING.of(self.lifecycle_written)

    def framed(self) -> Iterator[bytes]:
        """All of it but its images and its environment, in an order of its own; none has a zero byte in it."""
        yield encoded([self.name, self.restart_policy])
        yield from map(bytes, self.parts())

    def parts(self) -> tuple[Raw, ...]:
        """What of the frame is not decoded."""
        return (
            self.ports_written,
            self.resources_written,
            self.readiness_written,
            self.liveness_written,
            self.startup_written,
            self.lifecycle_written,
        )

    def framed_as(self, other: "ContainerSpec") -> bool:
        """Whether `framed` says the same of `other`."""
        return self.name == other.name and self.restart_policy == other.restart_policy and self.parts() == other.parts()


class SecretVolume(Typed, frozen=True):
    """A Secret as files: a volume says `secretName`, a projected source `name`."""

    secret_name: str = ""
    name: str = ""


class Projected(Typed, frozen=True):
    """One of several things that are mounted together."""

    config_map: Named | None = None
    secret: SecretVolume | None = None


class Projection(Typed, frozen=True):
    """Several things that are mounted together."""

    sources: tuple[Projected, ...] = ()


class ClaimVolume(Typed, frozen=True):
    """A PersistentVolumeClaim of that name."""

    claim_name: str = ""


class ImageVolume(Typed, frozen=True):
    """An image whose files are mounted."""

    reference: str = ""
    pull_policy: str = ""


class SecretUser(Typed, frozen=True):
    """A volume that is no Secret, and is mounted with one (core/v1 VolumeSource)."""

    secret_name: str = ""
    secret_ref: Named | None = None
    node_publish_secret_ref: Named | None = None


class Volume(Typed, frozen=True):
    """A volume of a pod."""

    name: str = ""
    config_map: Named | None = None
    secret: SecretVolume | None = None
    projected: Projection | None = None
    persistent_volume_claim: ClaimVolume | None = None
    image: ImageVolume | None = None
    azure_file: SecretUser | None = None
    cephfs: SecretUser | None = None
    csi: SecretUser | None = None
    flex_volume: SecretUser | None = None
    iscsi: SecretUser | None = None
    rbd: SecretUser | None = None
    scale_io: SecretUser | None = field(default=None, name="scaleIO")
    storageos: SecretUser | None = None


_VOLUMES: Part[tuple[Volume, ...]] = Part("volumes", tuple[Volume, ...])


class PodSpec(Typed, frozen=True):
    """The spec of a pod."""

    containers: tuple[ContainerSpec, ...] = ()
    init_containers: tuple[ContainerSpec, ...] = ()
    ephemeral_containers: tuple[ContainerSpec, ...] = ()
    volumes_written: Raw = field(default=_ABSENT, name=VOLUMES)
    service_account_name: str = ""
    service_account: str = ""
    image_pull_secrets: tuple[Named, ...] = ()
    priority_class_name: str = ""
    host_network: bool = False
    termination_grace_period_seconds: int | None = None
    spread_written: Raw = field(default=_ABSENT, name="topologySpreadConstraints")
    node_selector_written: Raw = field(default=_ABSENT, name="nodeSelector")
    affinity_written: Raw = field(default=_ABSENT, name="affinity")
    tolerations_written: Raw = field(default=_ABSENT, name="tolerations")
    resources_written: Raw = field(default=_ABSENT, name="resources")
    reads: str | None = field(default=None, name=READS)
    """Only where the rest was cut."""

    @property
    def volumes(self) -> tuple[Volume, ...]:
        """What its containers can mount."""
        return _VOLUMES.of(self.volumes_written)

    @property
    def topology_spread_constraints(self) -> tuple[Fragment, ...]:
        """How the scheduler is to spread it and its like."""
        return _MAPPINGS.of(self.spread_written)

    @property
    def node_selector(self) -> Fragment:
        """The labels of nodes that it may go to."""
        return _MAPPING.of(self.node_selector_written)

    @property
    def affinity(self) -> Fragment:
        """Which nodes and which other pods it wants near, or not."""
        return _MAPPING.of(self.affinity_written)

    @property
    def tolerations(self) -> tuple[Fragment, ...]:
        """The taints of nodes that it bears."""
        return _MAPPINGS.of(self.tolerations_written)

    @property
    def resources(self) -> Amounts:
        """What it requests as a whole, and may not exceed."""
        return _RESOURCES.of(self.resources_written)

    def framed(self) -> Iterator[bytes]:
        """The same of the whole pod, without its volumes and what it reads."""
        yield encoded([*self.settled(), len(self.containers), len(self.init_containers)])
        yield from map(bytes, self.parts())
        for container in (*self.containers, *self.init_containers):
            yield from container.framed()

    def settled(self) -> tuple[object, ...]:
        """What of the frame is decoded."""
        return (self.priority_class_name, self.host_network, self.termination_grace_period_seconds)

    def parts(self) -> tuple[Raw, ...]:
        """What of the frame is not decoded."""
        return (
            self.spread_written,
            self.node_selector_written,
            self.affinity_written,
            self.tolerations_written,
            self.resources_written,
        )

    def framed_as(self, other: "PodSpec") -> bool:
        """Whether `framed` says the same of `other`."""
        return (
            self.settled() == other.settled()
            and self.parts() == other.parts()
            and _framed_alike(self.containers, other.containers)
            and _framed_alike(self.init_containers, other.init_containers)
        )

    def part(self, name: str) -> tuple[ContainerSpec, ...]:
        """One of `CONTAINER_PARTS`."""
        if name == "containers":
            return self.containers
        return self.init_containers if name == "initContainers" else self.ephemeral_containers


def _framed_alike(mine: tuple[ContainerSpec, ...], others: tuple[ContainerSpec, ...]) -> bool:
    if len(mine) != len(others):
        return False
    return all(one.framed_as(other) for one, other in zip(mine, others, strict=True))


POD_SPEC: Shape[PodSpec] = Shape(PodSpec)
