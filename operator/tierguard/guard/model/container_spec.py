"""What decisions read of a container's spec, as types. What is not read here is never decoded.

The names are those of the API (core/v1 Container), in snake case.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Raw, Struct, field

from tierguard.guard.model.digest import encoded
from tierguard.guard.model.shape import Part

Fragment = Mapping[str, Any]
"""A small part whose fields are read as they are."""


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


ABSENT = Raw(b"")
_ENV: Part[tuple[EnvVar, ...]] = Part("env", tuple[EnvVar, ...], 64 * 1024)  # long, and read by what remembers it
_ENV_FROM: Part[tuple[EnvFrom, ...]] = Part("envFrom", tuple[EnvFrom, ...])
_PORTS: Part[tuple[Port, ...]] = Part("ports", tuple[Port, ...])
RESOURCES: Part[Amounts] = Part("resources", Amounts)
MAPPING: Part[dict[str, Any]] = Part("mapping", dict[str, Any])
MAPPINGS: Part[tuple[dict[str, Any], ...]] = Part("mappings", tuple[dict[str, Any], ...])


class ContainerSpec(Typed, frozen=True):
    """A container of any sort. What is long, and hardly ever another one, is decoded when it is read."""

    name: str = "?"
    image: str = ""
    image_pull_policy: str = ""
    restart_policy: str = ""
    env_written: Raw = field(default=ABSENT, name="env")
    env_from_written: Raw = field(default=ABSENT, name="envFrom")
    ports_written: Raw = field(default=ABSENT, name="ports")
    resources_written: Raw = field(default=ABSENT, name="resources")
    readiness_written: Raw = field(default=ABSENT, name="readinessProbe")
    liveness_written: Raw = field(default=ABSENT, name="livenessProbe")
    startup_written: Raw = field(default=ABSENT, name="startupProbe")
    lifecycle_written: Raw = field(default=ABSENT, name="lifecycle")

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
        return RESOURCES.of(self.resources_written)

    @property
    def readiness_probe(self) -> Fragment:
        """What says whether it can serve."""
        return MAPPING.of(self.readiness_written)

    @property
    def liveness_probe(self) -> Fragment:
        """What says whether it is hung."""
        return MAPPING.of(self.liveness_written)

    @property
    def startup_probe(self) -> Fragment:
        """What says whether it has started."""
        return MAPPING.of(self.startup_written)

    @property
    def lifecycle(self) -> Fragment:
        """Its hooks."""
        return MAPPING.of(self.lifecycle_written)

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
