"""What decisions read of a pod's spec, as types. What is not read here is never decoded.

The names are those of the API (core/v1 PodSpec), in snake case. Where Kubernetes grows new variants, or where a part is
compared as a whole (probes, affinity, tolerations), it stays as it was decoded.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from tierguard.guard.model.shape import Shape

Part = Mapping[str, Any]
"""A small part that is kept as it was decoded."""
_NONE: dict[str, Any] = {}

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


class ContainerSpec(Typed, frozen=True):
    """A container of any sort."""

    name: str = "?"
    image: str = ""
    image_pull_policy: str = ""
    restart_policy: str = ""
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    ports: tuple[Port, ...] = ()
    resources: Amounts = Amounts()
    readiness_probe: dict[str, Any] = {}
    liveness_probe: dict[str, Any] = {}
    startup_probe: dict[str, Any] = {}
    lifecycle: dict[str, Any] = {}


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


class PodSpec(Typed, frozen=True):
    """The spec of a pod."""

    containers: tuple[ContainerSpec, ...] = ()
    init_containers: tuple[ContainerSpec, ...] = ()
    ephemeral_containers: tuple[ContainerSpec, ...] = ()
    volumes: tuple[Volume, ...] = ()
    service_account_name: str = ""
    service_account: str = ""
    image_pull_secrets: tuple[Named, ...] = ()
    priority_class_name: str = ""
    host_network: bool = False
    termination_grace_period_seconds: int | None = None
    topology_spread_constraints: tuple[dict[str, Any], ...] = ()
    node_selector: dict[str, Any] = {}
    affinity: dict[str, Any] = {}
    tolerations: tuple[dict[str, Any], ...] = ()
    resources: Amounts = Amounts()
    reads: str | None = field(default=None, name=READS)
    """Only where the rest was cut."""

    def part(self, name: str) -> tuple[ContainerSpec, ...]:
        """One of `CONTAINER_PARTS`."""
        if name == "containers":
            return self.containers
        return self.init_containers if name == "initContainers" else self.ephemeral_containers


POD_SPEC: Shape[PodSpec] = Shape(PodSpec)
