"""The scan's memory, what it says of policies, and the account of what was let through."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e import manifests
from tierguard.cli.picture import picture
from tierguard.controller.status.policies import MOST_VIOLATIONS, policy_status, violation_events
from tierguard.controller.status.scan import LONGEST_TRUST, Scan
from tierguard.controller.unreviewed.accountant import MOST_KEPT, SETTLED, Accountant, lines, passed_events
from tierguard.guard.freezes.compiled import compile_policy
from tierguard.guard.model import objects
from tierguard.guard.model.state import State
from tierguard.guard.survey import survey

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LOOSE = {"rollingUpdate": {"maxUnavailable": 2, "maxSurge": 1}}
SOUND = {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
EXEMPT = {
    "workload": {"kind": "Deployment", "namespace": "payments", "name": "payment-core"},
    "rules": ["rollout"],
    "requestedBy": "dana",
    "approvedBy": ["risk-lead"],
    "expiresAt": (NOW + timedelta(seconds=30)).isoformat(),
}
Document = dict[str, Any]


def pictured(objects_there: list[Document]) -> State:
    return picture([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"}}, *objects_there])


def policy(**spec: Any) -> Document:
    found = manifests.policy("tier-1", {"rollout": {"maxUnavailable": 0}})
    found["spec"] |= {"scope": {}, **spec}
    return found


def workload(name: str = "payment-core", namespace: str = "payments", **changes: Any) -> Document:
    found = manifests.deployment(namespace, name, **{"strategy": LOOSE, **changes})
    found["metadata"] |= {"uid": f"{namespace}-{name}", "creationTimestamp": "2026-11-01T00:00:00Z"}
    return found


def status(state: State, now: datetime = NOW, stored: Document | None = None, passed: tuple[str, ...] = ()) -> Document:
    return policy_status(stored or {}, state.policies[0], survey(state, now), passed, now)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("nothing", 0),
        ("a workload", 1),
        ("another version of the policies", 2),
        ("a node", 2),
        ("as long as it is trusted", 2),
        ("a minute", 0),
    ],
)
def test_only_what_changed_is_judged_again(what: str, expected: int) -> None:
    state = pictured([policy(), workload(), workload(namespace="ledger")])
    scan, versions, now = Scan(), {"payments": 1, "ledger": 1}, NOW
    first = scan.survey(state, versions, now)
    assert scan.judged_namespaces == 2
    if what == "a workload":
        versions["payments"] += 1
    elif what == "another version of the policies":
        state.policies = (compile_policy(policy()),)
    elif what == "a node":
        state.nodes = {**state.nodes}
    elif what == "as long as it is trusted":
        now += LONGEST_TRUST
    elif what == "a minute":
        now += timedelta(minutes=1)

    again = scan.survey(state, versions, now)

    assert scan.judged_namespaces == expected
    assert [s.classified.workload.name for s in again] == [s.classified.workload.name for s in first]


def test_where_nothing_changed_it_is_the_survey_of_before() -> None:
    state = pictured([policy(), workload(), workload(namespace="ledger")])
    scan, versions = Scan(), {"payments": 1, "ledger": 1}
    first = scan.survey(state, versions, NOW)
    assert scan.survey(state, versions, NOW) is first
    again = scan.survey(state, {**versions, "ledger": 2}, NOW)
    assert again is not first
    assert [one is other for one, other in zip(first.parts, again.parts, strict=True)] == [False, True]


def test_what_is_named_as_a_dependency_in_another_namespace_is_followed_there() -> None:
    depending = workload()
    depending["metadata"]["annotations"] = {"tierguard.io/depends-on": "ledger/db"}
    there = policy(rules={"dependencies": {"lowestTier": 1}})
    state = pictured([there, depending, workload("db", "ledger", tier="1"), workload("x", "other")])
    scan, versions = Scan(), {"payments": 1, "ledger": 1, "other": 1}
    (first,) = (part for part in scan.survey(state, versions, NOW).parts if part.namespace == "payments")
    assert first.named == {"ledger"}
    scan.survey(state, {**versions, "other": 2}, NOW)
    assert scan.judged_namespaces == 1
    scan.survey(state, {**versions, "other": 2, "ledger": 2}, NOW)
    assert scan.judged_namespaces == 2


def test_a_budget_that_the_operator_has_not_made_is_told_of_when_it_is_due() -> None:
    new = workload()
    new["metadata"]["creationTimestamp"] = (NOW - timedelta(seconds=10)).isoformat()
    there = policy(rules={"disruptionBudget": {"mode": "Maintain"}})
    there["metadata"]["creationTimestamp"] = "2026-11-01T00:00:00Z"
    state, scan = pictured([there, new]), Scan()

    def found(now: datetime) -> list[str]:
        return [finding.reason for subject in scan.survey(state, {}, now) for finding in subject.findings]

    assert found(NOW) == []
    assert found(NOW + timedelta(seconds=49)) == []
    assert found(NOW + timedelta(seconds=50)) == ["NotMaintained"]


def test_what_is_gone_is_forgotten_and_what_is_new_is_judged() -> None:
    state = pictured([policy(), workload(), workload(namespace="ledger")])
    scan = Scan()
    assert len(scan.survey(state, {}, NOW)) == 2
    del state.workloads_in["ledger"]
    assert [s.classified.workload.namespace for s in scan.survey(state, {}, NOW)] == ["payments"]


def test_an_exemption_ends_for_the_scan_at_its_second() -> None:
    state = pictured([policy(exemptions=[EXEMPT]), workload()])
    scan = Scan()

    def violating(now: datetime) -> tuple[int, int]:
        found = policy_status({}, state.policies[0], scan.survey(state, {}, now), (), now)
        return found["violatingWorkloads"], found["exemptedWorkloads"]

    assert violating(NOW) == (0, 1)
    assert violating(NOW + timedelta(seconds=29)) == (0, 1)
    assert violating(NOW + timedelta(seconds=30)) == (1, 0)


def test_a_status_is_bounded_and_names_the_worst_first() -> None:
    many = [workload(f"core-{number:03}") for number in range(50)]
    worst = workload("zz-worst", replicas=1)
    rules = {"rollout": {"maxUnavailable": 0}, "replicas": {"minimum": 3}}
    found = status(pictured([policy(rules=rules), *many, worst]))

    assert found["violatingWorkloads"] == 51
    assert len(found["violations"]) == MOST_VIOLATIONS
    assert found["violations"][0].startswith("payments/Deployment/zz-worst: ")
    assert found["rules"] == [{"rule": "replicas", "workloads": 1}, {"rule": "rollout", "workloads": 51}]


def test_the_same_state_gives_the_same_status_and_the_same_events() -> None:
    state = pictured([policy(), workload(), workload("another")])
    later = NOW + timedelta(hours=3)
    stored = {"status": status(state)}

    assert status(state, later, stored) == stored["status"]
    first, second = (
        [name for name, _ in violation_events(state.policies, survey(state, now), now)] for now in (NOW, later)
    )
    assert first == second
    assert len(set(first)) == 2


def test_an_event_is_told_again_when_other_rules_are_broken() -> None:
    before = pictured([policy(rules={"rollout": {}}), workload()])
    after = pictured([policy(rules={"rollout": {}, "replicas": {"minimum": 9}}), workload()])
    names = [[name for name, _ in violation_events(s.policies, survey(s, NOW), NOW)] for s in (before, after)]

    assert names[0] != names[1]


def test_what_is_only_recorded_is_no_news() -> None:
    state = pictured([policy(enforcement="Audit"), workload()])

    assert status(state)["violatingWorkloads"] == 1
    assert not list(violation_events(state.policies, survey(state, NOW), NOW))


def test_what_was_let_through_is_listed_until_it_is_mended() -> None:
    bad, good = pictured([policy(), workload()]), pictured([policy(), workload(strategy=SOUND)])
    line = "payments/Deployment/payment-core: rollout/MaxUnavailable at 2026-11-21T11:00:00Z"
    stored = {"status": status(bad, passed=(line,))}

    assert stored["status"]["passedUnjudged"] == [line]
    assert status(bad, stored=stored)["passedUnjudged"] == [line]  # after a restart too
    assert status(good, stored=stored)["passedUnjudged"] == []


def seen(before: Document | None, after: Document, state: State, *, known_for: timedelta = timedelta(hours=1)) -> int:
    accountant = Accountant()
    accountant.knows("PaymentTierPolicy/tier-1", NOW - known_for)
    accountant.knows("OperationalFreeze/promotion", NOW - known_for)
    accountant.saw(before, after, state, NOW)
    return accountant.total


def test_what_should_have_been_refused_is_counted() -> None:
    state = pictured([policy()])

    assert seen(None, workload(), state) == 1
    assert seen(workload(strategy=SOUND), workload(), state) == 1
    assert seen(workload(strategy=SOUND), workload(), state, known_for=SETTLED / 2) == 0


def test_what_is_rightly_there_is_not_counted() -> None:
    state = pictured([policy()])
    status_only = {**workload(), "status": {"replicas": 3}}
    of_a_controller = copy.deepcopy(workload())
    of_a_controller["kind"] = "ReplicaSet"

    assert seen(workload(), status_only, state) == 0
    assert seen(workload(), workload(replicas=9), state) == 0  # it was loose before, and that only scales
    assert seen(None, of_a_controller, state) == 0
    assert seen(None, workload(), pictured([policy(exemptions=[EXEMPT])])) == 0


def test_a_change_in_a_freeze_is_counted_but_not_one_as_it_began() -> None:
    freeze = manifests.freeze("promotion", startsAt="2026-11-21T11:00:00Z")
    begun = manifests.freeze("promotion", startsAt=(NOW - SETTLED / 2).isoformat())
    before, after = (
        workload(strategy=SOUND),
        manifests.with_image(workload(strategy=SOUND), "registry.example.com/core:9"),
    )

    assert seen(before, after, pictured([freeze])) == 1
    assert seen(before, after, pictured([begun])) == 0


def test_the_account_is_bounded_and_told_by_source() -> None:
    accountant, state = Accountant(), pictured([policy()])
    for number in range(MOST_KEPT + 10):
        accountant.saw(None, workload(f"core-{number}"), state, NOW)

    kept = accountant.kept()
    assert len(kept) == MOST_KEPT
    assert accountant.total == MOST_KEPT + 10
    assert len(lines(kept, "PaymentTierPolicy/tier-1")) == MOST_KEPT
    assert lines(kept, "PaymentTierPolicy/another") == []
    name, event = next(iter(passed_events(kept, NOW)))
    assert objects.name(event) == name
    assert event["reason"] == "PassedUnjudged"
