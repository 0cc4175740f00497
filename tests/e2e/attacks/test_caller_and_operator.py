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
from tests.e2e.world import DANA, EmbeddedWorld, only_in

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
