"""What passed while nobody was there: found and listed within thirty seconds of the operators' return, and nothing else."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cluster.install import WEBHOOKS
from tests.e2e import manifests
from tests.e2e.outage import account, compiled, without_operators, without_webhooks
from tests.e2e.people import GITOPS
from tests.e2e.test_scan import events
from tests.e2e.test_surroundings import autoscaler, plain
from tests.e2e.world import DANA, EmbeddedWorld, only_in

pytestmark = pytest.mark.embedded  # kills the processes

SECONDS = 30.0
CORE = "deployment/payment-core"
MACHINE = ("--field-manager=kube-controller-manager",)


def reading(namespace: str, name: str = "payment-core", **changes: Any) -> manifests.Document:
    """A guarded Deployment that reads the ConfigMap of its name."""
    workload = manifests.deployment(namespace, name, **changes)
    workload["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": name}}]
    return workload


def listed(world: EmbeddedWorld, kind: str, name: str) -> list[str]:
    """What the status lists, without the times."""
    status = (world.get(kind, name) or {}).get("status") or {}
    return sorted(line.rpartition(" at ")[0] for line in status.get("passedUnjudged") or ())


def seen(world: EmbeddedWorld, hold: str, *places: str, image: str = "") -> None:
    """Wait until the operator has written down that the freeze or window `hold` and these objects are there."""

    def holds() -> bool:
        _, found = account(world)
        known = not hold or hold in found.get("", {}).get("known", ())
        return known and set(places) <= found.keys() and (not image or image in str(found[places[0]]))

    world.until("it is written down", holds, 60.0)


def looked_back(world: EmbeddedWorld, since: datetime) -> None:
    """Wait until an operator that began after `since` has been through everything."""
    world.until("an operator looked back", lambda: account(world)[0] > since, SECONDS)


def patched(world: EmbeddedWorld, namespace: str, what: str, change: dict[str, Any], *more: str) -> None:
    world.ok("patch", what, "-n", namespace, "--type=merge", "-p", json.dumps(change), *more, user=DANA)


def test_what_passed_outside_a_window_with_everybody_dead_is_listed(world: EmbeddedWorld, namespace: str) -> None:
    maps = [plain("ConfigMap", namespace, name, data={"max": "1"}) for name in ("payment-core", "auto", "unread")]
    answer = world.apply(*maps, autoscaler(namespace), reading(namespace), reading(namespace, "auto"), user=DANA)
    assert answer.passed, answer.out
    window = dict(only_in(namespace, manifests.window(f"dead-{namespace[-12:]}", {"dates": ["2056-02-29"]})))
    name = window["metadata"]["name"]
    with world.in_force(window):
        places = ("Deployment/payment-core", "Deployment/auto", "HorizontalPodAutoscaler/core")
        kept = [f"{namespace}/{place}" for place in (*places, "PartialObjectMetadata/payment-core")]
        seen(world, f"ChangeWindow/{name}", *kept)
        with without_webhooks(world, *WEBHOOKS):
            with without_operators(world):
                world.ok("scale", CORE, "--replicas=2", "-n", namespace, user=DANA)
                patched(world, namespace, "cm/payment-core", {"data": {"max": "9"}})
                world.ok("delete", "hpa", "core", "-n", namespace, user=DANA)
                # What is rightly there: an autoscaler's work, what nobody reads, a label.
                patched(world, namespace, "deployment/auto", {"spec": {"replicas": 2}}, *MACHINE)
                patched(world, namespace, "cm/unread", {"data": {"max": "9"}})
                patched(world, namespace, "cm/auto", {"metadata": {"labels": {"a": "b"}}})
            expected = [
                f"{namespace}/ConfigMap/payment-core: by kubectl-patch, window/ClosedWindow",
                f"{namespace}/Deployment/payment-core: by kubectl, window/ClosedWindow",
                f"{namespace}/HorizontalPodAutoscaler/core: deleted, window/ClosedWindow",
            ]
            world.until("all is listed", lambda: listed(world, "cw", name) == expected, SECONDS)
        world.until("and told, once each", lambda: len(events(world, namespace, "PassedUnjudged")) == 3)

        # Whoever comes next finds the same, and tells nothing twice.
        again = datetime.now(UTC)
        with without_operators(world):
            pass
        looked_back(world, again)
        assert listed(world, "cw", name) == expected
        assert len(events(world, namespace, "PassedUnjudged")) == 3


def test_in_a_freeze_with_everybody_dead_nothing_passes_that_it_holds(world: EmbeddedWorld, namespace: str) -> None:
    maps = [plain("ConfigMap", namespace, name, data={"max": "1"}) for name in ("payment-core", "unread")]
    answer = world.apply(*maps, autoscaler(namespace), reading(namespace), user=DANA)
    assert answer.passed, answer.out
    freeze = dict(only_in(namespace, manifests.freeze(f"dead-{namespace[-12:]}")))
    with world.in_force(freeze):
        world.until("the API server knows the freeze", lambda: compiled(world, freeze["metadata"]["name"]))
        with without_webhooks(world, *WEBHOOKS), without_operators(world):
            for held in (
                ("set", "image", CORE, "app=other:2"),
                ("scale", CORE, "--replicas=2"),
                ("delete", "hpa", "core"),
                ("patch", "cm/payment-core", "--type=merge", "-p", '{"data":{"max":"9"}}'),
            ):
                refused = world.kubectl(*held, "-n", namespace, user=DANA)
                assert "failed calling webhook" in refused.out, held
            # More pods, what nobody reads, and what no freeze holds of anything pass.
            world.ok("scale", CORE, "--replicas=9", "-n", namespace, user=DANA)
            patched(world, namespace, "cm/unread", {"data": {"max": "9"}})
            patched(world, namespace, "cm/payment-core", {"metadata": {"labels": {"a": "b"}}})


def test_a_rollout_outside_a_window_with_everybody_dead_is_listed_but_not_an_earlier_one(
    world: EmbeddedWorld, namespace: str
) -> None:
    early, late = manifests.deployment(namespace, "early"), manifests.deployment(namespace, "late")
    assert world.apply(early, late, user=DANA).passed
    seen(world, "", f"{namespace}/Deployment/early", f"{namespace}/Deployment/late")
    window = dict(only_in(namespace, manifests.window(f"dead-{namespace[-12:]}", {"dates": ["2056-02-29"]})))
    name = window["metadata"]["name"]
    try:
        with without_webhooks(world, *WEBHOOKS):
            with without_operators(world):
                world.ok("set", "image", "deployment/early", "app=other:2", "-n", namespace, user=DANA)
                rolled = datetime.now(UTC)
                # What objects carry is known to the second.
                world.until("the next second", lambda: datetime.now(UTC) - rolled > timedelta(seconds=1.1))
                assert world.apply(window, verb="create").passed
                world.ok("set", "image", "deployment/late", "app=other:2", "-n", namespace, user=DANA)
            expected = [f"{namespace}/Deployment/late: window/ClosedWindow"]
            world.until("it is listed", lambda: listed(world, "cw", name) == expected, SECONDS)
            world.until("and told", lambda: len(events(world, namespace, "PassedUnjudged")) == 1)
    finally:
        world.withdraw([("ChangeWindow", name)])


def test_what_the_webhook_allowed_while_no_operator_ran_is_not_listed(world: EmbeddedWorld, namespace: str) -> None:
    first, second = f"{manifests.IMAGE}@sha256:{'a' * 64}", f"{manifests.IMAGE}@sha256:{'b' * 64}"
    workload, excepted = manifests.deployment(namespace, image=first), manifests.deployment(namespace, "excepted")
    assert world.apply(workload, excepted, user=DANA).passed
    world.recorded(namespace, "payment-core", 1)
    assert world.apply(manifests.with_image(workload, second), user=DANA).passed
    world.recorded(namespace, "payment-core", 2)
    exception = {
        "workload": {"kind": "Deployment", "namespace": namespace, "name": "excepted"},
        "changeTicket": "PAYOPS-9900",
        "reason": "a fix that cannot wait",
        "requestedBy": "sre-lead",
        "approvedBy": ["payments-director"],
        "expiresAt": (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    freeze = dict(only_in(namespace, manifests.freeze(f"alive-{namespace[-12:]}", exceptions=[exception])))
    name = freeze["metadata"]["name"]
    with world.in_force(freeze, options=(f"--as={GITOPS}", "--as-group=system:masters")):
        kept = [f"{namespace}/Deployment/{workload}" for workload in ("payment-core", "excepted")]
        seen(world, f"OperationalFreeze/{name}", *kept, image=second)
        with without_operators(world):
            world.ok("rollout", "undo", CORE, "-n", namespace, user=DANA)
            world.ok("rollout", "restart", CORE, "-n", namespace, user=DANA)
            world.ok("set", "image", "deployment/excepted", "app=other:2", "-n", namespace, user=DANA)
            back = datetime.now(UTC)
        looked_back(world, back)
        assert listed(world, "ofz", name) == []
        assert events(world, namespace, "PassedUnjudged") == []


def test_what_passes_while_an_operator_looks_on_is_listed_at_once(world: EmbeddedWorld, namespace: str) -> None:
    selector = {"podSelector": {"matchLabels": {"app": "payment-core"}}, "policyTypes": ["Ingress"]}
    isolating = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "core", "namespace": namespace},
        "spec": selector,
    }
    answer = world.apply(
        plain("ConfigMap", namespace, "payment-core", data={"max": "1"}),
        isolating,
        manifests.budget(namespace),
        reading(namespace),
        user=DANA,
    )
    assert answer.passed, answer.out
    policy = dict(only_in(namespace, manifests.policy(f"live-{namespace[-12:]}", {"isolation": {}})))
    # Outside of a window: what a freeze holds does not pass.
    window = dict(only_in(namespace, manifests.window(f"live-{namespace[-12:]}", {"dates": ["2056-02-29"]})))
    name = window["metadata"]["name"]
    with world.in_force(window, policy):
        made = datetime.now(UTC)
        world.until("it is settled", lambda: datetime.now(UTC) - made > timedelta(seconds=6))
        with without_webhooks(world, *WEBHOOKS):
            patched(world, namespace, "cm/payment-core", {"data": {"max": "9"}})
            world.ok("delete", "pdb", "own", "-n", namespace, user=DANA)
            world.ok("delete", "networkpolicy", "core", "-n", namespace, user=DANA)
            world.ok("scale", CORE, "--replicas=2", "-n", namespace, user=DANA)
            expected = [
                f"{namespace}/ConfigMap/payment-core: by kubectl-patch, window/ClosedWindow",
                f"{namespace}/Deployment/payment-core: by kubectl, window/ClosedWindow",
                f"{namespace}/PodDisruptionBudget/own: deleted, window/ClosedWindow",
            ]
            world.until("all is listed", lambda: listed(world, "cw", name) == expected, SECONDS)
            line = f"{namespace}/NetworkPolicy/core: deleted, isolation/"
            world.until("so is the policy's", lambda: line in "".join(listed(world, "ptp", name)), SECONDS)
