"""The rules `rollout` and `replicas`: what Kubernetes makes of the fields, and what autoscalers leave."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierguard.api.rules import ReplicasRule, RolloutRule
from tierguard.disruption import NodeBounds, daemon_set_bounds, rolling_update_bounds, stateful_set_unavailable
from tierguard.guard.model.decision import Effect
from tierguard.guard.model.facts import Autoscaler
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.rules import Violation
from tierguard.guard.rules.replicas import Replicas
from tierguard.guard.rules.rollout import Rollout
from tierguard.guard.rules.rule import Situation
from tierguard.guard.tiers.classify import Classified

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
NONE = RolloutRule(max_unavailable=0)
STRICT = RolloutRule(max_unavailable=0, min_ready_seconds=3600, revision_history_limit=1000)
KINDS = ("Deployment", "StatefulSet", "DaemonSet")

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["25%", "0%", "OnDelete"]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)


def any_of(*fields: str, of: st.SearchStrategy[Any] = anything) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(fields, of | anything))


strategies = any_of("type", "rollingUpdate", of=any_of("maxUnavailable", "maxSurge", "partition"))
specs = st.builds(
    lambda *parts: {key: found for part in parts for key, found in part.items()},
    any_of("strategy", "updateStrategy", of=strategies),
    any_of("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"),
)


def judged(
    spec: Any, settings: RolloutRule | ReplicasRule, kind: str = "Deployment", *autoscalers: Autoscaler
) -> list[Violation]:
    workload = Workload.of({"kind": kind, "metadata": {"name": "core", "namespace": "payments"}, "spec": spec})
    assert workload is not None
    state = State(autoscalers_in={"payments": {f"{known.kind}/{known.name}": known for known in autoscalers}})
    rule = Rollout() if isinstance(settings, RolloutRule) else Replicas()
    return list(rule.check(Situation(Classified(workload, 1, {}, ()), state, NOW), settings))


def rolling(**fields: Any) -> dict[str, Any]:
    """The strategy under both of its names, so that any kind finds it."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": fields}
    return {"replicas": 3, "strategy": strategy, "updateStrategy": strategy}


def hpa(minimum: int, kind: str = "HorizontalPodAutoscaler") -> Autoscaler:
    return Autoscaler(kind, "core", ("Deployment", "core"), minimum)


@given(specs | anything, st.sampled_from(KINDS), st.integers(0, 5))
def test_whatever_is_written_the_rule_answers(spec: Any, kind: str, replicas: int) -> None:
    for violation in judged(spec, STRICT, kind, hpa(replicas)):
        assert violation.reason
        assert violation.about
        assert violation.gap >= 0
        assert violation.detail.isprintable()


@given(anything | specs)
def test_whatever_replicas_are_the_rule_answers(spec: Any) -> None:
    for violation in judged(spec, ReplicasRule(minimum=3)):
        assert violation.gap > 0


@pytest.mark.parametrize(
    ("replicas", "unavailable", "taken"),
    [
        (3, None, 1),
        (3, 1, 1),
        (3, 2, 2),
        (3, 9, 3),
        (3, "10%", 1),
        (3, "67%", 2),
        (4, "50%", 2),
        (3, 0, 1),
        (0, 2, 0),
    ],
)
def test_a_stateful_set_rounds_down_but_takes_one(replicas: int, unavailable: int | str | None, taken: int) -> None:
    assert stateful_set_unavailable(replicas, unavailable) == taken


@pytest.mark.parametrize(
    ("unavailable", "surge", "bounds"),
    [
        (None, None, NodeBounds(1)),
        (0, 1, NodeBounds(0)),
        ("0%", "1%", NodeBounds(0)),
        (0, 0, NodeBounds(1)),
        ("0%", None, NodeBounds(1)),
        (3, 0, NodeBounds(3)),
        ("1%", 0, NodeBounds(1, 1)),
        ("100%", None, NodeBounds(1, 100)),
    ],
)
def test_a_daemon_set_takes_one_unless_it_surges(
    unavailable: int | str | None, surge: int | str | None, bounds: NodeBounds
) -> None:
    assert daemon_set_bounds(unavailable, surge) == bounds


def test_bounds_tell_whether_they_fell_back() -> None:
    assert rolling_update_bounds(3, "10%", 0).fell_back
    assert not rolling_update_bounds(3, 1, 0).fell_back
    assert not rolling_update_bounds(3, 0, 1).fell_back


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_that_nobody_can_read_is_no_promise(kind: str) -> None:
    (found,) = judged(rolling(maxUnavailable="some\nof them" * 50), NONE, kind)
    assert found.reason == "UnreadableRollingUpdate"
    assert len(found.detail) < 110
    assert found.detail.isprintable()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_waits_and_keeps_what_the_policy_says(kind: str) -> None:
    settings = RolloutRule(max_unavailable=1, min_ready_seconds=5, revision_history_limit=3)
    short = judged({"minReadySeconds": 4, "revisionHistoryLimit": 2, "replicas": 3}, settings, kind)
    assert [(found.reason, found.about, found.gap) for found in short] == [
        ("ShortMinReady", "minReadySeconds", 1),
        ("ShortHistory", "revisionHistoryLimit", 1),
    ]
    assert judged({"minReadySeconds": 5, "revisionHistoryLimit": 3, "replicas": 3}, settings, kind) == []


def test_what_is_left_out_is_waited_for_no_second_and_kept_ten_times() -> None:
    found = judged({"replicas": 3}, RolloutRule(min_ready_seconds=1, revision_history_limit=11))
    assert [(violation.reason, violation.gap) for violation in found] == [("ShortMinReady", 1), ("ShortHistory", 1)]


def test_only_a_remedy_that_the_api_takes_is_told() -> None:
    (found,) = judged(rolling(maxSurge=1, maxUnavailable=0), RolloutRule(min_ready_seconds=600))
    assert "progressDeadlineSeconds" in found.remedy
    patient = {**rolling(maxSurge=1, maxUnavailable=0), "progressDeadlineSeconds": 900}
    (found,) = judged(patient, RolloutRule(min_ready_seconds=600))
    assert "progressDeadlineSeconds" not in found.remedy
    (found,) = judged(rolling(maxUnavailable=2), RolloutRule(max_unavailable=1), "DaemonSet")
    assert found.remedy == "set spec.updateStrategy.rollingUpdate to maxUnavailable: 1, maxSurge: 0"


def test_a_percentage_is_of_the_larger_of_replicas_and_what_the_autoscaler_leaves() -> None:
    quarter = rolling(maxUnavailable="25%", maxSurge=1)
    assert judged(quarter, NONE) == []
    (found,) = judged(quarter, NONE, "Deployment", hpa(8))
    assert (found.reason, found.gap) == ("MaxUnavailable", 2)
    assert judged(quarter, NONE, "Deployment", hpa(1)) == []


def test_scaled_to_zero_it_is_judged_as_of_one_pod() -> None:
    asleep = {**rolling(maxUnavailable=1, maxSurge=1), "replicas": 0}
    assert [found.reason for found in judged(asleep, NONE)] == ["MaxUnavailable"]
    assert [found.gap for found in judged({"replicas": 0, "strategy": {"type": "Recreate"}}, NONE)] == [1]


def test_a_daemons_percentage_is_worse_than_any_number_and_a_smaller_one_is_better() -> None:
    number, tenth, half = (
        judged(rolling(maxUnavailable=value), NONE, "DaemonSet")[0].gap for value in (1000, "10%", "50%")
    )
    assert number < tenth < half


def test_a_partition_that_holds_all_back_only_warns() -> None:
    (found,) = judged(rolling(partition=3), NONE, "StatefulSet")
    assert (found.reason, found.effect) == ("PartitionHoldsAll", Effect.WARN)
    assert judged(rolling(partition=2), NONE, "StatefulSet") == []
    asleep = {**rolling(partition=0), "replicas": 0}
    assert judged(asleep, NONE, "StatefulSet") == []


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
def test_the_pod_management_policy_is_no_matter(policy: str) -> None:
    assert judged({"replicas": 3, "podManagementPolicy": policy}, NONE, "StatefulSet") == []


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_under_on_delete_nothing_else_about_the_update_counts(kind: str) -> None:
    assert [found.reason for found in judged({"updateStrategy": {"type": "OnDelete"}}, NONE, kind)] == ["OnDelete"]


def test_the_gap_of_replicas_is_how_many_are_missing() -> None:
    (found,) = judged({"replicas": 1}, ReplicasRule(minimum=3))
    assert (found.about, found.gap, found.rests_on_absence) == ("replicas", 2, True)


def test_the_least_that_an_autoscaler_may_leave_is_what_counts() -> None:
    (found,) = judged({"replicas": 9}, ReplicasRule(minimum=3), "Deployment", hpa(2))
    assert found.detail == "HorizontalPodAutoscaler core may leave 2, at least 3 are asked for"
    assert (found.gap, found.rests_on_absence) == (1, False)
    assert judged({}, ReplicasRule(minimum=3), "Deployment", hpa(3)) == []


def test_a_scaled_object_leaves_what_its_own_field_says() -> None:
    (found,) = judged({"replicas": 9}, ReplicasRule(minimum=3), "Deployment", hpa(0, "ScaledObject"))
    assert found.remedy == "set its minReplicaCount to 3 or more"


def test_zero_replicas_switch_a_horizontal_pod_autoscaler_off_but_no_scaled_object() -> None:
    (found,) = judged({"replicas": 0}, ReplicasRule(minimum=3), "Deployment", hpa(3))
    assert (found.gap, found.remedy) == (3, "set spec.replicas to 3 or more")
    assert judged({"replicas": 0}, ReplicasRule(minimum=3), "Deployment", hpa(3, "ScaledObject")) == []
