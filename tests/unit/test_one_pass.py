"""A pass of the operator is about one picture, however long it takes and whatever comes meanwhile."""

from datetime import timedelta
from typing import Any

from tests.e2e import manifests
from tests.unit.operators import NOW, Document, Recorder, operator
from tierguard.cli.picture import picture
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api
from tierguard.controller.reconcile import Reconciler
from tierguard.controller.status.holds import BEGINS, Seen, freeze_status
from tierguard.controller.status.scan import Scan
from tierguard.guard.freezes.compiled import compile_freeze
from tierguard.guard.freezes.rollback_record import complete
from tierguard.guard.model.identities import Identities
from tierguard.guard.model.state import Revision
from tierguard.guard.survey import survey

PLACE = "payments"


def rolled_out(image: str = f"{manifests.IMAGE}:1", generation: int = 1) -> Document:
    workload = manifests.deployment(PLACE, image=image)
    workload["metadata"] |= {"uid": "w", "creationTimestamp": "2026-11-01T00:00:00Z", "generation": generation}
    counts = {"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
    return {**workload, "status": {"observedGeneration": 1, **counts}}


def freeze() -> Document:
    found = manifests.freeze("f", startsAt="2026-11-21T11:59:59Z", expiresAt="2026-11-22T00:00:00Z")
    found["metadata"] |= {"uid": "f", "generation": 1, "creationTimestamp": "2026-11-21T11:59:59Z"}
    return dict(found)


def statuses(recorder: Recorder) -> list[Document]:
    return [one["status"] for one in recorder.written if one["kind"] == "OperationalFreeze"]


def begun() -> tuple[Reconciler, Recorder, Any]:
    policy = manifests.policy("keep", {"disruptionBudget": {"mode": "Maintain", "maxUnavailable": 1}})
    policy["metadata"] |= {"uid": "p", "generation": 1}
    there = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE}}, dict(policy), rolled_out()]
    return operator(picture(there), there)


def test_a_rollout_that_comes_with_a_freeze_in_the_middle_of_a_pass_is_listed_as_under_way() -> None:
    reconciler, recorder, cache = begun()

    def a_rollout_and_a_freeze(body: Document) -> None:
        if body["kind"] == "PodDisruptionBudget":
            new = rolled_out(f"{manifests.IMAGE}:2", generation=2)
            cache.state.workloads_in[PLACE][("Deployment", PLACE, "payment-core")] = new
            cache.state.revisions.setdefault(PLACE, Revision()).note(("Deployment", PLACE, "payment-core"))
            cache.changes.changed(new)
            cache.state.freezes = (compile_freeze(freeze()),)
            cache.raw["OperationalFreeze"] = {"f": freeze()}

    recorder.meanwhile = a_rollout_and_a_freeze
    assert not reconciler.once().failed
    assert recorder.calls[("apply", "PodDisruptionBudget")] == 1
    assert not statuses(recorder)

    recorder.meanwhile = lambda _: None
    assert not reconciler.once().failed
    (status,) = statuses(recorder)
    assert status["rolloutsInFlight"] == [f"Deployment {PLACE}/payment-core"]


def settlement() -> tuple[Document, Document]:
    """A CronJob of the operation Settlement, and a freeze of that."""
    metadata = {"name": "settle", "namespace": PLACE, "uid": "c", "labels": {"tierguard.io/operation": "settlement"}}
    cron_job = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": {}}
    return cron_job, {**freeze(), "spec": {**freeze()["spec"], "operations": ["Settlement"]}}


def test_a_cron_job_is_suspended_by_the_pass_that_says_so_in_the_status_of_the_freeze() -> None:
    cron_job, declared = settlement()
    policy = manifests.policy("keep", {"disruptionBudget": {"mode": "Maintain", "maxUnavailable": 1}})
    there = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE}},
        dict(policy),
        rolled_out(),
        cron_job,
    ]
    reconciler, recorder, cache = operator(picture(there), there)

    def a_freeze(body: Document) -> None:
        if body["kind"] == "PodDisruptionBudget":
            cache.state.freezes = (compile_freeze(declared),)
            cache.raw["OperationalFreeze"] = {"f": declared}

    recorder.meanwhile = a_freeze
    assert not reconciler.once().failed
    assert ("merge", "cronjobs") not in recorder.calls

    recorder.meanwhile = lambda _: None
    cache.changes.changed(declared)
    assert not reconciler.once().failed
    (status,) = statuses(recorder)
    assert [(one["name"], one["suspendedBefore"]) for one in status["suspended"]] == [("settle", False)]
    assert recorder.calls[("merge", "cronjobs")] == 1
    order = [one["kind"] for one in recorder.written]
    assert order.index("OperationalFreeze") < order.index("cronjobs")


def test_a_rollout_that_is_seen_a_moment_after_the_freeze_is_listed_and_a_later_one_is_not() -> None:
    raw, at_rest = freeze(), Seen(surveyed=survey(picture([rolled_out()]), NOW))
    rolling = Seen(surveyed=survey(picture([rolled_out(generation=2)]), NOW))
    hold = compile_freeze(raw)
    first = freeze_status(raw, hold, at_rest, NOW)
    assert first["rolloutsInFlight"] == []

    found = [
        freeze_status({**raw, "status": first}, hold, rolling, NOW + after)["rolloutsInFlight"]
        for after in (BEGINS - timedelta(seconds=1), BEGINS)
    ]
    assert found == [[f"Deployment {PLACE}/payment-core"], []]


def test_the_survey_sees_a_rollout_end_though_only_the_status_changed() -> None:
    cache = ClusterCache(Api.__new__(Api), "tierguard-system", Identities(), status=True)
    cache.state.namespaces[PLACE] = {}
    (deployments,) = (each for each in cache._reflectors if each.collection.kind == "Deployment")
    scan, found = Scan(), []
    ended = rolled_out(generation=2)
    ended["status"]["observedGeneration"] = 2
    known = None
    for obj in (rolled_out(), rolled_out(generation=2), ended):
        deployments._changed(known, obj)
        known = obj
        (surveyed,) = scan.survey(cache.state, cache.changes.in_namespace, NOW)
        found.append(complete(surveyed.classified.workload))

    assert found == [True, False, True]
