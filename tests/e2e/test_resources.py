"""tierguard's own kinds: what is refused, and what people see of them."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e import manifests
from tests.e2e.world import CLEANER, DANA, EmbeddedWorld, only_in

BANGKOK = {"timeZone": "Asia/Bangkok", "periods": [{"monthDays": [1]}]}


def scheduled(**schedule: object) -> manifests.Document:
    bad = manifests.freeze("bad")
    del bad["spec"]["expiresAt"]
    bad["spec"]["schedule"] = {**BANGKOK, **schedule}
    return bad


MALFORMED = {
    "an unknown time zone": (scheduled(timeZone="Mars/Olympus"), ["spec.schedule.timeZone", "Mars/Olympus"]),
    "a period that never occurs": (
        scheduled(periods=[{"monthDays": [30], "months": [2]}]),
        ["spec.schedule.periods[0]"],
    ),
    "a cron that is none": (
        scheduled(periods=[{"cron": "61 * * * *", "duration": "1h"}]),
        ["spec.schedule.periods[0].cron"],
    ),
    "an end before the start": (
        manifests.freeze("bad", startsAt="2099-06-01T00:00:00Z"),
        ["spec.expiresAt", "expiresAt must be after startsAt"],
    ),
    "neither end nor schedule": (
        scheduled() | {"spec": {"reason": "because", "requestedBy": "sre-lead"}},
        ["expiresAt", "schedule"],
    ),
    "both end and schedule": (manifests.freeze("bad", schedule=BANGKOK), ["expiresAt", "schedule"]),
    "an empty list of periods": (scheduled(periods=[]), ["spec.schedule.periods"]),
    "an empty period": (scheduled(periods=[{}]), ["spec.schedule.periods[0]"]),
    "cron without duration": (scheduled(periods=[{"cron": "0 1 * * *"}]), ["cron and duration belong together"]),
    "a time of day that is none": (
        scheduled(periods=[{"from": "25:00", "to": "26:00"}]),
        ["spec.schedule.periods[0].from"],
    ),
    "approved by who asked": (
        manifests.freeze("bad", approvedBy=["sre-lead"]),
        ["spec.approvedBy", "nobody approves their own request"],
    ),
    "a tier that is none": (manifests.freeze("bad", scope={"tiers": [7]}), ["spec.scope.tiers[0]"]),
    "a change kind that is none": (manifests.freeze("bad", allow=["Everything"]), ["spec.allow[0]"]),
    "an unknown field": (manifests.freeze("bad", allows=[]), ["allows"]),
    "an instant without a zone": (manifests.freeze("bad", expiresAt="2099-01-01T00:00:00"), ["spec.expiresAt"]),
    "an operator without values": (
        manifests.freeze(
            "bad", scope={"workloadSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": []}]}}
        ),
        ["spec.scope.workloadSelector.matchExpressions[0].values"],
    ),
    "a name that is too long": (manifests.freeze("x" * 64), ["at most 63 characters"]),
}


@pytest.mark.parametrize(("document", "named"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_freeze_is_refused_by_field(
    world: EmbeddedWorld, document: manifests.Document, named: list[str]
) -> None:
    answer = world.apply(document)

    assert not answer.passed
    assert all(text in answer.out for text in named), answer.out
    assert "Traceback" not in answer.out


def test_a_freeze_reads_like_a_sentence(world: EmbeddedWorld, namespace: str) -> None:
    assert world.apply(manifests.deployment(namespace), user=DANA).passed
    name = f"sentence-{namespace[-6:]}"
    freeze = only_in(namespace, manifests.freeze(name, startsAt="2026-11-01T00:00:00Z"))
    with world.in_force(freeze):
        world.until("it is active", lambda: "True" in world.ok("get", "ofz", name))
        world.until("it counts its workload", lambda: world.get("ofz", name)["status"]["guardedWorkloads"] == 1)
        heading, line = world.ok("get", "ofz", name).splitlines()
    assert heading.split() == ["NAME", "ACTIVE", "UNTIL", "NEXT", "REFUSED", "WORKLOADS", "REASON", "AGE"]
    assert line.split()[:6] == [name, "True", "2099-01-01T00:00:00Z", "0", "1", "11.11"]


def test_a_freeze_that_begins_and_ends_says_so_once(world: EmbeddedWorld, namespace: str) -> None:
    assert world.apply(manifests.deployment(namespace), user=DANA).passed
    name = f"short-{namespace[-6:]}"
    now = datetime.now(UTC)
    begins, ends = (f"{now + timedelta(seconds=s):%Y-%m-%dT%H:%M:%SZ}" for s in (3, 11))
    freeze = only_in(namespace, manifests.freeze(name, startsAt=begins, expiresAt=ends))

    def condition() -> str:
        conditions = world.get("ofz", name).get("status", {}).get("conditions", [])
        return next((str(c["reason"]) for c in conditions if c["type"] == "Active"), "")

    def reasons() -> list[str]:
        path = "jsonpath={.items[*].reason}"
        return world.ok(
            "get", "events", "-n", "default", f"--field-selector=involvedObject.name={name}", "-o", path
        ).split()

    changed = manifests.with_image(manifests.deployment(namespace), "other:2")
    with world.in_force(freeze):
        world.until("it is yet to come", lambda: condition() == "NotYet", 3)
        world.until("it is active", lambda: condition() == "InPeriod")
        refused = world.apply(changed, user=DANA)
        world.until("it is in the ledger", lambda: world.get("ofz", name)["status"]["refused"]["total"] == 1, 6)
        world.until("it is over", lambda: condition() == "Over")
        passed = world.apply(changed, user=DANA)
        told = ["FreezeAnnounced", "FreezeBegan", "FreezeEnded"]
        world.until("all was told", lambda: sorted(reasons()) == told)
        events = world.ok("get", "events", "-n", "default", f"--field-selector=involvedObject.name={name}")
        assert f"It refused 1 change: {DANA}: Rollout of Deployment {namespace}/payment-core" in events
    assert not refused.passed
    assert f"possible from {ends}" in refused.out
    assert passed.passed, passed.out


def test_a_window_that_is_closed_says_when_it_opens(world: EmbeddedWorld, namespace: str) -> None:
    workload = manifests.deployment(namespace)
    assert world.apply(workload, user=DANA).passed
    name = f"leap-{namespace[-6:]}"
    with world.in_force(only_in(namespace, manifests.window(name, {"dates": ["2056-02-29"]}))):
        world.until("it is closed", lambda: "False" in world.ok("get", "cw", name))
        world.until("it says when it opens", lambda: "2056-02-28T17:00:00Z" in world.ok("get", "cw", name))
        answer = world.apply(manifests.with_image(workload, "other:2"), user=DANA)
        world.ok("scale", "deployment/payment-core", "--replicas=4", "-n", namespace, user=DANA)
    assert not answer.passed
    assert f"outside change window {name}; possible from 2056-02-28T17:00:00Z" in answer.out


def test_a_workload_in_a_namespace_of_the_same_apply_is_judged(world: EmbeddedWorld, namespace: str) -> None:
    made = f"{namespace[:30]}-new"
    policy = manifests.policy(f"labelled-{namespace[-6:]}", {"rollout": {}})
    policy["spec"]["scope"]["namespaceSelector"] = {"matchLabels": {"made-by": namespace}}
    labels = {"made-by": namespace}
    new = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": made, "labels": labels}}
    wrong = manifests.deployment(made, tier=None, strategy={"rollingUpdate": {"maxUnavailable": 1}})
    try:
        with world.in_force(policy):
            answer = world.apply(new, wrong)
    finally:
        world.remove_namespace(made)
    assert not answer.passed
    assert "rule rollout" in answer.out


def test_a_policy_counts_who_breaks_it(world: EmbeddedWorld, namespace: str) -> None:
    wrong = manifests.deployment(namespace, strategy={"rollingUpdate": {"maxUnavailable": 1}})
    assert world.apply(wrong, user=DANA).passed
    name = f"count-{namespace[-6:]}"
    with world.in_force(only_in(namespace, manifests.policy(name, {"rollout": {}}))):
        world.until("it found it", lambda: world.get("ptp", name).get("status", {}).get("violatingWorkloads") == 1)
        status = world.get("ptp", name)["status"]
        assert status["guardedWorkloads"] == 1
        assert status["violations"][0].startswith(
            f"{namespace}/Deployment/payment-core: rollout: a rollout may take 1 of 3"
        )
        mended = manifests.deployment(namespace)
        assert world.apply(mended, user=DANA).passed
        world.until("it is mended", lambda: world.get("ptp", name)["status"]["violatingWorkloads"] == 0)
        assert (
            "violations" not in world.get("ptp", name)["status"] or not world.get("ptp", name)["status"]["violations"]
        )


def test_an_active_freeze_is_not_weakened_by_its_author(world: EmbeddedWorld, namespace: str) -> None:
    name = f"held-{namespace[-6:]}"
    freeze = only_in(namespace, manifests.freeze(name))
    with world.in_force(freeze):
        for call in (
            ("delete", "ofz", name),
            ("patch", "ofz", name, "--type=merge", "-p", '{"spec":{"expiresAt":"2030-01-01T00:00:00Z"}}'),
            ("patch", "ofz", name, "--type=merge", "-p", '{"spec":{"scope":{"tiers":[0]}}}'),
            (
                "patch",
                "ofz",
                name,
                "--type=merge",
                "-p",
                '{"spec":{"scope":{"workloadSelector":{"matchLabels":{"a":"b"}}}}}',
            ),
            ("patch", "ofz", name, "--type=merge", "-p", '{"spec":{"allow":["Rollout","ScaleUp"]}}'),
        ):
            answer = world.kubectl(*call)
            assert not answer.passed, call
            assert "this weakens it" in answer.out, answer.out
        longer = '{"spec":{"expiresAt":"2099-06-01T00:00:00Z","allow":["ScaleUp"]}}'
        world.ok("patch", "ofz", name, "--type=merge", "-p", longer)


def test_a_stored_freeze_that_cannot_be_read_holds_and_says_so(world: EmbeddedWorld, namespace: str) -> None:
    workload = manifests.deployment(namespace)
    assert world.apply(workload, user=DANA).passed
    bad = only_in(namespace, scheduled(timeZone="Mars/Olympus"))
    name = f"stored-{namespace[-6:]}"
    bad = {**bad, "metadata": {"name": name}}
    # As an older version, or a zone database without the zone, may leave one behind: nobody judged it.
    world.ok("create", "-f", "-", *CLEANER, stdin=_text(bad))
    with world.in_force():
        try:
            changed = manifests.with_image(workload, "other:2")
            world.until("it holds", lambda: not world.apply(changed, user=DANA, options=("--dry-run=server",)).passed)
            answer = world.apply(changed, user=DANA)
            assert "unreadable, so it holds" in answer.out
            assert "no end is known" in answer.out
            world.until("it says so", lambda: "Mars/Olympus" in str(world.get("ofz", name).get("status")))
        finally:
            world.withdraw([("OperationalFreeze", name)])


def test_explain_describes_every_field(world: EmbeddedWorld) -> None:
    for kind in ("operationalfreeze", "changewindow", "paymenttierpolicy"):
        text = world.ok("explain", f"{kind}.spec", "--recursive=false")
        assert "<no description>" not in text
        for part in ("spec.scope", "status"):
            assert "<no description>" not in world.ok("explain", f"{kind}.{part}")


def _text(document: object) -> str:
    return json.dumps(document)
