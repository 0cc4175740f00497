"""Before the start: what leaves a freeze ahead of it. With operators dead: what nobody compiled is held all the same."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cluster.install import OPERATORS
from tests.e2e import manifests
from tests.e2e.outage import compiled, without_operators
from tests.e2e.world import DANA, EmbeddedWorld, only_in

pytestmark = pytest.mark.embedded  # kills the operators

CORE = "deployment/payment-core"
TIER = "tierguard.io/tier"
MASTERS = ("--as-group=system:masters",)


def patched(world: EmbeddedWorld, what: str, namespace: str, change: dict[str, Any], user: str | None = DANA) -> bool:
    body = json.dumps(change)
    answer = world.kubectl("patch", what, "-n", namespace, "--type=merge", "-p", body, "--dry-run=server", user=user)
    assert answer.passed or "tierguard.io" in answer.out, answer.out
    return answer.passed


def labels(value: str | None, key: str = TIER) -> dict[str, Any]:
    return {"metadata": {"labels": {key: value}}}


def of_pods(value: str | None, key: str = TIER) -> dict[str, Any]:
    return {"spec": {"template": {"metadata": {"labels": {key: value}}}}}


def coming(name: str, ahead: timedelta, **scope: Any) -> manifests.Document:
    start = (datetime.now(UTC) + ahead).strftime("%Y-%m-%dT%H:%M:%SZ")
    return manifests.freeze(name, startsAt=start, scope=scope)


def known(world: EmbeddedWorld, freeze: Any) -> None:
    world.until("the API server knows it", lambda: compiled(world, freeze["metadata"]["name"]))


@pytest.mark.parametrize("hours", [-1, 1, 72])
def test_nothing_leaves_a_freeze_inside_or_in_the_day_before_it(
    world: EmbeddedWorld, namespace: str, hours: int
) -> None:
    world.ok("label", "namespace", namespace, f"{TIER}=2", "team=payments")
    plain = manifests.deployment(namespace, "by-namespace", tier=None)
    workload = manifests.deployment(namespace)
    workload["metadata"]["labels"] = {**workload["metadata"]["labels"], "line": "cards"}  # its pods have it not
    assert world.apply(workload, plain, user=DANA).passed
    marked = {
        "workloadSelector": {"matchLabels": {"line": "cards"}},
        "namespaceSelector": {"matchLabels": {"team": "payments"}},
    }
    short, ahead = namespace[-12:].strip("-"), timedelta(hours=hours)
    by_tier = dict(only_in(namespace, coming(f"tiers-{short}", ahead, tiers=[0, 1, 2])))
    by_label = coming(f"labels-{short}", ahead, tiers=[0, 1, 2], **marked)
    with world.in_force(by_tier, by_label):
        for freeze in (by_tier, by_label):
            known(world, freeze)
        left = {
            "its tier": patched(world, CORE, namespace, labels(None)),
            "a lower tier": patched(world, CORE, namespace, labels("4")),
            "the tier of its pods": patched(world, CORE, namespace, of_pods(None)),
            "both tiers": patched(world, CORE, namespace, {**labels(None), **of_pods(None)}),
            "the tier of the namespace": patched(world, f"namespace/{namespace}", namespace, labels(None), None),
            "the team of the namespace": patched(
                world, f"namespace/{namespace}", namespace, labels(None, "team"), None
            ),
            "a label of the freeze": patched(world, CORE, namespace, labels(None, "line")),
        }
    # What is days away may still be planned for.
    assert [way for way, passed in left.items() if passed is (hours < 24)] == [], left


def test_what_is_guarded_or_declared_with_no_operator_alive_is_held(world: EmbeddedWorld, namespace: str) -> None:
    assert world.apply(
        manifests.deployment(namespace, tier=None), manifests.deployment(namespace, "three", tier="3")
    ).passed
    first = only_in(namespace, manifests.freeze(f"first-{namespace[-12:]}", scope={"tiers": [0, 1]}))
    image = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "evil:1"}]}}}}

    def rolls_out(name: str) -> bool:
        body = json.dumps(image)
        place = ("-n", namespace, "-p", body, "--dry-run=server")
        return world.kubectl("patch", f"deployment/{name}", *place, user=DANA).passed

    with world.in_force(first):
        known(world, first)
        assert rolls_out("payment-core")
        assert rolls_out("three")
        with without_operators(world):
            second = only_in(namespace, manifests.freeze(f"second-{namespace[-12:]}", scope={"tiers": [3]}))
            with world.in_force(second):
                assert not rolls_out("three")
                assert rolls_out("payment-core")
            assert not patched(world, f"namespace/{namespace}", namespace, labels("1"), None)
            # Whoever gave it a tier: from then on it is in the freeze.
            world.ok("label", "namespace", namespace, f"{TIER}=1", "--as=system:kube-controller-manager", *MASTERS)
            world.until("the namespace's tier counts", lambda: not rolls_out("payment-core"), 10)
        for name in OPERATORS:
            world.tierguard.wait_ready(name)
