"""The webhook as a server: hostile input, dead replicas, what it logs and counts."""

import copy
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.install import OPERATORS, WEBHOOKS
from tests.e2e import manifests
from tests.e2e.outage import compiled, without_webhooks
from tests.e2e.world import DANA, EmbeddedWorld, only_in

pytestmark = pytest.mark.embedded

JSON = "application/json"


def review(**changes: Any) -> dict[str, Any]:
    workload = manifests.deployment("nowhere", tier="4")
    request = {
        "uid": "u-1",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "name": "payment-core",
        "namespace": "default",
        "operation": "CREATE",
        "userInfo": {"username": DANA},
        "object": workload,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {**request, **changes}}


def post(world: EmbeddedWorld, body: bytes, content_type: str = JSON, method: str = "POST") -> tuple[int, str]:
    tierguard = world.tierguard
    context = ssl.create_default_context(cafile=str(tierguard.certificates / "ca.crt"))
    request = urllib.request.Request(  # noqa: S310 - always https
        tierguard.review_url(),
        data=body,
        method=method,
        headers={"Content-Type": content_type},
    )
    try:
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:  # noqa: S310 - always https
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


WHOLE = encoded(review())
HOSTILE = {
    "nothing": (b"", JSON, 400),
    "no JSON": (b"\x00\xff\xfe not json", JSON, 400),
    "truncated": (WHOLE[: len(WHOLE) // 2], JSON, 400),
    "a list": (b"[]", JSON, 400),
    "another version": (encoded({**review(), "apiVersion": "admission.k8s.io/v1beta1"}), JSON, 400),
    "another kind": (encoded({**review(), "kind": "ConversionReview"}), JSON, 400),
    "no request": (encoded({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}), JSON, 400),
    "an unknown kind": (encoded(review(kind={"group": "x", "version": "v1", "kind": "Widget"})), JSON, 400),
    "an unknown operation": (encoded(review(operation="CONNECT")), JSON, 400),
    "an update without the old object": (encoded(review(operation="UPDATE")), JSON, 400),
    "a create without an object": (encoded(review(object=None)), JSON, 400),
    "an object that is a string": (encoded(review(object="x")), JSON, 400),
    "a user that is a number": (encoded(review(userInfo={"username": 7})), JSON, 400),
    "nested too deeply": (b'{"a":' * 100_000, JSON, 400),
    "a broken surrogate": (b'{"apiVersion":"\\ud800"}', JSON, 400),
    "another content type": (WHOLE, "text/plain", 415),
    "oversized": (b" " * (8 * 1024 * 1024 + 1), JSON, 413),
}


@pytest.mark.parametrize(("body", "content_type", "code"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_review_gets_a_4xx_and_one_log_line(
    world: EmbeddedWorld, body: bytes, content_type: str, code: int
) -> None:
    before = refusals_logged(world)

    found, text = post(world, body, content_type)

    assert found == code, text
    assert '"allowed"' not in text
    assert refusals_logged(world) == before + 1
    assert post(world, WHOLE)[0] == 200


def test_only_posts_are_reviews(world: EmbeddedWorld) -> None:
    assert post(world, WHOLE, method="PUT")[0] == 405


def refusals_logged(world: EmbeddedWorld) -> int:
    return sum("refused a request" in line for line in log_lines(world))


def log_lines(world: EmbeddedWorld) -> list[str]:
    world.until("the logs are written", world.tierguard.logs_written)
    logs = [world.cluster.processes.log(name) for name in WEBHOOKS]
    return [line for log in logs if Path(log).exists() for line in log.read_text(encoding="utf-8").splitlines()]


def test_a_review_of_a_namespace_that_nobody_knows_is_not_decided(world: EmbeddedWorld) -> None:
    body = review(namespace="never-made")
    body["request"]["object"] = manifests.deployment("never-made")

    code, text = post(world, encoded(body))

    assert code == 503
    assert "cannot decide" in text


def test_a_refusal_is_logged_counted_and_kept_in_the_audit_log(world: EmbeddedWorld, namespace: str) -> None:
    workload = manifests.deployment(namespace)
    assert world.apply(workload, user=DANA).passed
    name = f"audited-{namespace[-6:]}"
    freeze = only_in(namespace, manifests.freeze(name, reason="line one\nline two \x1b[31mred"))
    with world.in_force(freeze):
        answer = world.apply(manifests.with_image(workload, "other:2"), user=DANA)
    assert "line one line two [31mred" in answer.out

    lines = [json.loads(line) for line in log_lines(world) if f'"{namespace}/' in line or f" {namespace}/" in line]
    (denied,) = [line["decision"] for line in lines if line.get("decision", {}).get("outcome") == "Denied"]
    assert denied["user"] == DANA
    assert denied["change"] == "Rollout"
    assert denied["findings"] == "freeze/ActiveFreeze"
    metrics = "".join(world.tierguard.get(webhook, "/metrics")[1] for webhook in WEBHOOKS)
    assert 'tierguard_webhook_reviews_total{change="Rollout",outcome="Denied"}' in metrics
    assert 'tierguard_webhook_refusals_total{rule="freeze"}' in metrics

    def audited() -> bool:
        text = world.cluster.audit_log.read_text(encoding="utf-8")
        return any(namespace in line and "tierguard.io/outcome" in line for line in text.splitlines())

    world.until("the audit log has it", audited)


def test_one_dead_webhook_of_two_is_not_noticed(world: EmbeddedWorld, namespace: str) -> None:
    workload = manifests.deployment(namespace)
    assert world.apply(workload, user=DANA).passed
    with without_webhooks(world, WEBHOOKS[0]):
        changed = copy.deepcopy(workload)
        changed["spec"]["replicas"] = 4
        # A connection that was kept alive to the dead one may fail once.
        world.until("the other one answers", lambda: world.apply(changed, user=DANA).passed)


def test_without_any_webhook_a_freeze_holds_and_everything_else_passes(world: EmbeddedWorld, namespace: str) -> None:
    workload = manifests.deployment(namespace)
    other = manifests.deployment(namespace, "dashboard", tier="3")
    assert world.apply(workload, user=DANA).passed
    new = manifests.with_image(workload, "other:2")
    name = f"dead-{namespace[-12:]}"
    with world.in_force(only_in(namespace, manifests.freeze(name))):
        world.until("the API server knows the freeze", lambda: compiled(world, name))
        with without_webhooks(world, *WEBHOOKS):
            refused = {
                "image": world.apply(new, user=DANA),
                "server-side": world.apply(new, user=DANA, options=("--server-side", "--force-conflicts")),
                "creation": world.apply(manifests.deployment(namespace, "another"), user=DANA),
                "relabelling": world.kubectl(
                    "label", "deployment/payment-core", "tierguard.io/tier=4", "--overwrite", "-n", namespace, user=DANA
                ),
                "announcing": world.kubectl(
                    *("annotate", "deployment/payment-core", "-n", namespace),
                    "tierguard.io/allow-deletion=payment-core",
                    user=DANA,
                ),
                "deletion": world.kubectl("delete", "deployment/payment-core", "-n", namespace, user=DANA),
                "namespace": world.kubectl("label", "namespace", namespace, "tierguard.io/tier=4"),
            }
            for what, answer in refused.items():
                assert not answer.passed, what
                assert "failed calling webhook" in answer.out, what
            assert world.apply(other, user=DANA).passed
            world.ok("scale", "deployment/payment-core", "--replicas=5", "-n", namespace, user=DANA)
            world.ok("annotate", "deployment/payment-core", "note=1", "-n", namespace, user=DANA)


def test_without_any_webhook_nothing_is_refused_outside_a_freeze(world: EmbeddedWorld, namespace: str) -> None:
    workload = manifests.deployment(namespace)
    assert world.apply(workload, user=DANA).passed
    later = manifests.freeze(f"later-{namespace[-12:]}", startsAt="2098-01-01T00:00:00Z")
    with world.in_force(only_in(namespace, later)):
        world.until("the API server knows the freeze", lambda: compiled(world, later["metadata"]["name"]))
        with without_webhooks(world, *WEBHOOKS):
            assert world.apply(manifests.with_image(workload, "other:2"), user=DANA).passed
            assert world.apply(manifests.deployment(namespace, "another"), user=DANA).passed
            deletion = ("delete", "deployment/another", "-n", namespace)
            assert "failed calling webhook" in world.kubectl(*deletion, user=DANA).out
            world.ok(
                *("annotate", "deployment/another", "-n", namespace),
                "tierguard.io/allow-deletion=another",
                user=DANA,
            )
            world.ok(*deletion, user=DANA)


def test_the_operator_comes_back_to_a_changed_world(world: EmbeddedWorld, namespace: str) -> None:
    processes = world.cluster.processes
    name = f"meanwhile-{namespace[-6:]}"
    try:
        for operator in OPERATORS:
            processes.stop(operator, seconds=0.1)
        assert world.apply(manifests.deployment(namespace), user=DANA).passed
        policy = only_in(namespace, manifests.policy(name, {"disruptionBudget": {"mode": "Maintain"}}))
        with world.in_force(policy):
            for operator in OPERATORS:
                world.tierguard.start_operator(operator)
            made = ("tierguard-deployment-payment-core", "-n", namespace)
            world.until("there is a budget", lambda: world.get("pdb", *made) is not None)
            status = world.get("ptp", name)["status"]
            assert status["guardedWorkloads"] == 1
    finally:
        for operator in OPERATORS:
            if not processes.alive(operator):
                world.tierguard.start_operator(operator)
            world.tierguard.wait_ready(operator)


def test_somebody_elses_change_to_the_webhook_configuration_is_undone(world: EmbeddedWorld) -> None:
    def policies() -> list[str]:
        found = world.get("validatingwebhookconfigurations", "tierguard")
        return [webhook["failurePolicy"] for webhook in found["webhooks"]]

    expected = [*["Fail", "Fail", "Fail", "Ignore"] * 2, "Fail"]
    assert policies() == expected
    patch = json.dumps([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}])
    world.ok("patch", "validatingwebhookconfigurations", "tierguard", "--type=json", "-p", patch)
    world.until("it is as it was", lambda: policies() == expected, 90)


def served(world: EmbeddedWorld) -> str:
    return ssl.get_server_certificate(("127.0.0.1", world.tierguard.port))


def test_a_new_certificate_is_served_without_a_refused_write(world: EmbeddedWorld, namespace: str) -> None:
    workload = manifests.deployment(namespace)
    assert world.apply(workload, user=DANA).passed
    name = f"renewal-{namespace[-12:]}"
    deployment = f"/apis/apps/v1/namespaces/{namespace}/deployments/payment-core"
    with world.in_force(only_in(namespace, manifests.freeze(name))):
        world.until("the API server knows the freeze", lambda: compiled(world, name))
        before = served(world)
        world.ok("delete", "secret", "tierguard-webhook-tls", "-n", "tierguard-system")
        world.until(
            "the operator has made another",
            lambda: world.get("secret", "tierguard-webhook-tls", "-n", "tierguard-system") is not None,
            90,
        )
        world.tierguard.mount_certificates()
        answers = set()
        new = manifests.with_image(workload, "other:2")

        def renewed() -> bool:
            # In a freeze under failurePolicy Fail: every write is asked about, and refused by the freeze, not by an outage.
            stored = world.call("GET", deployment)[1]
            stored["spec"] = {**stored["spec"], "template": new["spec"]["template"]}
            _, said = world.call("PUT", deployment, stored, user=DANA, dryRun="All")
            answers.add(str(said.get("message")))
            return all(served(world) != before for _ in range(8))

        world.until("all webhooks serve the new one", renewed, 120)
    wrong = {answer for answer in answers if "denied the request" not in answer and "has been modified" not in answer}
    assert not wrong
