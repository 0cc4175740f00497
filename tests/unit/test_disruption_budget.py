"""Disruption budgets, as the disruption controller computes them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierguard.disruption import (
    Allowance,
    Budget,
    Controller,
    Expected,
    allowed_when_healthy,
    disruptions_allowed,
    expected,
)


def budget(minimum: int | str | None = None, unavailable: int | str | None = None) -> Budget:
    return Budget("payments", "core", {}, min_available=minimum, max_unavailable=unavailable)


def deployment(replicas: int) -> Controller:
    return Controller("Deployment", replicas, has_scale=True)


DAEMONS = Controller("DaemonSet", 3, has_scale=False)


@pytest.mark.parametrize(
    ("sentence", "limits", "replicas", "desired", "allowed"),
    [
        ("67% of 3 is 3: no pod may be evicted", budget("67%"), 3, 3, 0),
        ("66% of 3 is 2", budget("66%"), 3, 2, 1),
        ("one of three", budget(unavailable=1), 3, 2, 1),
        ("none unavailable", budget(unavailable=0), 3, 3, 0),
        ("0% unavailable", budget(unavailable="0%"), 3, 3, 0),
        ("1% unavailable rounds up to one", budget(unavailable="1%"), 3, 2, 1),
        ("34% unavailable rounds up to two", budget(unavailable="34%"), 3, 1, 2),
        ("all unavailable", budget(unavailable="100%"), 3, 0, 3),
        ("more unavailable than there are", budget(unavailable=5), 3, 0, 3),
        ("a percentage over 100 unavailable", budget(unavailable="150%"), 3, 0, 3),
        ("a percentage over 100 available", budget("150%"), 3, 5, 0),
        ("as many available as there are", budget(3), 3, 3, 0),
        ("more available than there are", budget(4), 3, 4, 0),
        ("none available", budget(0), 3, 0, 3),
        ("0% available", budget("0%"), 3, 0, 3),
        ("a single replica with minAvailable 1", budget(1), 1, 1, 0),
        ("a single replica at 50%", budget("50%"), 1, 1, 0),
        ("no replicas, by number", budget(0), 0, 0, 0),
        ("no replicas, by percentage", budget("50%"), 0, 0, 0),
        ("no replicas, by unavailable", budget(unavailable=1), 0, 0, 0),
        ("neither field: nothing is expected, so nothing is allowed", budget(), 3, 0, 0),
        ("both fields, which the API refuses: maxUnavailable wins", budget(3, unavailable=1), 3, 2, 1),
    ],
)
def test_a_budget_allows_at_best(sentence: str, limits: Budget, replicas: int, desired: int, allowed: int) -> None:
    found = allowed_when_healthy(limits, [deployment(replicas)])
    assert (found.desired_healthy, found.allowed, found.reason) == (desired, allowed, None), sentence


def test_a_pod_that_is_not_ready_uses_up_the_allowance() -> None:
    assert disruptions_allowed(budget(unavailable=1), [deployment(3)], healthy=2, pods=3) == Allowance(
        allowed=0, healthy=2, desired_healthy=2, expected_pods=3
    )
    assert disruptions_allowed(budget(minimum=1), [deployment(3)], healthy=2, pods=3).allowed == 1


def test_pods_of_a_surge_count_as_healthy() -> None:
    assert disruptions_allowed(budget(unavailable=1), [deployment(3)], healthy=4, pods=4).allowed == 2


def test_several_controllers_add_up() -> None:
    stable, canary = deployment(9), deployment(1)
    assert expected(budget(unavailable="10%"), [stable, canary], 10) == Expected(pods=10, desired_healthy=9)
    assert expected(budget(minimum="91%"), [stable, canary], 10) == Expected(pods=10, desired_healthy=10)


def test_an_integer_minimum_expects_the_pods_that_exist_and_looks_at_no_controller() -> None:
    assert expected(budget(minimum=2), [DAEMONS, deployment(100)], 4) == Expected(pods=4, desired_healthy=2)
    assert expected(budget(minimum=2), [], 4) == Expected(pods=4, desired_healthy=2)


def test_pods_without_a_controller_add_nothing_to_a_percentage() -> None:
    assert disruptions_allowed(budget(minimum="50%"), [], healthy=3) == Allowance(0, 3, 0, 0)


@pytest.mark.parametrize("limits", [budget(minimum="50%"), budget(unavailable=1), budget(unavailable="50%")])
def test_a_controller_that_cannot_be_scaled_needs_an_integer_minimum(limits: Budget) -> None:
    found = allowed_when_healthy(limits, [deployment(3), DAEMONS])
    assert found.allowed == 0
    assert found.reason == "DaemonSet does not implement the scale subresource: its pods need an integer minAvailable"
    assert allowed_when_healthy(budget(minimum=2), [DAEMONS]) == Allowance(1, 3, 2, 3)


@pytest.mark.parametrize("limits", [budget(minimum="two"), budget(unavailable="1")])
def test_a_malformed_number_allows_nothing_and_says_so(limits: Budget) -> None:
    found = allowed_when_healthy(limits, [deployment(3)])
    assert found.allowed == 0
    assert found.reason is not None
    assert "is neither a whole number nor a percentage" in found.reason


numbers = st.integers(0, 20) | st.integers(0, 100).map(lambda percent: f"{percent}%")


@given(numbers, st.integers(0, 50), st.integers(0, 50))
def test_an_allowance_never_reaches_below_the_desired_pods(limit: int | str, replicas: int, healthy: int) -> None:
    for limits in (budget(minimum=limit), budget(unavailable=limit)):
        found = disruptions_allowed(limits, [deployment(replicas)], healthy, replicas)
        assert found.allowed >= 0
        assert found.allowed == 0 or healthy - found.allowed == found.desired_healthy
        assert found.allowed <= disruptions_allowed(limits, [deployment(replicas)], healthy + 1, replicas + 1).allowed


STORED: dict[str, Any] = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"namespace": "payments", "name": "core"},
    "spec": {
        "selector": {"matchLabels": {"app": "core"}},
        "maxUnavailable": "25%",
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    },
}


def test_a_stored_budget_is_read() -> None:
    found = Budget.of(STORED)
    assert found == Budget("payments", "core", {"matchLabels": {"app": "core"}}, None, "25%", "AlwaysAllow")
    assert found.selects({"app": "core", "pod-template-hash": "5d"})
    assert not found.selects({"app": "other"})


@pytest.mark.parametrize(
    "raw", [{}, {"spec": None}, {"metadata": 3, "spec": {"selector": "all", "minAvailable": True}}]
)
def test_a_misshapen_budget_is_read_as_far_as_it_goes(raw: dict[str, Any]) -> None:
    found = Budget.of(raw)
    assert found == Budget("", "")
    assert not found.selects({})


def test_an_empty_selector_selects_every_pod_and_an_absent_one_none() -> None:
    assert Budget("payments", "core", {}).selects({"app": "core"})
    assert not Budget("payments", "core", None).selects({"app": "core"})


def test_an_invalid_selector_selects_nothing_as_in_the_eviction_api() -> None:
    selector = {"matchExpressions": [{"key": "app", "operator": "Near"}]}
    assert not Budget("payments", "core", selector).selects({"app": "core"})
