"""The API server's own view of a freeze agrees with the engine's: random freezes, with nobody there to be asked."""

import copy
import random
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest

from tests.e2e import manifests
from tests.e2e.nobody import CONFIGURATIONS, put
from tests.e2e.world import DANA, EmbeddedWorld
from tierguard.cli.picture import picture
from tierguard.controller.webhooks.configuration import ACTIVE_FREEZE
from tierguard.controller.webhooks.stretches import MOST_ENTRIES, MOST_INTERVALS
from tierguard.guard.decide import evaluate
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, Operation
from tierguard.guard.model.decision import Outcome

pytestmark = pytest.mark.embedded

Document = dict[str, Any]
SEED = 20261111
FREEZES = 60
HOUR = timedelta(hours=1)


def some_freeze(draw: random.Random, namespace: str, now: datetime, number: int) -> Document:
    """One that is over, on, or still to come, for some tiers, labels and namespaces."""
    start = now + HOUR * draw.choice([-50, -3, -1, 2, 30])
    scope: Document = {"tiers": draw.sample(range(5), draw.randint(1, 4))}
    if draw.random() < 0.4:
        scope["workloadSelector"] = {"matchLabels": {"app": draw.choice(["core", "ledger", "nobody"])}}
    if draw.random() < 0.4:
        place = draw.choice([namespace, "elsewhere"])
        scope["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": place}}
    end = start + HOUR * draw.choice([1, 2, 40])
    return manifests.freeze(f"random-{number}", startsAt=start.isoformat(), expiresAt=end.isoformat(), scope=scope)


def changes(namespace: str) -> list[tuple[Document, Document]]:
    """Workloads of each tier and of none, and the same with another image or another tier.

    Not without the label: what only removes fields leaves no new time behind, and counts as inside (docs/architecture.md).
    """
    found = []
    for tier, app in (("0", "core"), ("1", "ledger"), ("2", "core"), ("4", "ledger"), (None, "core")):
        old = manifests.deployment(namespace, f"{app}-{tier or 'none'}", tier=tier)
        for labels in (old["metadata"]["labels"], old["spec"]["template"]["metadata"]["labels"]):
            labels["app"] = app
        old["spec"]["selector"]["matchLabels"] = {"app": app}
        found.append((old, manifests.with_image(old, "registry.example.com/other:2")))
        if tier is not None:
            moved = copy.deepcopy(old)
            for labels in (moved["metadata"]["labels"], moved["spec"]["template"]["metadata"]["labels"]):
                labels["tierguard.io/tier"] = "3"
            found.append((old, moved))
    return found


def asks_nobody(world: EmbeddedWorld, path: str, new: Document, manager: str) -> bool:
    """Whether the API server refuses the change, as the webhook that it would ask is not there."""
    # A manager of its own: a second write by one manager in one second counts as inside.
    status, said = world.call("PUT", path, new, user=DANA, dryRun="All", fieldManager=manager)
    if status < HTTPStatus.BAD_REQUEST:
        return False
    assert "failed calling webhook" in said["message"], said
    return True


def test_without_a_webhook_the_api_server_refuses_what_the_engine_refuses(world: EmbeddedWorld, namespace: str) -> None:
    draw, now = random.Random(SEED), datetime.now(UTC)  # noqa: S311 - no secret
    pairs = changes(namespace)
    collection = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    for old in {objects.name(old): old for old, _ in pairs}.values():
        assert world.call("POST", collection, old, instead="system:kube-controller-manager")[0] < HTTPStatus.BAD_REQUEST
    labels = {"kubernetes.io/metadata.name": namespace}
    place: Document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
    name = f"agreement-{namespace[-6:]}"
    lenient, strict = [], []
    refusals = 0
    try:
        for number in range(FREEZES):
            freezes = [some_freeze(draw, namespace, now, n) for n in range(draw.randint(1, 4))]
            state = picture([place, *freezes, *(old for old, _ in pairs)])
            put(world, name, (namespace,), state, now, number, {ACTIVE_FREEZE})
            marker = f"round-{number}"
            for old, new in pairs:
                decision = evaluate(
                    Change(Operation.UPDATE, "Deployment", namespace, objects.name(old), old, new, DANA), state, now
                )
                # What would leave a freeze that begins within a day is for a webhook that is alive to hold.
                active = {hold.source for hold in state.freezes if hold.timeline.covering(now) is not None}
                held = any(finding.rule == "freeze" and finding.source in active for finding in decision.findings)
                assert decision.outcome in (Outcome.ALLOWED, Outcome.DENIED), marker
                refused = asks_nobody(world, f"{collection}/{objects.name(old)}", new, marker)
                refusals += refused
                if held and not refused:
                    lenient.append((marker, objects.name(old)))
                if refused and not held:
                    strict.append((marker, objects.name(old)))
    finally:
        world.call("DELETE", f"{CONFIGURATIONS}/{name}")
    assert lenient == []
    assert strict == []
    assert refusals > FREEZES  # else nothing was shown


def managed_by(workload: Document, entries: int, now: datetime) -> Document:
    """The same with so many managers of its fields in all, the most that each of its writers may have left."""
    known = workload["metadata"]["managedFields"]
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    more = [
        {**known[0], "operation": "Apply", "manager": f"tool-{number}", "time": time}
        for number in range(len(known), entries)
    ]
    return {**workload, "metadata": {**workload["metadata"], "managedFields": [*known, *more]}}


@pytest.mark.parametrize("stretches", [200, MOST_INTERVALS])
def test_a_year_of_freezes_and_fifty_field_managers_cost_the_api_server_not_too_much(
    world: EmbeddedWorld, namespace: str, stretches: int
) -> None:
    """A cost overrun under failurePolicy Fail would refuse everything: what is outside must pass with the most of both."""
    now = datetime.now(UTC)
    workload = manifests.deployment(namespace, tier="1", replicas=0)
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    assert world.call("POST", path, workload, instead="system:kube-controller-manager")[0] < HTTPStatus.BAD_REQUEST
    path = f"{path}/payment-core"
    freezes = []
    for number in range(stretches):
        start = now + HOUR * 3 * (number + 1)
        ends = (start + HOUR).isoformat()
        freezes.append(
            manifests.freeze(f"far-{number}", startsAt=start.isoformat(), expiresAt=ends, scope={"tiers": [1]})
        )
    labels = {"kubernetes.io/metadata.name": namespace}
    place: Document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
    name = f"cost-{namespace[-6:]}"

    def told(entries: int, manager: str) -> str:
        """What the API server says to a new image of the workload with so many entries; empty when it passes."""
        said = ""

        def settled() -> bool:
            nonlocal said
            stored = world.call("GET", path)[1]
            before = len(stored["metadata"]["managedFields"])
            if before < entries:
                made = managed_by(stored, entries, datetime.now(UTC))
                world.call("PUT", path, made, instead="system:kube-controller-manager")
                return False
            changed = {**stored, "spec": manifests.with_image(stored, "registry.example.com/other:2")["spec"]}
            status, answer = world.call("PUT", path, changed, user=DANA, dryRun="All", fieldManager=manager)
            said = "" if status < HTTPStatus.BAD_REQUEST else str(answer["message"])
            return "has been modified" not in said

        world.until("it has so many managers", settled)
        return said

    try:
        state = picture([place, *freezes, workload])
        compiled_as = put(world, name, (namespace,), state, now, 0, {ACTIVE_FREEZE})
        assert (compiled_as.intervals, compiled_as.coarsened) == (stretches, False)
        assert told(MOST_ENTRIES - 1, "outside") == ""
        assert "failed calling webhook" in told(50, "crowd")
    finally:
        world.call("DELETE", f"{CONFIGURATIONS}/{name}")
