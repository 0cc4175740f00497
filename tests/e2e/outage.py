"""Without webhooks: what the tests of failure have in common."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.world import EmbeddedWorld


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
