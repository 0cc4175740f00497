"""Lifting, excepting and breaking the glass, over kubectl, as real users; and each way of cheating."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e import manifests
from tests.e2e.people import GITOPS, MIKE, PAUL, SARA, introduce
from tests.e2e.world import DANA, Answer, EmbeddedWorld, only_in

pytestmark = pytest.mark.embedded  # real users with client certificates

CORE = "deployment/payment-core"
NEW_IMAGE = ("set", "image", CORE, f"app={manifests.IMAGE}:2")
DIGEST = "sha256:" + "b" * 64


def rfc3339(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def lift(by: str, *approved: str, **more: Any) -> dict[str, Any]:
    return {"requestedBy": by, "reason": "promotion is over", "approvedBy": list(approved), **more}


class Freeze:
    """A freeze in force on the test's namespace."""

    def __init__(self, world: EmbeddedWorld, namespace: str, name: str) -> None:
        self.world, self.namespace, self.name = world, namespace, name

    def patch(self, user: str, spec: dict[str, Any], *options: str) -> Answer:
        body = json.dumps({"spec": spec})
        return self.world.kubectl("patch", "ofz", self.name, "--type=merge", "-p", body, *options, user=user)

    def status(self) -> dict[str, Any]:
        return dict(self.world.get("ofz", self.name).get("status") or {})

    def deploys(self, user: str = DANA) -> Answer:
        return self.world.kubectl(*NEW_IMAGE, "-n", self.namespace, "--dry-run=server", user=user)


@pytest.fixture
def frozen(world: EmbeddedWorld, namespace: str) -> Iterator[Freeze]:
    introduce(world)
    answer = world.apply(manifests.deployment(namespace), user=DANA)
    assert answer.passed, answer.out
    name = f"two-{namespace[-12:]}"
    with world.in_force(only_in(namespace, manifests.freeze(name))):
        freeze = Freeze(world, namespace, name)
        assert not freeze.deploys().passed
        yield freeze


def test_two_people_lift_a_freeze(frozen: Freeze) -> None:
    asked = frozen.patch(SARA, {"lift": lift(SARA)})
    assert asked.passed, asked.out
    assert not frozen.deploys().passed

    approved = frozen.patch(PAUL, {"lift": lift(SARA, PAUL)})
    assert approved.passed, approved.out
    frozen.world.until("the deploy passes", lambda: frozen.deploys().passed)
    frozen.world.until("the status says who", lambda: frozen.status().get("liftedBy") == [SARA, PAUL])
    assert frozen.status()["liftedAt"]
    active = frozen.status()["conditions"][0]
    assert (active["status"], active["reason"]) == ("False", "Lifted")
    deleted = frozen.world.kubectl("delete", "ofz", frozen.name, user=MIKE)
    assert deleted.passed, deleted.out


def test_a_lift_by_one_person_is_refused_however_it_is_written(frozen: Freeze) -> None:
    ways = {
        "both names in one write": frozen.patch(SARA, {"lift": lift(SARA, PAUL)}),
        "somebody else's request": frozen.patch(SARA, {"lift": lift(PAUL)}),
        "somebody else's request, approved": frozen.patch(SARA, {"lift": lift(PAUL, SARA)}),
        "without the verb lift": frozen.patch(MIKE, {"lift": lift(MIKE)}),
    }
    assert frozen.patch(SARA, {"lift": lift(SARA)}).passed
    ways |= {
        "approved by who asked": frozen.patch(SARA, {"lift": lift(SARA, SARA)}),
        "another's name as approver": frozen.patch(SARA, {"lift": lift(SARA, PAUL)}),
        "without the verb approve": frozen.patch(MIKE, {"lift": lift(SARA, MIKE)}),
        "more in the approving write": frozen.patch(PAUL, {"lift": lift(SARA, PAUL), "reason": "other"}),
        "another request in the approving write": frozen.patch(PAUL, {"lift": {**lift(SARA, PAUL), "reason": "x"}}),
        "somebody else beside oneself": frozen.patch(PAUL, {"lift": lift(SARA, PAUL, MIKE)}),
        "a label in the approving write": frozen.world.kubectl(
            "patch",
            "ofz",
            frozen.name,
            "--type=merge",
            "-p",
            json.dumps({"metadata": {"labels": {"a": "b"}}, "spec": {"lift": lift(SARA, PAUL)}}),
            user=PAUL,
        ),
    }

    assert [way for way, answer in ways.items() if answer.passed] == []
    for way, answer in ways.items():
        assert "OperationalFreeze" in answer.out, (way, answer.out)
    assert not frozen.deploys().passed


def test_a_service_account_is_no_second_person(frozen: Freeze) -> None:
    assert frozen.patch(SARA, {"lift": lift(SARA)}).passed
    robot = f"system:serviceaccount:{frozen.namespace}:default"
    body = json.dumps({"spec": {"lift": lift(SARA, robot)}})
    answer = frozen.world.kubectl(
        "patch", "ofz", frozen.name, "--type=merge", "-p", body, f"--as={robot}", "--as-group=system:masters"
    )
    assert not answer.passed
    assert "is no User" in answer.out


def test_gitops_writes_what_was_reviewed_in_git(frozen: Freeze) -> None:
    body = json.dumps({"spec": {"lift": lift("sre-lead", "payments-director")}})
    as_gitops = (f"--as={GITOPS}", "--as-group=system:masters")
    answer = frozen.world.kubectl("patch", "ofz", frozen.name, "--type=merge", "-p", body, *as_gitops)

    assert answer.passed, answer.out
    frozen.world.until("the deploy passes", lambda: frozen.deploys().passed)


def test_gitops_does_not_prune_an_active_freeze(frozen: Freeze) -> None:
    answer = frozen.world.kubectl("delete", "ofz", frozen.name, f"--as={GITOPS}", "--as-group=system:masters")
    assert not answer.passed
    assert "weakens it: deleting it" in answer.out


def test_a_freeze_until_lifted_has_no_other_end(world: EmbeddedWorld, namespace: str) -> None:
    introduce(world)
    assert world.apply(manifests.deployment(namespace), user=DANA).passed
    name = f"incident-{namespace[-12:]}"
    incident = manifests.freeze(name, untilLifted=True)
    del incident["spec"]["expiresAt"]
    with world.in_force(only_in(namespace, incident)):
        freeze = Freeze(world, namespace, name)
        refused = freeze.deploys()
        assert "no end is set, two people can lift it" in refused.out
        assert not freeze.patch(SARA, {"untilLifted": None, "expiresAt": rfc3339(datetime.now(UTC))}).passed
        assert freeze.patch(SARA, {"lift": lift(SARA)}).passed
        assert freeze.patch(PAUL, {"lift": lift(SARA, PAUL)}).passed
        world.until("the deploy passes", lambda: freeze.deploys().passed)


def excepted(namespace: str, by: str, *approved: str, seconds: float = 600, **more: Any) -> dict[str, Any]:
    return {
        "workload": {"kind": "Deployment", "namespace": namespace, "name": "payment-core"},
        "changeTicket": "PAYOPS-1",
        "requestedBy": by,
        "approvedBy": list(approved),
        "expiresAt": rfc3339(datetime.now(UTC) + timedelta(seconds=seconds)),
        **more,
    }


def test_two_people_except_one_workload_for_one_image(frozen: Freeze, namespace: str) -> None:
    asked = excepted(namespace, MIKE, imageDigest=DIGEST)
    assert frozen.patch(MIKE, {"exceptions": [asked]}).passed
    pinned = ("set", "image", CORE, f"app={manifests.IMAGE}@{DIGEST}", "-n", namespace, "--dry-run=server")
    assert not frozen.world.kubectl(*pinned, user=DANA).passed
    assert not frozen.patch(MIKE, {"exceptions": [{**asked, "approvedBy": [PAUL]}]}).passed

    approved = frozen.patch(PAUL, {"exceptions": [{**asked, "approvedBy": [PAUL]}]})
    assert approved.passed, approved.out
    frozen.world.until("that image passes", lambda: frozen.world.kubectl(*pinned, user=DANA).passed)
    assert not frozen.deploys().passed, "another image is not excepted"
    deleted = frozen.world.kubectl("delete", CORE, "-n", namespace, "--dry-run=server", user=DANA)
    assert not deleted.passed
    changed = {**asked, "approvedBy": [PAUL], "imageDigest": "sha256:" + "c" * 64}
    assert not frozen.patch(MIKE, {"exceptions": [changed]}).passed, "an approval does not carry over"


def test_an_expired_exception_stops_counting(frozen: Freeze, namespace: str) -> None:
    asked = excepted(namespace, MIKE, seconds=8)
    assert frozen.patch(MIKE, {"exceptions": [asked]}).passed
    assert frozen.patch(PAUL, {"exceptions": [{**asked, "approvedBy": [PAUL]}]}).passed
    frozen.world.until("it passes", lambda: frozen.deploys().passed, 8)
    frozen.world.until("it is refused again", lambda: not frozen.deploys().passed, 15)
    assert datetime.now(UTC) >= datetime.fromisoformat(asked["expiresAt"])


def broken_glass(until: timedelta, ticket: str = "INC-7") -> str:
    mark = f"{ticket}: payments are failing; until={rfc3339(datetime.now(UTC) + until)}"
    return json.dumps(
        {
            "metadata": {"annotations": {"tierguard.io/break-glass": mark}},
            "spec": {"template": {"spec": {"containers": [{"name": "app", "image": f"{manifests.IMAGE}:2"}]}}},
        }
    )


def test_broken_glass_passes_and_owes_a_review(frozen: Freeze, namespace: str) -> None:
    world = frozen.world
    change = ("patch", CORE, "-n", namespace, "-p")
    without = world.kubectl(*change, broken_glass(timedelta(minutes=30)), user=DANA)
    assert not without.passed
    assert "+1 more: break-glass" in without.out
    for until in (timedelta(minutes=-1), timedelta(hours=2)):
        assert not world.kubectl(*change, broken_glass(until), user=SARA).passed

    passed = world.kubectl(*change, broken_glass(timedelta(minutes=30)), user=SARA)
    assert passed.passed, passed.out
    assert "bypassed under INC-7" in passed.out
    world.until("a review is owed", lambda: bool(frozen.status().get("reviewsOwed")))
    (owed,) = frozen.status()["reviewsOwed"]
    assert (owed["user"], owed["ticket"], owed["subject"]) == (SARA, "INC-7", f"Deployment {namespace}/payment-core")

    def review(by: str, name: str) -> Answer:
        return frozen.patch(by, {"reviews": [{"id": owed["id"], "reviewedBy": name, "note": "was right"}]})

    assert not review(SARA, PAUL).passed
    assert review(SARA, SARA).passed
    assert frozen.status()["reviewsOwed"], "nobody reviews their own"
    assert review(PAUL, PAUL).passed
    world.until("nothing is owed", lambda: not frozen.status().get("reviewsOwed"))
    events = world.ok("get", "events", "-A", "-o", "jsonpath={range .items[*]}{.reason} {.message}{end}")
    assert "GlassBroken" in events


def test_refused_changes_are_in_the_ledger(frozen: Freeze, namespace: str) -> None:
    for _ in range(3):
        assert not frozen.world.kubectl(*NEW_IMAGE, "-n", namespace, user=DANA).passed

    def told() -> bool:
        return bool((frozen.status().get("refused") or {}).get("total") == 3)

    frozen.world.until("the ledger has them", told)
    (entry,) = frozen.status()["refused"]["newest"]
    assert (entry["user"], entry["change"], entry["count"]) == (DANA, "Rollout", 3)
    assert entry["subject"] == f"Deployment {namespace}/payment-core"
    assert "3" in frozen.world.ok("get", "ofz", frozen.name)
    events = frozen.world.ok("get", "events", "-n", namespace)
    assert "ChangeRefused" in events
