"""What ties an object to a frozen workload, without being one of them by its own labels; each with what is not tied."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from tests.e2e import manifests
from tierguard.cli.picture import picture
from tierguard.guard.decide import evaluate
from tierguard.guard.model.change import Change, Operation
from tierguard.guard.model.state import State

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
PLACE = "payments"
Document = dict[str, Any]


def of(kind: str, name: str, version: str = "v1", **more: Any) -> Document:
    """An object of the namespace."""
    metadata = {"name": name, "namespace": PLACE, **more.pop("metadata", {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **more}


def pod(name: str = "p", labels: dict[str, str] | None = None, claim: str = "") -> Document:
    spec: Document = {"containers": [{"name": "app", "image": "evil"}]}
    if claim:
        spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    return of("Pod", name, metadata={"labels": labels or {}}, spec=spec)


def there() -> list[Document]:
    """A tier 1 Deployment with an account of its own, and a tier 0 StatefulSet with claims, behind Services."""
    core = manifests.deployment(PLACE, "core")
    for labels in (core["metadata"]["labels"], core["spec"]["template"]["metadata"]["labels"]):
        labels["app"] = "core"
    core["spec"]["selector"] = {"matchLabels": {"app": "core"}}
    core["spec"]["template"]["spec"]["serviceAccountName"] = "core"
    ledger = manifests.stateful_set(PLACE)
    ledger["metadata"]["uid"] = "u-ledger"
    ledger["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": {}}]
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE, "labels": {}}},
        core,
        ledger,
        of("Service", "core", spec={"selector": {"app": "core"}}),
        of("ServiceAccount", "core", imagePullSecrets=[{"name": "pull"}]),
        manifests.freeze("peak", startsAt="2026-11-10T17:00:00Z", expiresAt="2026-11-12T05:00:00Z"),
    ]


STATE = picture(there())


def decided(old: Document | None, new: Document | None, subresource: str = "", state: State = STATE) -> list[str]:
    """What a developer is refused for."""
    subject = new or old or {}
    operation = Operation.CREATE if old is None else Operation.DELETE if new is None else Operation.UPDATE
    place = (PLACE, subject["metadata"]["name"])
    change = Change(operation, subject["kind"], *place, old, new, "dana", subresource=subresource)
    decision = evaluate(change, state, NOW)
    return [] if decision.allowed else list(decision.reasons())


HELD = ["freeze/ActiveFreeze"]
REPLICA_SET = of("ReplicaSet", "rs", "apps/v1", spec={"replicas": 1, "template": {"metadata": {}, "spec": {}}})


@pytest.mark.parametrize(
    ("new", "held"),
    [
        (pod(labels={"app": "core", "pod-template-hash": "x"}), True),
        (pod(labels={"app": "other"}), False),
        (pod("ledger-db-7"), True),
        (pod("ledger-db-x"), False),
        (pod("other-7"), False),
        (pod(claim="data-ledger-db-0"), True),
        (pod(claim="mine"), False),
    ],
)
def test_a_new_pod_that_would_take_part_in_a_frozen_workload_is_held(new: Document, held: bool) -> None:
    assert decided(None, new) == (HELD if held else [])


def test_becoming_a_part_is_held_like_being_made_one() -> None:
    before, after = pod(labels={"x": "y"}), pod(labels={"app": "core"})
    assert decided(before, after) == HELD
    assert decided(before, after, "status") == HELD
    assert decided(before, pod(labels={"x": "z"})) == []
    labelled = copy.deepcopy(REPLICA_SET)
    labelled["metadata"]["labels"] = {"app": "core"}
    assert decided(REPLICA_SET, labelled) == HELD


def test_whatever_mounts_a_frozen_claim_is_held() -> None:
    for kind, version in (("Deployment", "apps/v1"), ("Job", "batch/v1")):
        foreign = of(kind, "backup", version, spec={"template": {"spec": pod(claim="data-ledger-db-0")["spec"]}})
        assert decided(None, foreign) == HELD
        foreign["spec"]["template"]["spec"] = pod(claim="mine")["spec"]
        assert decided(None, foreign) == []


def test_what_a_pod_needs_is_held_though_nothing_mounts_it() -> None:
    account = of("ServiceAccount", "core", imagePullSecrets=[{"name": "pull"}])
    assert decided(account, None) == HELD
    assert decided(account, {**account, "imagePullSecrets": []}) == HELD
    assert decided(of("Secret", "pull", data={}), None) == HELD
    assert decided(of("Secret", "other", data={}), None) == []
    assert decided(None, of("ResourceQuota", "none", spec={"hard": {"pods": "0"}})) == HELD
    assert decided(None, of("LimitRange", "none", spec={"limits": []})) == HELD


def test_the_revisions_of_a_frozen_workload_are_held() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "ledger-db", "uid": "u-ledger", "controller": True}
    own = of("ControllerRevision", "ledger-db-1", "apps/v1", metadata={"ownerReferences": [owner]}, data={}, revision=1)
    orphan = of("ControllerRevision", "x", "apps/v1", metadata={"labels": {"app": "ledger-db"}}, data={}, revision=9)
    assert decided(own, None) == HELD
    assert decided(None, orphan) == HELD
    orphan["metadata"]["labels"] = {"app": "other"}
    assert decided(None, orphan) == []


def test_nobody_but_a_controller_writes_what_a_guarded_workload_is_at() -> None:
    before = next(one for one in there() if one["kind"] == "StatefulSet")
    after = {**before, "status": {"currentRevision": "evil"}}
    state = picture([one for one in there() if one["kind"] != "OperationalFreeze"])
    assert decided(before, after, "status", state) == ["status/WrittenByHand"]
    assert decided(before, before, "status", state) == []
    change = Change(Operation.UPDATE, "StatefulSet", PLACE, "ledger-db", before, after, subresource="status")
    by_controller = "system:serviceaccount:kube-system:statefulset-controller"
    assert evaluate(replace(change, user=by_controller), state, NOW).allowed


def test_an_object_on_its_way_out_is_finished_by_nobody_in_a_freeze_and_is_still_judged() -> None:
    going = {"deletionTimestamp": "2026-11-10T00:00:00Z", "finalizers": ["example.com/mine"]}
    core = next(one for one in there() if one["kind"] == "Deployment")
    before = {**core, "metadata": {**core["metadata"], **going}}
    after = {**core, "metadata": {**core["metadata"], **going, "finalizers": []}}
    assert decided(before, after) == HELD
    state = picture([one for one in there() if one["kind"] != "OperationalFreeze"])
    assert decided(before, after, state=state) == []
    account = of("ServiceAccount", "core", metadata=going, imagePullSecrets=[{"name": "pull"}])
    assert decided(account, {**account, "imagePullSecrets": []}) == HELD


def test_a_pod_may_be_deleted_where_another_is_made() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "ledger-db", "uid": "u-ledger", "controller": True}
    member, alone = pod("ledger-db-0"), pod("alone", {"tierguard.io/tier": "1"})
    member["metadata"]["ownerReferences"] = [owner]
    assert decided(member, None) == []
    assert decided(alone, None) == HELD
    assert decided(pod("stray"), None) == []

    staying = {**member, "metadata": {**member["metadata"], "finalizers": ["example.com/never"]}}
    assert decided(member, staying) == HELD
    assert decided(member, staying, "status") == HELD
    assert decided(staying, member) == []
