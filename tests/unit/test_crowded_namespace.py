"""A review costs what it is about: in a namespace of two thousand workloads what it costs in one of twenty."""

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e import manifests
from tierguard.cli.picture import picture
from tierguard.guard.decide import evaluate
from tierguard.guard.model.change import Change, Operation
from tierguard.guard.model.state import Revision, State

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
PLACE = "payments"
FEW, MANY = 20, 2_000
ROUNDS = 15
MOST = 4.0
"""How many times as long it may take among a hundred times as many; measured is about once."""
Document = dict[str, Any]


def workload(number: int, tier: str | None) -> Document:
    name = f"w{number:04}"
    made = manifests.deployment(PLACE, name, tier=tier, replicas=3)
    made["metadata"]["uid"] = f"u{number}"
    for labels in (made["metadata"]["labels"], made["spec"]["template"]["metadata"]["labels"]):
        labels["app"] = name
    made["spec"]["selector"] = {"matchLabels": {"app": name}}
    source = {"configMapRef": {"name": f"settings-{name}"}}
    made["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [source]
    return made


def around(number: int) -> list[Document]:
    name = f"w{number:04}"
    metadata = {"name": name, "namespace": PLACE}
    selector = {"matchLabels": {"app": name}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": {"app": name}}},
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata,
            "spec": {"selector": selector, "maxUnavailable": 1},
        },
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": metadata,
            "spec": {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 9},
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**metadata, "name": f"settings-{name}"}, "data": {}},
    ]


def crowd(size: int) -> State:
    """A namespace of so many workloads, half of tier 1, with what is around each; and a freeze, a window and a policy."""
    policy = manifests.policy(
        "tier-1", {"disruptionBudget": {"mode": "Require", "maxUnavailable": 1}, "replicas": {"minimum": 2}}
    )
    policy["spec"]["scope"] = {"workloadSelector": {"matchLabels": {"tierguard.io/tier": "1"}}}
    window = manifests.window("open", {"weekdays": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]})
    freeze = manifests.freeze("f", startsAt="2026-11-10T17:00:00Z", expiresAt="2026-11-12T05:00:00Z")
    place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE, "labels": {}}}
    there = [workload(n, "1" if n % 2 else None) for n in range(size)]
    return picture([place, policy, window, freeze, *there, *(each for n in range(size) for each in around(n))])


def rewritten(obj: Document) -> Document:
    kind, spec = obj["kind"], obj.get("spec", {})
    if kind == "ConfigMap":
        return {**obj, "data": {"mode": "other"}}
    changed: dict[str, Document] = {
        "Service": {"selector": {"app": "other"}},
        "PodDisruptionBudget": {"maxUnavailable": 2},
    }
    return {**obj, "spec": {**spec, **changed.get(kind, {"minReplicas": 1})}}


def changes() -> dict[str, Change]:
    old = workload(7, "1")
    made = {
        "Deployment": (old, manifests.with_image(old, f"{manifests.IMAGE}:2")),
        **{obj["kind"]: (obj, rewritten(obj)) for obj in around(7)},
    }
    updates = {
        kind: Change(Operation.UPDATE, kind, PLACE, before["metadata"]["name"], before, after, "dana")
        for kind, (before, after) in made.items()
    }
    template = old["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {**template["metadata"], "name": "p", "namespace": PLACE}}
    pod["spec"] = template["spec"]
    return {**updates, "Pod": Change(Operation.CREATE, "Pod", PLACE, "p", None, pod, "dana")}


def cpu(act: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        act()
        times.append(time.thread_time() - began)
    return statistics.median(times)


@pytest.fixture(scope="module")
def crowds() -> tuple[State, State]:
    return crowd(FEW), crowd(MANY)


@pytest.mark.parametrize(
    "kind", ["Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "ConfigMap", "Pod"]
)
def test_a_review_among_two_thousand_workloads_costs_what_it_costs_among_twenty(
    crowds: tuple[State, State], kind: str
) -> None:
    change = changes()[kind]
    few, many = crowds
    # Whatever is kept from review to review is made by the first one.
    assert [evaluate(change, state, NOW).outcome for state in crowds] == ["Denied", "Denied"]
    among_few, among_many = (cpu(lambda state=state: evaluate(change, state, NOW)) for state in (few, many))  # type: ignore[misc]
    print(f"{kind}: {among_few * 1e6:.0f} µs among {FEW}, {among_many * 1e6:.0f} µs among {MANY}")
    assert among_many < MOST * among_few


def test_what_is_kept_is_worked_out_again_when_anything_that_it_is_made_of_changes() -> None:
    change = changes()["Service"]
    state = crowd(FEW)
    assert not evaluate(change, state, NOW).allowed
    key = ("Deployment", PLACE, "w0007")
    state.workloads_in[PLACE][key] = {**workload(7, None)}
    state.revisions = {PLACE: Revision()}
    state.revisions[PLACE].note(key)
    assert evaluate(change, state, NOW).allowed
    state.namespaces = {**state.namespaces, PLACE: {"tierguard.io/tier": "0"}}
    assert not evaluate(change, state, NOW).allowed
    state.services_in = {PLACE: {}}
    assert not evaluate(change, state, NOW).allowed
