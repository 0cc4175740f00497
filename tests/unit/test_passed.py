"""What was let through beside new templates: scaling by people, deletions, what is around workloads, configuration."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e import manifests
from tierguard.cli.picture import picture
from tierguard.cluster.reflector import PARTIAL, Collection
from tierguard.cluster.trim import trim_partial, writers
from tierguard.controller.unreviewed.accountant import SETTLED, Accountant, lines, merged, passed_events
from tierguard.guard.model.identities import Identities
from tierguard.guard.model.state import State

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BEFORE, AFTER = "2026-11-21T10:00:00Z", "2026-11-21T11:59:59Z"
FREEZE = manifests.freeze("promotion", startsAt="2026-11-21T11:00:00Z")
SOURCE = "OperationalFreeze/promotion"
KEDA = "system:serviceaccount:keda:keda-operator"
ROTATOR = "system:serviceaccount:external-secrets:external-secrets"
Document = dict[str, Any]


def core(**changes: Any) -> Document:
    found = manifests.deployment("payments", **changes)
    found["metadata"] |= {"uid": "core", "creationTimestamp": BEFORE}
    found["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "limits"}}]
    return found


def scaled(replicas: int, *managers: str) -> Document:
    found = core(replicas=replicas)
    owned: Document = {"f:spec": {"f:replicas": {}}}
    found["metadata"]["managedFields"] = [{"manager": m, "time": AFTER, "fieldsV1": owned} for m in managers]
    return found


def around(kind: str, **spec: Any) -> Document:
    versions = {"NetworkPolicy": "networking.k8s.io/v1", "HorizontalPodAutoscaler": "autoscaling/v2"}
    version = versions.get(kind, "policy/v1")
    metadata = {"name": "core", "namespace": "payments", "uid": kind, "creationTimestamp": BEFORE}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def autoscaler(minimum: int) -> Document:
    target = {"kind": "Deployment", "name": "payment-core"}
    return around("HorizontalPodAutoscaler", minReplicas=minimum, maxReplicas=9, scaleTargetRef=target)


def entry(manager: str, time: str, *keys: str, **more: Any) -> Document:
    return {"manager": manager, "time": time, "fieldsV1": {"f:data": {f"f:{key}": {} for key in keys}, **more}}


def config_map(*entries: Document, name: str = "limits", **metadata: Any) -> Document:
    told = {"name": name, "namespace": "payments", "uid": name, "creationTimestamp": BEFORE, **metadata}
    raw = {"kind": PARTIAL, "metadata": {**told, "managedFields": list(entries)}}
    return trim_partial(copy.deepcopy(raw))


def pictured(*more: Document, identities: Identities | None = None) -> State:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"}}
    return picture([namespace, FREEZE, core(), *more], identities)


def account(before: Document | None, after: Document | None, state: State, *leaving: str) -> list[str]:
    accountant = Accountant()
    accountant.saw(before, after, state, NOW)
    assert not accountant.look_back(state, leaving, NOW + SETTLED)
    assert accountant.total == len(accountant.kept())
    return lines(accountant.kept(), SOURCE)


def test_who_scales_down_in_a_freeze_is_listed_and_the_autoscaler_is_not() -> None:
    state = pictured(identities=Identities(autoscalers=frozenset({KEDA})))

    assert account(scaled(3), scaled(1, "kubectl"), state) == [
        "payments/Deployment/payment-core: by kubectl, freeze/ActiveFreeze at 2026-11-21T11:59:59Z"
    ]
    for machine in ("kube-controller-manager", "keda-operator"):
        assert account(scaled(3, "kubectl"), scaled(1, machine), state) == []
    assert account(scaled(1), scaled(3, "kubectl"), state) == []  # up
    assert account(scaled(3, "kubectl"), scaled(1), state)  # who empties managedFields hides nothing


@pytest.mark.parametrize(("ahead", "listed"), [(timedelta(hours=23), 1), (timedelta(hours=25), 0)])
def test_a_workload_that_leaves_its_tier_the_day_before_a_freeze_is_listed(ahead: timedelta, listed: int) -> None:
    coming = manifests.freeze("promotion", startsAt=(NOW + ahead).isoformat())
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"}}
    assert len(account(core(), core(tier="4"), picture([namespace, coming, core()]))) == listed


def test_what_an_autoscaler_did_excuses_nothing_else() -> None:
    rolled_out = manifests.with_image(scaled(1, "kube-controller-manager"), "registry.example.com/core:9")
    (line,) = account(scaled(3), rolled_out, pictured())

    assert "Deployment/payment-core: freeze/ActiveFreeze" in line


@pytest.mark.parametrize(
    ("before", "after", "listed"),
    [
        (autoscaler(3), autoscaler(1), True),
        (autoscaler(1), autoscaler(3), False),
        (autoscaler(3), None, True),
        (manifests.budget("payments"), manifests.budget("payments", maxUnavailable=2), True),
        (manifests.budget("payments"), manifests.budget("payments", maxUnavailable=0), False),
        (manifests.budget("payments"), None, True),
        (core(), None, True),
    ],
)
def test_what_is_around_a_frozen_workload_is_accounted_for(
    before: Document, after: Document | None, listed: bool
) -> None:
    assert bool(account(before, after, pictured(before))) is listed


def test_a_network_policy_that_goes_is_accounted_for_by_the_tier_rules() -> None:
    selector = {"matchLabels": {"app": "payment-core"}}
    isolating = around("NetworkPolicy", podSelector=selector)
    accountant, state = Accountant(), pictured(manifests.policy("tier-1", {"isolation": {}}))
    accountant.saw(isolating, None, state, NOW)
    accountant.look_back(state, (), NOW + SETTLED)

    (line,) = lines(accountant.kept(), "PaymentTierPolicy/tier-1")
    assert line.startswith("payments/NetworkPolicy/core: deleted, isolation/")


def test_what_goes_with_its_namespace_or_its_owner_is_not_listed() -> None:
    owned = autoscaler(3)
    owned["metadata"]["ownerReferences"] = [{"kind": "ScaledObject", "name": "core", "uid": "x"}]
    ending = {**autoscaler(3), "metadata": {**autoscaler(3)["metadata"], "deletionTimestamp": AFTER}}

    assert account(autoscaler(3), None, pictured(), "payments") == []
    assert account(owned, None, pictured()) == []
    assert len(account(autoscaler(3), ending, pictured())) == 1  # what a finalizer keeps is gone for all that
    assert account(ending, None, pictured()) == []  # and that was told


def test_a_deletion_waits_for_its_namespace_to_be_heard_of() -> None:
    accountant, state = Accountant(), pictured()
    assert accountant.saw(autoscaler(3), None, state, NOW)

    assert accountant.look_back(state, (), NOW + SETTLED / 2)
    assert accountant.total == 0
    assert not accountant.look_back(state, (), NOW + SETTLED)
    assert accountant.total == 1


def test_both_operators_tell_of_a_deletion_in_the_same_words() -> None:
    told = []
    for heard in (NOW, NOW + timedelta(seconds=3)):
        accountant, state = Accountant(), pictured()
        accountant.saw(autoscaler(3), None, state, heard)
        accountant.look_back(state, (), heard + SETTLED)
        (name, event) = next(iter(passed_events(accountant.kept(), heard)))
        told.append((name, event["note"], lines(accountant.kept(), SOURCE)))

    assert told[0][:2] == told[1][:2]
    assert len(merged(told[0][2], told[1][2])) == 1


def test_lines_are_kept_in_the_order_of_time() -> None:
    early, late = "a/Deployment/a: freeze/X at 2026-11-21T10:00:00Z", "a/ConfigMap/a: freeze/X at 2026-11-21T11:00:00Z"

    assert merged([late], [early, late]) == [early, late]


LABELLED: Document = {"f:metadata": {"f:labels": {"f:chart": {}}}}


@pytest.mark.parametrize(
    ("before", "after", "listed"),
    [
        (config_map(entry("kubectl-edit", BEFORE, "max")), config_map(entry("kubectl-edit", AFTER, "max")), True),
        (
            config_map(entry("helm", BEFORE, "max")),
            config_map(entry("kubectl-edit", AFTER, "max")),
            True,
        ),
        # The same again, by one more who applies it: helm would have lost what changed.
        (
            config_map(entry("helm", BEFORE, "max")),
            config_map(entry("helm", BEFORE, "max"), entry("argocd", AFTER, "max")),
            False,
        ),
        # The chart's version in a label: the contents are the same, for all that can be told.
        (
            config_map(entry("helm", BEFORE, "max", **LABELLED), labels={"chart": "1"}),
            config_map(entry("helm", AFTER, "max", **LABELLED), labels={"chart": "2"}),
            False,
        ),
        (
            config_map(entry("helm", BEFORE, "max", **LABELLED), labels={"chart": "1"}),
            config_map(entry("helm", AFTER, "max", "more", **LABELLED), labels={"chart": "2"}),
            True,
        ),
        (config_map(entry("a", BEFORE, "max")), config_map(entry("a", BEFORE, "max"), labels={"a": "b"}), False),
        (config_map(entry("a", BEFORE, "max")), config_map(entry("external-secrets", AFTER, "max")), False),
        (config_map(entry("a", BEFORE, "x"), name="other"), config_map(entry("a", AFTER, "x"), name="other"), False),
        (config_map(entry("a", BEFORE, "max")), None, True),
        (None, config_map(entry("a", AFTER, "max")), True),
    ],
)
def test_configuration_is_accounted_for_by_its_metadata(
    before: Document | None, after: Document | None, listed: bool
) -> None:
    assert bool(account(before, after, pictured(identities=Identities(rotators=frozenset({ROTATOR}))))) is listed


def test_no_rotator_is_assumed_by_its_usual_name() -> None:
    before, after = config_map(entry("a", BEFORE, "max")), config_map(entry("external-secrets", AFTER, "max"))
    assert account(before, after, pictured())


def test_contents_are_never_asked_for_nor_kept() -> None:
    collection = Collection("/api/v1/configmaps", "meta.k8s.io/v1", PARTIAL, metadata_only=True)
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "{secret}", "note": "s3cret"}
    kept = config_map(entry("a", BEFORE, "max"), annotations=applied)

    assert "as=PartialObjectMetadataList;" in collection.listed_as
    assert "as=PartialObjectMetadata;" in collection.watched_as
    assert "s3cret" not in str(kept)
    assert "{secret}" not in str(kept)


def test_of_managed_fields_only_is_kept_who_scaled_suspended_and_rolled_out() -> None:
    fields = {
        "f:spec": {"f:replicas": {}, "f:strategy": {"f:type": {}}, "f:template": {"f:spec": {"f:containers": {}}}},
        "f:metadata": {"f:annotations": {"f:tierguard.io/allow-deletion": {}, "f:other": {}}},
    }
    workload = core()
    workload["metadata"]["managedFields"] = [
        {"manager": "helm", "time": BEFORE, "fieldsV1": fields},
        {"manager": "kube-controller-manager", "subresource": "status", "time": AFTER, "fieldsV1": {}},
    ]

    assert writers(workload) == [
        {
            "manager": "helm",
            "time": BEFORE,
            "fieldsV1": {
                "f:metadata": {"f:annotations": {"f:tierguard.io/allow-deletion": {}}},
                "f:spec": {"f:replicas": {}, "f:template": {}},
            },
        }
    ]
