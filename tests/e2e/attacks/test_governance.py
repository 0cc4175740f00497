"""One person against the guard itself, with all that a declarer may do: nothing that holds is weakened or gone around."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e import manifests
from tests.e2e.people import MIKE, PAUL, SARA, introduce
from tests.e2e.world import COLLECTOR, DANA, Answer, EmbeddedWorld, only_in

pytestmark = pytest.mark.embedded  # real users with client certificates

CORE = "deployment/payment-core"
CLOSED = {"dates": ["2099-01-01"]}
ALWAYS = {"from": "00:00", "to": "24:00"}
HOUR = timedelta(hours=1)


def instant(ahead: timedelta) -> str:
    return (datetime.now(UTC) + ahead).strftime("%Y-%m-%dT%H:%M:%SZ")


def period(start: timedelta, end: timedelta) -> dict[str, str]:
    now = datetime.now(UTC)
    return {"from": f"{now + start:%H:%M}", "to": f"{now + end:%H:%M}"}


def patched(world: EmbeddedWorld, what: str, name: str, spec: dict[str, Any], user: str = MIKE) -> Answer:
    body = json.dumps({"spec": spec})
    return world.kubectl("patch", what, name, "--type=merge", "-p", body, "--dry-run=server", user=user)


def made(world: EmbeddedWorld, *resources: Any) -> Answer:
    return world.apply(*resources, user=MIKE, verb="create", options=("--dry-run=server",))


@pytest.fixture
def short(world: EmbeddedWorld, namespace: str) -> str:
    """What the test's own resources are called after; a workload of tier 1 is there."""
    introduce(world)
    answer = world.apply(manifests.deployment(namespace), user=DANA)
    assert answer.passed, answer.out
    return namespace[-12:].strip("-")


def rolls_out(world: EmbeddedWorld, namespace: str) -> bool:
    image = f"app={manifests.IMAGE}:2"
    return world.kubectl("set", "image", CORE, image, "-n", namespace, "--dry-run=server", user=DANA).passed


def scheduled(name: str, *periods: dict[str, str], **spec: Any) -> manifests.Document:
    freeze = manifests.freeze(name, schedule={"timeZone": "UTC", "periods": list(periods)}, **spec)
    return {**freeze, "spec": {key: value for key, value in freeze["spec"].items() if key != "expiresAt"}}


def test_a_closed_window_is_not_gone_around_through_an_open_one(
    world: EmbeddedWorld, namespace: str, short: str
) -> None:
    office = only_in(namespace, manifests.window(f"office-{short}", CLOSED, scope={"tiers": [0, 1]}))
    name = f"reports-{short}"
    reports = only_in(namespace, manifests.window(name, ALWAYS, scope={"tiers": [3]}))
    apart = manifests.window(
        f"apart-{short}", ALWAYS, scope={"tiers": [0, 1], "workloadSelector": {"matchLabels": {"a": "b"}}}
    )
    with world.in_force(only_in(namespace, apart), reports, office):
        world.until("the window is closed", lambda: not rolls_out(world, namespace))
        ways = {
            "made open": made(world, only_in(namespace, manifests.window(f"more-{short}", ALWAYS))),
            "more tiers": patched(world, "cw", name, {"scope": {"tiers": [0, 1, 3]}}),
            "its selector dropped": patched(world, "cw", f"apart-{short}", {"scope": {"workloadSelector": None}}),
            "the closed one narrowed": patched(world, "cw", f"office-{short}", {"scope": {"tiers": [0]}}),
            "the closed one deleted": world.kubectl("delete", "cw", f"office-{short}", "--dry-run=server", user=MIKE),
        }
        stricter = patched(world, "cw", name, {"scope": {"tiers": [2, 3]}, "allow": []})
        gone = world.kubectl("delete", "cw", name, "--dry-run=server", user=MIKE)

    assert [way for way, answer in ways.items() if answer.passed] == []
    for way, answer in ways.items():
        assert f"while office-{short} is closed" in answer.out, (way, answer.out)
    assert stricter.passed, stricter.out
    assert gone.passed, gone.out


@pytest.mark.parametrize("order", [1, -1], ids=["as written", "the other way round"])
def test_a_union_of_windows_is_declared_while_both_are_closed(
    world: EmbeddedWorld, namespace: str, short: str, order: int
) -> None:
    early = only_in(namespace, manifests.window(f"early-{short}", {"dates": ["2098-01-01"]}))
    late = only_in(namespace, manifests.window(f"late-{short}", CLOSED))
    names = [("ChangeWindow", str(each["metadata"]["name"])) for each in (early, late)]
    try:
        both = world.apply(*[early, late][::order], user=MIKE)
        assert both.passed, both.out
        world.until("every webhook knows both", lambda: all(set(names) <= set(g) for g in world.generations()))
        assert not rolls_out(world, namespace)
    finally:
        world.withdraw(names)


def test_a_window_made_beside_a_closed_one_opens_nothing(world: EmbeddedWorld, namespace: str, short: str) -> None:
    office = only_in(namespace, manifests.window(f"office-{short}", CLOSED))
    later = only_in(namespace, manifests.window(f"later-{short}", ALWAYS))
    with world.in_force(office):
        world.until("the window is closed", lambda: not rolls_out(world, namespace))
        begun = datetime.now(UTC).replace(microsecond=0)
        world.until("it is another second", lambda: datetime.now(UTC) > begun + timedelta(seconds=1))
        # Past the webhook, as while none answers.
        with world.in_force(later, options=(f"--as={COLLECTOR}", "--as-group=system:masters")):
            refused = world.kubectl(
                "set", "image", CORE, f"app={manifests.IMAGE}:2", "-n", namespace, "--dry-run=server", user=DANA
            )
    assert not refused.passed
    assert f"later-{short} (which counts once an older one was open)" in refused.out


def test_no_stretch_of_the_next_day_is_dropped_by_one_person(world: EmbeddedWorld, namespace: str, short: str) -> None:
    name = f"two-{short}"
    first, second = period(-HOUR, HOUR), period(2 * HOUR, 5 * HOUR)
    with world.in_force(only_in(namespace, scheduled(name, first, second))):
        ways = {
            "the first": patched(world, "ofz", name, {"schedule": {"periods": [second]}}),
            "the second": patched(world, "ofz", name, {"schedule": {"periods": [first]}}),
            "the second shortened": patched(
                world, "ofz", name, {"schedule": {"periods": [first, period(2 * HOUR, 4 * HOUR)]}}
            ),
            "the first begins later": patched(
                world, "ofz", name, {"schedule": {"periods": [period(-HOUR / 2, HOUR), second]}}
            ),
            "deleted": world.kubectl("delete", "ofz", name, "--dry-run=server", user=MIKE),
        }
        more = patched(world, "ofz", name, {"schedule": {"periods": [first, second, period(6 * HOUR, 7 * HOUR)]}})

    assert [way for way, answer in ways.items() if answer.passed] == []
    for way, answer in ways.items():
        assert "two people can: set spec.lift" in answer.out, (way, answer.out)
    assert more.passed, more.out


def test_the_start_of_a_freeze_that_holds_does_not_move(world: EmbeddedWorld, namespace: str, short: str) -> None:
    name = f"start-{short}"
    freeze = only_in(namespace, manifests.freeze(name, startsAt=instant(-3 * HOUR)))
    with world.in_force(freeze):
        ways = [
            patched(world, "ofz", name, {"startsAt": instant(-HOUR)}),
            patched(world, "ofz", name, {"startsAt": instant(-5 * HOUR)}),
            patched(world, "ofz", name, {"startsAt": None}),
        ]
        longer = patched(world, "ofz", name, {"expiresAt": "2100-01-01T00:00:00Z"})

    assert [answer.out for answer in ways if answer.passed] == []
    assert all("and rollbacks go by it" in answer.out for answer in ways)
    assert longer.passed, longer.out


def test_one_person_takes_a_lift_back_and_what_ran_meanwhile_is_gone_back_to(
    world: EmbeddedWorld, namespace: str, short: str
) -> None:
    world.rolled_out(namespace, "payment-core")
    name = f"lift-{short}"

    def patch(user: str, lift: dict[str, Any]) -> Answer:
        body = json.dumps({"spec": {"lift": lift}})
        return world.kubectl("patch", "ofz", name, "--type=merge", "-p", body, user=user)

    asked = {"requestedBy": SARA, "reason": "over", "until": instant(5 * HOUR)}
    with world.in_force(only_in(namespace, manifests.freeze(name, startsAt=instant(-HOUR)))):
        assert patch(SARA, asked).passed
        assert patch(PAUL, {"approvedBy": [PAUL]}).passed
        world.until("it is lifted", lambda: rolls_out(world, namespace))
        for tag in ("2", "3"):
            changed = world.kubectl("set", "image", CORE, f"app={manifests.IMAGE}:{tag}", "-n", namespace, user=DANA)
            assert changed.passed, changed.out
            world.rolled_out(namespace, "payment-core")
        world.recorded(namespace, "payment-core", 3)
        longer = patch(MIKE, {"until": instant(6 * HOUR)})
        assert not longer.passed
        back = patch(MIKE, {"until": instant(timedelta(0))})
        assert back.passed, back.out
        world.until("it holds again", lambda: not rolls_out(world, namespace) or _other_image(world, namespace))
        undone = world.kubectl("rollout", "undo", CORE, "-n", namespace, "--to-revision=2", user=DANA)
        assert undone.passed, undone.out
        foreign = world.kubectl(
            "set", "image", CORE, f"app={manifests.IMAGE}:9", "-n", namespace, "--dry-run=server", user=DANA
        )
        assert not foreign.passed


def _other_image(world: EmbeddedWorld, namespace: str) -> bool:
    """Whether an image that never ran is refused."""
    image = f"app={manifests.IMAGE}:9"
    return not world.kubectl("set", "image", CORE, image, "-n", namespace, "--dry-run=server", user=DANA).passed


def test_what_cannot_be_read_keeps_batch_work_suspended(world: EmbeddedWorld, namespace: str, short: str) -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "run", "namespace": namespace, "labels": {"tierguard.io/provider": f"p-{short}"}},
        "spec": {
            "schedule": "0 0 1 1 *",
            "jobTemplate": {
                "spec": {
                    "template": {
                        "spec": {
                            "restartPolicy": "Never",
                            "containers": [{"name": "run", "image": f"{manifests.IMAGE}:1"}],
                        }
                    }
                }
            },
        },
    }
    assert world.apply(job, user=DANA).passed
    name = f"provider-{short}"
    freeze = scheduled(name, ALWAYS, operations=["Provider"], scope={"providers": [f"p-{short}"]})
    freeze["spec"]["schedule"]["timeZone"] = "Mars/Olympus"  # as if the zone were gone from the database

    def suspended() -> bool:
        return world.get("cronjob", "run", "-n", namespace)["spec"]["suspend"] is True

    with world.in_force(only_in(namespace, freeze), options=(f"--as={COLLECTOR}", "--as-group=system:masters")):
        world.until("the operator suspends it", suspended)
        # The API server asks about CronJobs of this label once the operator has written the condition.
        world.until("nobody else resumes it", lambda: "frozen by" in _resumed(world, namespace).out)
    world.until("it is resumed once the freeze is gone", lambda: not suspended())


def _resumed(world: EmbeddedWorld, namespace: str) -> Answer:
    patch = ("-p", '{"spec":{"suspend":false}}', "--dry-run=server")
    return world.kubectl("patch", "cronjob", "run", "-n", namespace, *patch, user=DANA)


def test_a_policy_is_as_frozen_as_what_it_selects_and_not_by_its_tier(
    world: EmbeddedWorld, namespace: str, short: str
) -> None:
    name = f"images-{short}"
    policy = only_in(namespace, manifests.policy(name, {"replicas": {"minimum": 2}}, tier=4))
    with world.in_force(policy, only_in(namespace, manifests.freeze(f"freeze-{short}"))):
        ways: dict[str, Callable[[], Answer]] = {
            "deleted": lambda: world.kubectl("delete", "ptp", name, "--dry-run=server", user=MIKE),
            "fewer": lambda: patched(world, "ptp", name, {"rules": {"replicas": {"minimum": 1}}}),
            "warns": lambda: patched(world, "ptp", name, {"enforcement": "Warn"}),
            "narrowed": lambda: patched(
                world, "ptp", name, {"scope": {"workloadSelector": {"matchLabels": {"app": "x"}}}}
            ),
        }
        answers = {way: ask() for way, ask in ways.items()}
        stricter = patched(world, "ptp", name, {"rules": {"replicas": {"minimum": 3}}})

    assert [way for way, answer in answers.items() if answer.passed] == []
    for way, answer in answers.items():
        assert f"while freeze-{short} holds, which selects Deployment" in answer.out, (way, answer.out)
    assert stricter.passed, stricter.out


def test_what_has_nothing_in_common_with_a_freeze_goes_on(world: EmbeddedWorld, namespace: str, short: str) -> None:
    other = f"other-{short}"
    world.create_namespace(other)
    try:
        assert world.apply(manifests.deployment(other)).passed
        policy = only_in(other, manifests.policy(f"p-{short}", {"replicas": {"minimum": 9}}, tier=1))
        window = only_in(other, manifests.window(f"w-{short}", ALWAYS))
        with world.in_force(policy, window, only_in(namespace, manifests.freeze(f"f-{short}"))):
            mended = patched(world, "ptp", f"p-{short}", {"enforcement": "Warn"})
            moved = patched(world, "cw", f"w-{short}", {"schedule": {"periods": [period(-HOUR, HOUR)]}})
        assert mended.passed, mended.out
        assert moved.passed, moved.out
    finally:
        world.remove_namespace(other)


def test_a_freeze_that_selects_nothing_says_so_and_is_corrected(
    world: EmbeddedWorld, namespace: str, short: str
) -> None:
    name = f"typo-{short}"
    wrong = only_in(namespace, manifests.freeze(name, scope={"workloadSelector": {"matchLabels": {"app": "paymnt"}}}))
    # A webhook that has not seen the namespace yet cannot tell.
    world.until("it says so", lambda: "it selects nothing that is there now" in made(world, wrong).out)
    with world.in_force(wrong):
        right = {"scope": {"workloadSelector": {"matchLabels": {"app": "payment-core"}}}}
        assert not patched(world, "ofz", name, {"allow": ["Rollout"]}).passed
        corrected = patched(world, "ofz", name, right)
        assert corrected.passed, corrected.out
    with world.in_force(only_in(namespace, manifests.freeze(name, scope=right["scope"]))):
        held = patched(world, "ofz", name, {"scope": {"workloadSelector": {"matchLabels": {"app": "paymnt"}}}})
        assert not held.passed
        assert "scope.workloadSelector changed" in held.out
