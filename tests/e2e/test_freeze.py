"""A freeze, as an unprivileged developer meets it: every tool, every way around."""

import json

import pytest

from tests.e2e import manifests
from tests.e2e.world import DANA, EmbeddedWorld, only_in

CORE = "deployment/payment-core"
RELABELLED_TEMPLATE = [{"op": "remove", "path": "/spec/template/metadata/labels/tierguard.io~1tier"}]
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "6a5c9f0e-0000-4000-8000-000000000000"}
HPA = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"


def frozen(namespace: str, **spec: object) -> manifests.Document:
    return dict(only_in(namespace, manifests.freeze(f"frozen-{namespace[-20:]}", **spec)))


def deployed(world: EmbeddedWorld, namespace: str, image: str = f"{manifests.IMAGE}:1") -> manifests.Document:
    workload = manifests.deployment(namespace, image=image)
    answer = world.apply(workload, user=DANA)
    assert answer.passed, answer.out
    world.rolled_out(namespace, "payment-core")
    return workload


def scales_are_asked_about(world: EmbeddedWorld, namespace: str, workload: str) -> None:
    """Wait until the operator has told the API server which names are frozen: a Scale has no labels."""
    world.surveyed(namespace)
    down = ("scale", workload, "--replicas=0", "--dry-run=server", "-n", namespace)
    world.until("scaling down is refused", lambda: not world.kubectl(*down, user=DANA).passed)


def refusals(namespace: str) -> dict[str, tuple[str, ...]]:
    """Ways to change a frozen Deployment, as arguments of kubectl."""
    place = ("-n", namespace)
    return {
        "set image": ("set", "image", CORE, f"app={manifests.IMAGE}:2", *place),
        "patch": ("patch", CORE, *place, "-p", '{"spec":{"template":{"spec":{"priority":0,"nodeName":"x"}}}}'),
        "set env": ("set", "env", CORE, "A=B", *place),
        "scale to zero": ("scale", CORE, "--replicas=0", *place),
        "scale down": ("scale", CORE, "--replicas=2", *place),
        "scale to zero by patch": ("patch", CORE, *place, "-p", '{"spec":{"replicas":0}}'),
        "restart of unpinned images": ("rollout", "restart", CORE, *place),
        "delete": ("delete", CORE, *place),
        "delete and orphan": ("delete", CORE, "--cascade=orphan", *place),
        "delete all": ("delete", "deployments", "--all", *place),
        "relabel": ("label", CORE, "tierguard.io/tier-", *place),
        "relabel to tier 4": ("label", CORE, "tierguard.io/tier=4", "--overwrite", *place),
        "relabel the template": ("patch", CORE, *place, "--type=json", "-p", json.dumps(RELABELLED_TEMPLATE)),
        "dangling owner": ("patch", CORE, *place, "-p", json.dumps({"metadata": {"ownerReferences": [OWNER]}})),
        "dry run": ("set", "image", CORE, f"app={manifests.IMAGE}:2", "--dry-run=server", *place),
        "settings": ("patch", CORE, *place, "-p", '{"spec":{"progressDeadlineSeconds":999}}'),
    }


def test_every_way_to_change_a_frozen_workload_is_refused(world: EmbeddedWorld, namespace: str) -> None:
    workload = deployed(world, namespace)
    before = world.get("deployment", "payment-core", "-n", namespace)
    new = manifests.with_image(workload, f"{manifests.IMAGE}:2")

    with world.in_force(frozen(namespace)):
        scales_are_asked_about(world, namespace, CORE)
        answers = {way: world.kubectl(*call, user=DANA) for way, call in refusals(namespace).items()}
        for verb, options in (
            ("apply", ()),
            ("apply", ("--server-side", "--force-conflicts")),
            ("replace", ()),
            ("replace", ("--force",)),
        ):
            answers[" ".join((verb, *options))] = world.apply(new, user=DANA, verb=verb, options=options)

        passed = [way for way, answer in answers.items() if answer.passed]
        assert not passed
        for way, answer in answers.items():
            assert "is frozen by frozen-" in answer.out, (way, answer.out)
            assert "possible from 2099-01-01T00:00:00Z" in answer.out, (way, answer.out)
            assert "until then only Restart, Rollback, ScaleUp" in answer.out, (way, answer.out)
    after = world.get("deployment", "payment-core", "-n", namespace)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"] == before["spec"]


def test_a_new_guarded_workload_is_refused_during_a_freeze(world: EmbeddedWorld, namespace: str) -> None:
    with world.in_force(frozen(namespace)):
        answer = world.apply(manifests.deployment(namespace), user=DANA)

    assert not answer.passed
    assert f"Create of Deployment {namespace}/payment-core is frozen by" in answer.out


def test_what_keeps_payments_running_passes_during_a_freeze(world: EmbeddedWorld, namespace: str) -> None:
    workload = deployed(world, namespace)
    with world.in_force(frozen(namespace)):
        place = ("-n", namespace)
        world.ok("scale", CORE, "--replicas=5", *place, user=DANA)
        world.ok("patch", CORE, *place, "-p", '{"spec":{"replicas":6}}', user=DANA)
        world.ok("annotate", CORE, "note=looked-at", *place, user=DANA)
        workload["spec"]["replicas"] = 6
        for options in ((), ("--server-side", "--force-conflicts", "--field-manager=gitops")):
            answer = world.apply(workload, user=DANA, options=options)
            assert answer.passed, answer.out
        pod = world.ok("get", "pods", *place, "-l", "app=payment-core", "-o", "name", user=DANA).split()[0]
        world.ok("delete", pod, "--wait=false", *place, user=DANA)
        world.rolled_out(namespace, "payment-core")


def test_an_autoscaler_scales_both_ways_during_a_freeze(world: EmbeddedWorld, namespace: str) -> None:
    deployed(world, namespace)
    with world.in_force(frozen(namespace, allow=[])):
        for replicas in (7, 4):
            world.ok(
                "scale", CORE, f"--replicas={replicas}", "-n", namespace, f"--as={HPA}", "--as-group=system:masters"
            )
        # More pods never wait for a webhook, unless the API server knows of a freeze that does not let them pass.
        up = ("scale", CORE, "--replicas=8", "-n", namespace, "--dry-run=server")
        world.until("a person's is refused", lambda: "ScaleUp of Deployment" in world.kubectl(*up, user=DANA).out)


def test_an_autoscaler_does_not_go_below_the_policys_minimum_in_a_freeze(world: EmbeddedWorld, namespace: str) -> None:
    deployed(world, namespace)
    rule = {"replicas": {"minimum": 3}}
    policy = only_in(namespace, manifests.policy(f"least-{namespace[-12:]}", rule))
    with world.in_force(policy, frozen(namespace)):
        scale = ("scale", CORE, "-n", namespace, f"--as={HPA}", "--as-group=system:masters", "--dry-run=server")
        world.until(
            "below the minimum is refused",
            lambda: "ScaleDown of Deployment" in world.kubectl(*scale, "--replicas=2").out,
        )
        world.ok(*scale, "--replicas=9")


@pytest.mark.embedded
def test_rollouts_under_way_when_a_freeze_begins_are_listed_and_finish(world: EmbeddedWorld, namespace: str) -> None:
    workload = deployed(world, namespace)
    stuck = manifests.with_image(workload, f"{manifests.IMAGE}:2")
    stuck["spec"]["template"]["metadata"]["annotations"] = {"tierguard.io/test-never-ready": "true"}
    world.recorded(namespace, "payment-core", 1)
    assert world.apply(stuck, user=DANA).passed
    resource = frozen(namespace)
    name = resource["metadata"]["name"]
    with world.in_force(resource):

        def in_flight() -> list[str]:
            return list((world.get("ofz", name).get("status") or {}).get("rolloutsInFlight") or [])

        world.until("it is listed", lambda: in_flight() == [f"Deployment {namespace}/payment-core"])
        events = world.ok("get", "events", "-n", "default", f"--field-selector=involvedObject.name={name}")
        assert "Rollouts under way, which finish: Deployment" in events
        world.ok("rollout", "undo", CORE, "-n", namespace, user=DANA)
        world.rolled_out(namespace, "payment-core")
        world.until("it is listed no more", lambda: in_flight() == [])


def test_rolling_back_to_what_was_available_before_the_freeze_passes(world: EmbeddedWorld, namespace: str) -> None:
    workload = deployed(world, namespace)
    answer = world.apply(manifests.with_image(workload, f"{manifests.IMAGE}:2"), user=DANA)
    assert answer.passed, answer.out
    world.rolled_out(namespace, "payment-core")
    world.recorded(namespace, "payment-core", 2)

    with world.in_force(frozen(namespace)):
        world.ok("rollout", "undo", CORE, "-n", namespace, user=DANA)
        world.rolled_out(namespace, "payment-core")
        # Forward again to what was available before the freeze, by applying the manifest: that is a rollback too.
        again = world.apply(manifests.with_image(workload, f"{manifests.IMAGE}:2"), user=DANA)
        assert again.passed, again.out
        # With something added it is none.
        other = world.apply(manifests.with_image(workload, f"{manifests.IMAGE}:3"), user=DANA)
        assert not other.passed

    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert world.ok("get", CORE, "-n", namespace, "-o", image) == f"{manifests.IMAGE}:2"


@pytest.mark.embedded
def test_a_revision_that_was_never_available_is_no_rollback(world: EmbeddedWorld, namespace: str) -> None:
    workload = deployed(world, namespace)
    world.recorded(namespace, "payment-core", 1)
    bad = manifests.with_image(workload, f"{manifests.IMAGE}:2")
    bad["spec"]["template"]["metadata"]["annotations"] = {"tierguard.io/test-never-ready": "true"}
    assert world.apply(bad, user=DANA).passed
    uid = world.get("deployment", "payment-core", "-n", namespace)["metadata"]["uid"]

    with world.in_force(frozen(namespace)):
        world.ok("rollout", "undo", CORE, "-n", namespace, user=DANA)  # away from it: to the good one
        back = world.apply(bad, user=DANA)

    assert not back.passed
    assert "Rollout of Deployment" in back.out
    record = world.get("configmap", f"rollback-{uid}", "-n", "tierguard-system")
    assert len(record["data"]) == 1


@pytest.mark.embedded
def test_a_restart_passes_where_the_images_cannot_move(world: EmbeddedWorld, namespace: str) -> None:
    deployed(world, namespace, image=manifests.PINNED)
    with world.in_force(frozen(namespace)):
        world.ok("rollout", "restart", CORE, "-n", namespace, user=DANA)


def test_other_tiers_deploy_during_a_freeze(world: EmbeddedWorld, namespace: str) -> None:
    with world.in_force(frozen(namespace)):
        for tier in ("2", "3", "4", None):
            workload = manifests.deployment(namespace, f"app-{tier or 'none'}".lower(), tier=tier)
            answer = world.apply(workload, user=DANA)
            assert answer.passed, answer.out
            assert world.apply(manifests.with_image(workload, "other:2"), user=DANA).passed


@pytest.mark.parametrize("tier", [2, 4])
def test_a_freeze_of_other_tiers_holds_them(world: EmbeddedWorld, namespace: str, tier: int) -> None:
    workload = manifests.deployment(namespace, tier=str(tier))
    assert world.apply(workload, user=DANA).passed
    with world.in_force(frozen(namespace, scope={"tiers": [tier]})):
        changed = manifests.with_image(workload, "other:2")
        # The operator has yet to tell the API server that this tier is asked about now.
        world.until(
            "the new image is refused",
            lambda: not world.apply(changed, user=DANA, options=("--dry-run=server",)).passed,
        )


def test_the_stateful_set_and_the_cron_job_are_held_too(world: EmbeddedWorld, namespace: str) -> None:
    database = manifests.stateful_set(namespace)
    job = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "payout", "namespace": namespace, "labels": {"tierguard.io/tier": "1"}},
        "spec": {
            "schedule": "0 1 * * *",
            "jobTemplate": {
                "spec": {
                    "template": {
                        "spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "payout:1"}]}
                    }
                }
            },
        },
    }
    assert world.apply(database, job, user=DANA).passed
    with world.in_force(frozen(namespace)):
        scales_are_asked_about(world, namespace, "statefulset/ledger-db")
        for call in (
            ("delete", "statefulset/ledger-db"),
            ("scale", "statefulset/ledger-db", "--replicas=0"),
            ("set", "image", "statefulset/ledger-db", "app=other:2"),
            ("delete", "cronjob/payout"),
            ("set", "image", "cronjob/payout", "app=other:2"),
            ("patch", "cronjob/payout", "-p", '{"spec":{"schedule":"5 5 * * *"}}'),
            ("create", "job", "by-hand", "--from=cronjob/payout"),
        ):
            answer = world.kubectl(*call, "-n", namespace, user=DANA)
            assert not answer.passed, call
            assert "is frozen by" in answer.out, (call, answer.out)


def test_writing_a_guarded_workloads_replica_set_or_pod_is_a_change(world: EmbeddedWorld, namespace: str) -> None:
    deployed(world, namespace)
    place = ("-n", namespace)
    pod = world.ok("get", "pods", *place, "-o", "name").split()[0]
    replica_set = world.ok("get", "replicasets", *place, "-o", "name").split()[0]
    with world.in_force(frozen(namespace)):
        answers = [
            world.kubectl("set", "image", pod, "app=other:2", *place, user=DANA),
            world.kubectl("set", "image", replica_set, "app=other:2", *place, user=DANA),
            world.kubectl("delete", replica_set, *place, user=DANA),
            world.kubectl(
                "run", "by-hand", "--image=x", "--labels=app=payment-core,tierguard.io/tier=1", *place, user=DANA
            ),
        ]
    for answer in answers:
        assert not answer.passed
        assert "is frozen by" in answer.out
