"""The containers of a pod, and which of them run for as long as the pod does."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tierguard.guard.model.container_spec import ContainerSpec
from tierguard.guard.model.objects import printable
from tierguard.guard.model.pod import PodSpec


class Role(StrEnum):
    """What a container is for, in the words of messages."""

    CONTAINER = "container"
    SIDECAR = "sidecar"
    INIT = "init container"


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a pod: its role, its name as messages may print it, and what is written about it."""

    role: Role
    name: str
    spec: ContainerSpec

    @property
    def stays(self) -> bool:
        """Whether it runs for as long as the pod does. An init container that is always restarted is a sidecar."""
        return self.role is not Role.INIT

    def __str__(self) -> str:
        """As messages name it: `sidecar proxy`."""
        return f"{self.role} {self.name}"


def containers(pod: PodSpec) -> Iterator[Container]:
    """All containers of a pod, those that it is there for first. Ephemeral ones, which people attach, are not among them."""
    for spec in pod.containers:
        yield Container(Role.CONTAINER, printable(spec.name, 63), spec)
    for spec in pod.init_containers:
        role = Role.SIDECAR if spec.restart_policy == "Always" else Role.INIT
        yield Container(role, printable(spec.name, 63), spec)
