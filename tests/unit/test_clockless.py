"""What carries no clock, in stretches that begin while no operator runs: the policy that the operator leaves behind."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e import manifests
from tierguard.cli.picture import picture
from tierguard.controller.asserted import LOOK
from tierguard.controller.options import Endpoint, Options
from tierguard.controller.webhooks.clockless import ClocklessKeeper, clockless_policy
from tierguard.guard.model.state import State
from tierguard.guard.survey import Selection, survey

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OWNER = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "name": "guard", "uid": "u"}
Document = dict[str, Any]


def freeze(name: str, starts: timedelta, **spec: Any) -> Document:
    found = manifests.freeze(
        name, startsAt=(NOW + starts).isoformat(), expiresAt=(NOW + starts + timedelta(hours=1)).isoformat(), **spec
    )
    found["metadata"]["creationTimestamp"] = "2026-11-01T00:00:00Z"
    return dict(found)


def state(*freezes: Document) -> State:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"}}
    return picture([namespace, manifests.deployment("payments"), *freezes])


def conditions(*freezes: Document) -> dict[str, str]:
    there = state(*freezes)
    policy, _ = clockless_policy("guard-clockless", "system", Selection(survey(there, NOW), there), NOW)
    return {each["name"]: each["expression"] for each in policy["spec"]["matchConditions"]}


def span(starts: timedelta) -> str:
    begin = int((NOW + starts).timestamp())
    return f"[{begin}, {begin + 3600}]"


HOUR = timedelta(hours=1)


def test_only_what_is_still_to_come_is_left_to_the_policy() -> None:
    found = conditions(freeze("on", -HOUR / 2), freeze("soon", 3 * HOUR), freeze("over", -3 * HOUR))

    assert "params.spec.renewTime" in found["inside-a-freeze"]
    assert span(3 * HOUR) in found["inside-a-freeze"]
    assert span(-HOUR / 2) not in found["inside-a-freeze"]
    assert "not-a-controller" in found
    assert conditions() == conditions(freeze("on", -HOUR / 2)) == {"begun": "false"}


@pytest.mark.parametrize(
    ("allow", "left"), [(["Restart", "Rollback"], True), (["ScaleDown"], False), (["Traffic"], False)]
)
def test_a_freeze_that_lets_some_of_it_pass_is_left_to_a_webhook(allow: list[str], left: bool) -> None:
    found = conditions(freeze("soon", 3 * HOUR, allow=allow))

    assert (span(3 * HOUR) in found.get("inside-a-freeze", "")) is left


def test_it_is_bound_to_a_lease_that_may_be_missing_and_looks_at_nothing_but_deletions_and_scales() -> None:
    there = state(freeze("soon", 3 * HOUR))
    policy, binding = clockless_policy("guard-clockless", "system", Selection(survey(there, NOW), there), NOW)

    rules = policy["spec"]["matchConstraints"]["resourceRules"]
    asked = {(verb, name.partition("/")[2]) for r in rules for verb in r["operations"] for name in r["resources"]}
    assert asked == {("DELETE", ""), ("UPDATE", "scale")}
    (spared,) = policy["spec"]["matchConstraints"]["namespaceSelector"]["matchExpressions"]
    assert {"kube-system", "system"} <= set(spared["values"])
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    assert binding["spec"]["paramRef"]["parameterNotFoundAction"] == "Allow"


class Cluster:
    """Keeps what is applied, with a generation that each change of a spec makes another."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.writes = 0

    def find(self, path: str) -> Any:
        return self.kept.get(path)

    def apply(self, path: str, body: Any, manager: str) -> Any:
        assert manager
        self.writes += 1
        before = self.kept.get(path, {"metadata": {"generation": 0}})
        generation = before["metadata"]["generation"] + (before.get("spec") != body["spec"])
        self.kept[path] = {**body, "metadata": {**body["metadata"], "uid": path, "generation": generation}}
        return self.kept[path]

    def meddle(self, metadata: Any = None, spec: Any = None) -> None:
        """Change all that is there, as somebody else."""
        for path, kept in self.kept.items():
            changed = {**kept["metadata"], **(metadata or {})}
            changed["generation"] += spec is not None
            self.kept[path] = {**kept, "metadata": changed, "spec": {**kept["spec"], **(spec or {})}}

    def delete(self, path: str, uid: str = "") -> None:
        assert uid == self.kept.pop(path)["metadata"].get("uid", "")


def keeper(cluster: Cluster, seconds: int) -> ClocklessKeeper:
    options = Options("system", Endpoint("system", "w", 443), "guard", "", "", 0, clock_probe_seconds=seconds)
    api: Any = cluster
    return ClocklessKeeper(api, options)


def test_it_is_written_when_it_changes_or_was_changed_and_goes_when_nobody_wants_it() -> None:
    cluster, coming = Cluster(), state(freeze("soon", 3 * HOUR))
    wanted = keeper(cluster, 2)

    def keep(there: State, now: datetime) -> int:
        before = cluster.writes
        wanted.keep(Selection(survey(there, now), there), lambda: OWNER, now)
        return cluster.writes - before

    assert keep(state(), NOW) == 2
    assert keep(state(), NOW + LOOK / 2) == 0
    assert keep(coming, NOW + LOOK / 2) == 1, "the binding is the same"
    assert keep(coming, NOW + 2 * LOOK) == 0, "nobody changed anything"
    cluster.meddle(spec={"failurePolicy": "Ignore"})
    assert keep(coming, NOW + 2.5 * LOOK) == 0, "it is looked at once a minute"
    assert keep(coming, NOW + 3 * LOOK) == 2
    cluster.meddle(metadata={"ownerReferences": []})
    assert keep(coming, NOW + 4 * LOOK) == 2
    cluster.meddle(metadata={"annotations": {"note": "x"}})
    assert keep(coming, NOW + 5 * LOOK) == 0, "that is somebody else's"
    cluster.kept.clear()
    assert keep(coming, NOW + 6 * LOOK) == 2
    wanted.start_over()
    assert keep(coming, NOW + 6 * LOOK) == 2
    assert sorted(body["kind"] for body in cluster.kept.values()) == [
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ]
    assert all(body["metadata"]["ownerReferences"] == [OWNER] for body in cluster.kept.values())

    keeper(cluster, 0).keep(Selection((), coming), lambda: OWNER, NOW)
    assert cluster.kept == {}
