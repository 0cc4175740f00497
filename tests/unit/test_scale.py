"""Thousands of resources: what a decision and a pass of the operator cost in CPU time of their own thread.

The bounds are several times of what is measured on a small machine, so that only a change of the order breaks them. What was
measured is printed (`pytest -s`).
"""

import time
from collections.abc import Callable

import pytest

from tests.e2e import manifests
from tests.unit.operators import NOW, Document, known, operator, wanted_budgets
from tierguard.cli.picture import picture
from tierguard.controller.events.rate_limit import A_SECOND, BURST, URGENT_A_SECOND, URGENT_BURST
from tierguard.controller.loop import LEAST_PAUSE, LONGEST_REST, rest
from tierguard.controller.reconcile import Reconciler
from tierguard.controller.status.scan import Scan
from tierguard.guard.decide import evaluate
from tierguard.guard.model.change import Change, Operation
from tierguard.guard.model.decision import Outcome
from tierguard.guard.model.state import State
from tierguard.guard.survey import Survey

DEPLOYMENTS, NAMESPACES, FREEZES = 5000, 500, 200


def everything() -> list[Document]:
    """500 namespaces of 50 teams, 10 Deployments in each, and 200 yearly freezes, four for each team."""
    there: list[Document] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"ns-{n:03}", "labels": {"team": f"t{n % 50}"}}}
        for n in range(NAMESPACES)
    ]
    for n in range(DEPLOYMENTS):
        workload = manifests.deployment(f"ns-{n % NAMESPACES:03}", f"w{n:04}", tier=str(n % 5))
        workload["metadata"] |= {"uid": f"u{n}", "creationTimestamp": "2026-11-01T00:00:00Z", "generation": 1}
        if n % 10 == 0:
            workload["spec"]["strategy"] = {"rollingUpdate": {"maxUnavailable": 2, "maxSurge": 1}}
        there.append(workload)
    for n in range(FREEZES):
        schedule = {"timeZone": "Asia/Bangkok", "periods": [{"dates": [f"{n % 12 + 1:02}-{n % 28 + 1:02}", "11-21"]}]}
        freeze = manifests.freeze(f"f{n:03}", schedule=schedule)
        freeze["spec"]["scope"] = {"namespaceSelector": {"matchLabels": {"team": f"t{n % 50}"}}}
        freeze["metadata"] |= {"uid": f"f{n}", "generation": 1}
        there.append(freeze)
    rules = {"rollout": {"maxUnavailable": 0}, "topologySpread": {}, "disruptionBudget": {"mode": "Maintain"}}
    policy = manifests.policy("tier-1", rules)
    policy["spec"]["scope"] = {}
    policy["metadata"] |= {"uid": "p", "generation": 1}
    return [*there, policy]


THERE = everything()


@pytest.fixture(scope="module")
def state() -> State:
    found = picture(THERE)
    for hold in found.freezes:
        hold.timeline.prepare(NOW)
    return found


def cpu(act: Callable[[], object]) -> float:
    began = time.thread_time()
    act()
    return time.thread_time() - began


def test_a_decision_among_thousands_of_resources_takes_milliseconds(state: State) -> None:
    changes = []
    for old in [one for one in THERE if one["kind"] == "Deployment"][:100]:
        place = (old["metadata"]["namespace"], old["metadata"]["name"])
        new = manifests.with_image(old, f"{manifests.IMAGE}:2")
        changes.append(Change(Operation.UPDATE, "Deployment", *place, old, new, user="dana"))

    seconds = cpu(lambda: [evaluate(change, state, NOW) for change in changes]) / len(changes)

    print(f"a decision: {seconds * 1e3:.2f} ms")
    assert {evaluate(change, state, NOW).outcome for change in changes} >= {Outcome.DENIED}
    assert seconds < 0.010


@pytest.mark.parametrize(("took", "rests"), [(0.01, LEAST_PAUSE), (4.0, 4.0), (60.0, LONGEST_REST)])
def test_an_operator_that_is_woken_all_the_time_rests_as_long_as_it_works(took: float, rests: float) -> None:
    assert rest(took) == rests


def test_a_pass_of_the_operator_over_thousands_of_resources_takes_seconds_and_the_next_one_less(state: State) -> None:
    reconciler, recorder, cache = operator(state, THERE)
    failed: list[bool] = []

    began = time.monotonic()
    first = cpu(lambda: failed.append(reconciler.once().failed))

    assert failed == [False]
    assert recorder.calls[("apply", "PodDisruptionBudget")] == DEPLOYMENTS
    assert recorder.calls[("apply", "OperationalFreeze")] == FREEZES
    lasted = time.monotonic() - began
    assert recorder.calls[("create", "Event")] <= BURST + URGENT_BURST + lasted * (A_SECOND + URGENT_A_SECOND)
    assert first < 25

    # What a watch brings back: nothing is left to write, and the scan's memory is warm.
    cache.managed_budgets = known(budgets(reconciler, state))
    cache.changes.urgent += 1
    second = cpu(lambda: failed.append(reconciler.once().failed))
    print(f"a pass: {first:.2f} s the first time, {second:.2f} s when little is new")
    assert failed == [False, False]
    assert recorder.calls[("apply", "PodDisruptionBudget")] == DEPLOYMENTS
    assert second < 15


def test_a_pass_with_nothing_new_looks_at_the_clock_alone_and_one_change_costs_its_namespace(state: State) -> None:
    reconciler, _, cache = operator(state, THERE)
    cache.managed_budgets = known(budgets(reconciler, state))
    assert not reconciler.once().failed
    judged = []

    def counted(*seen: object) -> Survey:
        found = Scan.survey(reconciler._scan, *seen)  # type: ignore[arg-type]
        judged.append(reconciler._scan.judged_namespaces)
        return found

    reconciler._scan.survey = counted  # type: ignore[method-assign,assignment]
    assert not reconciler.once().failed
    assert judged == []
    cache.changes.changed(THERE[NAMESPACES])
    seconds = cpu(reconciler.once)
    print(f"one changed workload of {DEPLOYMENTS}: {seconds * 1e3:.0f} ms")
    assert judged == [1]
    assert seconds < 2


def budgets(reconciler: Reconciler, state: State) -> list[Document]:
    return wanted_budgets(reconciler._scan.survey(state, {}, NOW), state, NOW)
