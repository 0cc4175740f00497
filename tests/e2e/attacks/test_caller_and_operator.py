"""Who calls the webhook, what the operator's own identity may do, and what passes in its name."""

import copy
import json
import ssl
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cluster.install import NAMESPACE
from tests.e2e import manifests
from tests.e2e.outage import without_operators
from tests.e2e.people import CERT_MANAGER
from tests.e2e.test_operations import cron_job, suspended
from tests.e2e.test_operations import freeze as of_settlement
from tests.e2e.test_surroundings import patched, plain, reading
from tests.e2e.world import CLEANER, DANA, EmbeddedWorld, only_in

pytestmark = pytest.mark.embedded

MALLORY, HONEST = "mallory@payments.example", "the-api-server-said-so@payments.example"


def posted(world: EmbeddedWorld, url: str, body: dict[str, Any]) -> int:
    context = ssl.create_default_context(cafile=str(world.tierguard.certificates / "ca.crt"))
    request = urllib.request.Request(  # noqa: S310 - always https
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:  # noqa: S310 - always https
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def deletion(workload: dict[str, Any], user: str) -> dict[str, Any]:
    """A review of a deletion, as the API server would send it."""
    request = {
        "uid": f"forged-{user}",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "name": workload["metadata"]["name"],
        "namespace": workload["metadata"]["namespace"],
        "operation": "DELETE",
        "userInfo": {"username": user},
        "oldObject": workload,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def test_who_does_not_know_the_path_leaves_no_trace(world: EmbeddedWorld, namespace: str) -> None:
    workload = manifests.deployment(namespace)
    assert world.apply(workload, user=DANA).passed
    stored = world.get("deployment", "payment-core", "-n", namespace)
    freeze = only_in(namespace, manifests.freeze(f"traced-{namespace[-12:]}"))
    secret = world.tierguard.review_url()
    base = f"https://{urlsplit(secret).netloc}"
    with world.in_force(freeze):
        for guess in ("/validate", "/", "/validate/", f"/validate/{'0' * 64}", f"{urlsplit(secret).path}x"):
            assert posted(world, f"{base}{guess}", deletion(copy.deepcopy(stored), MALLORY)) == 404
        # With the path it is told: so what is not told above was not heard.
        assert posted(world, secret, deletion(copy.deepcopy(stored), HONEST)) == 200

        def told() -> str:
            return json.dumps(
                [world.get("ofz", freeze["metadata"]["name"]), world.get("events", "-A"), journals(world)]
            )

        world.until("what came on the path is in the status", lambda: HONEST in told())
        assert MALLORY not in told()


def journals(world: EmbeddedWorld) -> Any:
    return world.get("configmaps", "-n", NAMESPACE)["items"]


def test_who_knows_no_path_cannot_read_it_either(world: EmbeddedWorld) -> None:
    for what in ("validatingwebhookconfigurations", "secrets"):
        assert not world.kubectl("get", what, "-n", NAMESPACE, user=DANA).passed
    path = urlsplit(world.tierguard.review_url()).path
    for log in world.cluster.directory.rglob("*.log"):
        if log.name.startswith(("operator", "webhook")):
            assert path not in log.read_text(encoding="utf-8", errors="replace")


def not_resumed(world: EmbeddedWorld, namespace: str, name: str) -> bool:
    events = world.get("events.events.k8s.io", "-n", namespace)["items"]
    return any(event["reason"] == "NotResumed" and event["regarding"]["name"] == name for event in events)


def test_the_operators_field_manager_resumes_nothing_for_anybody(world: EmbeddedWorld, namespace: str) -> None:
    forged = cron_job(namespace, "forged", suspend=True)
    as_manager = ("--server-side", "--field-manager=tierguard-suspension")
    assert world.apply(forged, user=DANA, options=as_manager).passed
    assert world.apply(cron_job(namespace), user=DANA).passed

    world.until("somebody is told", lambda: not_resumed(world, namespace, "forged"))
    with world.in_force(of_settlement(namespace)):
        world.until("the honest one is suspended", lambda: suspended(world, namespace))
    world.until("the honest one is resumed", lambda: not suspended(world, namespace))

    assert suspended(world, namespace, "forged")
    assert not not_resumed(world, namespace, "settle")


def test_what_was_suspended_is_resumed_by_another_operator_after_the_freeze_is_gone(
    world: EmbeddedWorld, namespace: str
) -> None:
    assert world.apply(cron_job(namespace), user=DANA).passed
    resource = of_settlement(namespace)
    with world.in_force(resource):
        world.until("it is suspended", lambda: suspended(world, namespace))
        with without_operators(world):
            world.ok("delete", "ofz", resource["metadata"]["name"], *CLEANER)
            assert suspended(world, namespace)
        world.until("it is resumed", lambda: not suspended(world, namespace), 60)


def test_a_lost_record_leaves_cron_jobs_suspended_and_says_so(world: EmbeddedWorld, namespace: str) -> None:
    assert world.apply(cron_job(namespace), user=DANA).passed
    with world.in_force(of_settlement(namespace)):
        world.until("it is suspended", lambda: suspended(world, namespace))
        with without_operators(world):
            world.ok("delete", "configmap", "tierguard-suspensions", "-n", NAMESPACE)
    world.until("somebody is told", lambda: not_resumed(world, namespace, "settle"), 60)
    assert suspended(world, namespace)


def test_a_namespace_called_external_secrets_is_exempt_from_nothing(world: EmbeddedWorld, namespace: str) -> None:
    documents = [plain("ConfigMap", namespace, "limits", data={"max": "1"}), plain("Secret", namespace, "keys")]
    workload = reading(namespace)
    workload["spec"]["template"]["spec"]["volumes"].pop()
    assert world.apply(workload, *documents, user=DANA).passed
    change = json.dumps({"data": {"max": "2"}})

    def rotated(user: str) -> tuple[bool, str]:
        answer = world.kubectl(
            *("patch", "cm/limits", "-n", namespace, "--type=merge", "-p", change),
            *("--dry-run=server", f"--as={user}", "--as-group=system:masters"),
        )
        return answer.passed, answer.out

    assumed = ("external-secrets:external-secrets", "cert-manager:cert-manager-cainjector")
    squatters = [f"system:serviceaccount:{name}" for name in assumed]
    with world.in_force(only_in(namespace, manifests.freeze(f"squatted-{namespace[-12:]}"))):
        world.until("it is held", lambda: not patched(world, namespace, "cm/limits", {"data": {"max": "2"}}).passed)
        for user in squatters:
            passed, said = rotated(user)
            assert not passed
            assert "limits" in said
        # Who is named in identities.rotators is exempt, so it is the name that was missing.
        assert rotated(CERT_MANAGER)[0]
