"""Rule `disruption-budget`, and changes to budgets, whatever is written."""

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.e2e import manifests
from tierguard.api.rule_values import BudgetMode, UnhealthyPodEviction
from tierguard.api.rules import DisruptionBudgetRule
from tierguard.cli.picture import picture
from tierguard.disruption import Allowance, Budget, Eviction, eviction, safe_maximum, scaled_value
from tierguard.guard.model.change import Change, Operation
from tierguard.guard.model.decision import Decision, Effect, Outcome
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.guard.resources.budgets import evaluate_budget
from tierguard.guard.rules.disruption_budget import ACCEPT_DOWNTIME, DisruptionBudget
from tierguard.guard.rules.rule import Situation, Violation
from tierguard.guard.tiers.classify import Classified, classify

Document = dict[str, Any]

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
PLACE = "payments"
LONGEST = "n" * 253


def judged(
    workload: Document,
    *around: Document,
    now: datetime = NOW,
    before: Document | None = None,
    **settings: Any,
) -> list[Violation]:
    """What the rule finds about `workload` with all of `around` there."""
    mine = manifests.policy("keep", {"disruptionBudget": {key: settings[key] for key in settings}})
    mine["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    state = picture([mine, *around])
    state.namespaces.setdefault(PLACE, {})
    (policy,) = state.policies
    assert policy.spec is not None
    rule = policy.spec.rules.disruption_budget
    assert rule is not None
    earlier = None if before is None else classified(before, state)
    return list(DisruptionBudget().check(Situation(classified(workload, state), state, now, earlier), rule))


def classified(raw: Document, state: State) -> Classified:
    found = Workload.of(raw)
    assert found is not None
    return classify(found, PLACE, {}, state)


def reasons(found: Sequence[Violation]) -> list[str]:
    return [violation.reason for violation in found]


def deployment(replicas: int | None = 3, **metadata: Any) -> Document:
    raw = manifests.deployment(PLACE, replicas=replicas)
    raw["metadata"] |= metadata
    if replicas is None:
        del raw["spec"]["replicas"]
    return raw


def budget(name: str = "own", **spec: Any) -> Document:
    raw = manifests.budget(PLACE, name, **spec)
    raw["spec"].setdefault("unhealthyPodEvictionPolicy", "AlwaysAllow")
    return raw


def autoscaler(minimum: int | None, kind: str = "HorizontalPodAutoscaler") -> Document:
    field = "minReplicaCount" if kind == "ScaledObject" else "minReplicas"
    spec: Document = {"scaleTargetRef": {"kind": "Deployment", "name": "payment-core"}}
    return {
        "kind": kind,
        "metadata": {"name": "core", "namespace": PLACE},
        "spec": spec | ({} if minimum is None else {field: minimum}),
    }


@pytest.mark.parametrize(
    ("replicas", "scaler", "reason"),
    [
        (1, None, ["SingleReplica"]),
        (0, None, ["SingleReplica"]),
        (None, None, ["SingleReplica"]),
        (2, None, []),
        (None, autoscaler(2), []),
        (None, autoscaler(1), ["SingleReplica"]),
        (9, autoscaler(None), ["SingleReplica"]),
        (1, autoscaler(3), []),
        (9, autoscaler(1, "ScaledObject"), ["SingleReplica"]),
        (9, autoscaler(None, "ScaledObject"), ["SingleReplica"]),
        (9, autoscaler(2, "ScaledObject"), []),
    ],
)
def test_fewer_than_two_pods_at_the_least_are_to_be_decided(
    replicas: int | None, scaler: Document | None, reason: list[str]
) -> None:
    around = [budget(maxUnavailable=1), *([scaler] if scaler else [])]

    assert reasons(judged(deployment(replicas), *around)) == reason
    assert reasons(judged(deployment(replicas, annotations={ACCEPT_DOWNTIME: "a report"}), *around)) == []


def test_an_accepted_downtime_counts_only_where_one_pod_is_all_there_is() -> None:
    accepted = {ACCEPT_DOWNTIME: "it was one pod once"}

    assert reasons(judged(deployment(3, annotations=accepted))) == ["NoBudget"]
    assert reasons(judged(deployment(1, annotations=accepted))) == []
    assert reasons(judged(deployment(1, annotations=accepted), autoscaler(3))) == ["NoBudget"]


@pytest.mark.parametrize("written", ["", "  ", None, 3.5, [], {}])
def test_an_acceptance_says_why(written: object) -> None:
    expected = [] if isinstance(written, float) else ["SingleReplica"]
    assert reasons(judged(deployment(1, annotations={ACCEPT_DOWNTIME: written}))) == expected


def test_what_blocks_is_found_though_downtime_is_accepted() -> None:
    alone = deployment(1, annotations={ACCEPT_DOWNTIME: "a report"})

    assert reasons(judged(alone, budget(minAvailable=1))) == ["BlocksEviction"]
    assert reasons(judged(alone, budget(maxUnavailable=0))) == ["BlocksEviction"]
    assert reasons(judged(alone, budget(), budget("second"))) == ["SeveralBudgets"]
    assert reasons(judged(alone, budget(minAvailable=1), autoscaler(0, "ScaledObject"))) == ["BlocksEviction"]


def test_a_budget_that_neither_limits_is_said_to() -> None:
    (found,) = judged(deployment(), budget(unhealthyPodEvictionPolicy="AlwaysAllow"))

    assert found.reason == "BlocksEviction"
    assert "neither field set" in found.detail


@pytest.mark.parametrize(
    ("limit", "replicas", "gap"),
    [
        ({"minAvailable": 3}, 3, 1),
        ({"minAvailable": 5}, 3, 3),
        ({"minAvailable": "100%"}, 3, 1),
        ({"maxUnavailable": 0}, 3, 1),
        ({"maxUnavailable": 3}, 6, 2),
        ({"maxUnavailable": "50%"}, 6, 2),
        ({"minAvailable": 0}, 3, 2),
    ],
)
def test_the_gap_is_how_many_pods_it_is_off(limit: Document, replicas: int, gap: int) -> None:
    (found,) = judged(deployment(replicas), budget(**limit))

    assert found.gap == gap
    assert found.about == "own"


def test_a_policy_that_would_let_all_go_lets_all_but_one_go() -> None:
    assert reasons(judged(deployment(2), budget(maxUnavailable=1), maxUnavailable="100%")) == []
    (found,) = judged(deployment(2), budget(maxUnavailable=2), maxUnavailable="100%")
    assert (found.reason, found.gap) == ("TooLoose", 1)
    assert "set maxUnavailable: 1 in" in found.remedy


def test_a_policy_that_would_let_none_go_lets_one_go() -> None:
    assert reasons(judged(deployment(3), budget(maxUnavailable=1), maxUnavailable=0)) == []


def test_a_daemon_set_beside_it_makes_a_percentage_unreadable_and_a_number_uncertain() -> None:
    beside = {**manifests.deployment(PLACE, "log-agent"), "kind": "DaemonSet"}
    beside["spec"] = {key: beside["spec"][key] for key in ("selector", "template")}
    all_pods: Document = {"selector": {}}
    (found,) = judged(deployment(), beside, budget() | {"spec": {"maxUnavailable": 1} | all_pods})
    assert found.reason == "UnreadableBudget"
    assert "DaemonSet" in found.detail

    number = budget() | {"spec": {"minAvailable": 5, "unhealthyPodEvictionPolicy": "AlwaysAllow"} | all_pods}
    assert reasons(judged(deployment(), beside, number)) == []
    running = {**beside, "status": {"desiredNumberScheduled": 3}}
    assert reasons(judged(deployment(), running, number)) == []
    assert reasons(judged(deployment(), {**beside, "status": {"desiredNumberScheduled": 2}}, number)) == [
        "BlocksEviction"
    ]


def test_the_pods_of_a_job_can_be_excluded() -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "cleanup", "namespace": PLACE},
        "spec": {"jobTemplate": {"spec": {"template": {"metadata": {"labels": {"app": "payment-core"}}}}}},
    }
    without = [{"key": "batch.kubernetes.io/job-name", "operator": "DoesNotExist"}]
    excluding = budget()
    excluding["spec"]["selector"]["matchExpressions"] = without

    assert reasons(judged(deployment(), job, budget())) == ["UnreadableBudget"]
    assert reasons(judged(deployment(), job, excluding)) == []


def test_a_bare_pod_makes_no_budget_unreadable() -> None:
    pod = {"kind": "Pod", "metadata": {"name": "debug", "namespace": PLACE, "labels": {"app": "payment-core"}}}
    assert reasons(judged(deployment(), pod, budget())) == []


@pytest.mark.parametrize("seconds", [0, 59])
def test_the_operator_has_a_minute(seconds: int) -> None:
    created = deployment(creationTimestamp="2026-11-11T12:00:00Z")

    assert judged(created, now=NOW + timedelta(seconds=seconds), mode="Maintain") == []


def test_after_a_minute_what_the_operator_did_not_make_is_a_warning() -> None:
    created = deployment(creationTimestamp="2026-11-11T12:00:00Z")

    (found,) = judged(created, now=NOW + timedelta(seconds=60), mode="Maintain")
    assert (found.reason, found.effect) == ("NotMaintained", Effect.WARN)
    assert judged(created, budget(), now=NOW + timedelta(days=1), mode="Maintain") == []


@pytest.mark.parametrize("written", [None, "yesterday", 7, "2026-11-11T12:00:00", "9999-12-31T23:59:59Z"])
def test_what_is_not_stored_yet_is_pending(written: object) -> None:
    assert judged(deployment(creationTimestamp=written), mode="Maintain") == []


def test_what_only_now_needs_a_budget_is_pending() -> None:
    old = {"creationTimestamp": "2026-01-02T00:00:00Z"}

    assert judged(deployment(3, **old), before=deployment(1, **old), mode="Maintain") == []
    assert reasons(judged(deployment(3, **old), before=deployment(2, **old), mode="Maintain")) == ["NotMaintained"]


def test_a_policy_that_is_new_gives_the_operator_its_minute() -> None:
    old = deployment(creationTimestamp="2026-01-02T00:00:00Z")
    mine = manifests.policy("keep", {"disruptionBudget": {"mode": "Maintain"}})
    for change in ({"metadata": {"name": "keep", "creationTimestamp": "2026-11-11T11:59:30Z"}}, {}):
        raw = mine | change
        if not change:
            raw["spec"]["effectiveFrom"] = "2026-11-11T11:59:30Z"
        state = picture([raw, old])
        (policy,) = state.policies
        assert policy.spec is not None
        rule = policy.spec.rules.disruption_budget
        assert rule is not None
        situation = Situation(classified(old, state), state, NOW)
        assert not list(DisruptionBudget().check(situation, rule))
        later = replace(situation, now=NOW + timedelta(seconds=30))
        assert reasons(list(DisruptionBudget().check(later, rule))) == ["NotMaintained"]


@pytest.mark.parametrize(
    ("selector", "written"),
    [
        ({"matchLabels": {"app": "core"}}, "app=core"),
        ({"matchLabels": {"app": "core", "track": "stable"}}, "app=core,track=stable"),
        (
            {
                "matchLabels": {"app": "core"},
                "matchExpressions": [
                    {"key": "track", "operator": "In", "values": ["stable", "canary"]},
                    {"key": "team", "operator": "NotIn", "values": ["edge"]},
                    {"key": "a.example/x", "operator": "Exists"},
                    {"key": "legacy", "operator": "DoesNotExist"},
                ],
            },
            "app=core,track in (canary,stable),team notin (edge),a.example/x,!legacy",
        ),
    ],
)
def test_the_command_that_is_suggested_selects_the_same_pods(selector: Document, written: str) -> None:
    raw = deployment()
    raw["spec"]["selector"] = selector

    (found,) = judged(raw, mode="Suggest", maxUnavailable="34%")
    assert found.effect is Effect.WARN
    command = shlex.split(found.remedy)
    assert command[:4] == ["kubectl", "create", "pdb", "payment-core"]
    assert command[4:] == ["-n", PLACE, f"--selector={written}", "--max-unavailable=34%"]


@pytest.mark.parametrize("selector", [None, {}, {"matchExpressions": [{"key": "a", "operator": "Near"}]}, "all"])
def test_no_command_is_suggested_for_a_selector_that_cannot_be_read(selector: object) -> None:
    raw = deployment()
    raw["spec"]["selector"] = selector

    (found,) = judged(raw, mode="Suggest")
    assert found.remedy.startswith("create one with maxUnavailable: 1")


def test_texts_stay_short_and_on_one_line_whatever_the_names() -> None:
    named = budget("own\n" + LONGEST, minAvailable=3, unhealthyPodEvictionPolicy="IfHealthyBudget")
    scaler = autoscaler(1)
    scaler["metadata"]["name"] = LONGEST
    found = [
        *judged(deployment(), named),
        *judged(deployment(), named, budget("other" + LONGEST)),
        *judged(deployment(), scaler),
        *judged(deployment(), mode="Suggest"),
    ]

    assert len(found) == 5
    for violation in found:
        assert len(violation.detail) <= 95 + 63
        assert violation.detail.isprintable()
        assert violation.remedy.isprintable()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["3", "50%", "-1%", 10**400]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)
numbers = st.integers(-2, 7) | st.sampled_from(["0%", "34%", "50%", "100%", 10**400, -(10**400)]) | json_values
rules = st.builds(
    DisruptionBudgetRule,
    mode=st.sampled_from(list(BudgetMode)),
    max_unavailable=st.integers(0, 5) | st.integers(0, 100).map(lambda percent: f"{percent}%"),
    unhealthy_pod_eviction_policy=st.sampled_from(list(UnhealthyPodEviction)),
)


@given(
    st.sampled_from(sorted(DisruptionBudget.kinds)),
    numbers,
    st.lists(st.tuples(st.sampled_from(["minAvailable", "maxUnavailable"]), numbers, json_values), max_size=2),
    numbers,
    rules,
    json_values,
)
def test_the_rule_never_raises(
    kind: str,
    replicas: Any,
    limits: list[tuple[str, Any, Any]],
    minimum: Any,
    settings: DisruptionBudgetRule,
    anything: Any,
) -> None:
    raw = {**deployment(creationTimestamp=anything, annotations=anything), "kind": kind, "status": anything}
    raw["apiVersion"] = WORKLOAD_KINDS[kind].api_version
    raw["spec"] |= {"replicas": replicas, "selector": anything}
    budgets = [budget(f"b{i}", **{field: value}) for i, (field, value, _) in enumerate(limits)]
    for each, (_, _, selector) in zip(budgets, limits, strict=True):
        each["spec"] |= {"selector": each["spec"]["selector"] if selector is None else selector}
    state = picture([*budgets, *([autoscaler(minimum)] if minimum is not None else [])])
    found = list(DisruptionBudget().check(Situation(classified(raw, state), state, NOW), settings))

    assert len({(violation.reason, violation.about) for violation in found}) == len(found)


def changed(old: Document | None, new: Document | None, *around: Document, mode: str = "Require") -> Decision:
    """What becomes of a change to a budget."""
    operation = Operation.CREATE if old is None else Operation.DELETE if new is None else Operation.UPDATE
    mine = manifests.policy("keep", {"disruptionBudget": {"mode": mode}})
    state = picture([mine, *around, *([old] if old is not None else [])])
    name = (new or old or {})["metadata"]["name"]
    return evaluate_budget(Change(operation, "PodDisruptionBudget", PLACE, name, old, new, user="dana"), state, NOW)


@pytest.mark.parametrize("mode", [mode.value for mode in BudgetMode])
def test_whatever_the_mode_no_second_budget_comes_in_any_way(mode: str) -> None:
    here = (deployment(), budget())
    away = budget("second")
    away["spec"] = {**away["spec"], "selector": {"matchLabels": {"app": "blog"}}}

    for decision in (
        changed(None, budget("second"), *here, mode=mode),
        changed(away, budget("second"), *here, mode=mode),
    ):
        assert decision.outcome is Outcome.DENIED
        assert decision.reasons() == ("disruption-budget/SeveralBudgets",)
    assert changed(None, away, *here, mode=mode).allowed
    assert changed(budget("second"), None, *here, mode=mode).allowed
    assert changed(budget("second"), away, *here, mode=mode).allowed


@pytest.mark.parametrize("mode", [mode.value for mode in BudgetMode])
def test_the_last_budget_goes_only_where_another_comes_or_none_is_demanded(mode: str) -> None:
    decision = changed(budget(), None, deployment(creationTimestamp="2026-01-01T00:00:00Z"), mode=mode)

    assert decision.allowed is (mode != "Require")
    assert decision.reasons() == (() if mode == "Maintain" else ("disruption-budget/NoBudget",))
    assert decision.hinges_on_absence is (mode == "Require")


def test_a_budget_of_a_workload_that_is_on_its_way_out_may_go() -> None:
    assert changed(budget(), None, deployment(deletionTimestamp="2026-11-11T11:59:00Z")).reasons() == ()


def test_the_operators_own_budget_is_known_by_name_and_label() -> None:
    ours = budget("tierguard-deployment-payment-core")
    ours["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "tierguard"}

    assert changed(None, budget(), deployment(), ours).reasons() == ()
    for unlike in (
        {**ours, "metadata": {**ours["metadata"], "labels": {}}},
        {**ours, "metadata": {**ours["metadata"], "name": "copied"}},
    ):
        assert changed(None, budget(), deployment(), unlike).reasons() == ("disruption-budget/SeveralBudgets",)


@pytest.mark.parametrize(
    ("limits", "outcome"),
    [((4, 3), Outcome.ALLOWED), ((3, 4), Outcome.DENIED), ((4, 0), Outcome.DENIED), ((0, 4), Outcome.DENIED)],
)
def test_a_budget_may_come_nearer_to_the_policy_step_by_step(limits: tuple[int, int], outcome: Outcome) -> None:
    old, new = (budget(maxUnavailable=limit) for limit in limits)

    assert changed(old, new, deployment(6)).outcome is outcome


def allowance(allowed: int, healthy: int, desired: int) -> Allowance:
    return Allowance(allowed, healthy, desired, 3)


@pytest.mark.parametrize(
    ("policy", "found", "ready", "answer"),
    [
        (None, allowance(1, 3, 2), True, Eviction.ALLOWED),
        (None, allowance(0, 2, 2), True, Eviction.REFUSED),
        ("AlwaysAllow", allowance(0, 2, 2), True, Eviction.REFUSED),
        ("AlwaysAllow", allowance(0, 0, 2), False, Eviction.ALLOWED),
        ("IfHealthyBudget", allowance(0, 2, 2), False, Eviction.ALLOWED),
        (None, allowance(0, 2, 2), False, Eviction.ALLOWED),
        (None, allowance(0, 1, 2), False, Eviction.REFUSED),
        ("IfHealthyBudget", allowance(0, 0, 0), False, Eviction.REFUSED),
        (None, Allowance(0, 0, 0, 0, "cannot be computed"), False, Eviction.REFUSED),
    ],
)
def test_the_eviction_api_answers(policy: str | None, found: Allowance, ready: bool, answer: Eviction) -> None:
    covering = [(Budget(PLACE, "own", {}, unhealthy_pod_eviction_policy=policy), found)]

    assert eviction(covering, ready=ready) is answer
    assert eviction([], ready=ready) is Eviction.ALLOWED
    assert eviction([*covering, *covering], ready=ready) is Eviction.FAILS


@given(
    st.integers(0, 1000) | st.integers(0, 100).map(lambda percent: f"{percent}%"),
    st.integers(2, 500),
    st.integers(0, 50),
)
def test_a_safe_maximum_lets_one_go_and_never_all(written: int | str, least: int, more: int) -> None:
    safe = safe_maximum(written, least)

    scaled = scaled_value(safe, least + more, round_up=True)
    assert 1 <= scaled < least + more
    if 1 <= scaled_value(written, least, round_up=True) < least:
        assert safe == written
