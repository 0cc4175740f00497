"""`tierguard simulate` on a real API server: what it says is what then happens."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e import manifests
from tests.e2e.world import CLEANER, DANA, EmbeddedWorld, only_in
from tierguard.cli import listing
from tierguard.cli.main import main

# Fake nodes in three zones, whose kubeconfig is a file of this machine.
pytestmark = pytest.mark.embedded

Capture = pytest.CaptureFixture[str]


def simulate(world: EmbeddedWorld, capsys: Capture, *arguments: str, user: str | None = None) -> tuple[int, str, str]:
    kubeconfig = world.cluster.kubeconfig if user is None else world.cluster.user(user)
    capsys.readouterr()
    code = main(["simulate", *arguments, "--kubeconfig", str(kubeconfig)])
    said = capsys.readouterr()
    return code, said.out, said.err


def of(namespace: str, found: str) -> dict[str, dict[str, Any]]:
    """The workloads of the test's namespace, by name; others of the session are none of its business."""
    listed = json.loads(found)["workloads"]
    return {each["workload"]["name"]: each for each in listed if each["workload"]["namespace"] == namespace}


def running(world: EmbeddedWorld, *documents: manifests.Document) -> None:
    for document in documents:
        answer = world.apply(document, user=DANA)
        assert answer.passed, answer.out
    for document in documents:
        if document["kind"] == "Deployment":
            world.rolled_out(document["metadata"]["namespace"], document["metadata"]["name"])


def counted(world: EmbeddedWorld, namespace: str, ready: int) -> None:
    """Wait until the disruption controller has seen all pods."""

    def holds() -> bool:
        status = world.get("pdb", "own", "-n", namespace).get("status", {})
        return bool(status.get("currentHealthy") == ready and status.get("expectedPods"))

    world.until(f"the budget sees {ready} pods", holds)


def nodes_of(world: EmbeddedWorld, namespace: str, app: str = "payment-core") -> list[str]:
    path = "jsonpath={.items[*].spec.nodeName}"
    return world.ok("get", "pods", "-n", namespace, "-l", f"app={app}", "-o", path).split()


def zone_of(world: EmbeddedWorld, node: str) -> str:
    return str(world.get("node", node)["metadata"]["labels"]["topology.kubernetes.io/zone"])


def test_a_drain_passes_as_it_was_said_to(world: EmbeddedWorld, namespace: str, capsys: Capture) -> None:
    running(world, manifests.deployment(namespace), manifests.budget(namespace))
    counted(world, namespace, 3)
    node = nodes_of(world, namespace)[0]

    _, out, _ = simulate(world, capsys, "drain", node, "-o", "json")
    try:
        drained = world.kubectl(
            "drain", node, "--ignore-daemonsets", "--pod-selector=app=payment-core", "--timeout=60s"
        )
    finally:
        world.ok("uncordon", node)

    found = of(namespace, out)["payment-core"]
    assert (found["verdict"], found["pods"], found["ready"], found["readyAfter"]) == ("Passes", 1, 3, 2)
    assert found["budgets"][0]["desiredHealthy"] == 2
    assert drained.passed, drained.out


def test_a_drain_is_blocked_as_it_was_said_to(world: EmbeddedWorld, namespace: str, capsys: Capture) -> None:
    running(world, manifests.deployment(namespace), manifests.budget(namespace, minAvailable="67%"))
    counted(world, namespace, 3)
    node = nodes_of(world, namespace)[0]

    code, out, _ = simulate(world, capsys, "drain", node, "-o", "json")
    try:
        drained = world.kubectl("drain", node, "--ignore-daemonsets", "--pod-selector=app=payment-core", "--timeout=2s")
    finally:
        world.ok("uncordon", node)

    assert code == 1
    assert of(namespace, out)["payment-core"]["verdict"] == "Blocked"
    assert not drained.passed


def test_nodes_at_once_and_one_by_one(world: EmbeddedWorld, namespace: str, capsys: Capture) -> None:
    running(world, manifests.deployment(namespace), manifests.budget(namespace))
    counted(world, namespace, 3)
    first, second = nodes_of(world, namespace)[:2]

    _, at_once, _ = simulate(world, capsys, "drain", first, second, "-o", "json")
    _, in_turn, _ = simulate(world, capsys, "drain", first, second, "--one-by-one", "-o", "json")
    _, table, _ = simulate(world, capsys, "drain", first, second, "--one-by-one")

    assert of(namespace, at_once)["payment-core"]["verdict"] == "Waits"
    mine = [each for each in json.loads(in_turn)["workloads"] if each["workload"]["namespace"] == namespace]
    assert [(each["node"], each["verdict"]) for each in mine] == [(first, "Passes"), (second, "Passes")]
    assert f"1 on {first}" in table
    assert "WORKLOAD" in table


def test_the_loss_of_a_zone(world: EmbeddedWorld, namespace: str, capsys: Capture) -> None:
    zone = zone_of(world, world.ok("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"))
    bound = manifests.deployment(namespace, "bound")
    template = bound["spec"]["template"]["spec"]
    template["nodeSelector"] = {"topology.kubernetes.io/zone": zone}
    del template["topologySpreadConstraints"]
    strict = manifests.deployment(namespace, "strict")
    running(world, manifests.deployment(namespace), manifests.budget(namespace), bound, strict)
    running(world, manifests.budget(namespace, "all", "strict", minAvailable=3))
    counted(world, namespace, 3)

    code, out, _ = simulate(world, capsys, "zone-loss", zone, "-o", "json")

    found = of(namespace, out)
    assert code == 1
    assert {name: each["verdict"] for name, each in found.items()} == {
        "payment-core": "Keeps",
        "bound": "Gone",
        "strict": "Drops",
    }
    assert (found["payment-core"]["ready"], found["payment-core"]["readyAfter"]) == (3, 2)


def test_a_policy_before_it_is_applied(world: EmbeddedWorld, namespace: str, capsys: Capture, tmp_path: Path) -> None:
    running(world, manifests.deployment(namespace), manifests.deployment(namespace, "big", replicas=5))
    policy: Any = only_in(namespace, manifests.policy("soon", {"replicas": {"minimum": 4}}))
    policy["spec"]["scope"].pop("workloadSelector")
    policy["spec"]["effectiveFrom"] = "2099-01-01T00:00:00Z"
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(policy), encoding="utf-8")

    code, out, _ = simulate(world, capsys, "policy", str(path))
    _, everything, _ = simulate(world, capsys, "policy", str(path), "--all", "-o", "json")

    assert code == 1
    assert "1 of 2 workloads that soon selects would be refused, 0 warned, 1 pass" in out
    assert "soon takes effect 2099-01-01T00:00:00Z; simulated as if it did now" in out
    assert f"Deployment {namespace}/payment-core" in out
    assert f"Deployment {namespace}/big" not in out
    assert [each["outcome"] for each in json.loads(everything)["workloads"]] == ["Allowed", "Denied"]


def test_long_lists_come_in_pages(
    world: EmbeddedWorld, namespace: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    running(world, manifests.deployment(namespace, replicas=7))
    node = nodes_of(world, namespace)[0]
    monkeypatch.setattr(listing, "PAGE", 2)

    _, out, _ = simulate(world, capsys, "drain", node, "-o", "json")

    assert of(namespace, out)["payment-core"]["ready"] == 7


def test_more_than_can_be_simulated_is_said(
    world: EmbeddedWorld, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE", 1)
    monkeypatch.setattr(listing, "MOST_OBJECTS", 2)

    code, _, said = simulate(world, capsys, "drain", "any")

    assert code == 2
    assert "too many to simulate" in said


def test_who_may_not_list_is_told_what(world: EmbeddedWorld, capsys: Capture) -> None:
    code, _, said = simulate(world, capsys, "drain", "any", user=DANA)

    assert code == 2
    assert "may not list paymenttierpolicies of tierguard.io" in said
    assert said.count("\n") == 1


def test_reading_is_enough(world: EmbeddedWorld, namespace: str, capsys: Capture) -> None:
    running(world, manifests.deployment(namespace))
    who = "reader@payments.example"
    rules = {
        "": "nodes,pods,namespaces,services",
        "apps": "deployments,statefulsets,daemonsets,replicasets",
        "policy": "poddisruptionbudgets",
        "tierguard.io": "paymenttierpolicies",
    }
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"reader-{namespace}"},
        "rules": [
            {"apiGroups": [group], "resources": resources.split(","), "verbs": ["get", "list"]}
            for group, resources in rules.items()
        ],
    }
    world.ok("create", "-f", "-", stdin=yaml.safe_dump(role))
    world.ok(
        "create", "clusterrolebinding", f"reader-{namespace}", f"--clusterrole=reader-{namespace}", f"--user={who}"
    )
    try:
        code, out, said = simulate(world, capsys, "drain", nodes_of(world, namespace)[0], "-o", "json", user=who)
    finally:
        world.ok("delete", "clusterrolebinding,clusterrole", f"reader-{namespace}", *CLEANER)

    assert code in (0, 1), said
    assert "payment-core" in of(namespace, out)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("drain", "no-such-node"), "there is no node no-such-node; there are "),
        (("zone-loss", "mars"), "no node has the label topology.kubernetes.io/zone=mars; there are zone-a, "),
        (("zone-loss", "x", "--topology-key", "rack"), "no node has the label rack=x; there are none"),
    ],
)
def test_what_is_not_there_is_named(
    world: EmbeddedWorld, capsys: Capture, arguments: tuple[str, ...], named: str
) -> None:
    code, _, said = simulate(world, capsys, *arguments)

    assert code == 2
    assert named in said
