"""Freezes of operations other than deploys: CronJobs are suspended, new Jobs refused, what runs finishes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e import manifests
from tests.e2e.world import CLEANER, DANA, EmbeddedWorld, only_in

pytestmark = pytest.mark.embedded  # waits for the CronJob controller of the embedded control plane


def cron_job(namespace: str, name: str = "settle", schedule: str = "0 1 1 1 *", **spec: Any) -> dict[str, Any]:
    labels = {"tierguard.io/operation": "settlement"}
    pod = {"restartPolicy": "Never", "containers": [{"name": "app", "image": "settlement:1"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"schedule": schedule, "jobTemplate": {"spec": {"template": {"spec": pod}}}, **spec},
    }


def freeze(namespace: str, **spec: Any) -> dict[str, Any]:
    resource = manifests.freeze(f"settlement-{namespace[-12:]}", operations=["Settlement"], **spec)
    return dict(only_in(namespace, resource))


def suspended(world: EmbeddedWorld, namespace: str, name: str = "settle") -> bool:
    return bool(world.get("cronjob", name, "-n", namespace)["spec"].get("suspend"))


def test_the_cron_jobs_of_a_frozen_operation_are_suspended_and_resumed(world: EmbeddedWorld, namespace: str) -> None:
    other = cron_job(namespace, "report")
    other["metadata"]["labels"] = {}
    by_person = cron_job(namespace, "paused-by-a-person", suspend=True)
    assert world.apply(cron_job(namespace), other, by_person, user=DANA).passed
    resource = freeze(namespace)
    with world.in_force(resource):
        world.until("it is suspended", lambda: suspended(world, namespace))
        assert not suspended(world, namespace, "report")
        listed = world.get("ofz", resource["metadata"]["name"])["status"]["suspended"]
        assert {item["name"]: item["suspendedBefore"] for item in listed} == {
            "settle": False,
            "paused-by-a-person": True,
        }
        place = ("-n", namespace)
        refused = [
            world.kubectl("patch", "cronjob/settle", *place, "-p", '{"spec":{"suspend":false}}', user=DANA),
            world.kubectl("create", "job", "by-hand", "--from=cronjob/settle", *place, user=DANA),
            world.kubectl("label", "cronjob/settle", "tierguard.io/operation-", *place, user=DANA),
            world.kubectl("delete", "cronjob/settle", *place, user=DANA),
        ]
        for answer in refused:
            assert not answer.passed
            assert "operation Settlement" in answer.out
        passed = world.kubectl("create", "job", "report-now", "--from=cronjob/report", *place, user=DANA)
        assert passed.passed, passed.out
    world.until("it is resumed", lambda: not suspended(world, namespace))
    assert suspended(world, namespace, "paused-by-a-person")


def test_a_persons_suspension_during_the_freeze_survives_it(world: EmbeddedWorld, namespace: str) -> None:
    assert world.apply(cron_job(namespace), user=DANA).passed
    with world.in_force(freeze(namespace)):
        world.until("it is suspended", lambda: suspended(world, namespace))
        mine = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "settle", "namespace": namespace}}
        options = ("--server-side", "--field-manager=dana")
        answer = world.apply({**mine, "spec": {"suspend": True}}, user=DANA, options=options)
        assert answer.passed, answer.out
    other = cron_job(namespace, "later")
    assert world.apply(other, user=DANA).passed
    with world.in_force(freeze(namespace)):
        world.until("another is suspended", lambda: suspended(world, namespace, "later"))
    world.until("the other is resumed", lambda: not suspended(world, namespace, "later"))
    assert suspended(world, namespace), "Dana wants it so"


def test_jobs_that_run_finish_and_are_listed(world: EmbeddedWorld, namespace: str) -> None:
    assert world.apply(cron_job(namespace), user=DANA).passed
    world.ok("create", "job", "running", "--from=cronjob/settle", "-n", namespace, user=DANA)
    resource = freeze(namespace)
    with world.in_force(resource):

        def listed() -> bool:
            status = world.get("ofz", resource["metadata"]["name"]).get("status") or {}
            job = world.get("job", "running", "-n", namespace)
            finished = (job.get("status") or {}).get("succeeded")
            return bool(finished) or f"{namespace}/running" in (status.get("runningJobs") or [])

        world.until("the running job is listed, or has finished", listed)
        assert not world.get("job", "running", "-n", namespace)["spec"].get("suspend")


@pytest.mark.parametrize(("missed", "runs"), [("Skip", 0), ("Run", 1)])
def test_a_missed_run_is_skipped_or_run_as_the_freeze_says(
    world: EmbeddedWorld, namespace: str, missed: str, runs: int
) -> None:
    assert world.apply(cron_job(namespace, schedule="* * * * *", suspend=True), user=DANA).passed
    with world.in_force(freeze(namespace, missedRuns=missed)):
        # Given back to the operator: resumed by the controller's identity, suspended again by the operator.
        world.ok("patch", "cronjob/settle", "-n", namespace, "-p", '{"spec":{"suspend":false}}', *CLEANER)
        world.until("it is suspended", lambda: suspended(world, namespace))
        minute = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        world.until("a run was due", lambda: datetime.now(UTC) > minute + timedelta(seconds=3), 65)
        began = world.get("jobs", "-n", namespace)["items"]
        world.ok("patch", "ofz", freeze(namespace)["metadata"]["name"], "--type=merge", "-p", over(), *CLEANER)
        world.until("it is resumed", lambda: not suspended(world, namespace))
        at = datetime.now(UTC)
        if at.second > 50:
            pytest.fail("the next run is due too soon to tell a missed run from it")

        def started() -> int:
            return len(world.get("jobs", "-n", namespace)["items"]) - len(began)

        if runs:
            world.until("the missed run starts", lambda: started() >= runs, 20)
        else:
            settled = at + timedelta(seconds=6)
            world.until("the controller has looked at it", lambda: datetime.now(UTC) > settled or bool(started()), 10)
        assert started() == runs


def over() -> str:
    return '{"spec":{"expiresAt":"' + datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") + '"}}'
