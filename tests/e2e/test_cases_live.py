"""The corpus through a real API server and the webhook: the same verdicts and messages as the function's."""

import copy
import uuid
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import pytest

from tests.cases.corpus import NAMESPACE, OUR_KINDS, VERDICTS, Case, cases
from tests.e2e.people import GITOPS
from tests.e2e.world import DANA, Answer, EmbeddedWorld, only_in
from tierguard.api.kinds import KINDS

CONTROLLER = "system:kube-controller-manager"
PLURALS = {"NetworkPolicy": "networkpolicies", **{kind.kind: kind.plural for kind in KINDS}}
LIVE = [case for case in cases() if case.live]


def moved(value: Any, namespace: str) -> Any:
    """`value` with the corpus' namespace replaced by the test's."""
    if isinstance(value, dict):
        return {
            key: namespace if key == "namespace" and child == NAMESPACE else moved(child, namespace)
            for key, child in value.items()
        }
    return [moved(child, namespace) for child in value] if isinstance(value, list) else value


def placed(document: dict[str, Any], namespace: str, suffix: str) -> dict[str, Any]:
    """One of our resources, narrowed to the test's namespace and renamed so that no two tests meet."""
    narrowed = copy.deepcopy(dict(only_in(namespace, document)))
    narrowed["metadata"]["name"] += suffix
    return narrowed


@pytest.mark.parametrize("case", LIVE, ids=lambda case: case.name)
def test_the_webhook_decides_as_the_case_says(world: EmbeddedWorld, namespace: str, case: Case) -> None:
    suffix = f"-{uuid.uuid4().hex[:6]}"
    old, new = (moved(side, namespace) for side in case.sides())
    given = [moved(document, namespace) for document in case.given()]
    resources = [placed(document, namespace, suffix) for document in given if document["kind"] in OUR_KINDS]
    plain = [document for document in given if document["kind"] not in OUR_KINDS]
    ours = next((side["kind"] in OUR_KINDS for side in (old, new) if side is not None), False)
    if ours:
        old, new = (None if side is None else placed(side, namespace, suffix) for side in (old, new))
        if old is not None:
            resources.append(old)
    elif old is not None:
        plain.append(old)
    # What is there came before anybody guarded it; even labels that would be refused today.
    for document in plain:
        status, said = world.call("POST", collection(document), document, instead=CONTROLLER)
        assert status == HTTPStatus.CREATED, said

    # Exemptions need two names: here they come from Git, where both were written.
    with world.in_force(*resources, options=(f"--as={GITOPS}", "--as-group=system:masters")):
        answers: list[str] = []

        def as_expected() -> bool:
            answer = _attempt(world, old, new, ours=ours)
            answers.append(answer.out)
            return answer.passed == (VERDICTS[case.path.parent.name] == "Allowed")

        world.until(f"the verdict is {case.path.parent.name}: {answers[-1:]}", as_expected, 10)
    if "message" in case.expected:
        expected = (
            case.expected["message"]
            .replace(f" {NAMESPACE}/", f" {namespace}/")
            .replace(f"-n {NAMESPACE} ", f"-n {namespace} ")
        )
        for document in case.given() if not ours else [case.sides()[0] or case.sides()[1] or {}]:
            if document.get("kind") in OUR_KINDS:
                name = document["metadata"]["name"]
                expected = expected.replace(name, f"{name}{suffix}")
        # The test's namespace has a long name, for which the middle of a long message makes room.
        parts = expected.split("; ") if "…" in answers[-1] else [expected]
        assert parts[-1] in answers[-1]


def _attempt(world: EmbeddedWorld, old: Any, new: Any, *, ours: bool) -> Answer:
    user = None if ours else DANA
    path = collection(new or old)
    place = f"{path}/{quote(str((new or old)['metadata'].get('name')))}"
    if new is None:
        status, said = world.call("DELETE", place, user=user, dryRun="All")
    elif old is None:
        status, said = world.call("POST", path, new, user=user, dryRun="All")
    else:
        stored = world.call("GET", place)[1]["metadata"]
        new = {**new, "metadata": {**new["metadata"], "resourceVersion": stored["resourceVersion"]}}
        status, said = world.call("PUT", place, new, user=user, dryRun="All")
        if status == HTTPStatus.CONFLICT:  # a controller's status came in between
            return _attempt(world, old, new, ours=ours)
    assert status < HTTPStatus.BAD_REQUEST or status == HTTPStatus.FORBIDDEN, said
    return Answer(0 if status < HTTPStatus.BAD_REQUEST else 1, str(said.get("message") or ""))


def collection(document: dict[str, Any]) -> str:
    """The path of the collection that `document` belongs to."""
    version, kind = document["apiVersion"], document["kind"]
    root = f"/api/{version}" if version == "v1" else f"/apis/{version}"
    namespace = document["metadata"].get("namespace")
    plural = PLURALS.get(kind) or f"{kind.lower()}s"
    return f"{root}/namespaces/{quote(namespace)}/{plural}" if namespace else f"{root}/{plural}"
