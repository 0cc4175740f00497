"""What a stolen token of the operator or of the webhook is good for: what that component writes, and nothing else.

The requests are made with all rights of RBAC, in the component's name: only the chart's admission policies refuse.
"""

import base64
import copy
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest

from tests.cluster.install import NAMESPACE, RELEASE
from tests.e2e import manifests
from tests.e2e.attacks.caller import ATTEMPTS
from tests.e2e.attacks.kinds import GONE
from tests.e2e.test_operations import cron_job
from tests.e2e.world import EmbeddedWorld

pytestmark = pytest.mark.embedded

OPERATOR = f"system:serviceaccount:{NAMESPACE}:tierguard-operator"
WEBHOOK = f"system:serviceaccount:{NAMESPACE}:tierguard-webhook"
CRON_JOBS = "/apis/batch/v1/namespaces/{}/cronjobs"
BUDGETS = "/apis/policy/v1/namespaces/{}/poddisruptionbudgets"
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
CONFIG_MAPS, SECRETS = f"/api/v1/namespaces/{NAMESPACE}/configmaps", f"/api/v1/namespaces/{NAMESPACE}/secrets"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
OURS = {"app.kubernetes.io/managed-by": "tierguard"}
JOURNAL = {**OURS, "tierguard.io/record": "journal"}
MARK = "token-test"

Change = Callable[[dict[str, Any]], object]


def write(
    world: EmbeddedWorld, user: str, method: str, path: str, body: dict[str, Any] | None = None
) -> tuple[int, str]:
    status, said = world.call(method, path, body, instead=user, dryRun="All")
    return status, str(said.get("message"))


def updated(world: EmbeddedWorld, user: str, path: str, change: Change) -> tuple[int, str]:
    answer = 0, ""
    for _ in range(ATTEMPTS):
        status, found = world.call("GET", path.removesuffix("/status"))
        assert status == HTTPStatus.OK, found
        changed = copy.deepcopy(found)
        change(changed)
        answer = write(world, user, "PUT", path, changed)
        if answer[0] != HTTPStatus.CONFLICT:
            break  # else a controller wrote its status in between
    return answer


def plain(kind: str, name: str, labels: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    version = "coordination.k8s.io/v1" if kind == "Lease" else "v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": labels or {}}, **more}


def assert_refused(answers: dict[str, tuple[int, str]], by: str) -> None:
    passed = {way: answer for way, answer in answers.items() if f"'{by}'" not in answer[1]}
    assert passed == {}


def assert_passed(answers: dict[str, tuple[int, str]]) -> None:
    assert {way: answer for way, answer in answers.items() if answer[0] not in (200, 201)} == {}


@pytest.fixture
def everywhere(world: EmbeddedWorld, namespace: str) -> Iterator[list[str]]:
    """A CronJob in kube-system, tierguard's namespace and an ordinary one: no namespace is left out."""
    places = [namespace, "kube-system", NAMESPACE]
    for place in places:
        assert world.apply(cron_job(place, MARK, startingDeadlineSeconds=600)).passed
    yield [f"{CRON_JOBS.format(place)}/{MARK}" for place in places]
    for place in places:
        world.ok("delete", "cronjob", MARK, "-n", place)


def _suspended_image(job: dict[str, Any]) -> None:
    job["spec"]["suspend"] = True
    _image(job)


def _skipped(job: dict[str, Any]) -> None:
    job["status"] = {"lastScheduleTime": "2026-01-01T00:00:00Z"}


def _image(job: dict[str, Any]) -> None:
    job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["image"] = "attacker:1"


OF_CRON_JOBS: dict[str, Change] = {
    "another image": _image,
    "another schedule": lambda job: job["spec"].update(schedule="* * * * *"),
    "a time zone that was not there": lambda job: job["spec"].update(timeZone="Asia/Bangkok"),
    "a field that goes": lambda job: job["spec"].pop("startingDeadlineSeconds"),
    "an image along with a suspension": _suspended_image,
    "a label": lambda job: job["metadata"]["labels"].update(a="b"),
    "labels that go": lambda job: job["metadata"].pop("labels"),
    "an annotation": lambda job: job["metadata"].setdefault("annotations", {}).update(a="b"),
    "an owner": lambda job: job["metadata"].update(ownerReferences=[GONE]),
    "a finalizer": lambda job: job["metadata"].update(finalizers=["example.com/never"]),
}
OF_THEIR_STATUS: dict[str, Change] = {
    "a successful run": lambda job: job["status"].update(lastSuccessfulTime="2026-01-01T00:00:00Z"),
    "an owner through status": lambda job: job["metadata"].update(ownerReferences=[GONE]),
    "labels through status": lambda job: job["metadata"]["labels"].update(a="b"),
}


def test_of_a_cron_job_only_the_suspension_changes(world: EmbeddedWorld, everywhere: list[str]) -> None:
    for path in everywhere:
        assert_refused(
            {way: updated(world, OPERATOR, path, change) for way, change in OF_CRON_JOBS.items()}
            | {way: updated(world, OPERATOR, f"{path}/status", change) for way, change in OF_THEIR_STATUS.items()}
            | {"deletion": write(world, OPERATOR, "DELETE", path)},
            "tierguard-operator",
        )
        assert_passed(
            {
                "suspended": updated(world, OPERATOR, path, lambda job: job["spec"].update(suspend=True)),
                "a skipped run": updated(world, OPERATOR, f"{path}/status", _skipped),
                "the same by anybody else": updated(world, "somebody", path, OF_CRON_JOBS["another image"]),
            }
        )


def _first(change: Change) -> Change:
    """Without a stretch to come the strict webhooks match nothing: the first one that matches something."""
    return lambda configuration: change(next(each for each in configuration["webhooks"] if each.get("rules")))


def _elsewhere(webhook: dict[str, Any]) -> None:
    webhook["clientConfig"]["url"] = "https://attacker.example.com/validate"


def _service(webhook: dict[str, Any]) -> None:
    webhook["clientConfig"] = {"service": {"namespace": "attacker", "name": "reader"}}


def _everything(webhook: dict[str, Any]) -> None:
    webhook["rules"] = [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}]


def test_it_configures_its_own_webhook_and_nobody_elses(world: EmbeddedWorld) -> None:
    own = f"{CONFIGURATIONS}/{RELEASE}"
    stored = world.call("GET", own)[1]
    other = {**stored, "metadata": {"name": "reads-all-secrets"}}
    assert_refused(
        {
            "another name": write(world, OPERATOR, "POST", CONFIGURATIONS, other),
            "another address": updated(world, OPERATOR, own, _first(_elsewhere)),
            "another service": updated(world, OPERATOR, own, _first(_service)),
            "asked about everything": updated(world, OPERATOR, own, _first(_everything)),
            "asked about kube-system": updated(
                world, OPERATOR, own, _first(lambda each: each.pop("namespaceSelector"))
            ),
        },
        "tierguard-operator",
    )
    fewer = updated(world, OPERATOR, own, lambda configuration: configuration["webhooks"].pop())
    assert_passed({"its own": fewer, "another's": write(world, "somebody", "POST", CONFIGURATIONS, other)})


def test_it_makes_and_removes_its_own_budgets_only(world: EmbeddedWorld, namespace: str) -> None:
    budgets = BUDGETS.format(namespace)
    assert world.apply(manifests.budget(namespace, "own")).passed

    def named(name: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
        made = manifests.budget(namespace, name)
        made["metadata"]["labels"] = labels or {}
        return made

    assert_refused(
        {
            "another name": write(world, OPERATOR, "POST", budgets, named("free", OURS)),
            "no label": write(world, OPERATOR, "POST", budgets, named("tierguard-free")),
            "a person's": updated(world, OPERATOR, f"{budgets}/own", lambda it: it["spec"].update(maxUnavailable=0)),
            "a person's, taken over": updated(
                world, OPERATOR, f"{budgets}/own", lambda it: it["metadata"].update(labels=OURS)
            ),
            "a person's, deleted": write(world, OPERATOR, "DELETE", f"{budgets}/own"),
        },
        "tierguard-operator",
    )
    assert_passed({"its own": write(world, OPERATOR, "POST", budgets, named("tierguard-deployment-a", OURS))})


def test_in_its_own_namespace_each_component_writes_its_own_records_only(world: EmbeddedWorld) -> None:
    kept = next(
        item["metadata"]["name"]
        for item in world.get("configmaps", "-n", NAMESPACE)["items"]
        if item["metadata"]["name"].startswith("tierguard-account")
    )
    token = {"kubernetes.io/service-account.name": "default"}
    token_secret = plain("Secret", "tierguard-webhook-tls", OURS, type="kubernetes.io/service-account-token")
    token_secret["metadata"]["annotations"] = token
    path = {"data": {"paths": base64.b64encode(b"x").decode()}}
    record = plain("ConfigMap", "rollback-4711", OURS)
    journal = plain("ConfigMap", "journal-4711", JOURNAL)
    ca = f"{CONFIG_MAPS}/kube-root-ca.crt"
    assert_refused(
        {
            "a person's ConfigMap": write(world, OPERATOR, "POST", CONFIG_MAPS, plain("ConfigMap", "free", OURS)),
            "no label": write(world, OPERATOR, "POST", CONFIG_MAPS, plain("ConfigMap", "tierguard-free")),
            "another CA": updated(world, OPERATOR, ca, lambda it: it["data"].clear()),
            "a deletion": write(world, OPERATOR, "DELETE", ca),
            "a forged journal": write(world, OPERATOR, "POST", CONFIG_MAPS, journal),
            "a Secret": write(world, OPERATOR, "POST", SECRETS, plain("Secret", "free", OURS)),
            "an account's token": write(world, OPERATOR, "POST", SECRETS, token_secret),
            "a Lease": write(world, OPERATOR, "POST", LEASES, plain("Lease", "free")),
            "a forged rollback": write(world, WEBHOOK, "POST", CONFIG_MAPS, record),
            "the account": updated(
                world, WEBHOOK, f"{CONFIG_MAPS}/{kept}", lambda it: it["metadata"].update(labels=JOURNAL)
            ),
            "a journal without a label": write(world, WEBHOOK, "POST", CONFIG_MAPS, plain("ConfigMap", "journal-1")),
            "the webhook's path": updated(
                world, WEBHOOK, f"{SECRETS}/tierguard-webhook-tls", lambda it: it["data"].update(path["data"])
            ),
            "the operators' Lease": updated(
                world, WEBHOOK, f"{LEASES}/tierguard-operator", lambda it: it["spec"].update(holderIdentity="me")
            ),
        },
        "tierguard-records",
    )
    assert_passed(
        {
            "a rollback": write(world, OPERATOR, "POST", CONFIG_MAPS, record),
            "the account": updated(world, OPERATOR, f"{CONFIG_MAPS}/{kept}", lambda it: it["data"].update(until="x")),
            "the path": updated(
                world, OPERATOR, f"{SECRETS}/tierguard-webhook-tls", lambda it: it["data"].update(path["data"])
            ),
            "a journal": write(world, WEBHOOK, "POST", CONFIG_MAPS, journal),
            "anybody else's": write(world, "somebody", "POST", CONFIG_MAPS, plain("ConfigMap", "free")),
        }
    )
