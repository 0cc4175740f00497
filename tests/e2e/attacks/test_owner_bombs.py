"""What was given an owner before a freeze does not go with it inside: the garbage collector waits for the end."""

import json
from collections.abc import Sequence

import pytest

from tests.cluster.install import WEBHOOKS
from tests.e2e import manifests
from tests.e2e.attacks.place import service, silence
from tests.e2e.outage import compiled, without_webhooks
from tests.e2e.test_surroundings import autoscaler, plain
from tests.e2e.world import DANA, EmbeddedWorld, only_in

pytestmark = pytest.mark.embedded  # kills the webhooks

LIVED_BY = ("cm/limits", "secret/keys", "sa/core", "svc/core", "netpol/silence", "pdb/own", "hpa/core", "deploy/batch")


def furnish(world: EmbeddedWorld, namespace: str) -> None:
    workload = manifests.deployment(namespace)
    pod = workload["spec"]["template"]["spec"]
    pod["serviceAccountName"] = "core"
    pod["containers"][0]["envFrom"] = [{"configMapRef": {"name": "limits"}}, {"secretRef": {"name": "keys"}}]
    names = ("limits", *(f"{prefix}-{way}" for prefix in ("unread", "bomb") for way in ("alive", "dead")))
    made = world.apply(
        *(plain("ConfigMap", namespace, name, data={"a": "b"}) for name in names),
        plain("Secret", namespace, "keys", stringData={"a": "b"}),
        plain("ServiceAccount", namespace, "core"),
        service(namespace),
        silence(namespace),
        manifests.budget(namespace),
        autoscaler(namespace),
        workload,
        # Of tier 2: its deletion need not be announced.
        manifests.deployment(namespace, "batch", tier="2"),
        user=DANA,
    )
    assert made.passed, made.out


def owned(world: EmbeddedWorld, namespace: str, objects: Sequence[str], *bombs: str) -> None:
    """Make ConfigMaps the owners of objects."""
    owners = []
    for bomb in bombs:
        uid = world.get("cm", bomb, "-n", namespace)["metadata"]["uid"]
        owners.append({"apiVersion": "v1", "kind": "ConfigMap", "name": bomb, "uid": uid})
    patch = json.dumps({"metadata": {"ownerReferences": owners}})
    for each in objects:
        world.ok("patch", each, "-n", namespace, "--type=merge", "-p", patch, user=DANA)


def left(world: EmbeddedWorld, namespace: str) -> list[str]:
    return [each for each in LIVED_BY if world.get(each, "-n", namespace) is not None]


@pytest.mark.parametrize("way", ["alive", "dead"])
def test_what_a_frozen_workload_lives_by_does_not_go_with_its_owner(
    world: EmbeddedWorld, namespace: str, way: str
) -> None:
    furnish(world, namespace)
    owned(world, namespace, (*LIVED_BY, f"cm/unread-{way}"), f"bomb-{way}")
    freeze = only_in(namespace, manifests.freeze(f"bombs-{namespace[-12:]}", scope={"tiers": [0, 1, 2]}))
    with world.in_force(freeze):
        world.until("the API server knows the freeze", lambda: compiled(world, freeze["metadata"]["name"]))
        with without_webhooks(world, *(WEBHOOKS if way == "dead" else ())):
            world.ok("delete", "cm", f"bomb-{way}", "-n", namespace, user=DANA)
            gone = ("cm", f"unread-{way}", "-n", namespace)
            world.until("what nobody lives by is collected", lambda: world.get(*gone) is None)
            assert left(world, namespace) == list(LIVED_BY)
        assert left(world, namespace) == list(LIVED_BY)
    # It was the freeze that held it: the collector has been trying.
    world.until("the rest is collected", lambda: left(world, namespace) == [], 60)
