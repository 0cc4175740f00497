"""Without webhooks, without operators: what the tests of failure have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from tests.cluster.install import NAMESPACE, OPERATORS
from tests.e2e.world import EmbeddedWorld
from tierguard.controller.unreviewed.snapshot import decode
from tierguard.guard.model.objects import KubeObject


def compiled(world: EmbeddedWorld, name: str) -> bool:
    """Whether the API server itself knows the freeze `name`."""
    conditions = world.get("ofz", name).get("status", {}).get("conditions", [])
    return any(c["type"] == "Compiled" and c["status"] == "True" for c in conditions)


@contextmanager
def without_webhooks(world: EmbeddedWorld, *names: str) -> Iterator[None]:
    """Have these webhooks dead for the length of a block."""
    processes = world.cluster.processes
    try:
        for name in names:
            processes.stop(name, seconds=0.1)
        yield
    finally:
        for name in names:
            if not processes.alive(name):
                world.tierguard.start_webhook(name)
        for name in names:
            world.tierguard.wait_ready(name)


@contextmanager
def without_operators(world: EmbeddedWorld) -> Iterator[None]:
    """Have both operators dead for the length of a block; when it ends, they are only starting."""
    processes = world.cluster.processes
    try:
        for name in OPERATORS:
            processes.stop(name, seconds=0.1)
        yield
    finally:
        for name in OPERATORS:
            if not processes.alive(name):
                world.tierguard.start_operator(name)


def account(world: EmbeddedWorld) -> tuple[datetime, dict[str, KubeObject]]:
    """What the operator has written down of what it saw, and of when."""
    found = world.get("configmap", "tierguard-account", "-n", NAMESPACE) or {}
    until = datetime.fromisoformat(found["data"]["until"]) if found else datetime.min.replace(tzinfo=UTC)
    return until, decode((found.get("binaryData") or {}).get("snapshot") or "")
