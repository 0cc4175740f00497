"""A webhook configuration as the operator would write it, for some namespaces, with nobody there to be asked."""

import copy
from collections.abc import Collection
from datetime import datetime
from http import HTTPStatus
from typing import Any

from tests.cluster.ports import free_port
from tests.e2e.world import EmbeddedWorld
from tierguard.controller.options import Endpoint
from tierguard.controller.webhooks.configuration import compiled, configuration
from tierguard.controller.webhooks.stretches import Stretches
from tierguard.guard.model.state import State
from tierguard.guard.survey import Selection, survey

Document = dict[str, Any]
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


def canary(like: Document, number: int) -> Document:
    """A webhook by which to see that the API server goes by this version of the configuration."""
    condition = {"name": "canary", "expression": f"request.name == 'canary-{number}'"}
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": ["configmaps"],
        "operations": ["CREATE"],
        "scope": "*",
    }
    return {**like, "name": "canary.tierguard.io", "matchConditions": [condition], "rules": [rule]}


def in_use(world: EmbeddedWorld, namespace: str, number: int) -> bool:
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"canary-{number}", "namespace": namespace}}
    status, _ = world.call("POST", f"/api/v1/namespaces/{namespace}/configmaps", probe, dryRun="All")
    return status >= HTTPStatus.BAD_REQUEST


def put(
    world: EmbeddedWorld,
    name: str,
    namespaces: tuple[str, ...],
    state: State,
    now: datetime,
    number: int,
    only: Collection[str] = (),
) -> Stretches:
    """Have the API server go by what `state` compiles to, in `namespaces`, with nobody there to be asked.

    `only` are the webhooks that are wanted; none for all. The first of `namespaces` has no tier label.
    """
    asked = compiled(Selection(survey(state, now), state), now)
    nobody = Endpoint("none", "none", 443, f"https://127.0.0.1:{free_port()}")
    made: Document = copy.deepcopy(dict(configuration(name, nobody, b"", asked, None)))
    here = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": list(namespaces)}
    made["webhooks"] = [webhook for webhook in made["webhooks"] if not only or webhook["name"] in only]
    for webhook in made["webhooks"]:
        webhook["timeoutSeconds"] = 1
        webhook["clientConfig"] = {"url": nobody.url}
        if "namespaceSelector" in webhook:
            webhook["namespaceSelector"]["matchExpressions"].append(here)
    made["webhooks"].append(canary(made["webhooks"][0], number))
    verb, where = ("POST", CONFIGURATIONS) if number == 0 else ("PUT", f"{CONFIGURATIONS}/{name}")
    if number:
        stored = world.call("GET", where)[1]["metadata"]
        made["metadata"]["resourceVersion"] = stored["resourceVersion"]
    status, said = world.call(verb, where, made)
    assert status < HTTPStatus.BAD_REQUEST, said
    world.until("the API server goes by it", lambda: in_use(world, namespaces[0], number))
    return asked.stretches
