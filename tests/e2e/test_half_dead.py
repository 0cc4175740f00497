"""Without operators: what is declared or begins meanwhile counts, and what then is open is what the documents say."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.cluster.install import OPERATORS, WEBHOOKS
from tests.e2e import manifests
from tests.e2e.outage import compiled, without_operators, without_webhooks
from tests.e2e.world import DANA, Answer, EmbeddedWorld, only_in

pytestmark = pytest.mark.embedded  # kills the processes

HPA = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
DEAD = "failed calling webhook"
AHEAD = timedelta(seconds=20)


def deploys(world: EmbeddedWorld, namespace: str, name: str) -> Answer:
    image = f"app={manifests.IMAGE}:2"
    return world.kubectl("set", "image", f"deployment/{name}", image, "-n", namespace, "--dry-run=server", user=DANA)


def scales_down(world: EmbeddedWorld, namespace: str, name: str) -> Answer:
    return world.kubectl("scale", f"deployment/{name}", "--replicas=1", "-n", namespace, "--dry-run=server", user=DANA)


def back(world: EmbeddedWorld) -> None:
    for name in OPERATORS:
        world.tierguard.wait_ready(name)


def test_a_freeze_that_is_declared_while_no_operator_lives_holds_as_long_as_a_webhook_does(
    world: EmbeddedWorld, namespace: str
) -> None:
    assert world.apply(manifests.deployment(namespace, tier="3"), user=DANA).passed
    world.surveyed(namespace)
    freeze = only_in(namespace, manifests.freeze(f"now-{namespace[-12:]}", scope={"tiers": [3]}))
    with without_operators(world), world.in_force(freeze):
        for answer in (deploys(world, namespace, "payment-core"), scales_down(world, namespace, "payment-core")):
            assert "is frozen by now-" in answer.out
        with without_webhooks(world, *WEBHOOKS):
            assert deploys(world, namespace, "payment-core").passed, "docs/threat-model.md says that this is open"
    back(world)


def deletes(world: EmbeddedWorld, namespace: str, kind: str, name: str) -> Answer:
    return world.kubectl("delete", kind, name, "-n", namespace, "--dry-run=server", user=DANA)


BEGUN = "It began a moment ago, or while no operator of tierguard ran"


def test_a_stretch_that_begins_while_no_operator_lives_holds(world: EmbeddedWorld, namespace: str) -> None:
    for workload in (manifests.deployment(namespace), manifests.deployment(namespace, "plain", tier=None)):
        assert world.apply(workload, user=DANA).passed
    assert world.apply(manifests.budget(namespace), user=DANA).passed
    world.surveyed(namespace)
    starts = (datetime.now(UTC) + AHEAD).strftime("%Y-%m-%dT%H:%M:%SZ")
    coming = manifests.freeze(f"soon-{namespace[-12:]}", startsAt=starts, scope={"tiers": [1, 2]})
    with world.in_force(only_in(namespace, coming)):
        world.until("the API server knows the freeze", lambda: compiled(world, coming["metadata"]["name"]))
        with without_operators(world):
            for answer in (
                deploys(world, namespace, "payment-core"),
                scales_down(world, namespace, "payment-core"),
                deletes(world, namespace, "pdb", "own"),
            ):
                assert answer.passed, answer.out
            # A tier that no operator hears of.
            world.ok("label", "namespace", namespace, "tierguard.io/tier=2")
            world.until("it holds", lambda: "is frozen by soon-" in deploys(world, namespace, "payment-core").out, 60)
            assert "is frozen by soon-" in deploys(world, namespace, "plain").out
            assert not scales_down(world, namespace, "payment-core").passed
            with without_webhooks(world, *WEBHOOKS):
                for name in ("payment-core", "plain"):
                    assert DEAD in deploys(world, namespace, name).out
                # What carries no clock: by the controller manager's Lease, which is some seconds behind.
                world.until("it holds", lambda: BEGUN in scales_down(world, namespace, "payment-core").out)
                assert BEGUN in deletes(world, namespace, "pdb", "own").out
                more = ("scale", "deployment/payment-core", "--replicas=9", "-n", namespace, "--dry-run=server")
                world.ok(*more, user=DANA)
                world.ok(*more[:2], "--replicas=1", *more[3:], f"--as={HPA}", "--as-group=system:masters")
                pod = world.ok("get", "pods", "-n", namespace, "-l", "app=payment-core", "-o", "name").split()[0]
                assert deletes(world, namespace, *pod.split("/")).passed
        back(world)
