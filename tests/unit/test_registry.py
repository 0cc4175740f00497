"""The registry of guarded kinds: what follows from it covers all of it, and nothing else."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e import manifests
from tests.e2e.guarded_kinds import Place, cases
from tierguard.cli.picture import picture
from tierguard.controller.options import Endpoint
from tierguard.controller.webhooks.clock_rules import clock_rules
from tierguard.controller.webhooks.configuration import (
    ACTIVE_FREEZE,
    DELETION,
    IN_TIER,
    METADATA,
    POLICY_WEBHOOK,
    RESOURCES,
    compiled,
    configuration,
)
from tierguard.guard.model.identities import AUTOSCALERS, CONTROLLERS
from tierguard.guard.model.state import State
from tierguard.guard.resources.configuration import SERVICE_ACCOUNT
from tierguard.guard.resources.definitions import DEFINITION
from tierguard.guard.resources.own import OWN
from tierguard.guard.resources.registry import AROUND, REGISTRY
from tierguard.guard.resources.resource import CHANGES, CREATE, STATUS_ONLY, UPDATE, Resource
from tierguard.guard.survey import Selection, survey

Document = dict[str, Any]
Row = tuple[str, str, str, str]
"""Group, version, resource with its subresource, operation."""

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
PAIRS = ((ACTIVE_FREEZE, POLICY_WEBHOOK), (f"{IN_TIER}.{ACTIVE_FREEZE}", f"{IN_TIER}.{POLICY_WEBHOOK}"))

STEERED_BY = {
    "cronjob-controller": "CronJob",
    "daemon-set-controller": "DaemonSet",
    "deployment-controller": "Deployment",
    "job-controller": "Job",
    "replicaset-controller": "ReplicaSet",
    "replication-controller": "ReplicationController",
    "statefulset-controller": "StatefulSet",
    "horizontal-pod-autoscaler": "HorizontalPodAutoscaler",
    "disruption-controller": "PodDisruptionBudget",
    "endpoint-controller": "Service",
    "endpointslice-controller": "Service",
    "endpointslicemirroring-controller": "Service",
    "service-controller": "Service",
    "ephemeral-volume-controller": "Pod",
    "expand-controller": "PersistentVolumeClaim",
    "persistent-volume-binder": "PersistentVolumeClaim",
    "pvc-protection-controller": "PersistentVolumeClaim",
    "namespace-controller": "Namespace",
    "resourcequota-controller": "ResourceQuota",
    "resource-claim-controller": "Pod",
    "root-ca-cert-publisher": "Namespace",
    "service-account-controller": "Namespace",
    "ttl-after-finished-controller": "Job",
}
"""Kubernetes' controllers that nobody asks, and the kind by which people tell each what to do."""

FOLLOW_NO_OBJECT = {
    "clusterrole-aggregation-controller",  # writes ClusterRoles
    "generic-garbage-collector",  # goes by owners, which are held on every kind
    "node-controller",
    "pod-garbage-collector",
    "taint-eviction-controller",
}
"""Those that go by nodes, by owners, or by what is no part of a workload."""


def test_every_held_field_of_every_guarded_kind_has_a_case_on_the_real_api_server() -> None:
    """Which looks its objects and changes up by kind and field: what is missing there is a KeyError here."""
    written = list(cases(Place("here", "ending")))
    assert {case.resource.kind for case in written} == {resource.kind for resource in AROUND}
    assert len(set(map(str, written))) == len(written)


@pytest.mark.parametrize(
    ("old", "new", "touched"),
    [
        ({}, {"automountServiceAccountToken": False}, True),
        ({}, {"automountServiceAccountToken": True}, False),
        ({"automountServiceAccountToken": False}, {}, True),
        ({}, {"secrets": []}, False),
        ({"secrets": [{"name": "one"}]}, {"secrets": []}, True),
    ],
)
def test_what_is_not_there_is_told_from_what_is_false(old: Document, new: Document, touched: bool) -> None:
    assert SERVICE_ACCOUNT.touched(old, new) is touched


def name_of(user: str) -> str:
    return user.rpartition(":")[2]


def test_every_kind_by_which_people_steer_an_exempt_controller_is_judged_itself() -> None:
    """Else they would have the controller do what they may not."""
    exempt = {name_of(user) for user in CONTROLLERS | AUTOSCALERS if user.startswith("system:serviceaccount:")}
    assert exempt == STEERED_BY.keys() | FOLLOW_NO_OBJECT
    assert set(STEERED_BY.values()) <= {resource.kind for resource in AROUND}


def test_an_owner_and_the_last_finalizer_are_held_on_every_kind() -> None:
    for resource in AROUND:
        # Pods are deleted freely: their finalizers are their controllers' and people's own.
        finalizers = set() if resource.kind == "Pod" else {("metadata", "finalizers")}
        assert {("metadata", "ownerReferences"), *finalizers} <= set(resource.held), resource.kind


def written(state: State, now: datetime = NOW) -> dict[str, Document]:
    """The webhooks by name, as the operator would write them."""
    asked = compiled(Selection(survey(state, now), state), now)
    endpoint = Endpoint("webhook", "tierguard-system", 443, "")
    return {each["name"]: each for each in configuration("tierguard", endpoint, b"", asked, None)["webhooks"]}


def rows_of(rules: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    for rule in rules:
        for group in rule["apiGroups"]:
            for version in rule["apiVersions"]:
                for resource in rule["resources"]:
                    for operation in rule["operations"]:
                        yield group, version, resource, operation


def paths_of(resource: Resource, paths: Mapping[str, tuple[str, ...]]) -> Iterator[Row]:
    for path, operations in paths.items():
        named = f"{resource.resource}/{path}" if path else resource.resource
        for operation in operations:
            yield resource.group, resource.version, named, operation


def described(resources: Iterable[Resource], *, status_only: bool) -> set[Row]:
    """The paths of `resources`, either those through which only controllers have business, or all others."""
    found: set[Row] = set()
    for resource in resources:
        found |= set(
            paths_of(resource, {k: v for k, v in resource.subresources.items() if (k in STATUS_ONLY) == status_only})
        )
        if not status_only:
            found |= set(paths_of(resource, {"": resource.operations}))
            if resource.scaled:
                found |= set(paths_of(resource, {"scale": (UPDATE,)}))
    return found


@pytest.fixture(scope="module")
def webhooks() -> dict[str, Document]:
    return written(frozen([0, 1]))  # without a stretch to come the strict webhook matches nothing


def rows_in(webhooks: Mapping[str, Document], name: str) -> set[Row]:
    found = list(rows_of(webhooks[name]["rules"]))
    assert len(found) == len(set(found)), name
    return set(found)


@pytest.mark.parametrize("prefix", ["", f"{IN_TIER}."])
def test_the_webhooks_are_asked_about_exactly_the_paths_of_the_registry(
    webhooks: dict[str, Document], prefix: str
) -> None:
    people, controllers = described(AROUND, status_only=False), described(AROUND, status_only=True)
    created = {row for resource in OWN for row in paths_of(resource, {"": (CREATE,)})}
    assert rows_in(webhooks, f"{prefix}{ACTIVE_FREEZE}") == people
    assert rows_in(webhooks, f"{prefix}{POLICY_WEBHOOK}") == people | (set() if prefix else created)
    assert rows_in(webhooks, f"{prefix}{METADATA}") == controllers


def test_only_what_may_be_lost_to_an_outage_is_left_to_a_webhook_that_may_be_missing(
    webhooks: dict[str, Document],
) -> None:
    lenient = {name for name, webhook in webhooks.items() if webhook["failurePolicy"] == "Ignore"}
    assert lenient == {policy for _, policy in PAIRS}
    for strict, policy in PAIRS:
        alone = rows_in(webhooks, policy) - rows_in(webhooks, strict)
        assert all(group == "tierguard.io" and operation == CREATE for group, _, _, operation in alone)


@pytest.mark.parametrize("prefix", ["", f"{IN_TIER}."])
def test_the_deletion_of_every_announced_kind_goes_to_the_webhook_that_holds_it(
    webhooks: dict[str, Document], prefix: str
) -> None:
    expected = {row for r in AROUND if r.announced for row in paths_of(r, {"": CHANGES})}
    definitions = set(paths_of(DEFINITION, {"": CHANGES, **DEFINITION.subresources}))
    assert rows_in(webhooks, f"{prefix}{DELETION}") == expected | (set() if prefix else definitions)


def test_our_own_kinds_are_changed_and_deleted_past_nobody(webhooks: dict[str, Document]) -> None:
    expected = {row for resource in OWN for row in paths_of(resource, {"": CHANGES})}
    assert rows_in(webhooks, RESOURCES) == expected
    assert "matchConditions" not in webhooks[RESOURCES]


def test_the_policy_against_planted_times_looks_at_the_updates_whose_time_decides(
    webhooks: dict[str, Document],
) -> None:
    timed = {row for row in rows_in(webhooks, ACTIVE_FREEZE) if row[3] == UPDATE and not row[2].endswith("/scale")}
    assert set(rows_of(clock_rules()["resourceRules"])) == timed


def test_every_guarded_kind_is_found_by_its_kind_and_once() -> None:
    assert all(REGISTRY[resource.kind] is resource for resource in AROUND)
    assert len({resource.full_name for resource in AROUND}) == len(AROUND)


def frozen(tiers: list[int]) -> State:
    """A cluster with a workload of each tier, and a freeze of `tiers`."""
    place: Document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"}}
    workloads = [manifests.deployment("payments", f"tier-{tier}", tier=str(tier)) for tier in range(5)]
    freeze = manifests.freeze("peak", startsAt="2026-11-11T00:00:00Z", scope={"tiers": tiers})
    return picture([place, *workloads, *([freeze] if tiers else [])])


WITH_STRETCHES = {"inside-a-freeze", "not-asked-elsewhere"}
"""The conditions that have stretches in them."""


def test_which_tiers_are_frozen_is_no_part_of_a_condition_outside_of_its_stretches() -> None:
    """Else nobody would be asked about a tier or a freeze that is declared while no operator is alive."""
    one, other, none = (written(frozen(tiers)) for tiers in ([0, 1], [3], []))
    for name in one:
        for condition, *others in zip(
            *(each[name].get("matchConditions", []) for each in (one, other, none)), strict=True
        ):
            if condition["name"] in WITH_STRETCHES:
                assert condition not in others
            else:
                assert others == [condition, condition], name


def test_no_condition_outside_of_a_stretch_compares_a_tier() -> None:
    named = re.compile(r'l\["tierguard\.io/tier"\]')
    webhooks = written(frozen([0, 1]))
    found = {
        condition["name"]
        for webhook in webhooks.values()
        for condition in webhook.get("matchConditions", [])
        if named.search(condition["expression"])
    }
    assert found == WITH_STRETCHES
