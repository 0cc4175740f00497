"""The disruption budgets that the operator keeps: never two on one pod, never one that blocks or lets all go."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.e2e import manifests
from tests.unit.operators import wanted_budgets
from tierguard.cli.picture import picture
from tierguard.disruption import Budget, allowed_when_healthy
from tierguard.guard.rules.coverage import controllers_of, pod_labels
from tierguard.guard.survey import survey

Document = dict[str, Any]

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
PLACE = "payments"


def policy(name: str = "keep", **settings: Any) -> Document:
    raw = manifests.policy(name, {"disruptionBudget": {"mode": "Maintain", **settings}})
    raw["spec"]["scope"] = {"workloadSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}
    return raw


def workload(name: str = "core", replicas: int = 3, kind: str = "Deployment", **labels: str) -> Document:
    raw = manifests.deployment(PLACE, name, replicas=replicas)
    raw["kind"] = kind
    raw["metadata"]["uid"] = f"uid-{name}"
    raw["spec"]["template"]["metadata"]["labels"] = {"app": name, **labels}
    raw["spec"]["selector"] = {"matchLabels": {"app": name, **labels}}
    return raw


def cron_job(name: str, **labels: str) -> Document:
    template = {"spec": {"template": {"metadata": {"labels": labels}}}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "namespace": PLACE},
        "spec": {"jobTemplate": template},
    }


def autoscaler(minimum: int, name: str = "core") -> Document:
    spec = {"minReplicas": minimum, "scaleTargetRef": {"kind": "Deployment", "name": name}}
    return {"kind": "HorizontalPodAutoscaler", "metadata": {"name": name, "namespace": PLACE}, "spec": spec}


def wanted(*everything: Document) -> list[Document]:
    state = picture([{"kind": "Namespace", "metadata": {"name": PLACE}}, *everything])
    return wanted_budgets(survey(state, NOW), state, NOW)


def owners(budgets: Sequence[Document]) -> list[str]:
    return [budget["metadata"]["ownerReferences"][0]["name"] for budget in budgets]


@pytest.mark.parametrize(
    ("maximum", "replicas", "around", "written"),
    [
        (1, 3, [], 1),
        (2, 3, [], 2),
        (3, 3, [], 2),
        (0, 3, [], 1),
        ("0%", 3, [], 1),
        ("34%", 3, [], "34%"),
        ("67%", 3, [], 2),
        ("100%", 3, [], 2),
        ("50%", 9, [autoscaler(2)], "50%"),
        ("67%", 9, [autoscaler(3)], 2),
        (5, 9, [autoscaler(2)], 1),
        (5, 0, [autoscaler(9)], 5),
    ],
)
def test_a_maximum_is_made_safe_at_the_fewest_pods(
    maximum: int | str, replicas: int, around: list[Document], written: int | str
) -> None:
    (budget,) = wanted(policy(maxUnavailable=maximum), workload(replicas=replicas), *around)

    assert budget["spec"]["maxUnavailable"] == written


@pytest.mark.parametrize(
    "around", [[workload(replicas=1)], [workload(replicas=0)], [workload(replicas=9), autoscaler(1)]]
)
def test_a_single_pod_gets_none(around: list[Document]) -> None:
    assert wanted(policy(), *around) == []
    around[0]["metadata"]["annotations"] = {"tierguard.io/accept-downtime": "a report"}
    assert wanted(policy(), *around) == []


@pytest.mark.parametrize("kind", ["DaemonSet", "ReplicaSet"])
def test_only_what_has_replicas_of_its_own_gets_one(kind: str) -> None:
    assert wanted(policy(), workload(kind=kind)) == []
    assert owners(wanted(policy(), workload(kind="StatefulSet"))) == ["core"]


def test_nothing_of_a_gitops_tool_is_copied() -> None:
    raw = workload()
    raw["metadata"]["labels"] |= {"app.kubernetes.io/instance": "core", "argocd.argoproj.io/instance": "core"}
    raw["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "core:apps/Deployment:payments/core"}

    (budget,) = wanted(policy(), raw)
    assert budget["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "tierguard"}
    assert "annotations" not in budget["metadata"]
    assert "blockOwnerDeletion" not in budget["metadata"]["ownerReferences"][0]


def test_the_selector_is_the_workload_s_own_and_follows_it() -> None:
    raw = workload()
    raw["spec"]["selector"] = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["core"]}]}

    (budget,) = wanted(policy(), raw)
    assert budget["spec"]["selector"] == raw["spec"]["selector"]


def test_a_users_budget_is_enough_whoever_it_is_named_after() -> None:
    own = manifests.budget(PLACE, "tierguard-own", app="core")

    assert wanted(policy(), workload(), own) == []


def test_the_operators_own_changes_nothing() -> None:
    before = wanted(policy(), workload())

    assert wanted(policy(), workload(), *before) == before


def test_where_selectors_overlap_the_wider_one_is_enough() -> None:
    main, canary = workload(), workload("core", track="canary")
    canary["metadata"]["name"] = "canary"

    assert owners(wanted(policy(), main, canary)) == ["core"]
    assert owners(wanted(policy(), canary, main)) == ["core"]


def test_ours_does_not_meet_a_users_on_the_pods_of_another_workload() -> None:
    main, canary = workload(), workload("core", track="canary")
    canary["metadata"]["name"] = "canary"
    own = manifests.budget(PLACE, "own", app="core")
    own["spec"]["selector"] = {"matchLabels": {"track": "canary"}}

    assert wanted(policy(), main, canary, own) == []


def test_pods_of_jobs_are_left_out() -> None:
    raw = workload()
    everything = (policy(), raw, cron_job("cleanup", app="core"))

    (budget,) = wanted(*everything)
    state = picture([*everything, budget])
    (found,) = state.budgets(PLACE)
    assert [controller.kind for controller in controllers_of(found, state)] == ["Deployment"]
    assert raw["spec"]["selector"] == {"matchLabels": {"app": "core"}}


def test_none_is_made_that_a_daemon_set_would_make_unreadable() -> None:
    daemon = workload("core", kind="DaemonSet", node="every")
    daemon["metadata"]["name"] = "agent"

    assert wanted(policy(), workload(), daemon) == []


@pytest.mark.parametrize("selector", [None, {}, "all", {"matchLabels": {"app": "else"}}, {"matchExpressions": [3]}])
def test_a_workload_that_no_api_server_takes_gets_none(selector: object) -> None:
    raw = workload()
    raw["spec"]["selector"] = selector

    assert wanted(policy(), raw) == []


def test_of_several_policies_the_strictest_counts_and_a_sick_pod_may_go() -> None:
    loose = policy("loose", maxUnavailable="50%", unhealthyPodEvictionPolicy="AlwaysAllow")
    tight = policy("tight", maxUnavailable=1, unhealthyPodEvictionPolicy="IfHealthyBudget")

    (budget,) = wanted(loose, tight, workload(replicas=6))
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    (budget,) = wanted(tight, workload(replicas=6))
    assert budget["spec"]["unhealthyPodEvictionPolicy"] == "IfHealthyBudget"


LABELS = st.dictionaries(st.sampled_from(["track", "team"]), st.sampled_from(["a", "b"]))


@st.composite
def crowd(draw: st.DrawFn) -> list[Document]:
    found = []
    for index in range(draw(st.integers(1, 4))):
        labels = {"app": draw(st.sampled_from(["x", "y"])), **draw(LABELS)}
        raw = workload(
            f"w{index}", draw(st.integers(0, 5)), draw(st.sampled_from(["Deployment", "StatefulSet", "DaemonSet"]))
        )
        raw["spec"]["template"]["metadata"]["labels"] = labels
        keys = draw(st.sets(st.sampled_from(sorted(labels)), min_size=1))
        raw["spec"]["selector"] = {"matchLabels": {key: labels[key] for key in sorted(keys)}}
        found.append(raw)
    for index in range(draw(st.integers(0, 2))):
        own = manifests.budget(PLACE, f"own{index}")
        own["spec"]["selector"] = {"matchLabels": {"app": draw(st.sampled_from(["x", "y"])), **draw(LABELS)}}
        found.append(own)
    return [*found, *([cron_job("tidy", app="x")] if draw(st.booleans()) else [])]


@given(crowd(), st.sampled_from([0, 1, 2, 9, "0%", "34%", "50%", "100%"]))
def test_ours_are_alone_on_their_pods_and_let_some_go_but_not_all(crowd: list[Document], maximum: int | str) -> None:
    made = wanted(policy(maxUnavailable=maximum), *crowd)
    assert made == wanted(policy(maxUnavailable=maximum), *reversed(crowd)), "the order makes a difference"
    state = picture([policy(), *crowd, *made])
    ours = [Budget.of(budget) for budget in made]
    assert all(budget.by_operator for budget in ours)
    for found in state.in_namespace(PLACE):
        covering = [budget for budget in state.budgets(PLACE) if budget.selects(pod_labels(found))]
        if any(budget in ours for budget in covering):
            assert len(covering) == 1
    for budget in ours:
        controllers = controllers_of(budget, state)
        allowance = allowed_when_healthy(budget, controllers)
        assert allowance.reason is None
        assert 1 <= allowance.allowed < sum(controller.replicas for controller in controllers)
