"""The garbage collector: a freeze holds what it would take away, and nothing else does."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e import manifests
from tests.e2e.test_surroundings import claim, plain
from tierguard.cli.picture import picture
from tierguard.guard.decide import evaluate
from tierguard.guard.model.change import Change, Operation
from tierguard.guard.model.decision import Outcome
from tierguard.guard.model.identities import COLLECTOR

PLACE = "payments"
NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)


def owned(document: dict[str, Any], kind: str) -> dict[str, Any]:
    document["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": kind, "name": "gone", "uid": "u"}]
    return document


def workload() -> dict[str, Any]:
    made = manifests.deployment(PLACE)
    pod = made["spec"]["template"]["spec"]
    pod["containers"][0]["envFrom"] = [{"configMapRef": {"name": "limits"}}]
    pod["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    return made


def pod() -> dict[str, Any]:
    labels = {"app": "payment-core", "tierguard.io/tier": "1"}
    return {**plain("Pod", PLACE, "core-1"), "metadata": {"name": "core-1", "namespace": PLACE, "labels": labels}}


TAKEN = {
    "a workload": (owned(workload(), "FlinkDeployment"), Outcome.DENIED),
    "what it reads": (owned(plain("ConfigMap", PLACE, "limits"), "ConfigMap"), Outcome.DENIED),
    "its volume": (owned(claim(PLACE, "data"), "Cluster"), Outcome.DENIED),
    "a volume of a member that is made again": (owned(claim(PLACE, "data"), "Pod"), Outcome.ALLOWED),
    "a pod": (owned(pod(), "ReplicaSet"), Outcome.ALLOWED),
    "what nobody reads": (owned(plain("ConfigMap", PLACE, "unread"), "ConfigMap"), Outcome.ALLOWED),
}


@pytest.mark.parametrize("what", TAKEN)
def test_only_a_freeze_holds_what_the_collector_takes(what: str) -> None:
    taken, in_a_freeze = TAKEN[what]
    place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE, "labels": {}}}
    closed = manifests.window("never", {"dates": ["2099-01-01"]})
    change = Change(
        Operation.DELETE, taken["kind"], PLACE, taken["metadata"]["name"], old=taken, new=None, user=COLLECTOR
    )
    outside = picture([place, workload(), closed])
    inside = picture([place, workload(), manifests.freeze("f")])
    # Not by windows, and not for want of an announcement.
    assert evaluate(change, outside, NOW).outcome is Outcome.ALLOWED
    assert evaluate(change, inside, NOW).outcome is in_a_freeze
