"""A rollback goes to what ran, not to what somebody wrote into an old revision."""

import json
from collections.abc import Iterator

import pytest

from tests.cluster.controlplane import ControlPlane
from tests.cluster.install import OPERATORS, Tierguard
from tests.e2e import manifests
from tests.e2e.world import DANA, EmbeddedWorld, only_in

pytestmark = pytest.mark.embedded  # installs tierguard on a cluster that was there before it

EVIL = "registry.example.com/evil:1"
OLD, NEW = f"{manifests.IMAGE}:1", f"{manifests.IMAGE}:2"
PLACE = "payments"


def rolled_out_twice(world: EmbeddedWorld, namespace: str, name: str) -> None:
    """A Deployment that nothing guards, at its second version."""
    workload = manifests.deployment(namespace, name, tier=None)
    for image in (OLD, NEW):
        answer = world.apply(manifests.with_image(workload, image), user=DANA)
        assert answer.passed, answer.out
        world.rolled_out(namespace, name)


def forge_old_revision(world: EmbeddedWorld, namespace: str, name: str) -> None:
    """Put an image that never ran into the ReplicaSet of the first version."""
    found = world.get("replicasets", "-n", namespace, "-l", f"app={name}")["items"]
    (old,) = [
        each["metadata"]["name"] for each in found if each["spec"]["template"]["spec"]["containers"][0]["image"] == OLD
    ]
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": EVIL}]}}}}
    world.ok("patch", "replicaset", old, "-n", namespace, "-p", json.dumps(patch), user=DANA)


def guard(world: EmbeddedWorld, namespace: str, name: str, templates: int) -> None:
    world.ok("label", "deployment", name, "-n", namespace, "tierguard.io/tier=1", user=DANA)
    world.recorded(namespace, name, templates)


def image_of(world: EmbeddedWorld, namespace: str, name: str) -> str:
    found = world.get("deployment", name, "-n", namespace)
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def undo(world: EmbeddedWorld, namespace: str, name: str) -> str:
    """What is said to `kubectl rollout undo`; empty where it passed."""
    answer = world.kubectl("rollout", "undo", f"deployment/{name}", "-n", namespace, user=DANA)
    return "" if answer.passed else answer.out


@pytest.fixture(scope="module")
def older(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedWorld]:
    """A cluster on which three Deployments were rolled out twice before tierguard was installed."""
    binaries = request.getfixturevalue("binaries")
    with ControlPlane(tmp_path_factory.mktemp("older", numbered=True), binaries) as cluster:
        tierguard = Tierguard(cluster)
        world = EmbeddedWorld(cluster, tierguard)
        world.create_namespace(PLACE)
        for name in ("forged", "honest", "restarted"):
            rolled_out_twice(world, PLACE, name)
        tierguard.install()
        world.until("the history was read", lambda: mark(world) is not None)
        yield world


def mark(world: EmbeddedWorld) -> object:
    return world.get("configmap", "tierguard-observed-templates", "-n", "tierguard-system")


@pytest.mark.cluster
def test_a_revision_from_before_the_installation_that_is_edited_is_no_rollback(older: EmbeddedWorld) -> None:
    forge_old_revision(older, PLACE, "forged")
    guard(older, PLACE, "forged", 2)

    with older.in_force(dict(only_in(PLACE, manifests.freeze("forged")))):
        said = undo(older, PLACE, "forged")
        assert "Rollout of Deployment payments/forged is frozen by" in said
        assert image_of(older, PLACE, "forged") == NEW
        # What really ran is on record, whatever became of its revision.
        older.ok("set", "image", "deployment/forged", f"app={OLD}", "-n", PLACE, user=DANA)


@pytest.mark.cluster
def test_what_ran_before_the_installation_can_be_gone_back_to_once_it_is_guarded(older: EmbeddedWorld) -> None:
    guard(older, PLACE, "honest", 2)

    with older.in_force(dict(only_in(PLACE, manifests.freeze("honest")))):
        assert undo(older, PLACE, "honest") == ""
        assert image_of(older, PLACE, "honest") == OLD


@pytest.mark.cluster
def test_operators_that_start_anew_remember_and_read_nothing_again(older: EmbeddedWorld) -> None:
    for name in OPERATORS:
        older.cluster.processes.stop(name, seconds=0.1)
    forge_old_revision(older, PLACE, "restarted")
    for name in OPERATORS:
        older.tierguard.start_operator(name)
    for name in OPERATORS:
        older.tierguard.wait_ready(name)
    guard(older, PLACE, "restarted", 2)

    with older.in_force(dict(only_in(PLACE, manifests.freeze("restarted")))):
        assert "Rollout of Deployment payments/restarted" in undo(older, PLACE, "restarted")
        older.ok("set", "image", "deployment/restarted", f"app={OLD}", "-n", PLACE, user=DANA)


def test_what_was_seen_available_before_it_was_guarded_is_on_record(world: EmbeddedWorld, namespace: str) -> None:
    for name in ("honest", "forged"):
        rolled_out_twice(world, namespace, name)
    forge_old_revision(world, namespace, "forged")
    for name in ("honest", "forged"):
        guard(world, namespace, name, 2)

    freeze = dict(only_in(namespace, manifests.freeze(f"seen-{namespace[-12:]}")))
    with world.in_force(freeze):
        assert undo(world, namespace, "honest") == ""
        assert f"Rollout of Deployment {namespace}/forged is frozen by" in undo(world, namespace, "forged")
