"""Reviews on the wire: what is decoded lazily or once for both objects is what plain decoding gives."""

import contextlib
import copy
import gc
import json
import weakref
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.e2e import manifests
from tierguard.guard.decide import evaluate
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change
from tierguard.guard.model.decision import Outcome
from tierguard.guard.model.state import State
from tierguard.guard.tiers.deletion import ALLOW_DELETION, announced
from tierguard.webhook.review import Malformed, change_of, decode
from tierguard.webhook.worker import GARBAGE, spare_collector

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
UNDONE = {
    "manager": "kubectl-rollout",
    "operation": "Update",
    "time": "2026-11-21T12:00:00Z",
    "fieldsV1": {"f:metadata": {"f:annotations": {f"f:{ALLOW_DELETION}": {}}}},
}

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)
some_objects = st.dictionaries(st.sampled_from(["metadata", "spec", "data"]), anything).map(
    lambda fields: {"apiVersion": "apps/v1", "kind": "Deployment", **fields}
)


def body(old: object, new: object, operation: str = "UPDATE") -> bytes:
    request = {
        "uid": "u",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "operation": operation,
        "userInfo": {"username": "dana"},
        "namespace": "payments",
        "name": "payment-core",
        "object": new,
        "oldObject": old,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def change(old: object, new: object, operation: str = "UPDATE") -> Change:
    return change_of(decode(body(old, new, operation)))


def stored(**metadata: object) -> dict[str, Any]:
    made = manifests.deployment("payments")
    made["metadata"] |= metadata
    return made


@given(some_objects, some_objects)
def test_both_objects_are_what_plain_decoding_makes_of_them(old: dict[str, Any], new: dict[str, Any]) -> None:
    found = change(old, new)
    assert tuple({key: objects.value(side, key) for key in side or {}} for side in (found.old, found.new)) == (old, new)


def test_the_spec_of_a_workload_is_decoded_when_it_is_read_and_not_before() -> None:
    other = stored()
    other["spec"]["replicas"] = 7
    found = change(stored(), other)
    for side, replicas in ((found.old, 3), (found.new, 7)):
        assert side is not None
        assert isinstance(side["spec"], objects.Raw)
        assert objects.value(side, "spec", "replicas") == replicas
        assert isinstance(side["spec"], dict), "what was decoded once is in its place"


def test_no_two_reviews_share_anything() -> None:
    first, second = (change(stored(labels={"a": "b"}), stored(labels={"a": "b"})) for _ in range(2))
    assert first.new is not None
    assert second.new is not None
    for part in ("metadata", "spec"):
        assert first.new[part] == second.new[part]
        assert first.new[part] is not second.new[part]


def test_managed_fields_are_read_as_if_they_had_been_decoded_at_once() -> None:
    entries = [UNDONE, {"manager": "b", "time": "2026-11-21T12:00:01Z"}, "no entry"]
    plain = stored(managedFields=entries, annotations={ALLOW_DELETION: "payment-core"})
    found = change(copy.deepcopy(plain), plain)
    assert found.old is not None
    assert isinstance(found.old["metadata"]["managedFields"], msgspec.Raw)
    assert objects.managed_fields(found.old) == objects.managed_fields(plain) == entries[:2]
    assert announced(found.old) is announced(plain) is False
    del plain["metadata"]["managedFields"][0]
    assert announced(change(plain, plain).old or {}) is announced(plain) is True


@pytest.mark.parametrize("fields", [None, {}, "text", 7])
def test_managed_fields_that_are_no_list_are_none(fields: object) -> None:
    assert objects.managed_fields(change(stored(managedFields=fields), stored()).old) == []


def test_managed_fields_that_cannot_be_decoded_leave_it_undecided() -> None:
    old = stored(annotations={ALLOW_DELETION: "payment-core"}, managedFields="PLANTED")
    sent = body(old, None, "DELETE").replace(b'"PLANTED"', b'[{"manager": "\xff"}]')
    found = evaluate(change_of(decode(sent)), State(namespaces={"payments": {}}), NOW)
    assert found.outcome is Outcome.UNDECIDED
    assert "a part of the object is no JSON" in found.message


@pytest.mark.parametrize("broken", [b'"\xff"', b'"\\ud800"', b"[" * 5000 + b"]" * 5000])
def test_an_object_that_cannot_be_decoded_is_malformed_or_leaves_it_undecided(broken: bytes) -> None:
    for part in ("labels", "spec"):
        planted = {**stored(), "metadata": {**stored()["metadata"], part: "PLANTED"}}
        sent = body(stored(), planted if part == "labels" else {**stored(), part: "PLANTED"})
        with contextlib.suppress(Malformed):
            found = change_of(decode(sent.replace(b'"PLANTED"', broken)))
            state = State(namespaces={"payments": {"tierguard.io/tier": "1"}})
            assert evaluate(found, state, NOW).outcome is Outcome.UNDECIDED


def test_what_makes_cycles_is_still_collected_after_the_collector_was_spared() -> None:
    threshold = gc.get_threshold()
    try:
        spare_collector()
        assert gc.isenabled()
        assert gc.get_threshold()[0] == GARBAGE
        gone = _cycle()
        kept: list[list[int]] = [[] for _ in range(2 * GARBAGE)]
        assert gone() is None
        assert len(kept) == 2 * GARBAGE
    finally:
        gc.unfreeze()
        gc.set_threshold(*threshold)


class _Node:
    itself: object = None


def _cycle() -> "weakref.ref[_Node]":
    node = _Node()
    node.itself = node
    return weakref.ref(node)
