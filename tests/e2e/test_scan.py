"""What is already there, judged: statuses, events, metrics, exemptions, and what was let through unjudged."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cluster.install import OPERATOR
from tests.e2e import manifests
from tests.e2e.people import MIKE, PAUL, introduce
from tests.e2e.world import DANA, EmbeddedWorld, only_in

pytestmark = pytest.mark.embedded  # reads metrics of the processes, and writes as real users

CONTROLLER = ("--as=system:kube-controller-manager", "--as-group=system:masters")
LOOSE = {"rollingUpdate": {"maxUnavailable": 2, "maxSurge": 1}}


def policy(namespace: str, **spec: Any) -> manifests.Document:
    rules = {"rollout": {"maxUnavailable": 0}, "replicas": {"minimum": 3}}
    document = manifests.policy(f"scan-{namespace[-20:]}", rules)
    document["spec"] |= {"scope": {}, **spec}
    return dict(only_in(namespace, document))


def status(world: EmbeddedWorld, document: manifests.Document) -> dict[str, Any]:
    return dict((world.get("ptp", document["metadata"]["name"]) or {}).get("status") or {})


def events(world: EmbeddedWorld, namespace: str, reason: str) -> list[str]:
    found = world.get("events.events.k8s.io", "-n", namespace)["items"]
    return [event["note"] for event in found if event["reason"] == reason]


def test_the_worst_offenders_come_first_and_what_is_mended_goes(world: EmbeddedWorld, namespace: str) -> None:
    worst = manifests.deployment(namespace, "worst", strategy=LOOSE, replicas=2)
    bad = manifests.deployment(namespace, "bad", strategy=LOOSE)
    good = manifests.deployment(namespace, "good")
    assert world.apply(worst, bad, good, user=DANA).passed
    document = policy(namespace)
    with world.in_force(document):
        world.until("both are found", lambda: status(world, document).get("violatingWorkloads") == 2)
        found = status(world, document)
        assert found["guardedWorkloads"] == 3
        assert found["rules"] == [{"rule": "replicas", "workloads": 1}, {"rule": "rollout", "workloads": 2}]
        assert [line.partition(":")[0] for line in found["violations"]] == [
            f"{namespace}/Deployment/worst",
            f"{namespace}/Deployment/worst",
            f"{namespace}/Deployment/bad",
        ]
        assert not found["passedUnjudged"]  # they were there before the policy

        name = document["metadata"]["name"]
        world.until("there are events", lambda: len(events(world, namespace, "PolicyViolated")) == 2)
        assert any("(+1 more)" in note for note in events(world, namespace, "PolicyViolated"))
        metrics = world.tierguard.get(OPERATOR, "/metrics")[1]
        assert f'tierguard_policy_violations{{policy="{name}",rule="rollout"}} 2.0' in metrics

        world.ok("delete", "deployment", "worst", "-n", namespace, *CONTROLLER)
        good_again = manifests.deployment(namespace, "bad")
        answer = world.apply(good_again, user=DANA)
        assert answer.passed, answer.out
        world.until("nothing is left to find", lambda: status(world, document).get("violatingWorkloads") == 0)
        assert status(world, document)["conditions"][1]["reason"] == "NoViolations"
        assert len(events(world, namespace, "PolicyViolated")) == 2  # told once each


def exemption(namespace: str, seconds: float, **more: Any) -> dict[str, Any]:
    expires = datetime.now(UTC) + timedelta(seconds=seconds)
    return {
        "workload": {"kind": "Deployment", "namespace": namespace, "name": "bad"},
        "rules": ["rollout"],
        "changeTicket": "PAYOPS-9900",
        "reason": "migrates next week",
        "requestedBy": MIKE,
        "expiresAt": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **more,
    }


def test_an_exemption_takes_two_and_ends_at_its_second(world: EmbeddedWorld, namespace: str) -> None:
    introduce(world)
    document = policy(namespace)
    bad = manifests.deployment(namespace, "bad", strategy=LOOSE)
    with world.in_force(document):
        name = document["metadata"]["name"]

        def write(user: str, exemptions: list[dict[str, Any]]) -> str:
            body = json.dumps({"spec": {"exemptions": exemptions}})
            return world.kubectl("patch", "ptp", name, "--type=merge", "-p", body, user=user).out

        asked = exemption(namespace, 25)
        assert "one write" in write(MIKE, [{**asked, "approvedBy": [PAUL]}])
        assert "write your own name" in write(MIKE, [{**asked, "requestedBy": PAUL}])
        assert "patched" in write(MIKE, [asked])
        assert "rule rollout" in world.apply(bad, user=DANA).out
        assert "nobody approves their own request" in write(MIKE, [{**asked, "approvedBy": [MIKE]}])
        assert "patched" in write(PAUL, [{**asked, "approvedBy": [PAUL]}])

        world.until("the workload is let in", lambda: world.apply(bad, user=DANA).passed)
        world.until("the scan honours it", lambda: status(world, document).get("exemptedWorkloads") == 1)
        assert status(world, document)["violatingWorkloads"] == 0
        world.until("it has expired for the scan", lambda: status(world, document).get("violatingWorkloads") == 1)
        assert datetime.now(UTC) >= datetime.fromisoformat(asked["expiresAt"])
        assert status(world, document)["exemptedWorkloads"] == 0
        world.ok("delete", "deployment", "bad", "-n", namespace, *CONTROLLER)
        assert "rule rollout" in world.apply(bad, user=DANA).out


def test_what_the_webhook_was_not_asked_about_is_found_and_marked(world: EmbeddedWorld, namespace: str) -> None:
    document = policy(namespace)
    assert world.apply(manifests.deployment(namespace, "core"), user=DANA).passed
    with world.in_force(document):
        world.until("the scan is done", lambda: status(world, document).get("guardedWorkloads") == 1)
        # The API server does not ask about what its own controllers write: here as if nobody had answered.

        def marked() -> bool:
            for strategy in (LOOSE, {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}, LOOSE):
                patch = json.dumps({"spec": {"strategy": strategy}})
                world.ok("patch", "deployment", "core", "-n", namespace, "-p", patch, *CONTROLLER)
            return bool(status(world, document).get("passedUnjudged"))

        world.until("it is marked", marked)
        (line, *_) = status(world, document)["passedUnjudged"]
        assert line.startswith(f"{namespace}/Deployment/core: rollout/MaxUnavailable at ")
        world.until("there is an event", lambda: bool(events(world, namespace, "PassedUnjudged")))
        counted = world.tierguard.get(OPERATOR, "/metrics")[1]  # leader or not, each keeps the account
        assert "tierguard_passed_unjudged_total 0.0" not in counted
