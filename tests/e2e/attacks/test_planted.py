"""Planted times, for every kind that a freeze holds: with no webhook there, the clock's policy or the conditions refuse."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from tests.cluster.install import WEBHOOKS
from tests.e2e import manifests
from tests.e2e.attacks.caller import Caller, Document
from tests.e2e.attacks.kinds import ANNOUNCED, CRON, IMAGE, KINDS, field
from tests.e2e.attacks.place import CI, furnish, path
from tests.e2e.outage import compiled, without_webhooks
from tests.e2e.world import EmbeddedWorld, only_in

pytestmark = [pytest.mark.embedded, pytest.mark.cluster]  # kills the webhooks

TRIES = 20
LAST_YEAR, AFTER_IT = datetime(2025, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
CHANGES: dict[str, Callable[[Document], object]] = {
    "Deployment": IMAGE,
    "Deployment of tier 2": IMAGE,
    "StatefulSet": IMAGE,
    "DaemonSet": IMAGE,
    "ReplicationController": field("spec", "replicas", to=0),
    "CronJob": field(*CRON, to="evil:1"),
    "Job": field("spec", "parallelism", to=0),
    "ConfigMap": field("data", "max", to="1"),
    "Secret": field("stringData", to={"key": "other"}),
    "Secret for pulling": field("stringData", to={"key": "other"}),
    "ServiceAccount": field("automountServiceAccountToken", to=False),
    "Service": field("spec", "selector", "app", to="other"),
    "Ingress": field("spec", "rules", 0, "host", to="x.example.com"),
    "NetworkPolicy": field("spec", "podSelector", "matchLabels", "app", to="payment-core"),
    "PodDisruptionBudget": field("spec", "maxUnavailable", to=3),
    "HorizontalPodAutoscaler": field("spec", "minReplicas", to=1),
    "ResourceQuota": field("spec", "hard", "pods", to="0"),
    "LimitRange": field("spec", "limits", 0, "max", "storage", to="1Mi"),
    "PersistentVolumeClaim": ANNOUNCED,
    "Namespace": ANNOUNCED,
}


@pytest.fixture(scope="module")
def frozen(world: EmbeddedWorld) -> Iterator[str]:
    name = f"planted-{uuid.uuid4().hex[:6]}"
    world.create_namespace(name)
    furnish(world, name)
    freeze = only_in(name, manifests.freeze(f"planted-{name[-6:]}", scope={"tiers": [0, 1, 2]}))
    with world.in_force(freeze):
        world.until("the API server knows the freeze", lambda: compiled(world, freeze["metadata"]["name"]))
        pipeline = Caller(world, name, CI)
        # It looks at changed policies once a second.
        world.until("its policy refuses", lambda: "not now" in planted(pipeline, "Deployment", LAST_YEAR, tries=1))
        yield name
    world.remove_namespace(name)


def planted(caller: Caller, kind: str, when: datetime, tries: int = TRIES) -> str:
    """What the API server says to a change with an entry of `when`, written by who wrote a moment ago.

    Two writes by one manager within a second leave one entry: of the second write only the planted one is new.
    """
    resource, name, version = KINDS[kind]
    where = path(caller.namespace, resource, name, version)
    said = ""
    for number in range(tries):
        manager = f"planter-{number}"
        # Neither is held: of ServiceAccounts the annotations are, of others the labels.
        harmless = "labels" if kind == "ServiceAccount" else "annotations"
        _, found = caller.world.call("GET", where)
        found["metadata"].setdefault(harmless, {})["probe"] = uuid.uuid4().hex
        if not caller.call("PUT", where, found, dryRun="", fieldManager=manager).passed:
            continue  # a controller wrote it in between
        _, found = caller.world.call("GET", where)
        CHANGES[kind](found)
        entry = {**found["metadata"]["managedFields"][0], "manager": f"zz-{number}"}
        entry["time"] = when.strftime("%Y-%m-%dT%H:%M:%SZ")
        # An entry of nothing but what the change takes over would be dropped.
        entry["fieldsV1"] = {"f:metadata": {f"f:{harmless}": {"f:probe": {}}}}
        found["metadata"]["managedFields"].append(entry)
        answer = caller.call("PUT", where, found, fieldManager=manager)
        assert not answer.passed, kind
        said = answer.message
        if "not now" in said:
            return said
    return said


def test_no_planted_time_changes_anything_in_a_freeze_without_webhooks(world: EmbeddedWorld, frozen: str) -> None:
    assert CHANGES.keys() | {"claim of a StatefulSet", "Secret that the ServiceAccount pulls with"} == KINDS.keys()
    pipeline = Caller(world, frozen, CI)
    with without_webhooks(world, *WEBHOOKS):
        for when in (LAST_YEAR, AFTER_IT):
            said = {kind: planted(pipeline, kind, when) for kind in CHANGES}
            # Had the policy not been there, the planted time would have been believed.
            assert {kind: why for kind, why in said.items() if "not now" not in why} == {}
