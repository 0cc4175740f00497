"""Secrets, images, priority, isolation and dependencies: whatever is written, and the names that nearly fit."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e import manifests
from tierguard.api.rule_values import RuleId
from tierguard.api.rules import DependenciesRule
from tierguard.cli.picture import picture
from tierguard.guard.model.decision import Effect
from tierguard.guard.rules import RULES
from tierguard.guard.rules.dependencies import Dependencies
from tierguard.guard.rules.evaluate import judge
from tierguard.guard.rules.images import normalized
from tierguard.guard.rules.rule import Situation
from tierguard.guard.tiers.classify import classify

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DIGEST = f"sha256:{'0a' * 32}"
ALL = {
    "secrets": {},
    "images": {"registries": ["registry.example.com/payments/"]},
    "priority": {"classNames": ["payments-critical"]},
    "isolation": {},
    "dependencies": {},
}
Document = dict[str, Any]

json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def found(workload: Document, rules: Document, *around: Document) -> list[str]:
    policy = manifests.policy("p", rules)
    policy["spec"]["scope"] = {}
    state = picture([policy, workload, *around])
    subject = next(w for w in state.in_namespace("payments") if w.name == "payment-core")
    judged = judge(classify(subject, "payments", {}, state), None, state, NOW)
    return [finding.reason for finding in judged.findings]


def container(**fields: Any) -> Document:
    workload = manifests.deployment("payments", image=f"registry.example.com/payments/core@{DIGEST}")
    workload["spec"]["template"]["spec"]["containers"][0] |= fields
    return workload


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(["containers", "initContainers", "priorityClassName", "hostNetwork", "volumes"]), json)
def test_nothing_that_can_be_written_into_a_pod_makes_a_rule_fail(field: str, written: Any) -> None:
    workload = manifests.deployment("payments")
    workload["spec"]["template"]["spec"][field] = written
    assert isinstance(found(workload, ALL), list)


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(["image", "env", "envFrom", "name"]), json)
def test_nothing_that_can_be_written_into_a_container_makes_a_rule_fail(field: str, written: Any) -> None:
    assert isinstance(found(container(**{field: written}), ALL), list)


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=60))
def test_nothing_that_can_be_written_into_the_annotation_makes_the_rule_fail(written: str) -> None:
    workload = manifests.deployment("payments")
    workload["metadata"]["annotations"] = {"tierguard.io/depends-on": written}
    assert isinstance(found(workload, {"dependencies": {}}), list)


@settings(deadline=None, max_examples=100)
@given(st.text("abcdefghijklmnop0123456789-_ .", min_size=1, max_size=40))
def test_no_value_of_a_variable_is_ever_told(value: str) -> None:
    secret = f"s3cr3t{value}"
    policy = manifests.policy("p", {"secrets": {}})
    workload = container(env=[{"name": "DB_PASSWORD", "value": secret}])
    state = picture([policy, workload])
    subject = next(iter(state.in_namespace("payments")))
    for finding in judge(classify(subject, "payments", {}, state), None, state, NOW).findings:
        assert secret not in finding.sentence()


@pytest.mark.parametrize(
    ("written", "whole"),
    [
        ("nginx", "docker.io/library/nginx"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("team/app", "docker.io/team/app"),
        ("localhost/app", "localhost/app"),
        ("registry:5000/app", "registry:5000/app"),
        ("registry.example.com/app", "registry.example.com/app"),
        ("index.docker.io/team/app", "docker.io/team/app"),
        ("index.docker.io/nginx", "docker.io/library/nginx"),
        ("docker.io/nginx", "docker.io/library/nginx"),
        ("docker.io/team/app", "docker.io/team/app"),
    ],
)
def test_an_image_is_named_as_the_runtime_resolves_it(written: str, whole: str) -> None:
    assert normalized(written) == whole


@pytest.mark.parametrize(
    ("image", "reasons"),
    [
        (f"registry.example.com/payments/core@{DIGEST}", []),
        (f"registry.example.com/payments/core@{DIGEST.upper()}", ["NotPinned"]),
        (f"registry.example.com/payments/core@{DIGEST[:-1]}", ["NotPinned"]),
        (f"registry.example.com/paymentsx/core@{DIGEST}", ["ForeignRegistry"]),
        (f"evil.org/registry.example.com/payments/core@{DIGEST}", ["ForeignRegistry"]),
        ("", ["ForeignRegistry", "NotPinned"]),
    ],
)
def test_only_a_whole_digest_of_an_allowed_repository_is_enough(image: str, reasons: list[str]) -> None:
    assert sorted(found(container(image=image), {"images": ALL["images"]})) == reasons


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("DB_PASSWORD", "x", True),
        ("db_password", "x", True),
        ("STRIPE_APIKEY", "x", True),
        ("STRIPE_API_KEY_2", "x", True),
        ("PASSWORD_FILE", "/run/x", False),
        ("TOKEN_TTL", "5m", False),
        ("TOKENIZER", "x", False),
        ("MAX_TOKENS", "x", False),
        ("DB_PASSWORD", "", False),
        ("DB_PASSWORD", "$(OTHER)", False),
        ("SECRET_COUNT", "3", False),
        ("ANY", "https://u:p@h/", True),
        ("ANY", "https://u@h/", False),
        ("ANY", "https://h/a:b@c", False),
        ("ANY", "https://sso.example.com:8443?hint=ops@example.com", False),
        ("ANY", "https://sso.example.com?hint=a:b@example.com", False),
        ("ANY", "redis://:p@h", True),
        ("ANY", "postgres://u:p?w#d@h", True),
        ("ANY", "jdbc:postgresql://u:p@h/core", True),
    ],
)
def test_what_a_secret_is_called_and_what_only_sounds_like_one(name: str, value: str, secret: bool) -> None:
    reasons = found(container(env=[{"name": name, "value": value}]), {"secrets": {}})
    assert (reasons == ["SecretWrittenOut"]) == secret


def test_a_service_without_a_workload_behind_it_is_unknown() -> None:
    workload = manifests.deployment("payments")
    workload["metadata"]["annotations"] = {"tierguard.io/depends-on": "nobody"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "nobody", "namespace": "payments"},
        "spec": {"selector": {"app": "nobody"}},
    }
    assert found(workload, {"dependencies": {}}, service) == ["UnknownDependency"]


def test_too_many_dependencies_are_one_finding() -> None:
    workload = manifests.deployment("payments")
    workload["metadata"]["annotations"] = {"tierguard.io/depends-on": ",".join(f"w-{n}" for n in range(200))}
    assert found(workload, {"dependencies": {}}) == ["UnreadableDependency"]


def test_every_rule_of_the_api_is_there_and_judges_something() -> None:
    assert {rule.id for rule in RULES} == set(RuleId)
    assert all(rule.kinds for rule in RULES)


def test_a_rule_changes_nothing_of_what_it_judges() -> None:
    workload = container(env=[{"name": "DB_PASSWORD", "value": "x"}])
    before = copy.deepcopy(workload)
    found(workload, ALL)
    assert workload == before


@pytest.mark.parametrize(
    ("entry", "image", "allowed"),
    [
        ("registry.example.com", "registry.example.com/core:1", True),
        ("registry.example.com/", "registry.example.com/core:1", True),
        ("registry.example.com", "registry.example.com:5000/core:1", False),
        ("registry.example.com:5000", "registry.example.com:5000/core:1", True),
        ("registry.example.com:5000", "registry.example.com:50001/core:1", False),
        ("registry.example.com", f"registry.example.com@evil.org/core@{DIGEST}", False),
        ("registry.example.com/payments", "registry.example.com/payments:1", True),
        ("registry.example.com/payments", "registry.example.com/payments-evil/core:1", False),
        ("docker.io/library", "nginx:1", True),
        ("docker.io/library", "docker.io/nginx:1", True),
        ("docker.io/library", "team/nginx:1", False),
        ("/", "registry.example.com/core:1", False),
    ],
)
def test_an_allowed_place_ends_at_a_slash_and_another_port_is_another_registry(
    entry: str, image: str, allowed: bool
) -> None:
    reasons = found(container(image=image), {"images": {"pinning": "Tag", "registries": [entry]}})
    assert reasons == ([] if allowed else ["ForeignRegistry"])


def test_a_digest_is_over_where_it_ends() -> None:
    image = f"registry.example.com/core@{DIGEST}\n"
    assert found(container(image=image), {"images": {}}) == ["NotPinned"]


@settings(deadline=2000, max_examples=5)
@given(st.sampled_from(["a", "a:", "a://", "a://b", "://", "-----BEGIN ", "$(A"]))
def test_a_long_value_is_judged_in_no_time(part: str) -> None:
    assert isinstance(found(container(env=[{"name": "DATA", "value": part * 100_000}]), {"secrets": {}}), list)


def depending(entry: str, *around: Document, tier: str | None = "1") -> list[tuple[str, Effect]]:
    workload = manifests.deployment("payments", tier=tier)
    workload["metadata"]["annotations"] = {"tierguard.io/depends-on": entry}
    state = picture([workload, *around])
    subject = next(w for w in state.in_namespace("payments") if w.name == "payment-core")
    situation = Situation(classify(subject, "payments", {}, state), state, NOW)
    return [(v.reason, v.effect) for v in Dependencies().check(situation, DependenciesRule())]


def service(name: str, **selector: str) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "payments"},
        "spec": {"selector": selector},
    }


def behind(name: str, tier: str | None) -> Document:
    workload = manifests.deployment("payments", name, tier=tier)
    workload["spec"]["template"]["metadata"]["labels"] |= {"behind": "reports"}
    return workload


@pytest.mark.parametrize("tiers", [("4", None), (None, "4"), (None, None, "4")])
def test_a_workload_without_a_tier_hides_none_that_is_too_low(tiers: tuple[str | None, ...]) -> None:
    around = [behind(f"w-{index}", tier) for index, tier in enumerate(tiers)]
    assert depending("reports", service("reports", behind="reports"), *around) == [("LowerTier", Effect.DENY)]


def test_where_nothing_is_too_low_what_has_no_tier_is_told() -> None:
    around = [behind("a", "2"), behind("b", None)]
    expected = [("UnclassifiedDependency", Effect.WARN)]
    assert depending("reports", service("reports", behind="reports"), *around) == expected


@pytest.mark.parametrize("tier", ["3", None])
def test_a_service_of_its_own_is_itself(tier: str | None) -> None:
    assert depending("front", service("front", app="payment-core"), tier=tier) == []


def test_what_a_controller_made_is_no_dependency_by_its_name() -> None:
    made = manifests.deployment("payments", "reports-abc", tier="4")
    made["kind"] = "ReplicaSet"
    made["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": "reports", "uid": "1", "controller": True}]
    assert depending("reports-abc", made) == [("UnknownDependency", Effect.WARN)]


def test_two_long_entries_that_begin_alike_are_two_findings() -> None:
    long = "n" * 200
    workload = manifests.deployment("payments")
    workload["metadata"]["annotations"] = {"tierguard.io/depends-on": f"{long}a,{long}b"}
    assert found(workload, {"dependencies": {}}) == ["UnknownDependency"] * 2


def test_a_detail_is_short() -> None:
    long = "registry.example.org/" + "p" * 80
    env: list[Document] = [{"name": f"{'A' * 50}_TOKEN_{n}", "value": "x"} for n in range(3)]
    env += [{"name": f"B{n}", "valueFrom": {"secretKeyRef": {"name": "s" * 63, "key": "k"}}} for n in range(3)]
    workload = container(name="payment-core", image=long, env=env)
    workload["metadata"]["annotations"] = {"tierguard.io/depends-on": f"{'n' * 60}/reports, {'X' * 90}"}
    policy = manifests.policy("p", ALL)
    state = picture([policy, workload, manifests.deployment("n" * 60, "reports", tier="4")])
    subject = next(iter(state.in_namespace("payments")))
    judged = judge(classify(subject, "payments", {}, state), None, state, NOW).findings
    assert {finding.rule for finding in judged} == set(ALL)
    assert [finding.detail for finding in judged if len(finding.detail) > 95] == []
