"""Two operators: one leads, the other takes over, and nothing is told twice."""

import os
import signal
import time

import pytest

from tests.cluster.install import OPERATORS
from tests.e2e import manifests
from tests.e2e.world import DANA, EmbeddedWorld, only_in

pytestmark = pytest.mark.embedded  # stops operators

TAKEOVER_SECONDS = 15.0


def leads(world: EmbeddedWorld, name: str) -> bool:
    return "tierguard_leader 1.0" in world.tierguard.get(name, "/metrics")[1]


def leaders(world: EmbeddedWorld) -> list[str]:
    return [name for name in OPERATORS if world.cluster.processes.alive(name) and leads(world, name)]


def test_the_standby_takes_over_and_goes_on_where_the_leader_stopped(world: EmbeddedWorld, namespace: str) -> None:
    world.until("one leads", lambda: len(leaders(world)) == 1)
    (leader,) = leaders(world)
    (standby,) = set(OPERATORS) - {leader}
    policy = manifests.policy(f"failover-{namespace[-6:]}", {"disruptionBudget": {"mode": "Maintain"}})
    assert world.apply(manifests.deployment(namespace), user=DANA).passed
    try:
        world.cluster.processes.stop(leader, seconds=0.1)  # killed, so it gives nothing back
        died = time.monotonic()
        with world.in_force(dict(only_in(namespace, policy))):
            world.until("the standby leads", lambda: leads(world, standby), TAKEOVER_SECONDS)
            assert time.monotonic() - died < TAKEOVER_SECONDS
            made = ("pdb", "tierguard-deployment-payment-core", "-n", namespace)
            world.until("what the leader left undone is done", lambda: world.get(*made) is not None)
            world.tierguard.start_operator(leader)
            world.tierguard.wait_ready(leader)
            assert leaders(world) == [standby]
    finally:
        if not world.cluster.processes.alive(leader):
            world.tierguard.start_operator(leader)
        world.tierguard.wait_ready(leader)
    told = [
        event["note"]
        for event in world.get("events.events.k8s.io", "-n", namespace)["items"]
        if event["reason"] == "BudgetCreated"
    ]
    assert len(told) == 1


def test_a_leader_that_is_paused_writes_nothing_when_it_wakes(world: EmbeddedWorld, namespace: str) -> None:
    world.until("one leads", lambda: len(leaders(world)) == 1)
    (leader,) = leaders(world)
    (standby,) = set(OPERATORS) - {leader}
    pid = int((world.cluster.directory / "pids" / leader).read_text(encoding="utf-8").split()[0])
    try:
        os.kill(pid, signal.SIGSTOP)
        world.until("the standby leads", lambda: leads(world, standby), TAKEOVER_SECONDS)
        assert world.apply(manifests.deployment(namespace), user=DANA).passed
    finally:
        os.kill(pid, signal.SIGCONT)
    world.until("the other one knows", lambda: leaders(world) == [standby])
    assert world.get("lease", "tierguard-operator", "-n", "tierguard-system")["spec"]["holderIdentity"]
