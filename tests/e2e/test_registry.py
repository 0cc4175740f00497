"""Every path of every guarded kind, on a real API server, with nobody there to be asked.

What the engine holds in a freeze the API server sends to a webhook that it cannot do without; what no freeze holds passes
though all of tierguard is dead.
"""

from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest

from tests.e2e.guarded_kinds import Case, Place
from tests.e2e.guarded_site import HOUR, OWN_OBJECTS, Site, build, tear_down
from tests.e2e.nobody import CONFIGURATIONS
from tests.e2e.outage import without_operators
from tests.e2e.world import DANA, EmbeddedWorld
from tierguard.guard.model.decision import Decision, Effect
from tierguard.guard.model.identities import AUTOSCALERS, ROTATORS
from tierguard.guard.resources.own import OWN
from tierguard.guard.resources.registry import AROUND
from tierguard.guard.resources.resource import STATUS_ONLY, Path

pytestmark = pytest.mark.embedded

INSTALLED = f"{CONFIGURATIONS}/tierguard"

CONTROLLER = "system:serviceaccount:kube-system:deployment-controller"
KUBELET = "system:node:node-0"
(AUTOSCALER,), (ROTATOR,) = AUTOSCALERS, ROTATORS
IDENTITIES = (DANA, CONTROLLER, KUBELET, AUTOSCALER, ROTATOR)

ONLY_ADDS = {"CREATE PodDisruptionBudget fresh"}
"""What no freeze holds, though it touches something: a further budget lets fewer pods be evicted, never more."""
NEVER_CHANGED = {("Secret", ("type",)), ("ControllerRevision", ("data",))}
"""The held fields that the API server itself keeps as they are."""


def held_by_freeze(decision: Decision) -> bool:
    return any(f.rule == "freeze" and f.effect is Effect.DENY for f in decision.findings)


def unannounced(decision: Decision) -> bool:
    return any(f.rule == "deletion" and f.effect is Effect.DENY for f in decision.findings)


def refused(answer: tuple[int, Any], about: str) -> bool:
    """Whether the API server could not do without a webhook. Raises AssertionError when it has another reason to refuse."""
    status, said = answer
    if status < HTTPStatus.BAD_REQUEST:
        return False
    assert "failed calling webhook" in said["message"], f"{about}: {said['message']}"
    return True


@pytest.fixture(scope="module")
def site(world: EmbeddedWorld) -> Iterator[Site]:
    with without_operators(world):
        assert world.call("DELETE", INSTALLED)[0] == HTTPStatus.OK
        found = Site(world, Place("every-kind", "every-kind-ending"), "every-kind")
        try:
            build(found)
            yield found
        finally:
            tear_down(found)
    world.until(
        "the operator has made its configuration again", lambda: world.call("GET", INSTALLED)[0] == HTTPStatus.OK
    )


def test_what_the_engine_holds_in_a_freeze_is_refused_and_who_never_waits_does_not(site: Site) -> None:
    state, now, made = site.go_by(-HOUR)
    assert not made.coarsened
    lenient, waiting, free = [], [], set()
    shown: set[tuple[str, Path | str]] = set()
    for case in site.possible():
        for user in IDENTITIES:
            held = held_by_freeze(site.decided(case, user, state, now))
            sent = refused(site.send(case, user), f"{case} by {user}")
            if held and not sent:
                lenient.append(f"{case} by {user}")
            if sent and never_waits(case, user):
                waiting.append(f"{case} by {user}")
            if held and user == DANA:
                shown.add((case.resource.kind, case.field or case.operation))
            elif user == DANA and site.touches(case):
                free.add(str(case))
    assert lenient == []
    assert waiting == []
    assert free == ONLY_ADDS
    fields = {(resource.kind, path) for resource in AROUND for path in resource.held}
    assert fields - shown == NEVER_CHANGED <= site.impossible


def never_waits(case: Case, user: str) -> bool:
    """Whether the change must pass in a freeze, too, with everything dead."""
    if user == AUTOSCALER:
        return case.subresource in ("scale", "resize")
    if user == ROTATOR:
        return case.resource.exempt_rotators
    return user in (CONTROLLER, KUBELET)


@pytest.mark.parametrize("start", [None, 3 * HOUR], ids=["no freeze", "a freeze to come"])
def test_outside_of_a_freeze_only_unannounced_deletion_and_metadata_by_status_wait_for_a_webhook(
    site: Site, start: timedelta | None
) -> None:
    state, now, _ = site.go_by(start)
    lenient, strict = [], []
    for case in site.possible():
        decision = site.decided(case, DANA, state, now)
        through_status = case.subresource in STATUS_ONLY and site.touches(case)
        sent = refused(site.send(case, DANA), str(case))
        if not sent and (unannounced(decision) or through_status):
            lenient.append(str(case))
        if sent and not (unannounced(decision) or through_status or (start and case.only_removes)):
            strict.append(str(case))
    assert lenient == []
    assert strict == []


def test_our_own_kinds_are_made_while_nobody_answers_and_neither_changed_nor_deleted(site: Site) -> None:
    site.go_by(None)
    for resource in OWN:
        path = f"{site.path(resource)}/{site.name}"
        body = OWN_OBJECTS[resource.kind]
        another = {**body, "metadata": {"name": "another"}}
        status, said = site.world.call("POST", site.path(resource), another, instead=DANA, dryRun="All")
        assert status == HTTPStatus.CREATED, said
        changed = {"spec": {"requestedBy": "somebody-else"}}
        assert refused(site.world.call("PATCH", path, changed, instead=DANA, dryRun="All"), path)
        assert refused(site.world.call("DELETE", path, instead=DANA, dryRun="All"), path)
