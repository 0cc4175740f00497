"""`tierguard simulate`: what drains, the loss of a zone and new policies would do, from what is there now."""

import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import manifests
from tierguard.cli.main import main
from tierguard.cli.picture import picture
from tierguard.cli.simulate import judge_by
from tierguard.cli.simulation import Loss, Placement, Verdict, told_by
from tierguard.disruption import Expected
from tierguard.guard.freezes.compiled import compile_policy
from tierguard.guard.model.decision import Outcome
from tierguard.guard.model.facts import PlacedPod
from tierguard.guard.model.state import State

Document = dict[str, Any]

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
PLACE = "payments"
ZONES = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}


def node(name: str, zone: str, **spec: Any) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}},
        "spec": spec,
    }


def deployment(name: str = "payment-core", **changes: Any) -> list[Document]:
    """A Deployment and its ReplicaSet."""
    made = manifests.deployment(PLACE, name, **changes)
    made["metadata"]["uid"] = f"uid-{name}"
    owner = {"kind": "Deployment", "name": name, "uid": f"uid-{name}", "controller": True}
    replica_set = copy.deepcopy(made) | {"kind": "ReplicaSet"}
    replica_set["metadata"] |= {"name": f"{name}-1", "uid": f"uid-{name}-1", "ownerReferences": [owner]}
    return [made, replica_set]


def pods(
    name: str, *nodes: str, ready: bool = True, owner: str | None = None, labels: Document | None = None
) -> list[PlacedPod]:
    """One pod of the workload on each of the nodes."""
    uid = f"uid-{name}-1" if owner is None else owner
    return [
        PlacedPod(PLACE, f"{name}-{ready}-{number}", {"app": name, **(labels or {})}, where, ready, uid)
        for number, where in enumerate(nodes)
    ]


def placement(*around: Document, there: list[PlacedPod], told: dict[str, Expected] | None = None) -> Placement:
    nodes = [] if any(each["kind"] == "Node" for each in around) else [node(*each) for each in ZONES.items()]
    state = picture([*nodes, *around])
    state.pods_in = {PLACE: {pod.name: pod for pod in there}}
    return Placement(state, {(PLACE, name): expected for name, expected in (told or {}).items()})


def only(losses: tuple[Loss, ...]) -> Loss:
    (found,) = losses
    return found


def drained(place: Placement, *nodes: str) -> Loss:
    return only(place.drain(frozenset(nodes)))


THREE = pods("payment-core", "a1", "b1", "c1")


def test_a_drain_within_the_budget_passes() -> None:
    found = drained(placement(*deployment(), manifests.budget(PLACE), there=THREE), "a1")

    assert (found.gone, found.ready, found.after, found.verdict) == (1, 3, 2, Verdict.PASSES)
    assert found.says == "own lets 1 go at once"


def test_a_drain_of_more_pods_than_the_budget_lets_go_waits() -> None:
    found = drained(placement(*deployment(), manifests.budget(PLACE), there=THREE), "a1", "b1")

    assert (found.gone, found.after, found.verdict) == (2, 1, Verdict.WAITS)
    assert found.says == "own lets 1 at a time, as replacements become ready"


def test_a_drain_waits_for_pods_that_are_not_ready_elsewhere() -> None:
    there = [*pods("payment-core", "a1", "b1"), *pods("payment-core", "c1", ready=False)]

    found = drained(placement(*deployment(), manifests.budget(PLACE), there=there), "a1")

    assert found.verdict is Verdict.WAITS
    assert found.says.startswith("until 1 more are ready")


@pytest.mark.parametrize("spec", [{"minAvailable": 3}, {"minAvailable": "67%"}, {"maxUnavailable": 0}])
def test_a_budget_that_lets_nothing_go_blocks_for_good(spec: Document) -> None:
    found = drained(placement(*deployment(), manifests.budget(PLACE, **spec), there=THREE), "a1")

    assert found.verdict is Verdict.BLOCKED
    assert "even when all are ready" in found.says


def test_a_surge_pod_makes_no_room_for_good() -> None:
    # In the middle of a rollout there are four: minAvailable 3 lets one go, but not once the rollout is over.
    there = [*pods("payment-core", "a1", "a1", "b1"), *pods("payment-core", "c1", ready=False)]

    found = drained(placement(*deployment(), manifests.budget(PLACE, minAvailable=3), there=there), "a1")

    assert found.verdict is Verdict.BLOCKED


def test_two_budgets_on_one_pod_block_for_good() -> None:
    budgets = (manifests.budget(PLACE), manifests.budget(PLACE, "other"))

    found = drained(placement(*deployment(), *budgets, there=THREE), "a1")

    assert found.verdict is Verdict.BLOCKED
    assert found.says == "2 budgets cover its pods (other, own): every eviction fails"


def test_pods_that_are_not_ready_may_go_where_the_budget_says_so() -> None:
    there = pods("payment-core", "a1", "b1", "c1", ready=False)
    budget = manifests.budget(PLACE, maxUnavailable=1, unhealthyPodEvictionPolicy="AlwaysAllow")

    assert drained(placement(*deployment(), budget, there=there), "a1").verdict is Verdict.PASSES
    assert drained(placement(*deployment(), manifests.budget(PLACE), there=there), "a1").verdict is Verdict.WAITS


def test_one_budget_on_two_workloads_lets_only_one_of_their_pods_go() -> None:
    labels = {"team": "money"}
    budget = manifests.budget(PLACE)
    budget["spec"]["selector"] = {"matchLabels": labels}
    there = [*pods("core", "a1", "b1", "c1", labels=labels), *pods("edge", "a1", "b1", "c1", labels=labels)]

    found = placement(*deployment("core"), *deployment("edge"), budget, there=there).drain(frozenset({"a1"}))

    assert [loss.verdict for loss in found] == [Verdict.WAITS, Verdict.WAITS]


def test_without_a_budget_they_go_at_once() -> None:
    found = placement(*deployment(), there=THREE)

    assert drained(found, "a1").verdict is Verdict.PASSES
    assert drained(found, "a1", "b1", "c1").verdict is Verdict.GONE


def test_a_drain_is_blocked_where_no_other_node_takes_replacements() -> None:
    bound, replica_set = deployment()
    bound["spec"]["template"]["spec"]["nodeSelector"] = {"topology.kubernetes.io/zone": "a"}
    there = pods("payment-core", "a1", "a1", "a2")
    place = placement(bound, replica_set, manifests.budget(PLACE), there=there)

    assert drained(place, "a1").verdict is Verdict.WAITS
    assert drained(place, "a1", "a2").verdict is Verdict.BLOCKED


def test_a_cordoned_node_takes_no_replacements() -> None:
    nodes = [node("a1", "a"), node("a2", "a", unschedulable=True)]
    place = placement(*deployment(), manifests.budget(PLACE), *nodes, there=pods("payment-core", "a1", "a1", "a2"))

    assert drained(place, "a1").verdict is Verdict.BLOCKED


def test_what_the_disruption_controller_says_counts() -> None:
    # It knows the scale of pods that belong to a kind which nobody lists here.
    there = pods("chain", "a1", "b1", "c1", owner="uid-of-a-pod-set", labels={"tierguard.io/tier": "0"})
    budget = manifests.budget(PLACE, app="chain", minAvailable="50%")

    found = drained(placement(budget, there=there, told={"own": Expected(5, 3)}), "a1")

    assert (found.gone, found.ready, found.verdict) == (1, 3, Verdict.WAITS)


def test_a_pod_that_nothing_controls_blocks_a_drain() -> None:
    (pod,) = pods("lonely", "a1", owner="", labels={"tierguard.io/tier": "1"})

    found = drained(placement(there=[pod]), "a1")

    assert found.verdict is Verdict.BLOCKED
    assert "nothing controls it" in found.says


def test_pods_of_a_daemon_set_stay_in_a_drain_and_go_with_a_zone() -> None:
    made, _ = deployment("agent")
    made["kind"] = "DaemonSet"
    place = placement(made, there=pods("agent", "a1", "b1", owner="uid-agent"))

    assert place.drain(frozenset({"a1"})) == ()
    assert only(place.loss(frozenset({"a1"}))).after == 1


def test_tiers_below_one_are_left_out_unless_asked_for() -> None:
    place = placement(*deployment(tier="3"), there=THREE)

    assert place.drain(frozenset({"a1"})) == ()
    assert len(place.drain(frozenset({"a1"}), all_tiers=True)) == 1


def test_what_nothing_classifies_is_left_out_in_any_case() -> None:
    place = placement(*deployment(tier=None), there=THREE)

    assert place.drain(frozenset({"a1"}), all_tiers=True) == ()


def test_workloads_without_pods_there_are_left_out() -> None:
    assert placement(*deployment(), there=THREE).drain(frozenset({"a2"})) == ()


@pytest.mark.parametrize(
    ("nodes", "verdict", "after"),
    [
        (("a1", "b1", "c1"), Verdict.KEEPS, 2),
        (("a1", "a2", "c1"), Verdict.DROPS, 1),
        (("a1", "a2", "a2"), Verdict.GONE, 0),
    ],
)
def test_a_zone_takes_its_pods_whatever_the_budget_says(nodes: tuple[str, ...], verdict: Verdict, after: int) -> None:
    place = placement(*deployment(), manifests.budget(PLACE), there=pods("payment-core", *nodes))

    found = only(place.loss(frozenset({"a1", "a2"})))

    assert (found.verdict, found.after) == (verdict, after)


def test_under_its_budget_is_fewer_than_desired() -> None:
    place = placement(*deployment(), manifests.budget(PLACE, minAvailable=2), there=THREE)

    assert only(place.loss(frozenset({"a1"}))).verdict is Verdict.KEEPS
    assert only(place.loss(frozenset({"a1", "b1"}))).says == "1 left, own wants 2"


def test_a_status_of_an_older_spec_does_not_count() -> None:
    budget = manifests.budget(PLACE)
    budget["metadata"]["generation"] = 2
    status = {"expectedPods": 3, "desiredHealthy": 2}

    assert told_by(budget | {"status": status | {"observedGeneration": 1}}) is None
    assert told_by(budget | {"status": status | {"observedGeneration": 2}}) == Expected(3, 2)
    failed = {"conditions": [{"type": "DisruptionAllowed", "reason": "SyncFailed", "message": "no scale"}]}
    told = told_by(budget | {"status": status | failed | {"observedGeneration": 2}})
    assert told is not None
    assert told.reason == "no scale"


@pytest.mark.parametrize("broken", [None, [], "text", {"status": []}, {"spec": {"selector": 7}}])
def test_anything_may_be_wrong_with_what_is_listed(broken: Any) -> None:
    wrong = {"kind": "PodDisruptionBudget", "metadata": {"name": "x", "namespace": PLACE}, "spec": broken}

    assert told_by(wrong) is None
    assert drained(placement(*deployment(), wrong, there=THREE), "a1").verdict is Verdict.PASSES


def cluster(*around: Document) -> State:
    return picture(around)


REPLICAS = manifests.policy("new", {"replicas": {"minimum": 4}})


def test_a_policy_is_simulated_as_if_workloads_were_created_now() -> None:
    bigger = manifests.deployment(PLACE, replicas=4)
    bigger["metadata"]["name"] = "bigger"
    state = cluster(manifests.deployment(PLACE), bigger, manifests.deployment(PLACE, "other"))
    policy = manifests.policy("new", {"replicas": {"minimum": 4}})
    policy["spec"]["scope"] = {"workloadSelector": {"matchLabels": {"app": "payment-core"}}}

    found = judge_by([compile_policy(policy)], state, NOW)

    assert [(subject, decision.outcome) for subject, decision in found] == [
        ("Deployment payments/bigger", Outcome.ALLOWED),
        ("Deployment payments/payment-core", Outcome.DENIED),
    ]


def test_only_what_the_new_policies_say_is_told() -> None:
    there = manifests.policy("old", {"replicas": {"minimum": 9}})

    ((_, decision),) = judge_by([compile_policy(REPLICAS)], cluster(there, manifests.deployment(PLACE)), NOW)

    assert [finding.source for finding in decision.findings] == ["PaymentTierPolicy/new"]


def test_a_policy_of_the_same_name_is_replaced() -> None:
    milder = manifests.policy("new", {"replicas": {"minimum": 2}})

    ((_, decision),) = judge_by([compile_policy(milder)], cluster(REPLICAS, manifests.deployment(PLACE)), NOW)

    assert decision.findings == ()


def test_a_budget_that_the_operator_would_make_is_not_missed() -> None:
    policy = manifests.policy("new", {"disruptionBudget": {"mode": "Maintain"}})
    stored = manifests.deployment(PLACE)
    stored["metadata"]["creationTimestamp"] = (NOW - timedelta(days=30)).isoformat()

    ((_, decision),) = judge_by([compile_policy(policy)], cluster(stored), NOW)

    assert decision.findings == ()


def test_a_workload_that_is_being_deleted_is_left_out() -> None:
    going = manifests.deployment(PLACE)
    going["metadata"]["deletionTimestamp"] = NOW.isoformat()

    assert judge_by([compile_policy(REPLICAS)], cluster(going), NOW) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("kind: ConfigMap\nmetadata: {name: x}\n", "no PaymentTierPolicy"),
        (
            "apiVersion: tierguard.io/v1alpha1\nkind: PaymentTierPolicy\nmetadata: {name: x}\nspec: {tier: 9}\n",
            "x: spec",
        ),
    ],
)
def test_a_file_without_a_policy_that_can_be_read_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, named: str
) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text, encoding="utf-8")

    assert main(["simulate", "policy", str(path)]) == 2
    assert named in capsys.readouterr().err


KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: there
clusters: [{name: there, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: me, user: {}}]
contexts: [{name: there, context: {cluster: there, user: me}}]
"""


@pytest.mark.parametrize(
    ("text", "options", "named"),
    [
        (KUBECONFIG, (), "no answer from the API server"),
        (KUBECONFIG, ("--context", "nowhere"), "nowhere"),
        ("a: [", (), "no cluster"),
        ("just text", (), "no cluster"),
        ("clusters: 7", (), "no cluster"),
        (None, (), "no cluster"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, options: tuple[str, ...], named: str
) -> None:
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text, encoding="utf-8")

    assert main(["simulate", "drain", "node-1", "--kubeconfig", str(path), *options]) == 2

    said = capsys.readouterr().err
    assert named in said
    assert said.count("\n") == 1
