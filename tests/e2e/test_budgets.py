"""Budgets that the operator keeps, and drains that respect them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e import manifests
from tests.e2e.world import CLEANER, DANA, EmbeddedWorld, only_in

MADE = "tierguard-deployment-payment-core"


def maintained(namespace: str) -> manifests.Document:
    rules = {"disruptionBudget": {"mode": "Maintain", "maxUnavailable": 1}}
    return dict(only_in(namespace, manifests.policy(f"keep-{namespace[-20:]}", rules)))


def made(world: EmbeddedWorld, namespace: str) -> manifests.Document | None:
    found = world.get("pdb", MADE, "-n", namespace)
    return None if found is None else dict(found)


def allowed(world: EmbeddedWorld, namespace: str) -> int | None:
    found = made(world, namespace) or {}
    count = found.get("status", {}).get("disruptionsAllowed")
    return int(count) if count is not None else None


def test_a_workload_without_a_budget_gets_one_that_it_owns(world: EmbeddedWorld, namespace: str) -> None:
    assert world.apply(manifests.deployment(namespace), user=DANA).passed
    with world.in_force(maintained(namespace)):
        world.until("there is a budget", lambda: made(world, namespace) is not None)
        found = made(world, namespace)
    assert found is not None
    uid = world.get("deployment", "payment-core", "-n", namespace)["metadata"]["uid"]
    (owner,) = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Deployment", "payment-core", uid)
    assert found["spec"]["maxUnavailable"] == 1
    assert found["spec"]["selector"] == {"matchLabels": {"app": "payment-core"}}
    assert found["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    world.until("it goes with the policy", lambda: made(world, namespace) is None)


def test_it_yields_to_the_users_own_budget_and_comes_back(world: EmbeddedWorld, namespace: str) -> None:
    assert world.apply(manifests.deployment(namespace), user=DANA).passed
    with world.in_force(maintained(namespace)):
        world.until("there is a budget", lambda: made(world, namespace) is not None)
        answer = world.apply(manifests.budget(namespace), user=DANA)
        assert answer.passed, answer.out
        world.until("ours is gone", lambda: made(world, namespace) is None, 5)
        # Deleting one's own is judged by what it leaves behind: with Maintain, another one of ours.
        world.ok("delete", "pdb", "own", "-n", namespace, user=DANA)
        world.until("ours is back", lambda: made(world, namespace) is not None, 5)


def test_somebody_elses_change_to_our_budget_is_undone(world: EmbeddedWorld, namespace: str) -> None:
    assert world.apply(manifests.deployment(namespace), user=DANA).passed
    with world.in_force(maintained(namespace)):
        world.until("there is a budget", lambda: made(world, namespace) is not None)
        patch = ("patch", "pdb", MADE, "-n", namespace, "--type=merge", "-p", '{"spec":{"maxUnavailable":2}}')
        refused = world.kubectl(*patch)
        assert "rule disruption-budget" in refused.out
        world.ok(*patch, *CLEANER)  # as if nobody had been asked
        world.until("it is as it was", lambda: (made(world, namespace) or {})["spec"]["maxUnavailable"] == 1)
        world.ok("delete", "pdb", MADE, "-n", namespace)
        world.until("it is there again", lambda: made(world, namespace) is not None)


@pytest.mark.embedded
def test_a_drain_waits_for_the_budget(world: EmbeddedWorld, namespace: str) -> None:
    # Nine pods on six nodes: on some node there are two.
    assert world.apply(manifests.deployment(namespace, replicas=9), user=DANA).passed
    world.rolled_out(namespace, "payment-core")
    place = ("-n", namespace)
    with world.in_force(maintained(namespace)):
        world.until("the budget sees the pods", lambda: allowed(world, namespace) == 1)
        nodes = world.ok("get", "pods", *place, "-o", "jsonpath={.items[*].spec.nodeName}").split()
        node = max(sorted(set(nodes)), key=nodes.count)
        assert nodes.count(node) > 1
        elsewhere = next(n for n in nodes if n != node)
        field = f"--field-selector=spec.nodeName={elsewhere}"
        sick = world.ok("get", "pods", *place, "-l", "app=payment-core", field, "-o", "name").split()[0]
        drain = ("drain", node, "--ignore-daemonsets", "--pod-selector=app=payment-core")
        try:
            # With a pod that is not ready elsewhere, the budget is used up: not one may go.
            world.ok("annotate", sick, "tierguard.io/test-never-ready=true", *place)
            world.until("the budget is used up", lambda: allowed(world, namespace) == 0)
            refused = world.kubectl(*drain, "--timeout=2s")
            world.ok("annotate", sick, "tierguard.io/test-never-ready-", *place)
            world.until("the budget lets one go", lambda: allowed(world, namespace) == 1)
            answer = world.kubectl(*drain, "--timeout=90s")
        finally:
            world.ok("uncordon", node)
        assert not refused.passed
        assert "would violate the pod's disruption budget" in refused.out
        assert answer.passed, answer.out
        world.rolled_out(namespace, "payment-core")
    assert node not in world.ok("get", "pods", *place, "-o", "jsonpath={.items[*].spec.nodeName}").split()


@contextmanager
def fewest_ready(world: EmbeddedWorld, namespace: str) -> Iterator[dict[str, int]]:
    """The fewest ready pods of each workload that were seen during a block, by name."""
    fewest: dict[str, int] = {}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            for kind in ("deployments", "statefulsets"):
                found = world.call("GET", f"/apis/apps/v1/namespaces/{namespace}/{kind}")[1]
                for item in found.get("items", ()):
                    name, ready = item["metadata"]["name"], item["status"].get("readyReplicas", 0)
                    fewest[name] = min(fewest.get(name, ready), ready)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield fewest
    finally:
        over.set()
        watcher.join()


@pytest.mark.embedded
def test_every_node_in_turn_is_drained_and_no_guarded_workload_falls_under_its_budget(
    world: EmbeddedWorld, namespace: str
) -> None:
    core, own = manifests.deployment(namespace, replicas=7), manifests.deployment(namespace, "own", replicas=4)
    ledger = manifests.stateful_set(namespace)
    answer = world.apply(core, own, ledger, manifests.budget(namespace, app="own"), user=DANA)
    assert answer.passed, answer.out
    for name in ("deployment/payment-core", "deployment/own", "statefulset/ledger-db"):
        world.ok("rollout", "status", name, "-n", namespace, "--timeout=60s")
    policy = manifests.policy(f"keep-{namespace[-20:]}", {"disruptionBudget": {"mode": "Maintain"}})
    policy["spec"]["scope"] = {}
    nodes = [node["metadata"]["name"] for node in world.get("nodes")["items"]]

    def all_allow_one() -> bool:
        budgets = world.get("pdb", "-n", namespace)["items"]
        return [b.get("status", {}).get("disruptionsAllowed") for b in budgets] == [1, 1, 1]

    with world.in_force(dict(only_in(namespace, policy))):
        world.until("there are three budgets, and each lets one go", all_allow_one)
        with fewest_ready(world, namespace) as fewest:
            for node in nodes:
                drained = world.kubectl(
                    "drain", node, "--ignore-daemonsets", "--pod-selector=tierguard.io/tier", "--timeout=90s"
                )
                world.ok("uncordon", node)
                assert drained.passed, drained.out
                world.until("all are back", all_allow_one)
    # A sample every 50 ms may miss the moment at which a pod is gone, so only the bound is exact.
    at_least = {"payment-core": 6, "own": 3, "ledger-db": 2}
    assert fewest.keys() == at_least.keys()
    assert {name: count for name, count in fewest.items() if count < at_least[name]} == {}
