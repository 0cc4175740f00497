"""The containers of a pod, and which of them run for as long as the pod does."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject


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
    raw: KubeObject

    @property
    def stays(self) -> bool:
        """Whether it runs for as long as the pod does. An init container that is always restarted is a sidecar."""
        return self.role is not Role.INIT

    def __str__(self) -> str:
        """As messages name it: `sidecar proxy`."""
        return f"{self.role} {self.name}"


def containers(pod_spec: KubeObject) -> Iterator[Container]:
    """All containers of a pod, those that it is there for first. Ephemeral ones, which people attach, are not among them."""
    for part in ("containers", "initContainers"):
        for raw in objects.sequence(pod_spec, part):
            if not isinstance(raw, dict):
                continue
            role = Role.CONTAINER
            if part == "initContainers":
                role = Role.SIDECAR if raw.get("restartPolicy") == "Always" else Role.INIT
            name = raw.get("name")
            yield Container(role, objects.printable(name, 63) if isinstance(name, str) else "?", raw)
