"""What is around a frozen workload: configuration, autoscalers, budgets, volume claims, Services, namespaces, the CRDs."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import manifests
from tests.e2e.people import CERT_MANAGER
from tests.e2e.world import DANA, Answer, EmbeddedWorld, only_in

ANNOUNCE = "tierguard.io/allow-deletion"


def reading(namespace: str) -> dict[str, Any]:
    """A guarded Deployment that reads a ConfigMap and a Secret."""
    workload = manifests.deployment(namespace)
    pod = workload["spec"]["template"]["spec"]
    pod["containers"][0]["envFrom"] = [{"configMapRef": {"name": "limits"}}]
    pod["volumes"] = [
        {"name": "keys", "projected": {"sources": [{"secret": {"name": "keys"}}]}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
    ]
    return workload


def plain(kind: str, namespace: str, name: str, **content: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, **content}


def claim(namespace: str, name: str) -> dict[str, Any]:
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return plain("PersistentVolumeClaim", namespace, name, spec=storage)


def autoscaler(namespace: str) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "payment-core"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "core", "namespace": namespace},
        "spec": {"minReplicas": 3, "maxReplicas": 9, "scaleTargetRef": target},
    }


@pytest.fixture
def place(world: EmbeddedWorld, namespace: str) -> Iterator[str]:
    """A namespace with a guarded workload and all that it lives by, frozen."""
    answer = world.apply(
        plain("ConfigMap", namespace, "limits", data={"max": "100"}),
        plain("ConfigMap", namespace, "unrelated", data={"a": "b"}),
        plain("Secret", namespace, "keys", stringData={"key": "s3cret"}),
        claim(namespace, "data"),
        claim(namespace, "scratch"),
        autoscaler(namespace),
        manifests.budget(namespace),
        reading(namespace),
        user=DANA,
    )
    assert answer.passed, answer.out
    with world.in_force(only_in(namespace, manifests.freeze(f"around-{namespace[-12:]}"))):
        # The operator tells the API server by name what is read: a moment after the workload is there.
        world.surveyed(namespace)
        world.until("the ConfigMap is asked about", lambda: not patched(world, namespace, "cm/limits", MORE).passed)
        yield namespace


MORE = {"data": {"max": "1000000"}}


def patched(world: EmbeddedWorld, namespace: str, what: str, change: dict[str, Any]) -> Answer:
    options = ("--type=merge", "--dry-run=server")
    return world.kubectl("patch", what, "-n", namespace, "-p", json.dumps(change), *options, user=DANA)


def test_what_a_frozen_workload_reads_does_not_change(world: EmbeddedWorld, place: str) -> None:
    refused = {
        "config map": patched(world, place, "cm/limits", MORE),
        "secret": patched(world, place, "secret/keys", {"stringData": {"key": "n3w-s3cret"}}),
        "deleted": world.kubectl("delete", "cm", "limits", "-n", place, user=DANA),
        "minReplicas": patched(world, place, "hpa/core", {"spec": {"minReplicas": 1}}),
        "no autoscaler": world.kubectl("delete", "hpa", "core", "-n", place, user=DANA),
        "looser budget": patched(world, place, "pdb/own", {"spec": {"maxUnavailable": 2}}),
        "no budget": world.kubectl("delete", "pdb", "own", "-n", place, user=DANA),
    }

    assert [way for way, answer in refused.items() if answer.passed] == []
    for way, answer in refused.items():
        assert "Configuration (of Deployment" in answer.out, (way, answer.out)
        assert "s3cret" not in answer.out
    for log in world.cluster.directory.rglob("*.log"):
        assert "n3w-s3cret" not in log.read_text(encoding="utf-8", errors="replace")


def test_what_changes_nothing_or_nobody_reads_passes(world: EmbeddedWorld, place: str) -> None:
    passed = {
        "metadata": patched(world, place, "cm/limits", {"metadata": {"labels": {"a": "b"}}}),
        "unrelated": patched(world, place, "cm/unrelated", {"data": {"a": "c"}}),
        "more replicas": patched(world, place, "hpa/core", {"spec": {"minReplicas": 4}}),
        "tighter budget": patched(world, place, "pdb/own", {"spec": {"maxUnavailable": 0}}),
    }
    change = json.dumps({"stringData": {"key": "renewed"}})
    passed["rotation"] = world.kubectl(
        *("patch", "secret/keys", "-n", place, "--type=merge", "-p", change),
        *("--dry-run=server", f"--as={CERT_MANAGER}", "--as-group=system:masters"),
    )

    assert {way: answer.out for way, answer in passed.items() if not answer.passed} == {}


def test_a_volume_claim_is_deleted_only_when_announced_and_never_in_a_freeze(
    world: EmbeddedWorld, namespace: str
) -> None:
    answer = world.apply(reading(namespace), claim(namespace, "data"), claim(namespace, "scratch"), user=DANA)
    assert answer.passed, answer.out
    delete = ("delete", "pvc", "data", "-n", namespace, "--dry-run=server")
    world.surveyed(namespace)
    world.until("it is refused", lambda: not world.kubectl(*delete, user=DANA).passed)
    refused = world.kubectl(*delete, user=DANA)
    assert f"to announce: kubectl annotate pvc -n {namespace} data {ANNOUNCE}=data" in refused.out
    unused = world.kubectl("delete", "pvc", "scratch", "-n", namespace, "--dry-run=server", user=DANA)
    assert unused.passed, unused.out
    world.ok("annotate", "pvc", "data", "-n", namespace, f"{ANNOUNCE}=data", user=DANA)
    with world.in_force(only_in(namespace, manifests.freeze(f"claims-{namespace[-12:]}"))):
        assert not world.kubectl(*delete, user=DANA).passed
        owned = {"metadata": {"ownerReferences": [{**OWNER, "name": "gone"}]}}
        assert not patched(world, namespace, "pvc/data", owned).passed
    world.ok(*delete, user=DANA)


OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "uid": "6a5c9f0e-0000-4000-8000-000000000000"}


def test_the_claims_of_a_stateful_set_are_its_volumes(world: EmbeddedWorld, namespace: str) -> None:
    database = manifests.stateful_set(namespace)
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    database["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": storage}]
    answer = world.apply(database, user=DANA)
    assert answer.passed, answer.out

    def refused() -> bool:
        delete = ("delete", "pvc", "data-ledger-db-0", "-n", namespace, "--dry-run=server")
        return "to announce: kubectl annotate pvc" in world.kubectl(*delete, user=DANA).out

    world.until("its claim is not deleted in passing", refused)


def test_a_deletion_is_not_announced_during_a_freeze(world: EmbeddedWorld, place: str) -> None:
    marks = {
        "deployment": ("annotate", "deployment/payment-core", "-n", place, f"{ANNOUNCE}=payment-core"),
        "claim": ("annotate", "pvc/data", "-n", place, f"{ANNOUNCE}=data"),
    }
    for way, mark in marks.items():
        answer = world.kubectl(*mark, user=DANA)
        assert not answer.passed, way
        assert "Delete" in answer.out
        assert "(announcing it)" in answer.out
    by_admin = world.kubectl("annotate", "namespace", place, f"{ANNOUNCE}={place}")
    assert not by_admin.passed
    dangling = {"metadata": {"ownerReferences": [{**OWNER, "name": "gone"}]}}
    owned = world.kubectl("patch", "namespace", place, "--type=merge", "-p", json.dumps(dangling))
    assert not owned.passed, "the garbage collector would delete it"


def test_an_announced_namespace_covers_what_is_in_it(world: EmbeddedWorld, namespace: str) -> None:
    assert world.apply(manifests.deployment(namespace), user=DANA).passed
    delete = ("delete", "deployment/payment-core", "-n", namespace, "--dry-run=server")
    assert not world.kubectl(*delete, user=DANA).passed
    world.ok("annotate", "namespace", namespace, f"{ANNOUNCE}={namespace}")
    world.until("the deletion passes", lambda: world.kubectl(*delete, user=DANA).passed)


def test_an_unlabelled_deployment_behind_a_guarded_service_is_guarded(world: EmbeddedWorld, namespace: str) -> None:
    service = plain("Service", namespace, "core", spec={"selector": {"app": "payment-core"}, "ports": [{"port": 80}]})
    shadow = manifests.deployment(namespace, "shadow", tier=None)
    for labels in (
        shadow["metadata"]["labels"],
        shadow["spec"]["selector"]["matchLabels"],
        shadow["spec"]["template"]["metadata"]["labels"],
    ):
        labels |= {"app": "payment-core", "track": "shadow"}
    other = manifests.deployment(namespace, "other", tier=None)
    assert world.apply(manifests.deployment(namespace), service, user=DANA).passed
    with world.in_force(only_in(namespace, manifests.freeze(f"behind-{namespace[-12:]}"))):

        def refused() -> bool:
            answer = world.apply(shadow, user=DANA, options=("--dry-run=server",))
            return "Create of Deployment" in answer.out

        world.until("it is refused", refused)
        answer = world.apply(other, user=DANA)
        assert answer.passed, answer.out


@pytest.mark.usefixtures("place")
def test_the_definitions_are_not_deleted_in_passing(world: EmbeddedWorld) -> None:
    name = "operationalfreezes.tierguard.io"
    deleted = world.kubectl("delete", "crd", name, "--dry-run=server")
    unserved = world.kubectl(
        *("patch", "crd", name, "--dry-run=server", "--type=json", "-p"),
        '[{"op":"replace","path":"/spec/versions/0/served","value":false}]',
    )
    announced = world.kubectl("annotate", "crd", name, f"{ANNOUNCE}={name}", "--dry-run=server")

    for answer in (deleted, unserved, announced):
        assert not answer.passed
        assert f"CustomResourceDefinition {name}" in answer.out
