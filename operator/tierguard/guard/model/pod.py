"""What decisions read of a pod's spec, as types. What is not read here is never decoded.

The names are those of the API (core/v1 PodSpec), in snake case. Where Kubernetes grows new variants, or where a part is
compared as a whole (probes, affinity, tolerations), it stays as it was decoded.
"""

from collections.abc import Iterator

from msgspec import Raw, field

from tierguard.guard.model.container_spec import (
    ABSENT,
    MAPPING,
    MAPPINGS,
    RESOURCES,
    Amounts,
    ContainerSpec,
    Fragment,
    Named,
    Typed,
)
from tierguard.guard.model.digest import encoded
from tierguard.guard.model.shape import Part, Shape

READS = "tierguard.io/reads"
"""In a pod spec that was cut: what its pods read and claim, as lines of `Kind/name`."""
CONTAINER_PARTS = ("containers", "initContainers", "ephemeralContainers")
VOLUMES = "volumes"


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
    volumes_written: Raw = field(default=ABSENT, name=VOLUMES)
    service_account_name: str = ""
    service_account: str = ""
    image_pull_secrets: tuple[Named, ...] = ()
    priority_class_name: str = ""
    host_network: bool = False
    termination_grace_period_seconds: int | None = None
    spread_written: Raw = field(default=ABSENT, name="topologySpreadConstraints")
    node_selector_written: Raw = field(default=ABSENT, name="nodeSelector")
    affinity_written: Raw = field(default=ABSENT, name="affinity")
    tolerations_written: Raw = field(default=ABSENT, name="tolerations")
    resources_written: Raw = field(default=ABSENT, name="resources")
    reads: str | None = field(default=None, name=READS)
    """Only where the rest was cut."""

    @property
    def volumes(self) -> tuple[Volume, ...]:
        """What its containers can mount."""
        return _VOLUMES.of(self.volumes_written)

    @property
    def topology_spread_constraints(self) -> tuple[Fragment, ...]:
        """How the scheduler is to spread it and its like."""
        return MAPPINGS.of(self.spread_written)

    @property
    def node_selector(self) -> Fragment:
        """The labels of nodes that it may go to."""
        return MAPPING.of(self.node_selector_written)

    @property
    def affinity(self) -> Fragment:
        """Which nodes and which other pods it wants near, or not."""
        return MAPPING.of(self.affinity_written)

    @property
    def tolerations(self) -> tuple[Fragment, ...]:
        """The taints of nodes that it bears."""
        return MAPPINGS.of(self.tolerations_written)

    @property
    def resources(self) -> Amounts:
        """What it requests as a whole, and may not exceed."""
        return RESOURCES.of(self.resources_written)

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
