"""Making more room: policies and windows are as frozen as what they cover."""

import json
from typing import Any

from tests.e2e import manifests
from tests.e2e.people import MIKE, introduce
from tests.e2e.world import Answer, EmbeddedWorld, only_in

CLOSED = {"dates": ["2099-01-01"]}
SCOPE = {"tiers": [3]}


def patched(world: EmbeddedWorld, what: str, name: str, spec: dict[str, Any]) -> Answer:
    body = json.dumps({"spec": spec})
    return world.kubectl("patch", what, name, "--type=merge", "-p", body, "--dry-run=server", user=MIKE)


def test_a_closed_window_is_not_opened_by_editing_it_or_by_another_one(world: EmbeddedWorld, namespace: str) -> None:
    introduce(world)
    name = f"hours-{namespace[-10:]}"
    window = only_in(namespace, manifests.window(name, CLOSED, scope=SCOPE))
    always = only_in(
        namespace, manifests.window(f"always-{namespace[-10:]}", {"from": "00:00", "to": "24:00"}, scope=SCOPE)
    )
    with world.in_force(window):
        refused = {
            "deleted": world.kubectl("delete", "cw", name, "--dry-run=server", user=MIKE),
            "other hours": patched(world, "cw", name, {"schedule": {"periods": [{"from": "00:00", "to": "24:00"}]}}),
            "more allowed": patched(world, "cw", name, {"allow": ["Rollout"]}),
            "narrowed": patched(world, "cw", name, {"scope": {"workloadSelector": {"matchLabels": {"a": "b"}}}}),
            "another one": world.apply(always, user=MIKE, verb="create", options=("--dry-run=server",)),
        }
        stricter = patched(world, "cw", name, {"allow": [], "scope": {"tiers": [2, 3]}})

    assert [way for way, answer in refused.items() if answer.passed] == []
    for way, answer in refused.items():
        assert f"while {name} is closed" in answer.out, (way, answer.out)
        assert "possible from 2098-12-31T17:00:00Z (2099-01-01 00:00 Asia/Bangkok)" in answer.out, (way, answer.out)
    assert stricter.passed, stricter.out


def test_a_policy_is_made_stricter_but_not_looser_during_a_freeze(world: EmbeddedWorld, namespace: str) -> None:
    introduce(world)
    suffix = namespace[-10:]
    name = f"policy-{suffix}"
    policy = only_in(namespace, manifests.policy(name, {"rollout": {"maxUnavailable": 0}}, tier=3))
    with world.in_force(policy, only_in(namespace, manifests.freeze(f"freeze-{suffix}", scope=SCOPE))):
        refused = {
            "deleted": world.kubectl("delete", "ptp", name, "--dry-run=server", user=MIKE),
            "audited only": patched(world, "ptp", name, {"enforcement": "Audit"}),
            "a rule less": patched(world, "ptp", name, {"rules": {"rollout": None}}),
            "another tier": patched(world, "ptp", name, {"tier": 4}),
            "narrowed": patched(world, "ptp", name, {"scope": {"workloadSelector": {"matchLabels": {"app": "x"}}}}),
            "later": patched(world, "ptp", name, {"effectiveFrom": "2099-01-01T00:00:00Z"}),
        }
        stricter = patched(world, "ptp", name, {"rules": {"disruptionBudget": {"mode": "Require"}}})

    assert [way for way, answer in refused.items() if answer.passed] == []
    for way, answer in refused.items():
        assert f"while freeze-{suffix} holds" in answer.out, (way, answer.out)
    assert stricter.passed, stricter.out
