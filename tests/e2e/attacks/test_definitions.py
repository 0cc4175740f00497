"""Who may write CustomResourceDefinitions, and no more, does not change how freezes are read, webhooks alive or dead."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster.install import WEBHOOKS
from tests.e2e.outage import without_webhooks
from tests.e2e.world import EmbeddedWorld

pytestmark = pytest.mark.embedded

PLAT = "plat@payments.example"
"""May write CustomResourceDefinitions, their status too, and nothing else."""
PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
FREEZES = f"{PATH}/operationalfreezes.tierguard.io"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
DEAD = "failed calling webhook"

Definition = dict[str, Any]
Change = Callable[[Definition], object]


@pytest.fixture(scope="module")
def plat(world: EmbeddedWorld) -> Iterator[str]:
    resources = ["customresourcedefinitions", "customresourcedefinitions/status"]
    verbs = ["get", "list", "create", "update", "patch", "delete"]
    rule = {"apiGroups": ["apiextensions.k8s.io"], "resources": resources, "verbs": verbs}
    name = {"name": "test-definitions"}
    kinds = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    assert world.apply({**kinds, "kind": "ClusterRole", "metadata": name, "rules": [rule]}).passed
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", **name}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": PLAT}
    binding = {**kinds, "kind": "ClusterRoleBinding", "metadata": name, "roleRef": role, "subjects": [subject]}
    assert world.apply(binding).passed
    yield PLAT
    world.ok("delete", "clusterrolebinding,clusterrole", name["name"])


@pytest.fixture(scope="module")
def other(world: EmbeddedWorld) -> Iterator[str]:
    """A CustomResourceDefinition of somebody else's."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "widgets", "kind": "Widget"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    made = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": spec,
    }
    assert world.apply(made).passed
    world.ok("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=30s")
    yield f"{PATH}/widgets.example.com"
    world.ok("delete", "crd", "widgets.example.com")


def updated(world: EmbeddedWorld, path: str, change: Change, user: str | None) -> tuple[int, str]:
    status, found = world.call("GET", path.removesuffix("/status"))
    assert status == 200, found
    changed = copy.deepcopy(found)
    change(changed)
    status, said = world.call("PUT", path, changed, user=user, dryRun="All")
    return status, str(said.get("message"))


def spec_of(definition: Definition) -> dict[str, Any]:
    found: dict[str, Any] = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


def _default(definition: Definition) -> None:
    spec_of(definition)["properties"]["lift"]["default"] = {"requestedBy": "a", "approvedBy": ["b"], "reason": "x"}


def _pruned(definition: Definition) -> None:
    del spec_of(definition)["properties"]["allow"]


def _unvalidated(definition: Definition) -> None:
    spec_of(definition).pop("x-kubernetes-validations", None)
    spec_of(definition).pop("required", None)


def _anything(definition: Definition) -> None:
    spec_of(definition)["properties"]["reviews"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _converted(definition: Definition) -> None:
    service = {"namespace": "attacker", "name": "converter"}
    webhook = {"conversionReviewVersions": ["v1"], "clientConfig": {"service": service}}
    definition["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}


def _second(definition: Definition) -> None:
    definition["spec"]["versions"].append({**definition["spec"]["versions"][0], "name": "v1", "storage": False})


def _disestablished(definition: Definition) -> None:
    definition["status"]["conditions"] = [c for c in definition["status"]["conditions"] if c["type"] != "Established"]


def _owned(definition: Definition) -> None:
    owner = {"apiVersion": "v1", "kind": "Namespace", "name": "gone", "uid": "11111111-1111-1111-1111-111111111111"}
    definition["metadata"]["ownerReferences"] = [owner]


CHANGES: dict[str, tuple[str, Change]] = {
    "a default that lifts every freeze": (FREEZES, _default),
    "a property that vanishes": (FREEZES, _pruned),
    "no validation": (FREEZES, _unvalidated),
    "anything goes": (FREEZES, _anything),
    "a conversion webhook": (FREEZES, _converted),
    "a second version": (FREEZES, _second),
    "another short name": (FREEZES, lambda it: it["spec"]["names"].update(shortNames=["x"])),
    "another kind's windows": (
        f"{PATH}/changewindows.tierguard.io",
        lambda it: it["spec"]["names"].update(shortNames=["x"]),
    ),
    "policies": (f"{PATH}/paymenttierpolicies.tierguard.io", lambda it: it["spec"]["names"].update(shortNames=["x"])),
    "conditions": (f"{FREEZES}/status", _disestablished),
    "stored versions": (f"{FREEZES}/status", lambda it: it["status"]["storedVersions"].append("v1")),
    "accepted names": (f"{FREEZES}/status", lambda it: it["status"]["acceptedNames"].update(kind="Other")),
    "an owner that is gone": (FREEZES, _owned),
}


def assert_held(world: EmbeddedWorld, plat: str, other: str, saying: str) -> None:
    answers = {way: updated(world, path, change, plat) for way, (path, change) in CHANGES.items()}
    assert {way: answer for way, answer in answers.items() if saying not in answer[1]} == {}
    passing = {
        "nothing changes": updated(world, FREEZES, lambda _: None, plat),
        "a label": updated(world, FREEZES, lambda it: it["metadata"].setdefault("labels", {}).update(a="b"), plat),
        "somebody else's": updated(world, other, lambda it: it["spec"]["names"].update(shortNames=["x"]), plat),
        "somebody else's status": updated(world, f"{other}/status", _disestablished, plat),
        "an administrator's upgrade": updated(world, FREEZES, _second, None),
        "an administrator's status": updated(world, f"{FREEZES}/status", _disestablished, None),
    }
    assert {way: answer for way, answer in passing.items() if answer[0] != 200} == {}


def test_how_freezes_are_read_is_changed_by_who_may_bypass_them(world: EmbeddedWorld, plat: str, other: str) -> None:
    assert_held(world, plat, other, "denied the request")
    refused = updated(world, FREEZES, _default, plat)[1]
    assert "needs the verb bypass on operationalfreezes" in refused
    through_status = updated(world, f"{FREEZES}/status", _owned, plat)
    assert through_status[0] != 200 or "ownerReferences" not in world.call("GET", FREEZES)[1]["metadata"]


def test_the_same_with_all_webhooks_dead(world: EmbeddedWorld, plat: str, other: str) -> None:
    with without_webhooks(world, *WEBHOOKS):
        assert_held(world, plat, other, DEAD)
