"""What is stored and cannot be read holds: for every operation and provider, every tier, every workload."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e import manifests
from tierguard.cli.picture import picture
from tierguard.controller.suspension.actions import MANAGER, actions
from tierguard.guard.decide import evaluate
from tierguard.guard.freezes.compiled import compile_freeze, compile_policy, compile_window, validate
from tierguard.guard.model.change import Change, Operation
from tierguard.guard.resources.own import SPECS

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
Document = dict[str, Any]
ADYEN = {"tierguard.io/provider": "adyen"}
PAYOUT = {"tierguard.io/operation": "payout"}


def cron_job(labels: dict[str, str], *, suspended: bool) -> Document:
    entry = {
        "manager": MANAGER,
        "operation": "Update",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:suspend": {}}},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "run", "namespace": "payments", "labels": labels, "managedFields": [entry]},
        "spec": {"suspend": suspended, "jobTemplate": {"spec": {"template": {}}}},
    }


def freeze(operations: Any, scope: Any = None, **spec: Any) -> Document:
    return dict(manifests.freeze("f", operations=operations, scope=scope or {}, **spec))


RECORDED = {str(cron_job({}, suspended=True)["metadata"].get("uid") or "")}
"""The operator has suspended it itself."""
BAD_ZONE = {"expiresAt": None, "schedule": {"timeZone": "Mars/Olympus", "periods": [{"from": "00:00", "to": "24:00"}]}}
NO_VALUES = {"workloadSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}

UNREADABLE = {
    "the zone is gone": (freeze(["Provider"], {"providers": ["adyen"]}, **BAD_ZONE), ADYEN),
    "providers are no list": (freeze(["Provider"], {"providers": "adyen"}), ADYEN),
    "a provider is no text": (freeze(["Provider"], {"providers": [7]}), ADYEN),
    "no providers": (freeze(["Provider"]), ADYEN),
    "an operation of a newer version": (freeze(["Chargeback"]), PAYOUT),
    "one of two operations is of a newer version": (freeze(["Deploy", "Chargeback"]), PAYOUT),
    "operations are no list": (freeze("Payout"), PAYOUT),
    "a tier that is none": (freeze(["Payout"], {"tiers": [7]}), PAYOUT),
    "a selector without values": (freeze(["Payout"], NO_VALUES), PAYOUT),
    "the scope is no map": (freeze(["Payout"], ["payments"]), PAYOUT),
    "an unknown field": (freeze(["Payout"], later=True), PAYOUT),
    "no spec": (
        {"apiVersion": "tierguard.io/v1alpha1", "kind": "OperationalFreeze", "metadata": {"name": "f"}},
        PAYOUT,
    ),
}


@pytest.mark.parametrize(("stored", "labels"), UNREADABLE.values(), ids=UNREADABLE)
def test_batch_work_stays_suspended_by_a_freeze_that_cannot_be_read(stored: Document, labels: dict[str, str]) -> None:
    assert compile_freeze(stored).broken
    running = picture([stored, cron_job(labels, suspended=False)])
    assert [action.suspend for action in actions(running, NOW, RECORDED)] == [True]
    suspended = picture([stored, cron_job(labels, suspended=True)])
    assert list(actions(suspended, NOW, RECORDED)) == []
    resumed = Change(
        Operation.UPDATE,
        "CronJob",
        "payments",
        "run",
        cron_job(labels, suspended=True),
        cron_job(labels, suspended=False),
        "dana",
    )
    assert not evaluate(resumed, suspended, NOW).allowed


def test_what_can_still_be_read_of_it_counts() -> None:
    stored = freeze(["Provider"], {"providers": ["stripe"]}, **BAD_ZONE)
    assert list(actions(picture([stored, cron_job(ADYEN, suspended=False)]), NOW, RECORDED)) == []
    assert (
        list(actions(picture([freeze(["Refund"], **BAD_ZONE), cron_job(PAYOUT, suspended=False)]), NOW, RECORDED)) == []
    )


def rollout(*stored: Document) -> bool:
    before = dict(manifests.deployment("payments", "core"))
    after = dict(manifests.with_image(before, f"{manifests.IMAGE}:2"))
    change = Change(Operation.UPDATE, "Deployment", "payments", "core", before, after, "dana")
    return evaluate(change, picture([*stored, before]), NOW).allowed


@pytest.mark.parametrize("scope", [NO_VALUES, {"tiers": ["one"]}, {"tiers": [4], "unknown": 1}, "payments"])
def test_a_freeze_or_window_whose_scope_cannot_be_read_means_everything(scope: Any) -> None:
    assert not rollout(freeze(["Deploy"], scope))
    closed = dict(manifests.window("w", {"from": "00:00", "to": "24:00"}, scope=scope))
    assert compile_window(closed).broken
    assert not rollout(closed)


def test_a_window_that_cannot_be_read_keeps_no_other_window_closed() -> None:
    def at(document: Any, written: str) -> Document:
        made = copy.deepcopy(dict(document))
        made["metadata"]["creationTimestamp"] = written
        return made

    broken = at(manifests.window("old", {"from": "later", "to": "24:00"}), "2026-01-01T00:00:00Z")
    opened = at(manifests.window("new", {"from": "00:00", "to": "24:00"}), "2026-02-01T00:00:00Z")
    assert not rollout(broken)
    assert rollout(broken, opened)


@pytest.mark.parametrize("spec", [{"scope": NO_VALUES}, {"rules": {"deletion": {"mode": "Sometimes"}}}, {"later": 1}])
def test_a_policy_that_cannot_be_read_protects_from_deletion(spec: Document) -> None:
    stored = dict(manifests.policy("p", {"deletion": {}}, tier=4, app="core"))
    broken = {**stored, "spec": {**stored["spec"], **spec}}
    found = compile_policy(broken)
    assert found.broken
    assert found.tier == 4
    core = dict(manifests.deployment("payments", "core", tier=None))
    change = Change(Operation.DELETE, "Deployment", "payments", "core", core, None, "dana")
    assert not evaluate(change, picture([broken, core]), NOW).allowed
    unguarded = {**stored, "spec": {**stored["spec"], "rules": {}}}
    assert evaluate(change, picture([unguarded, core]), NOW).allowed


def test_a_policy_whose_tier_cannot_be_read_gives_tier_0() -> None:
    for tier in ("one", 9, None):
        stored = dict(manifests.policy("p", {}, app="core"))
        assert compile_policy({**stored, "spec": {**stored["spec"], "tier": tier}}).tier == 0


@pytest.mark.parametrize(
    ("stored", "field"),
    [
        (freeze(["Provider"]), "spec.scope.providers"),
        (freeze(["Deploy"], NO_VALUES), "In on 'a' needs at least one value"),
    ],
)
def test_what_only_the_crd_refuses_is_refused_by_name_too(stored: Document, field: str) -> None:
    assert field in (validate(SPECS["OperationalFreeze"], stored) or "")


def test_what_cannot_be_read_is_mended_by_one_person() -> None:
    broken = freeze(["Provider"], {"providers": "adyen"})
    mended = freeze(["Provider"], {"providers": ["adyen"]})
    change = Change(Operation.UPDATE, "OperationalFreeze", "", "f", broken, mended, "mike")
    assert evaluate(change, picture([broken]), NOW).allowed
    gone = Change(Operation.DELETE, "OperationalFreeze", "", "f", broken, None, "mike")
    assert not evaluate(gone, picture([broken]), NOW).allowed
