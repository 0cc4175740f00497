"""In a freeze an autoscaler is no hand that scales down, or that no longer scales up; what can only add pods passes."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e import manifests
from tierguard.api.scope import ChangeKind
from tierguard.cli.picture import picture
from tierguard.guard.decide import evaluate
from tierguard.guard.model.change import Change, Operation
from tierguard.guard.model.decision import Decision
from tierguard.guard.model.facts import Autoscaler
from tierguard.guard.model.state import State

Document = dict[str, Any]

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
PLACE = "payments"
CORE, OTHER = "payment-core", "reports"
CPU = [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}]
PODS = {"type": "Pods", "value": 4, "periodSeconds": 60}
PERCENT = {"type": "Percent", "value": 50, "periodSeconds": 60}


def target(name: str = CORE, kind: str = "Deployment", version: str = "apps/v1") -> Document:
    return {"apiVersion": version, "kind": kind, "name": name}


def hpa(name: str = "core", aim: Document | None = None, **spec: Any) -> Document:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": PLACE},
        "spec": {"scaleTargetRef": aim or target(), "minReplicas": 3, "maxReplicas": 9, "metrics": CPU, **spec},
    }


def keda(annotations: Document | None = None, **spec: Any) -> Document:
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "core", "namespace": PLACE, "annotations": annotations or {}},
        "spec": {
            "scaleTargetRef": {"name": CORE},
            "minReplicaCount": 3,
            "maxReplicaCount": 9,
            "triggers": [{"type": "cron"}],
            **spec,
        },
    }


def around(*more: Document, replicas: int = 3) -> State:
    core = manifests.deployment(PLACE, CORE, replicas=replicas)
    other = manifests.deployment(PLACE, OTHER, tier=None)
    return picture([core, other, manifests.freeze("peak"), *more])


def decided(old: Document | None, new: Document | None, known: State | None = None) -> Decision:
    operation = Operation.CREATE if old is None else Operation.DELETE if new is None else Operation.UPDATE
    kind = str((new or old or {})["kind"])
    state = known or around()
    if old is not None:
        state.autoscalers_in.setdefault(PLACE, {})[f"{kind}/{old['metadata']['name']}"] = Autoscaler.of(old)
    name = (new or old or {})["metadata"]["name"]
    return evaluate(Change(operation, kind, PLACE, name, old, new, "dana"), state, NOW)


def held(decision: Decision) -> bool:
    if decision.allowed:
        return False
    assert decision.reasons() == ("freeze/ActiveFreeze",)
    assert decision.kinds == (ChangeKind.CONFIGURATION,)
    return True


def up(**rules: Any) -> Document:
    return {"behavior": {"scaleUp": rules}}


def down(**rules: Any) -> Document:
    return {"behavior": {"scaleDown": rules}}


@pytest.mark.parametrize(
    ("spec", "refused"),
    [
        ({}, False),
        ({"minReplicas": 5, "maxReplicas": 5}, False),
        ({"minReplicas": 2}, True),
        ({"minReplicas": None}, True),
        ({"minReplicas": 0}, True),
        ({"minReplicas": 1, "maxReplicas": 1}, True),
        ({"maxReplicas": 2}, True),
        (up(selectPolicy="Disabled"), True),
        (up(policies=[{**PODS, "value": 0}]), True),
        (up(policies=[{**PODS, "value": 0}, PERCENT]), False),
        (up(selectPolicy="Min", policies=[{**PODS, "value": 0}, PERCENT]), True),
        (down(selectPolicy="Disabled"), False),
    ],
)
def test_a_new_autoscaler_passes_only_where_it_can_do_nothing_but_add(spec: Document, refused: bool) -> None:
    assert held(decided(None, hpa(**spec))) is refused
    assert decided(None, hpa(aim=target(OTHER), **spec)).allowed
    assert decided(None, hpa(**spec), picture([manifests.deployment(PLACE, CORE)])).allowed


def test_an_autoscaler_sets_replicas_and_suspends_no_jobs() -> None:
    known = around()
    (keda_operator,) = known.identities.autoscalers
    core = manifests.deployment(PLACE, CORE)
    job = {**core, "apiVersion": "batch/v1", "kind": "Job", "spec": {"template": core["spec"]["template"]}}

    def passes(old: Document, **spec: Any) -> bool:
        new = {**old, "spec": {**old["spec"], **spec}}
        change = Change(Operation.UPDATE, old["kind"], PLACE, CORE, old, new, keda_operator)
        return evaluate(change, known, NOW).allowed

    assert passes(core, replicas=1)
    assert not passes(job, suspend=True)
    assert not passes(job, parallelism=0)


def test_what_runs_now_is_what_counts() -> None:
    assert held(decided(None, hpa(), around(replicas=4)))
    assert not held(decided(None, hpa(), around(replicas=2)))
    assert held(decided(None, hpa(minReplicas=6), around(replicas=7)))


def test_a_second_autoscaler_stops_the_first_one() -> None:
    known = around(hpa("first"))

    assert held(decided(None, hpa("second"), known))
    assert decided(None, hpa("second", target(OTHER)), known).allowed


def test_the_autoscaler_that_keda_makes_for_its_own_is_no_second_one() -> None:
    made = hpa("keda-hpa-core")
    made["metadata"]["ownerReferences"] = [{"kind": "ScaledObject", "name": "core", "uid": "u", "controller": True}]

    assert decided(None, made, around(keda())).allowed
    made["metadata"]["ownerReferences"][0]["name"] = "another"
    assert held(decided(None, made, around(keda())))


@pytest.mark.parametrize(
    "aim",
    [
        target(version="apps/v1beta2"),
        target(version=""),
        target(version="extensions/v1beta1"),
        target(kind="deployment"),
        target(kind="deployments"),
    ],
)
def test_a_target_in_another_spelling_is_the_same_workload(aim: Document) -> None:
    assert held(decided(None, hpa(aim=aim, minReplicas=1)))
    assert held(decided(hpa(aim=aim), hpa(aim=aim, minReplicas=1)))
    assert held(decided(hpa("core", target(OTHER)), hpa("core", aim, minReplicas=1)))


@pytest.mark.parametrize(
    ("spelling", "refused"),
    [("apps/v1beta2", False), ("", True), ("apps.kruise.io/v1beta1", True)],
)
def test_a_target_that_kubernetes_no_longer_finds_is_a_target_lost(spelling: str, refused: bool) -> None:
    """Its controller looks for the group and the kind; the version makes no difference."""
    assert held(decided(hpa(), hpa(aim=target(version=spelling)))) is refused
    assert held(decided(hpa(), hpa(aim=target(kind="deployment"))))


def test_aiming_an_autoscaler_elsewhere_is_held_for_either_target() -> None:
    here, there = hpa(), hpa(aim=target(OTHER))

    assert held(decided(here, there))
    assert held(decided({**there, "spec": {**there["spec"], "minReplicas": 1}}, hpa(minReplicas=1)))
    assert decided(there, here).allowed  # with three at least it can only add
    assert decided(there, hpa(aim=target("nobody"))).allowed
    assert held(decided(here, None))
    assert decided(there, None).allowed


def test_a_replica_set_of_a_guarded_deployment_is_nobodys_target() -> None:
    known = around()
    core = known.workloads_in[PLACE][("Deployment", PLACE, CORE)]
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": CORE, "uid": "u-core", "controller": True}
    named = {**core, "metadata": {**core["metadata"], "uid": "u-core"}}
    metadata = {"name": "core-5f7", "namespace": PLACE, "ownerReferences": [owner]}
    replica_set = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": metadata,
    }  # the webhook keeps no spec of it
    known.workloads_in[PLACE] |= {
        ("Deployment", PLACE, CORE): named,
        ("ReplicaSet", PLACE, "core-5f7"): replica_set,
    }

    assert held(decided(None, hpa(aim=target("core-5f7", "ReplicaSet")), known))
    alone = manifests.deployment(PLACE, "alone")
    alone |= {"kind": "ReplicaSet"}
    known.workloads_in[PLACE][("ReplicaSet", PLACE, "alone")] = alone
    assert held(decided(None, hpa("alone", target("alone", "ReplicaSet"), minReplicas=2), known))
    assert decided(None, hpa("alone", target("alone", "ReplicaSet")), known).allowed


STRICT_UP = up(selectPolicy="Max", stabilizationWindowSeconds=0, policies=[PODS, PERCENT])
GENTLE_DOWN = down(selectPolicy="Max", stabilizationWindowSeconds=600, policies=[PODS])


@pytest.mark.parametrize(
    ("old", "new", "forth", "back"),
    [
        ({}, {"minReplicas": 4}, False, True),
        ({}, {"maxReplicas": 20}, False, True),
        ({"minReplicas": 1}, {"minReplicas": None}, False, False),
        ({}, {"metrics": []}, True, True),
        ({}, {"metrics": None}, True, True),
        ({}, {"metrics": [*CPU, *CPU]}, True, True),
        ({"metrics": CPU}, {"metrics": [{"type": "External"}]}, True, True),
        ({}, {"somethingNew": 1}, True, True),
        # Adding pods.
        ({}, up(selectPolicy="Disabled"), True, False),
        ({}, up(stabilizationWindowSeconds=3600), True, False),
        ({}, up(policies=[{**PODS, "value": 1, "periodSeconds": 1800}]), True, False),
        (STRICT_UP, up(policies=[PODS]), True, False),
        (STRICT_UP, up(policies=[PODS, {**PERCENT, "value": 10}]), True, False),
        (STRICT_UP, up(policies=[PODS, {**PERCENT, "periodSeconds": 600}]), True, False),
        (STRICT_UP, up(selectPolicy="Min", policies=[PODS, PERCENT]), True, False),
        (up(selectPolicy="Min", policies=[PODS]), up(selectPolicy="Min", policies=[PODS, PERCENT]), True, False),
        ({}, up(tolerance="0.9"), True, True),
        # Removing pods.
        ({}, down(selectPolicy="Disabled"), False, True),
        ({}, down(stabilizationWindowSeconds=0), True, False),
        (GENTLE_DOWN, down(stabilizationWindowSeconds=599, policies=[PODS]), True, False),
        (GENTLE_DOWN, down(stabilizationWindowSeconds=600, policies=[{**PODS, "value": 9}]), True, False),
        (GENTLE_DOWN, down(stabilizationWindowSeconds=600, policies=[{**PODS, "periodSeconds": 15}]), True, False),
        (GENTLE_DOWN, down(stabilizationWindowSeconds=600, policies=[PODS, PERCENT]), True, False),
        (GENTLE_DOWN, {}, True, True),
        (GENTLE_DOWN, down(stabilizationWindowSeconds=600, policies=[PODS], tolerance="0"), True, True),
        # Defaults that are written out.
        ({}, {"behavior": {"scaleUp": {"selectPolicy": "Max"}, "scaleDown": {}}}, False, False),
        ({}, down(stabilizationWindowSeconds=300), False, False),
    ],
)
def test_a_change_passes_only_where_it_adds_more_or_removes_less(
    old: Document, new: Document, forth: bool, back: bool
) -> None:
    one, other = hpa(**old), hpa(**new)

    assert held(decided(one, other)) is forth
    assert held(decided(other, one)) is back
    assert decided(hpa(aim=target(OTHER), **old), hpa(aim=target(OTHER), **new)).allowed


def v1(**spec: Any) -> Document:
    found = hpa(**spec)
    del found["spec"]["metrics"]
    return {**found, "apiVersion": "autoscaling/v1"}


def test_the_first_version_is_judged_by_its_own_fields() -> None:
    old = v1(targetCPUUtilizationPercentage=60)

    assert held(decided(old, v1(targetCPUUtilizationPercentage=600)))
    assert held(decided(old, v1()))
    assert decided(old, v1(targetCPUUtilizationPercentage=60, minReplicas=4)).allowed
    annotated = copy.deepcopy(old)
    annotated["metadata"]["annotations"] = {"autoscaling.alpha.kubernetes.io/behavior": '{"ScaleUp":{}}'}
    assert held(decided(old, annotated))
    assert held(decided(None, annotated))


@pytest.mark.parametrize(
    ("new", "refused"),
    [
        (keda(minReplicaCount=4), False),
        (keda(minReplicaCount=1), True),
        (keda(idleReplicaCount=0), True),
        (keda(maxReplicaCount=8), True),
        (keda(triggers=[]), True),
        (keda(cooldownPeriod=1), True),
        (keda(advanced={"horizontalPodAutoscalerConfig": {"behavior": {}}}), True),
        (keda({"autoscaling.keda.sh/paused-replicas": "0"}), True),
        (keda({"autoscaling.keda.sh/paused": "true"}), True),
        (keda({"note": "seen"}), False),
        (keda(scaleTargetRef={"name": OTHER}), True),
        (keda(scaleTargetRef={"name": CORE, "kind": "Deployment", "apiVersion": "apps/v1"}), False),
    ],
)
def test_a_scaled_object_is_an_autoscaler_like_any(new: Document, refused: bool) -> None:
    assert held(decided(keda(), new)) is refused


def test_a_new_scaled_object_that_may_go_idle_scales_down() -> None:
    assert decided(None, keda()).allowed
    assert held(decided(None, keda(idleReplicaCount=0)))
    assert held(decided(None, keda({"autoscaling.keda.sh/paused-replicas": "9"})))
    assert held(decided(None, keda(minReplicaCount=None)))


def test_the_fewest_pods_of_a_scaled_object_are_those_when_idle_or_paused() -> None:
    assert Autoscaler.of(keda()).minimum == 3
    assert Autoscaler.of(keda(idleReplicaCount=0)).minimum == 0
    assert Autoscaler.of(keda({"autoscaling.keda.sh/paused-replicas": "1"})).minimum == 1
    assert Autoscaler.of(keda({"autoscaling.keda.sh/paused-replicas": "9" * 5000})).minimum == 3
