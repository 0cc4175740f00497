"""A label that is no tier is refused on everything that may carry it, whatever else the same write does."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e import manifests
from tests.unit.test_guard_change import document
from tierguard.guard.decide import evaluate
from tierguard.guard.freezes.compiled import compile_freeze
from tierguard.guard.model.change import Change, Operation, Question
from tierguard.guard.model.decision import Decision, Outcome
from tierguard.guard.model.identities import Identities
from tierguard.guard.model.state import State
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.guard.tiers.deletion import ALLOW_DELETION

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
PLACE = "payments"
KEDA = "system:serviceaccount:keda:keda-operator"
TIER = "tierguard.io/tier"
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "6a5c9f0e"}

Document = dict[str, Any]


def unlabelled(kind: str) -> Document:
    if kind in WORKLOAD_KINDS:
        return document(kind)
    metadata = {"name": PLACE if kind == "Namespace" else "core", "uid": "u"}
    if kind != "Namespace":
        metadata["namespace"] = PLACE
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": {}}


def labelled(obj: Document, value: str = "gold") -> Document:
    found = copy.deepcopy(obj)
    found["metadata"].setdefault("labels", {})[TIER] = value
    return found


def decided(old: Document | None, new: Document, user: str = "dana", known: State | None = None) -> Decision:
    operation = Operation.CREATE if old is None else Operation.UPDATE
    state = known or State(identities=Identities(autoscalers=frozenset({KEDA})))
    state.namespaces.setdefault(PLACE, {})
    namespace = "" if new["kind"] == "Namespace" else PLACE
    answers = {Question("bypass"): True}
    return evaluate(Change(operation, new["kind"], namespace, "core", old, new, user, answers), state, NOW)


def refused_for_it(decision: Decision) -> bool:
    return decision.outcome is Outcome.DENIED and "tier/InvalidTier" in decision.reasons()


def announce(obj: Document) -> None:
    obj["metadata"].setdefault("annotations", {})[ALLOW_DELETION] = obj["metadata"]["name"]


def break_glass(obj: Document) -> None:
    mark = "INC-1: payouts stuck; until=2026-11-11T12:30:00Z"
    obj["metadata"].setdefault("annotations", {})["tierguard.io/break-glass"] = mark


def own(obj: Document) -> None:
    obj["metadata"]["ownerReferences"] = [OWNER]


def scale(obj: Document) -> None:
    obj["spec"]["replicas"] = 9


CARRIERS = (*WORKLOAD_KINDS, "Namespace", "PersistentVolumeClaim")


@pytest.mark.parametrize("kind", CARRIERS)
@pytest.mark.parametrize("along", [None, announce, break_glass, own, scale])
@pytest.mark.parametrize("before", [None, "1"])
def test_a_label_that_is_no_tier_is_refused_together_with_anything(kind: str, along: Any, before: str | None) -> None:
    old = unlabelled(kind) if before is None else labelled(unlabelled(kind), before)
    new = labelled(old)
    if along is not None:
        along(new)

    assert refused_for_it(decided(old, new))
    frozen = State(freezes=(compile_freeze(manifests.freeze("f")),))
    assert refused_for_it(decided(old, new, known=frozen))


@pytest.mark.parametrize("kind", CARRIERS)
def test_a_label_that_is_a_tier_is_not(kind: str) -> None:
    old, new = labelled(unlabelled(kind), "2"), labelled(unlabelled(kind), "3")
    announce(new)

    assert "tier/InvalidTier" not in decided(old, new).reasons()
    assert refused_for_it(decided(None, labelled(unlabelled(kind))))


@pytest.mark.parametrize("kind", CARRIERS)
def test_one_that_was_there_before_stops_nobody(kind: str) -> None:
    old = labelled(unlabelled(kind))
    new = copy.deepcopy(old)
    announce(new)

    assert decided(old, new).allowed


def test_an_autoscaler_writes_no_labels() -> None:
    old = document("Deployment")
    new = labelled(old)
    scale(new)

    assert refused_for_it(decided(old, new, KEDA))


def test_what_a_controller_copies_into_what_it_makes_counts_like_a_label() -> None:
    job = document("CronJob")
    job["spec"]["jobTemplate"]["metadata"] = {"labels": {TIER: "gold"}}
    claims = document("StatefulSet")
    claims["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data", "labels": {TIER: "gold"}}}]
    pods = document("Deployment")
    pods["spec"]["template"]["metadata"]["labels"][TIER] = "gold"

    for new in (job, claims, pods):
        assert refused_for_it(decided(document(new["kind"]), new))
        assert refused_for_it(decided(None, new))


def test_an_old_mistake_in_one_place_excuses_no_new_one_in_another() -> None:
    old = labelled(document("Deployment"))
    new = copy.deepcopy(old)
    new["spec"]["template"]["metadata"]["labels"][TIER] = "gold"

    assert refused_for_it(decided(old, new))
