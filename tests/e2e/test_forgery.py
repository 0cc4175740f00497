"""Planted times: whoever forges the clock that objects carry gets through no freeze, with no webhook there to look."""

import copy
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cluster.install import WEBHOOKS
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


def forged(world: EmbeddedWorld, namespace: str, forge: Forge, manager: str) -> Answer:
    """PUT the Deployment with another image, and with what `forge` makes of its managedFields."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/payment-core"
    found = json.loads(world.ok("get", "--raw", path, user=DANA))
    forge(found)
    found["spec"]["template"]["spec"]["containers"][0]["image"] = f"registry.example.com/evil:{manager}"
    put = ("replace", "--raw", f"{path}?fieldManager={manager}", "-f", "-")
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
