"""What the operator works out before it writes: statuses, budgets, records, the webhook configuration, certificates."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e import manifests
from tests.unit.operators import wanted_budgets
from tierguard.api.kinds import FREEZE
from tierguard.controller.budgets.wanted import budget_name
from tierguard.controller.certificates.authority import make_authority, make_leaf
from tierguard.controller.options import Endpoint
from tierguard.controller.status.holds import Seen, freeze_status
from tierguard.controller.status.transitions import transition
from tierguard.controller.webhooks.configuration import compiled, configuration
from tierguard.disruption import Budget
from tierguard.guard.freezes.compiled import compile_freeze, compile_policy, compile_window
from tierguard.guard.freezes.rollback_record import Revision, complete, wanted_entries
from tierguard.guard.model.state import State
from tierguard.guard.model.template import template_hash
from tierguard.guard.model.workload import Workload
from tierguard.guard.survey import Selection, survey

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
PLACE = "payments"


def state(
    *workloads: dict[str, Any], policies: tuple[dict[str, Any], ...] = (), budgets: tuple[Budget, ...] = ()
) -> State:
    known = State(namespaces={PLACE: {}}, policies=tuple(map(compile_policy, policies)), budgets_in={PLACE: budgets})
    for workload in workloads:
        workload["metadata"].setdefault("uid", f"uid-{workload['metadata']['name']}")
        key = (workload["kind"], PLACE, workload["metadata"]["name"])
        known.workloads_in.setdefault(PLACE, {})[key] = workload
    return known


def maintain(maximum: int | str = 1) -> dict[str, Any]:
    return manifests.policy("keep", {"disruptionBudget": {"mode": "Maintain", "maxUnavailable": maximum}})


def wanted(known: State) -> list[dict[str, Any]]:
    return wanted_budgets(survey(known, NOW), known, NOW)


def test_a_workload_without_a_budget_is_to_have_one() -> None:
    (budget,) = wanted(state(manifests.deployment(PLACE), policies=(maintain(),)))

    assert budget["metadata"]["name"] == "tierguard-deployment-payment-core"
    assert budget["metadata"]["ownerReferences"][0]["uid"] == "uid-payment-core"
    assert budget["spec"]["maxUnavailable"] == 1


def test_a_users_budget_is_enough() -> None:
    own = Budget(PLACE, "own", {"matchLabels": {"app": "payment-core"}}, max_unavailable=1)

    assert not wanted(state(manifests.deployment(PLACE), policies=(maintain(),), budgets=(own,)))


def test_of_two_workloads_with_the_same_pods_one_has_a_budget() -> None:
    twin = manifests.deployment(PLACE)
    twin["metadata"]["name"] = "twin"
    twin["metadata"]["labels"]["app"] = "payment-core"

    assert len(wanted(state(manifests.deployment(PLACE), twin, policies=(maintain(),)))) == 1


def test_the_strictest_policy_decides_about_the_budget() -> None:
    loose = maintain("50%")
    loose["metadata"]["name"] = "loose"

    (budget,) = wanted(state(manifests.deployment(PLACE, replicas=6), policies=(loose, maintain(2))))
    assert budget["spec"]["maxUnavailable"] == 2


def test_a_long_name_still_makes_a_name_of_its_own() -> None:
    names = {budget_name("Deployment", "x" * 250), budget_name("Deployment", "x" * 249 + "y")}
    assert len(names) == 2
    assert all(len(name) <= 253 for name in names)


def rolled_out(**status: int) -> Workload:
    raw = manifests.deployment(PLACE)
    raw["metadata"] |= {"generation": 4, "uid": "u"}
    raw["status"] = {"observedGeneration": 4, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, **status}
    found = Workload.of(raw)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("status", "whole"),
    [
        ({}, True),
        ({"observedGeneration": 3}, False),
        ({"updatedReplicas": 2}, False),
        ({"availableReplicas": 2}, False),
        ({"replicas": 4}, False),
    ],
)
def test_a_rollout_is_complete_when_all_pods_are_new_and_available(status: dict[str, int], whole: bool) -> None:
    assert complete(rolled_out(**status)) is whole


def test_a_template_enters_the_record_once_it_was_available() -> None:
    workload = rolled_out()
    current = template_hash(workload.template)

    assert wanted_entries(workload, {}, {}, NOW) == {current: NOW}
    assert wanted_entries(workload, {current: NOW}, {}, NOW + timedelta(days=1)) == {current: NOW}
    assert not wanted_entries(rolled_out(availableReplicas=1), {}, {}, NOW)


def test_what_was_observed_before_a_workload_was_guarded_is_recorded_with_its_time() -> None:
    workload, earlier = rolled_out(), NOW - timedelta(days=1)
    current = template_hash(workload.template)

    assert wanted_entries(workload, {}, {"a" * 32: earlier}, NOW) == {"a" * 32: earlier, current: NOW}
    assert wanted_entries(workload, {}, {current: earlier}, NOW) == {current: earlier}
    assert wanted_entries(workload, {current: NOW}, {current: earlier}, NOW) == {current: NOW}


def revision(owner: str, made: str = "2026-11-10T00:00:00Z") -> dict[str, Any]:
    template = manifests.deployment(PLACE, image="old:1")["spec"]["template"]
    template["metadata"]["labels"]["pod-template-hash"] = "abc"
    return {
        "kind": "ReplicaSet",
        "metadata": {"creationTimestamp": made, "ownerReferences": [{"uid": owner, "controller": True}]},
        "spec": {"template": template},
    }


def test_of_a_revision_its_template_its_owner_and_its_age_are_read() -> None:
    old = manifests.deployment(PLACE, image="old:1")["spec"]["template"]
    replica_set = revision("u")
    kept = {"spec": {"template": {**replica_set["spec"]["template"], "$patch": "replace"}}}
    of_a_stateful_set = {**replica_set, "kind": "ControllerRevision", "spec": None, "data": kept}

    expected = Revision("u", template_hash(old), datetime(2026, 11, 10, tzinfo=UTC))
    assert Revision.of(replica_set) == Revision.of(of_a_stateful_set) == expected
    alone = {**replica_set, "metadata": {"creationTimestamp": "2026-11-10T00:00:00Z"}}
    assert Revision.of(alone) is None
    assert Revision.of({**replica_set, "spec": {}}) is None


def frozen(**spec: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    raw = manifests.freeze("f", startsAt="2026-11-10T17:00:00Z", expiresAt="2026-11-12T05:00:00Z", **spec)
    raw["metadata"] |= {"generation": 1, "uid": "u"}
    return raw, freeze_status(raw, compile_freeze(raw), Seen(), NOW)


def test_a_status_does_not_tick() -> None:
    raw, status = frozen()
    later = freeze_status({**raw, "status": status}, compile_freeze(raw), Seen(), NOW + timedelta(hours=3))

    assert later == status
    assert status["current"] == {"start": "2026-11-10T17:00:00Z", "end": "2026-11-12T05:00:00Z"}


def test_a_transition_is_told_under_one_name_however_often_it_is_seen() -> None:
    raw, status = frozen()
    hold = compile_freeze(raw)

    first, second = (transition(FREEZE, raw, hold, status, NOW + timedelta(seconds=s)) for s in (0, 30))
    assert first is not None
    assert second is not None
    assert first["metadata"]["name"] == second["metadata"]["name"]
    assert first["reason"] == "FreezeBegan"
    assert transition(FREEZE, {**raw, "status": status}, hold, status, NOW) is None


def test_a_leaf_is_for_its_names_and_signed_by_its_authority() -> None:
    authority = make_authority(NOW)
    leaf = make_leaf(authority, frozenset({"webhook.x.svc", "127.0.0.1"}), NOW)

    assert leaf.signed_by(authority)
    assert not leaf.signed_by(make_authority(NOW))
    assert leaf.names() == {"webhook.x.svc", "127.0.0.1"}


def expressions(known: State) -> dict[str, str]:
    asked = compiled(Selection(survey(known, NOW), known), NOW)
    made = configuration("tierguard", Endpoint("tierguard-system", "webhook", 443), b"CA", asked, None)
    return {webhook["name"]: str(webhook.get("matchConditions")) for webhook in made["webhooks"]}


def test_the_conditions_encode_no_tier_outside_of_a_stretch() -> None:
    """What is declared while no operator is alive is asked about all the same."""
    known = state()
    before = expressions(known)
    known.windows = (compile_window(manifests.window("w", {"weekdays": ["Monday"]})),)
    over = manifests.freeze("over", startsAt="2020-01-01T00:00:00Z", expiresAt="2020-01-02T00:00:00Z")
    over["spec"]["scope"] = {"tiers": [3]}
    known.freezes = (compile_freeze(over),)
    assert expressions(known) == before
    assert (
        '"tierguard.io/tier\\" in l' in before["policy.tierguard.io"]
        or "tierguard.io/tier" in before["policy.tierguard.io"]
    )


def test_without_a_stretch_to_come_the_strict_webhook_matches_nothing() -> None:
    def rules(known: State) -> list[int]:
        asked = compiled(Selection(survey(known, NOW), known), NOW)
        made = configuration("tierguard", Endpoint("tierguard-system", "webhook", 443), b"CA", asked, None)
        return [len(webhook["rules"]) for webhook in made["webhooks"] if "active-freeze" in webhook["name"]]

    known = state(manifests.deployment(PLACE))
    assert rules(known) == [0, 0]
    known.freezes = (
        compile_freeze(manifests.freeze("f", startsAt="2026-12-10T17:00:00Z", expiresAt="2026-12-12T05:00:00Z")),
    )
    assert min(rules(known)) > 0


def test_a_label_value_cannot_break_out_of_its_expression() -> None:
    hostile = manifests.policy("p", {})
    hostile["spec"]["scope"] = {"workloadSelector": {"matchLabels": {"app": "a"}}}
    known = state(policies=(hostile,))
    known.namespaces['x"] || true || request.name in ["'] = {}

    assert '\\"] || true' in expressions(known)["policy.tierguard.io"]


@pytest.mark.parametrize(("namespaces", "policies", "freezes"), [(300, 5, 5), (1000, 20, 40), (3000, 60, 120)])
def test_no_condition_outgrows_what_the_api_server_takes(namespaces: int, policies: int, freezes: int) -> None:
    known = State(
        namespaces={f"a-namespace-with-a-rather-long-name-{n:04}": {"team": str(n % 9)} for n in range(namespaces)}
    )
    scope = {"namespaceSelector": {"matchLabels": {"team": "3"}}, "workloadSelector": {"matchLabels": {"app": "core"}}}
    made = []
    for number in range(policies):
        policy = manifests.policy(f"policy-{number}", {})
        policy["spec"]["scope"] = scope
        made.append(compile_policy(policy))
    known.policies = tuple(made)
    schedule = {"timeZone": "Asia/Bangkok", "periods": [{"from": "02:00", "to": "03:00", "weekdays": ["Monday"]}]}
    for number in range(freezes):
        freeze = manifests.freeze(f"freeze-{number}", schedule=schedule, scope={**scope, "tiers": [number % 5]})
        del freeze["spec"]["expiresAt"]
        known.freezes = (*known.freezes, compile_freeze(freeze))
    for name in known.namespaces:
        workload = manifests.stateful_set(name)
        sources = [{"configMapRef": {"name": f"settings-{n}"}} for n in range(3)]
        workload["spec"]["template"]["spec"]["containers"][0]["envFrom"] = sources
        known.workloads_in[name] = {("StatefulSet", name, "ledger-db"): workload}
        known.services_in[name] = {"ledger": {"app": "ledger-db"}}

    asked = compiled(Selection(survey(known, NOW), known), NOW)
    written = configuration("tierguard", Endpoint("tierguard-system", "webhook", 443), b"CA", asked, None)

    conditions = [c["expression"] for webhook in written["webhooks"] for c in webhook.get("matchConditions", ())]
    assert max(map(len, conditions)) < 100_000
    assert len(conditions) == 2 * 15
    assert asked.stretches.coarsened == (namespaces >= 1000)
