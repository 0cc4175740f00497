"""Who decides about the guard: freezes, windows and policies are compared by what they really select."""

import copy
import time
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.e2e import manifests
from tierguard.api.policy import PolicySpec
from tierguard.api.rules import RuleBlock, Rules
from tierguard.cli.picture import picture
from tierguard.guard.decide import evaluate
from tierguard.guard.governance.strictness import DIRECTIONS, looser_rules
from tierguard.guard.model.change import Change, Operation
from tierguard.guard.model.decision import Decision, Effect
from tierguard.guard.model.identities import Identities
from tierguard.labels import LabelSelector

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
GITOPS = "system:serviceaccount:argocd:argocd"
Document = dict[str, Any]


def namespace(name: str, **labels: str) -> Document:
    own = {"kubernetes.io/metadata.name": name, **labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": own}}


def cluster(*more: Document) -> list[Document]:
    """Three namespaces with a workload of tier 1, 2 and 3 each, and one that is empty."""
    there = [namespace(name) for name in ("payments", "risk", "reports", "empty")]
    for place, tier in (("payments", "1"), ("risk", "2"), ("reports", "3")):
        there.append(dict(manifests.deployment(place, "core", tier=tier)))
    return [*there, *more]


def decided(
    old: Document | None, new: Document | None, *given: Document, user: str = "mike", now: datetime = NOW
) -> Decision:
    """What comes of making `new` out of `old`, among `given`."""
    subject = new if new is not None else old
    assert subject is not None
    operation = Operation.CREATE if old is None else Operation.DELETE if new is None else Operation.UPDATE
    there = [*given, *([] if old is None else [old])]
    state = picture(there, Identities(gitops=frozenset({GITOPS})))
    return evaluate(Change(operation, subject["kind"], "", subject["metadata"]["name"], old, new, user), state, now)


def changed(document: Document, **spec: Any) -> Document:
    made = copy.deepcopy(document)
    made["spec"] = {key: value for key, value in {**made["spec"], **spec}.items() if value is not None}
    return made


def created(document: Any, at: str) -> Document:
    made = copy.deepcopy(dict(document))
    made["metadata"]["creationTimestamp"] = at
    return made


def freeze(**spec: Any) -> Document:
    return dict(manifests.freeze("f", **{"startsAt": "2026-11-11T00:00:00Z", **spec}))


def scheduled(*periods: tuple[str, str], zone: str = "UTC") -> Document:
    made = freeze(startsAt=None, expiresAt=None)
    made["spec"] = {key: value for key, value in made["spec"].items() if value is not None}
    made["spec"]["schedule"] = {"timeZone": zone, "periods": [{"from": start, "to": end} for start, end in periods]}
    return made


def today(start: str) -> Document:
    made = scheduled((start, "18:00"))
    made["spec"]["schedule"]["periods"][0]["dates"] = ["2026-11-11"]
    return made


def window(name: str, *periods: Any, zone: str = "UTC", **spec: Any) -> Document:
    said = [{"from": period[0], "to": period[1]} if isinstance(period, tuple) else period for period in periods]
    return dict(manifests.window(name, **{"schedule": {"timeZone": zone, "periods": said}, **spec}))


ALWAYS = ("00:00", "24:00")
OFFICE = window("office", ("14:00", "18:00"), scope={"tiers": [0, 1]})


# Freezes: every stretch that holds or begins within a day.


@pytest.mark.parametrize("at", ["09:00", "11:00"], ids=["before both", "during the first"])
@pytest.mark.parametrize(
    ("after", "passes"),
    [
        ([("10:00", "12:00")], False),
        ([("10:00", "12:00"), ("14:00", "17:59")], False),
        ([("10:00", "12:00"), ("14:01", "18:00")], False),
        ([("10:00", "11:59"), ("14:00", "18:00")], False),
        ([("10:00", "12:00"), ("14:00", "18:00"), ("20:00", "21:00")], True),
        ([("10:00", "18:00")], True),
        ([("10:00", "12:00"), ("13:00", "19:00")], True),
    ],
)
def test_no_stretch_of_the_next_day_is_dropped_or_shortened_by_one_person(
    at: str, after: list[tuple[str, str]], passes: bool
) -> None:
    now = datetime.fromisoformat(f"2026-11-11T{at}:00Z")
    old = scheduled(("10:00", "12:00"), ("14:00", "18:00"))
    decision = decided(old, scheduled(*after), now=now)
    assert decision.allowed is passes, decision.message
    if not passes:
        assert "no longer covers" in decision.message
        assert "two people can: set spec.lift" in decision.message


def test_a_stretch_that_begins_later_than_in_a_day_can_still_be_moved() -> None:
    dates = [{"dates": [day]} for day in ("2026-11-11", "2026-11-13")]
    old = changed(scheduled(("10:00", "12:00")), schedule={"timeZone": "UTC", "periods": dates})
    assert decided(old, changed(old, schedule={"timeZone": "UTC", "periods": dates[:1]})).allowed
    assert not decided(old, changed(old, schedule={"timeZone": "UTC", "periods": dates[1:]})).allowed


@pytest.mark.parametrize(
    ("old", "new", "passes"),
    [
        (freeze(), freeze(startsAt="2026-11-11T11:00:00Z"), False),
        (freeze(), freeze(startsAt="2026-11-10T00:00:00Z"), False),
        (freeze(), freeze(startsAt="2026-11-11T07:00:00+07:00"), True),
        (freeze(), freeze(expiresAt="2100-01-01T00:00:00Z"), True),
        (today("10:00"), today("11:00"), False),
        (today("10:00"), today("08:00"), False),
        (scheduled(("10:00", "18:00")), scheduled(("10:00", "18:00"), ("08:00", "09:00")), True),
        (freeze(startsAt="2026-11-11T13:00:00Z"), freeze(startsAt="2026-11-11T12:30:00Z"), True),
    ],
)
def test_the_start_that_rollbacks_go_by_does_not_move(old: Document, new: Document, passes: bool) -> None:
    decision = decided(old, new, *cluster())
    assert decision.allowed is passes, decision.message
    if not passes:
        assert "rollbacks go by it" in decision.message


LIFT = {"requestedBy": "sara", "approvedBy": ["paul"], "reason": "over", "until": "2026-11-11T16:00:00Z"}


@pytest.mark.parametrize(
    ("old", "new", "passes"),
    [
        (LIFT, {**LIFT, "until": "2026-11-11T12:00:00Z"}, True),
        ({**LIFT, "until": None}, LIFT, True),
        (LIFT, {**LIFT, "until": "2026-11-11T17:00:00Z"}, False),
        (LIFT, {**LIFT, "until": None}, False),
        (LIFT, {**LIFT, "until": "2026-11-11T12:00:00Z", "reason": "another"}, False),
    ],
)
def test_a_lift_is_taken_back_by_one_person_and_not_prolonged(old: Document, new: Document, passes: bool) -> None:
    sides = [freeze(lift={key: value for key, value in lift.items() if value is not None}) for lift in (old, new)]
    assert decided(*sides, *cluster()).allowed is passes


def test_a_lift_that_is_over_is_followed_by_another_one() -> None:
    lifted = freeze(lift={**LIFT, "until": "2026-11-11T11:00:00Z"})
    asked = freeze(lift={**LIFT, "approvedBy": [], "until": "2026-11-11T18:00:00Z", "requestedBy": "mike"})
    change = Change(Operation.UPDATE, "OperationalFreeze", "", "f", lifted, asked, "mike")
    decision = evaluate(change, picture([lifted, *cluster()]), NOW)
    assert decision.question is not None, decision.message  # nothing but whether mike may ask
    assert decided(lifted, changed(lifted, reason="a better reason"), *cluster()).allowed


# Freezes: what they mean.

ONLY = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "payments"}}}
TYPO = {"workloadSelector": {"matchLabels": {"app": "croe"}}}
CORE = {"workloadSelector": {"matchLabels": {"app": "core"}}}


@pytest.mark.parametrize(
    ("old", "new", "passes"),
    [
        ({}, {"tiers": [0]}, False),
        ({}, {"tiers": [0, 1, 2]}, True),
        ({}, ONLY, False),
        (ONLY, {}, True),
        (CORE, {"workloadSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}, True),
        (CORE, {"workloadSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["x"]}]}}, False),
        (
            CORE,
            {"workloadSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["core", "x"]}]}},
            True,
        ),
        (TYPO, CORE, True),
        ({"tiers": [4]}, {"tiers": [1]}, True),
        (TYPO, {**TYPO, "tiers": [0]}, False),
    ],
)
def test_a_freeze_that_holds_is_widened_and_corrected_but_not_narrowed(
    old: Document, new: Document, passes: bool
) -> None:
    decision = decided(freeze(scope=old), freeze(scope=new), *cluster())
    assert decision.allowed is passes, decision.message


def test_what_refused_something_is_not_corrected_by_one_person() -> None:
    old = freeze(scope=TYPO)
    old["status"] = {"refused": {"since": "2026-11-11T00:00:00Z", "total": 1}}
    assert not decided(old, freeze(scope=CORE), *cluster()).allowed


def test_where_no_workload_is_known_nobody_can_tell_that_a_scope_is_wrong() -> None:
    assert not decided(freeze(scope=TYPO), freeze(scope=CORE)).allowed


def test_a_correction_changes_the_scope_and_nothing_else_for_the_worse() -> None:
    assert not decided(freeze(scope=TYPO), freeze(scope=CORE, allow=["Rollout"]), *cluster()).allowed
    assert not decided(freeze(scope=TYPO), None, *cluster()).allowed


def test_the_refusal_names_what_would_no_longer_be_held() -> None:
    message = decided(freeze(), freeze(scope={"tiers": [0]}), *cluster()).message
    assert "scope.tiers loses 1, which frees Deployment payments/core" in message


def test_a_freeze_of_an_operation_is_compared_by_it_and_not_by_tiers() -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "run", "namespace": "payments", "labels": {"tierguard.io/operation": "payout"}},
        "spec": {},
    }
    old = freeze(operations=["Payout"])
    assert decided(old, freeze(operations=["Payout"], scope={"tiers": [0]}), *cluster(job)).allowed
    assert not decided(old, freeze(operations=["Refund"]), *cluster(job)).allowed
    assert decided(old, freeze(operations=["Refund"]), *cluster()).allowed, "it selected nothing"


def warned(decision: Decision) -> list[str]:
    return [f.reason for f in decision.findings if f.effect is Effect.WARN]


@pytest.mark.parametrize(
    "made",
    [
        freeze(scope=TYPO),
        window("w", ALWAYS, scope={**TYPO, "tiers": [0, 1]}),
        dict(manifests.policy("p", {}, app="croe")),
        freeze(operations=["Payout"]),
    ],
    ids=["freeze", "window", "policy", "operation"],
)
def test_what_selects_nothing_warns_its_author_at_once(made: Document) -> None:
    decision = decided(None, made, *cluster())
    assert decision.allowed
    assert warned(decision) == ["SelectsNothing"]
    assert "look at spec.scope" in decision.warnings[0]
    assert not decided(None, made).findings, "where no workload is known nobody can tell"
    assert not decided(None, freeze(), *cluster()).findings


# Windows.


def test_an_open_window_of_another_tier_does_not_open_what_is_closed() -> None:
    reports = window("reports", ALWAYS, scope={"tiers": [3]})
    widened = changed(reports, scope={"tiers": [0, 1, 3]})
    decision = decided(reports, widened, OFFICE, *cluster())
    assert not decision.allowed
    assert "cannot be loosened while office is closed, which selects Deployment payments/core" in decision.message
    assert "possible from 2026-11-11T14:00:00Z" in decision.message
    assert decided(reports, widened, OFFICE, *cluster(), now=NOW.replace(hour=15)).allowed, "office is open"
    assert decided(reports, changed(reports, scope={"tiers": [2, 3]}), OFFICE, *cluster()).allowed
    elsewhere = window("r", ALWAYS, scope={"tiers": [0, 1], "namespaceSelector": {"matchLabels": {"team": "x"}}})
    assert not decided(elsewhere, changed(elsewhere, scope={"tiers": [0, 1]}), OFFICE, *cluster()).allowed


@pytest.mark.parametrize(
    ("periods", "passes"),
    [
        ([("12:30", "13:00")], False),
        ([("11:00", "18:00")], False),
        ([("14:00", "24:00")], True),
        ([("15:00", "18:00")], True),
    ],
)
def test_a_closed_window_opens_no_sooner_than_it_said(periods: list[Any], passes: bool) -> None:
    new = changed(OFFICE, schedule=window("x", *periods)["spec"]["schedule"])
    assert decided(OFFICE, new, *cluster()).allowed is passes


NIGHT = window("night", ("02:00", "04:00"), scope={"tiers": [0, 1]})


@pytest.mark.parametrize("first", [OFFICE, NIGHT], ids=["office first", "night first"])
def test_a_union_of_windows_is_declared_at_any_hour_in_any_order(first: Document) -> None:
    second = NIGHT if first is OFFICE else OFFICE
    assert decided(None, first, *cluster()).allowed
    decision = decided(None, second, created(first, "2026-11-11T11:59:00Z"), *cluster())
    assert decision.allowed, decision.message


def test_a_window_that_is_made_beside_a_closed_one_opens_nothing_before_that() -> None:
    old = created(OFFICE, "2026-01-01T00:00:00Z")
    soon = window("soon", ("12:01", "13:00"), scope={"tiers": [0, 1]})
    made = decided(None, soon, old, *cluster())
    assert made.allowed
    assert warned(made) == ["CountsLater"]
    stored = created(soon, "2026-11-11T12:00:00Z")

    def rollout(now: datetime) -> Decision:
        before = dict(manifests.deployment("payments", "core"))
        after = dict(manifests.with_image(before, f"{manifests.IMAGE}:2"))
        change = Change(Operation.UPDATE, "Deployment", "payments", "core", before, after, "dana")
        return evaluate(change, picture([old, stored, *cluster()]), now)

    early = rollout(NOW.replace(minute=30))
    assert not early.allowed
    assert "soon (which counts once an older one was open)" in early.message
    assert early.possible_from == NOW.replace(hour=14)
    assert rollout(NOW.replace(hour=15)).allowed
    assert rollout(NOW.replace(day=12, minute=30)).allowed, "office was open in between"


def test_a_window_that_would_open_what_is_closed_is_refused() -> None:
    for made in (window("w", ALWAYS, scope={"tiers": [1]}), window("w", ("02:00", "03:00"), allow=["Rollout"])):
        decision = decided(None, made, OFFICE, *cluster())
        assert not decision.allowed
        assert "while office is closed" in decision.message
    assert decided(None, window("w", ALWAYS, scope={"tiers": [3]}), OFFICE, *cluster()).allowed


def test_one_of_several_windows_may_go_and_the_last_one_may_not() -> None:
    assert decided(NIGHT, None, OFFICE, *cluster()).allowed
    assert not decided(OFFICE, None, *cluster()).allowed
    assert decided(OFFICE, None, NIGHT, *cluster(), now=NOW.replace(hour=1)).allowed, "night opens first"


def test_a_window_is_not_loosened_in_a_freeze_of_what_it_selects() -> None:
    noon = window("noon", ("11:00", "13:00"), scope={"tiers": [0, 1]})
    longer = changed(noon, schedule=window("x", ("11:00", "23:00"))["spec"]["schedule"])
    held = decided(noon, longer, freeze(), *cluster())
    assert "while f holds, which selects Deployment payments/core" in held.message
    assert decided(noon, longer, freeze(scope={"tiers": [3]}), *cluster()).allowed
    assert decided(noon, changed(noon, allow=[]), freeze(), *cluster()).allowed


def test_a_window_with_a_mistyped_scope_is_corrected() -> None:
    wrong = window("w", ("14:00", "18:00"), scope={**TYPO, "tiers": [1]})
    assert decided(wrong, changed(wrong, scope={**CORE, "tiers": [1]}), *cluster()).allowed
    assert not decided(wrong, changed(wrong, allow=["Rollout"]), *cluster()).allowed


# Policies.


def policy(rules: Document, tier: int = 1, **spec: Any) -> Document:
    made = dict(manifests.policy("p", rules, tier=tier, app="core"))
    return changed(made, **spec)


THREE = {"replicas": {"minimum": 3}}


@pytest.mark.parametrize(
    ("old", "new", "passes"),
    [
        (policy({"replicas": {"minimum": 2}}), policy(THREE), True),
        (policy(THREE), policy({"replicas": {"minimum": 2}}), False),
        (policy(THREE), policy({}), False),
        (policy(THREE), None, False),
        (policy(THREE), policy(THREE, enforcement="Warn"), False),
        (policy(THREE), policy({"replicas": {"minimum": 3, "enforcement": "Audit"}}), False),
        (policy(THREE), policy({"replicas": {"minimum": 3, "enforcement": "Deny"}}, enforcement="Warn"), True),
        (policy(THREE), policy(THREE, effectiveFrom="2099-01-01T00:00:00Z"), False),
        (policy(THREE), policy(THREE, effectiveFrom="2026-01-01T00:00:00Z"), True),
        (policy(THREE), policy(THREE, scope=ONLY), True),
        (policy(THREE, scope=ONLY), policy(THREE, scope={**ONLY, **TYPO}), False),
        (policy(THREE, tier=4), policy({}, tier=4), False),
        (policy(THREE, tier=4), None, False),
    ],
)
def test_a_policy_is_made_stricter_and_not_looser_while_what_it_selects_is_frozen(
    old: Document, new: Document | None, passes: bool
) -> None:
    decision = decided(old, new, freeze(scope=ONLY), *cluster())
    assert decision.allowed is passes, decision.message
    if not passes:
        assert "while f holds, which selects Deployment payments/core" in decision.message
    elsewhere = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "empty"}}}
    assert decided(old, new, freeze(scope=elsewhere), *cluster()).allowed, "nothing in common"


def test_the_refusal_names_the_field() -> None:
    message = decided(policy(THREE), policy({"replicas": {"minimum": 2}}), freeze(), *cluster()).message
    assert "(rules.replicas.minimum becomes 2 instead of 3)" in message


def test_a_policy_of_another_namespace_is_mended_while_one_is_frozen() -> None:
    only = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "reports"}}}
    mended = policy(THREE, tier=1, scope=only)
    assert decided(mended, changed(mended, enforcement="Warn"), freeze(scope=ONLY), *cluster()).allowed
    assert not decided(mended, changed(mended, enforcement="Warn"), freeze(), *cluster()).allowed


def test_an_exemption_is_held_for_its_own_workload_only() -> None:
    def exempting(place: str) -> Document:
        reference = {"kind": "Deployment", "namespace": place, "name": "core"}
        item = {
            "workload": reference,
            "rules": ["replicas"],
            "requestedBy": "a",
            "approvedBy": ["b"],
            "expiresAt": "2027-01-01T00:00:00Z",
        }
        return policy(THREE, scope={}, exemptions=[item])

    def approved(place: str) -> bool:
        return decided(policy(THREE, scope={}), exempting(place), freeze(scope=ONLY), *cluster(), user=GITOPS).allowed

    assert approved("reports")
    assert not approved("payments")


@pytest.mark.parametrize("starts", ["2026-11-11T00:00:00Z", "2026-11-12T06:00:00Z"], ids=["active", "soon"])
def test_no_policy_takes_a_workload_out_of_a_freeze_by_its_tier(starts: str) -> None:
    risk = freeze(scope={"tiers": [2]}, startsAt=starts)
    up = policy({}, tier=1, scope={"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "risk"}}})
    assert not decided(None, up, risk, *cluster()).allowed
    assert decided(None, up, freeze(scope={"tiers": [1, 2]}, startsAt=starts), *cluster()).allowed
    assert decided(None, up, freeze(scope={"tiers": [2]}, startsAt="2026-11-13T00:00:00Z"), *cluster()).allowed


def test_no_policy_lets_a_workload_into_an_open_window_by_its_tier() -> None:
    closed = window("closed", ("14:00", "18:00"), scope={"tiers": [2]})
    up = policy({}, tier=1, scope={"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "risk"}}})
    assert "while closed is closed" in decided(None, up, closed, *cluster()).message
    assert decided(None, up, closed, *cluster(), now=NOW.replace(hour=15)).allowed


def test_what_selects_nothing_yet_is_compared_by_examples() -> None:
    only = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "empty"}}}
    for made, loosened in (
        (policy(THREE, scope=only), {"enforcement": "Audit"}),
        (window("w", ("14:00", "18:00"), scope={**only, "tiers": [1]}), {"allow": ["Rollout"]}),
    ):
        assert not decided(made, changed(made, **loosened), freeze(scope=only), OFFICE, *cluster()).allowed
        assert not decided(made, changed(made, **loosened), freeze(scope=only), OFFICE).allowed, "no file describes it"


# Rules: which way is stricter.


def test_every_field_of_every_rule_has_a_direction() -> None:
    for block, field in Rules.model_fields.items():
        (model,) = (each for each in get_args(field.annotation) if each is not type(None))
        assert set(DIRECTIONS[block]) == set(model.model_fields) - set(RuleBlock.model_fields), block


STRICTER = [
    ({"rollout": {"maxUnavailable": 1}}, {"rollout": {"maxUnavailable": 0}}),
    ({"rollout": {}}, {"rollout": {"minReadySeconds": 10}}),
    ({"disruptionBudget": {"mode": "Suggest"}}, {"disruptionBudget": {"mode": "Maintain"}}),
    ({"disruptionBudget": {"maxUnavailable": "34%"}}, {"disruptionBudget": {"maxUnavailable": "25%"}}),
    (
        {"disruptionBudget": {"unhealthyPodEvictionPolicy": "IfHealthyBudget"}},
        {"disruptionBudget": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}},
    ),
    ({"topologySpread": {"topologyKeys": ["a"]}}, {"topologySpread": {"topologyKeys": ["a", "b"]}}),
    ({"topologySpread": {"whenUnsatisfiable": "ScheduleAnyway"}}, {"topologySpread": {}}),
    ({"probes": {"distinct": False}}, {"probes": {}}),
    ({"probes": {}}, {"probes": {"forbiddenPaths": ["/db"]}}),
    ({"termination": {"gracePeriodSeconds": 10}}, {"termination": {"gracePeriodSeconds": 30}}),
    ({"resources": {"requests": ["cpu"]}}, {"resources": {"requests": ["cpu", "memory"]}}),
    ({"secrets": {"environment": "Allowed"}}, {"secrets": {}}),
    ({"images": {"pinning": "Tag"}}, {"images": {"pinning": "Digest"}}),
    ({"images": {}}, {"images": {"registries": ["registry.example.com"]}}),
    ({"images": {"registries": ["a", "b"]}}, {"images": {"registries": ["a"]}}),
    ({"priority": {"classNames": ["a", "b"]}}, {"priority": {"classNames": ["b"]}}),
    ({"isolation": {"networkPolicy": "Optional"}}, {"isolation": {}}),
    ({"dependencies": {"lowestTier": 2}}, {"dependencies": {"lowestTier": 1}}),
    ({"evidence": {"annotations": ["a"]}}, {"evidence": {"annotations": ["a", "b"]}}),
    (
        {"evidence": {"proofs": [{"annotation": "a", "maxAgeDays": 90}]}},
        {"evidence": {"proofs": [{"annotation": "a", "maxAgeDays": 30}]}},
    ),
    ({}, {"deletion": {}}),
]


@pytest.mark.parametrize(("loose", "strict"), STRICTER)
def test_each_rule_knows_which_way_is_stricter(loose: Document, strict: Document) -> None:
    specs = [PolicySpec.model_validate(policy(rules)["spec"]) for rules in (loose, strict)]
    assert not list(looser_rules(specs[0], specs[1], NOW))
    assert list(looser_rules(specs[1], specs[0], NOW))


def test_what_cannot_be_compared_counts_as_looser() -> None:
    one, share = ({"disruptionBudget": {"maxUnavailable": value}} for value in (1, "10%"))
    assert not decided(policy(one), policy(share), freeze(), *cluster()).allowed
    maintain, require = ({"disruptionBudget": {"mode": mode}} for mode in ("Maintain", "Require"))
    assert not decided(policy(maintain), policy(require), freeze(), *cluster()).allowed
    assert not decided(policy(require), policy(maintain), freeze(), *cluster()).allowed


# Selectors.

_LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xyz"))
_REQUIREMENT = st.one_of(
    st.builds(
        lambda key, operator, values: {"key": key, "operator": operator, "values": values},
        st.sampled_from("ab"),
        st.sampled_from(["In", "NotIn"]),
        st.lists(st.sampled_from("xyz"), min_size=1, unique=True),
    ),
    st.builds(
        lambda key, operator: {"key": key, "operator": operator},
        st.sampled_from("ab"),
        st.sampled_from(["Exists", "DoesNotExist"]),
    ),
)
_SELECTOR = st.builds(
    lambda equal, expressions: LabelSelector.compile({"matchLabels": equal, "matchExpressions": expressions}),
    _LABELS,
    st.lists(_REQUIREMENT, max_size=2),
)


@given(_SELECTOR, _SELECTOR, _LABELS)
def test_a_selector_that_covers_another_selects_all_that_it_does(
    wide: LabelSelector, narrow: LabelSelector, labels: dict[str, str]
) -> None:
    assert wide.covers(wide)
    if wide.covers(narrow) and narrow.matches(labels):
        assert wide.matches(labels)


@given(_SELECTOR, _LABELS)
def test_a_selector_selects_its_own_example(selector: LabelSelector, labels: dict[str, str]) -> None:
    if selector.matches(labels):  # it does not contradict itself
        assert selector.matches(selector.example())


# Bounds.


def test_a_review_is_linear_in_the_workloads() -> None:
    def seconds(count: int) -> float:
        there = [
            namespace("payments"),
            *(dict(manifests.deployment("payments", f"w{n}", tier=str(n % 3))) for n in range(count)),
        ]
        state = picture([*there, OFFICE, *(policy(THREE, tier=t) for t in range(3))])
        wide, wider = (window("w", ("14:00", "15:00"), scope={"tiers": tiers}) for tiers in ([2], [1, 2]))
        change = Change(Operation.UPDATE, "ChangeWindow", "", "w", wide, wider, "mike")
        best = 9.0
        for _ in range(3):
            begun = time.process_time()
            assert evaluate(change, state, NOW).allowed
            best = min(best, time.process_time() - begun)
        return best

    small, large = seconds(300), seconds(3000)
    assert large < 25 * max(small, 0.002), (small, large)
