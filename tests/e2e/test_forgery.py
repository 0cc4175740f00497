"""Planted times: whoever forges the clock that objects carry gets through no freeze, with no webhook there to look."""

import copy
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cluster.install import WEBHOOKS
from tests.cluster.processes import poll
from tests.e2e import manifests
from tests.e2e.outage import compiled, without_webhooks
from tests.e2e.world import DANA, Answer, EmbeddedWorld, only_in

pytestmark = pytest.mark.embedded  # stops webhooks

Document = dict[str, Any]
Forge = Callable[[Document], None]


def entry(manager: str, after: timedelta, base: Document) -> Document:
    when = datetime.now(UTC) + after
    return {**copy.deepcopy(base), "manager": manager, "time": when.strftime("%Y-%m-%dT%H:%M:%SZ")}


def fields(found: Document) -> list[Document]:
    return list(found["metadata"]["managedFields"])


def planted(*after: timedelta) -> Forge:
    def forge(found: Document) -> None:
        base = fields(found)[0]
        # Names of their own: of two entries of one manager the API server keeps the one that it knows.
        managers = [f"planted-{uuid.uuid4().hex[:8]}" for _ in after]
        planted = [entry(manager, each, base) for manager, each in zip(managers, after, strict=True)]
        found["metadata"]["managedFields"] += planted

    return forge


def instead(after: timedelta) -> Forge:
    """All entries gone, one planted in their place."""

    def forge(found: Document) -> None:
        found["metadata"]["managedFields"] = [entry("planted", after, fields(found)[0])]

    return forge


def set_to(value: Any) -> Forge:
    return lambda found: found["metadata"].update(managedFields=value)


def redated(after: timedelta) -> Forge:
    def forge(found: Document) -> None:
        found["metadata"]["managedFields"] = [entry(each["manager"], after, each) for each in fields(found)]

    return forge


YEAR, DAY = timedelta(days=365), timedelta(days=1)
WAYS: dict[str, Forge] = {
    "nothing forged": lambda _: None,
    "an entry of next year": planted(YEAR),
    "an entry of last year": planted(-YEAR),
    "ten entries, so that the real one is folded": planted(*(YEAR + DAY * n for n in range(10))),
    "twelve old entries": planted(*(-YEAR + DAY * n for n in range(12))),
    "emptied": set_to([]),
    "emptied, the way that resets": set_to([{}]),
    "none but a planted one": instead(YEAR),
    "all dated anew": redated(YEAR),
    "turned around": lambda found: found["metadata"]["managedFields"].reverse(),
    "the old ones removed": lambda found: found["metadata"]["managedFields"].clear(),
    "fifty entries": planted(*(YEAR + DAY * n for n in range(50))),
}


def forged(world: EmbeddedWorld, namespace: str, forge: Forge, manager: str, *, dry: bool = False) -> Answer:
    """PUT the Deployment with another image, and with what `forge` makes of its managedFields."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/payment-core"
    found = json.loads(world.ok("get", "--raw", path, user=DANA))
    forge(found)
    found["spec"]["template"]["spec"]["containers"][0]["image"] = f"registry.example.com/evil:{manager}"
    put = ("replace", "--raw", f"{path}?fieldManager={manager}{'&dryRun=All' if dry else ''}", "-f", "-")
    return world.kubectl(*put, user=DANA, stdin=json.dumps(found))


def test_no_forged_time_passes_through_a_freeze_without_a_webhook(world: EmbeddedWorld, namespace: str) -> None:
    assert world.apply(manifests.deployment(namespace), user=DANA).passed
    name = f"forged-{namespace[-12:]}"
    with world.in_force(only_in(namespace, manifests.freeze(name))):
        world.until("the API server knows the freeze", lambda: compiled(world, name))
        with without_webhooks(world, *WEBHOOKS):
            passed = [
                f"{way}, as {manager}"
                for way, forge in WAYS.items()
                # As a manager that has an entry already, and as one that has none.
                for manager in ("kubectl-client-side-apply", "new-one")
                if forged(world, namespace, forge, manager).passed
            ]
    assert passed == []


def test_planted_times_are_refused_outside_of_a_freeze_too_and_honest_ones_pass(
    world: EmbeddedWorld, namespace: str
) -> None:
    assert world.apply(manifests.deployment(namespace), user=DANA).passed
    coming = manifests.freeze(f"coming-{namespace[-12:]}", startsAt=_at(timedelta(days=20)))
    with world.in_force(only_in(namespace, coming)):
        world.until("the API server knows the freeze", lambda: compiled(world, coming["metadata"]["name"]))
        answers: list[str] = []

        def looked_at() -> bool:
            # The API server refreshes its policies each second: the first tries may pass. Each has an image of its own, as
            # what does not change the template is not looked at.
            answers.append(forged(world, namespace, planted(YEAR), f"try-{len(answers)}").out)
            return "not now" in answers[-1]

        found = world.get("validatingadmissionpolicies", "tierguard-clock")
        assert poll(looked_at, 30), (answers[-1], found["spec"]["matchConditions"], found.get("status"))
        for way in ("an entry of last year", "ten entries, so that the real one is folded", "twelve old entries"):
            answer = settled(world, namespace, WAYS[way], "second")
            assert "not now" in answer.out, (way, answer.out)
        for way in ("nothing forged", "emptied"):
            answer = settled(world, namespace, WAYS[way], f"honest-{way[:4].strip()}")
            assert answer.passed, (way, answer.out)


def by_ten(found: Document) -> None:
    planted(*(-DAY * (n + 1) for n in range(10)))(found)
    found["metadata"]["annotations"]["by"] = "old"  # whose own entry stays so when somebody else changes the image


def test_the_eleventh_tool_to_write_is_as_honest_as_the_first(world: EmbeddedWorld, namespace: str) -> None:
    """Of more than ten writers the API server folds the oldest into one entry, which is new and of the past."""
    assert world.apply(manifests.deployment(namespace), user=DANA).passed
    world.until("ten wrote it, before any freeze", lambda: forged(world, namespace, by_ten, "old").passed)
    coming = manifests.freeze(f"coming-{namespace[-12:]}", startsAt=_at(timedelta(days=20)))
    with world.in_force(only_in(namespace, coming)):
        world.until(
            "planted times are refused",
            # As a dry run, which leaves the old entries where they are.
            lambda: "not now" in forged(world, namespace, planted(YEAR), "forger", dry=True).out,
        )
        answer = settled(world, namespace, lambda _: None, "eleventh")
        assert answer.passed, answer.out
        shown = ("get", "deployment", "payment-core", "-n", namespace, "-o", "json", "--show-managed-fields")
        assert "ancient-changes" in {each["manager"] for each in fields(json.loads(world.ok(*shown)))}


def settled(world: EmbeddedWorld, namespace: str, forge: Forge, manager: str) -> Answer:
    """As `forged`, again while the controller's status comes in between."""
    answers: list[Answer] = []

    def said() -> bool:
        answers.append(forged(world, namespace, forge, manager))
        return "object has been modified" not in answers[-1].out

    world.until("no conflict", said)
    return answers[-1]


def _at(after: timedelta) -> str:
    return (datetime.now(UTC) + after).strftime("%Y-%m-%dT%H:%M:%SZ")
