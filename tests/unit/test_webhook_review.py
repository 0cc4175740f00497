"""The webhook's application against what no API server sends: it answers, and never allows what it cannot read."""

import copy
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.e2e import manifests
from tests.unit.reviews import (
    FROZEN,
    MARKER,
    OPEN,
    UID,
    Application,
    Document,
    Reply,
    encoded,
    every_review,
    payment_core,
    review,
)
from tierguard.guard.model import objects
from tierguard.guard.model.decision import MESSAGE_LIMIT, WARNING_LIMIT
from tierguard.guard.model.template import essence
from tierguard.webhook.app import BODY_LIMIT

VALID = dict(every_review())
HOSTILE_TEXTS = (
    "",
    " ",
    "\0",
    "a\nb",
    "\x1b[31mred\x1b[0m",
    "\u202eevil",
    "line\u2028separator",
    "\ufeff",
    "é" * 300,
    "x" * 100_000,
    "-1%",
    "101%",
    "9" * 400 + "%",
    "2026-13-45T99:99:99Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "INC-7: because; until=9999-12-31T23:59:59-23:59",
    "../../etc/passwd",
    "{{.}} ${x} %s %(x)s",
)
HOSTILE_NUMBERS = (0, -1, 1, 2**31, 2**63, 10**30, -(10**30), 0.5, 1e308, -0.0)
HOSTILE_SHAPES: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    [None],
    [[]],
    [{}],
    [1, "a", None, {}],
    {"": None},
    {"matchLabels": 1},
    {"matchExpressions": [{"key": "a", "operator": "In", "values": []}]},
    {"matchExpressions": [{"key": "a", "operator": "In", "values": [{}]}]},
    {"name": {}, "kind": [], "uid": None},
)
ANYTHING = st.one_of(
    st.sampled_from(HOSTILE_SHAPES),
    st.sampled_from(HOSTILE_TEXTS),
    st.sampled_from(HOSTILE_NUMBERS),
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
FUZZED = settings(deadline=timedelta(seconds=5), max_examples=300, suppress_health_check=[HealthCheck.too_slow])
"""The deadline is for one example, on a busy machine: what takes seconds is an attack, not a review."""
FEWER = settings(FUZZED, max_examples=100)


@cache
def application(frozen: bool) -> Application:
    """In the freeze nobody has any rights; else everybody all of them, so that what hangs on them is met both ways."""
    return Application(FROZEN, rights=False) if frozen else Application(OPEN, rights=True)


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every container below `node` with each of its keys or indices."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in list(items):
        yield node, key
        yield from places(child)


@st.composite
def mutated(draw: st.DrawFn) -> Document:
    """A valid review in which some random nodes are replaced, removed, nested or doubled."""
    document = copy.deepcopy(VALID[draw(st.sampled_from(sorted(VALID)))])
    request = document["request"]
    for _ in range(draw(st.integers(1, 4))):
        part = draw(st.sampled_from(["object"] * 4 + ["oldObject"] * 4 + ["request"]))  # most shall stay readable
        mutate(draw, request if part == "request" else request.get(part))
    return document


def mutate(draw: st.DrawFn, root: Any) -> None:
    nodes = list(places(root))
    if not nodes:
        return
    parent, key = nodes[draw(st.integers(0, len(nodes) - 1))]
    match draw(st.sampled_from(["replace", "replace", "remove", "wrap", "nest", "rename"])):
        case "replace":
            parent[key] = copy.deepcopy(draw(ANYTHING))
        case "remove":
            del parent[key]
        case "wrap":
            parent[key] = [parent[key]]
        case "nest":
            parent[key] = {"": parent[key], "spec": parent[key]}
        case _:
            value = parent.pop(key)
            if isinstance(parent, dict):
                parent[draw(st.sampled_from(HOSTILE_TEXTS))] = value


def check(reply: Reply, uid: Any = UID) -> None:
    """What holds of every answer, whatever was sent. `uid` is the request's, if it could be read."""
    assert reply.headers["Content-Length"] == str(len(reply.body))
    if reply.status != "200 OK":
        assert reply.status.split(" ")[0] in {"400", "405", "413", "415", "503"}, reply.status
        told = reply.body.decode().rstrip("\n")
        assert told.isprintable()
        assert 0 < len(told) <= MESSAGE_LIMIT
        return
    response = reply.response
    assert response["uid"] == uid
    assert response["allowed"] is True or response["allowed"] is False
    message = "" if response["allowed"] else response["status"]["message"]
    assert response["allowed"] or message
    assert message.isprintable()
    assert len(message) <= MESSAGE_LIMIT
    for warning in response.get("warnings", ()):
        assert warning.isprintable()
        assert 0 < len(warning) <= WARNING_LIMIT
    for key, value in response.get("auditAnnotations", {}).items():
        assert value.isprintable()
        assert (len(key), len(value)) <= (63, 1024)


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("name", sorted(VALID))
def test_a_valid_review_of_every_kind_gets_an_answer(name: str, frozen: bool) -> None:
    reply = application(frozen).ask(encoded(VALID[name]))

    assert reply.status == "200 OK"
    check(reply)


@FUZZED
@given(mutated(), st.booleans())
def test_wrong_types_at_any_depth_get_an_answer(document: Document, frozen: bool) -> None:
    reply = application(frozen).ask(encoded(document))

    check(reply, document["request"].get("uid"))


@pytest.mark.parametrize("value", [[], {}, 1.5, True])
@pytest.mark.parametrize("kind", ["Deployment", "Namespace"])
def test_a_tier_of_any_type_is_refused_as_none(kind: str, value: Any) -> None:
    document = copy.deepcopy(VALID[f"{kind}-update"])
    document["request"]["object"]["metadata"]["labels"]["tierguard.io/tier"] = value
    reply = application(frozen=False).ask(encoded(document))

    check(reply)
    assert "which is no tier" in reply.body.decode()


def test_an_announcement_with_unreadable_managed_fields_gets_an_answer() -> None:
    document = copy.deepcopy(VALID["Deployment-announcement"])
    document["request"]["object"]["metadata"]["managedFields"] = [None]

    check(application(frozen=True).ask(encoded(document)))


@FUZZED
@given(st.binary(max_size=200))
def test_random_bytes_are_no_review(body: bytes) -> None:
    reply = application(frozen=False).ask(body)

    assert reply.status == "400 Bad Request"
    check(reply)


@FEWER
@given(st.sampled_from(sorted(VALID)), st.data())
def test_half_a_review_is_no_review(name: str, data: st.DataObject) -> None:
    body = encoded(VALID[name])
    cut = data.draw(st.integers(0, len(body) - 1))

    assert application(frozen=False).ask(body[:cut]).status == "400 Bad Request"


@FEWER
@given(st.sampled_from(sorted(VALID)), st.data())
def test_a_few_flipped_bytes_get_an_answer(name: str, data: st.DataObject) -> None:
    body = bytearray(encoded(VALID[name]))
    for _ in range(data.draw(st.integers(1, 5))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    reply = application(frozen=False).ask(bytes(body))

    check(reply, reply.response["uid"] if reply.status == "200 OK" else None)


def rollout(**request: Any) -> Document:
    return review(payment_core(), payment_core(f"{manifests.IMAGE}:2"), **request)


@pytest.mark.parametrize(
    ("part", "instead"),
    [
        (b'"replicas":3', b'"replicas":NaN'),
        (b'"replicas":3', b'"replicas":Infinity'),
        (b'"replicas":3', b'"replicas":1e999'),
        (b'"replicas":3', b'"replicas":' + b"9" * 5000),
        (b"dana@", b"\xff\xfe@"),
        (b"dana@", b"\\ud800@"),
        (b"dana@", b"\0@"),
        (UID.encode(), b"\\udfff"),
        (b'"payments"', b'"\\ud800"'),
        (b'{"apiVersion"', b'\xef\xbb\xbf{"apiVersion"'),
        (b'"request":', b'"request":{}, "request":'),
        (b'"userInfo":', b'"userInfo":null, "userInfos":'),
        (b'"operation":"UPDATE"', b'"operation":"CONNECT"'),
        (b'"operation":"UPDATE"', b'"operation":"update"'),
        (b"admission.k8s.io/v1", b"admission.k8s.io/v1beta1"),
        (b'"AdmissionReview"', b'"AdmissionResponse"'),
        (b'"version":"v1"', b'"version":"v1beta1"'),
        (b'"group":"apps"', b'"group":"extensions"'),
        (b'"kind":"Deployment"', b'"kind":"ReplicationController"'),
        (b'"dryRun"', b'"subResource":"scale", "dryRun"'),
    ],
)
def test_what_no_api_server_sends_is_no_review(part: bytes, instead: bytes) -> None:
    body = encoded(rollout())
    assert part in body
    reply = application(frozen=False).ask(body.replace(part, instead, 1))

    # What is found out while it is decided leaves it undecided.
    assert reply.status in ("400 Bad Request", "503 Service Unavailable")
    check(reply)


@pytest.mark.parametrize("part", ["object", "oldObject"])
@pytest.mark.parametrize(
    ("field", "other"), [("kind", "Gadget"), ("kind", None), ("apiVersion", "apps/v2"), ("kind", [])]
)
def test_an_object_of_another_kind_than_the_request_says_is_no_review(part: str, field: str, other: Any) -> None:
    document = rollout()
    document["request"][part][field] = other

    assert application(frozen=True).ask(encoded(document)).status == "400 Bad Request"


def test_a_scale_that_is_no_sub_resource_is_no_review() -> None:
    document = copy.deepcopy(VALID["Deployment-scale"])
    document["request"]["subResource"] = ""

    assert application(frozen=True).ask(encoded(document)).status == "400 Bad Request"


@pytest.mark.parametrize("depth", [100, 500, *range(880, 1000, 7), 5_000, 1_000_000])
@pytest.mark.parametrize("brackets", [('{"a":', "}"), ("[", "]")])
@pytest.mark.parametrize("place", [f'"{manifests.IMAGE}:2"', '"ledger-db"', '"PASSWORD"', '"dana@example.com"'])
def test_an_endlessly_nested_review_gets_an_answer(place: str, brackets: tuple[str, str], depth: int) -> None:
    opening, closing = brackets
    text = json.dumps(rollout())
    assert place in text
    nested = text.replace(place, opening * depth + "1" + closing * depth)

    check(application(frozen=True).ask(nested.encode()))


@pytest.mark.parametrize(
    "path", ["uid", "name", "namespace", "userInfo/username", "object/metadata/labels/x", "dryRun"]
)
def test_an_enormous_text_gets_an_answer(path: str) -> None:
    document = rollout()
    *parents, last = path.split("/")
    node = document["request"]
    for parent in parents:
        node = node[parent]
    node[last] = "\u202e\n" * 500_000

    check(application(frozen=True).ask(encoded(document)), document["request"]["uid"])


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"REQUEST_METHOD": "PUT"}, "405"),
        ({"REQUEST_METHOD": "DELETE\r\nX: 1"}, "405"),
        ({"CONTENT_TYPE": None}, "415"),
        ({"CONTENT_TYPE": "text/plain\r\nX: 1" * 100}, "415"),
        ({"CONTENT_TYPE": "application/yaml"}, "415"),
        ({"CONTENT_LENGTH": "many"}, "400"),
        ({"CONTENT_LENGTH": "1.5"}, "400"),
        ({"CONTENT_LENGTH": "9" * 5000}, "400"),
        ({"CONTENT_LENGTH": str(BODY_LIMIT + 1)}, "413"),
    ],
)
def test_wrong_headers_are_refused_in_words(environ: dict[str, Any], status: str) -> None:
    reply = application(frozen=False).ask(encoded(rollout()), **environ)

    assert reply.status.startswith(status)
    check(reply)


def test_a_body_over_the_limit_is_refused_whatever_length_it_claims() -> None:
    body = encoded(rollout()) + b" " * BODY_LIMIT

    for claimed, status in (("0", "400"), ("-1", "400"), (str(len(body)), "413"), ("", "413")):
        assert application(frozen=False).ask(body, CONTENT_LENGTH=claimed).status.startswith(status)


@pytest.mark.parametrize("name", ["", ".", "..", "../secrets", "a/b", "a%2fb", "a?b=c", "a#b", "A", "{}", "a\n", "é"])
def test_what_can_be_nobodys_name_is_not_asked_about(name: str) -> None:
    asked = Application(OPEN)
    document = rollout(namespace=name)
    scaled = copy.deepcopy(VALID["Deployment-scale"])
    scaled["request"] |= {"name": name}

    for sent in (document, scaled):
        assert asked.ask(encoded(sent)).status.startswith("503")
    assert not asked.api.asked


def test_what_may_be_a_name_is_asked_about() -> None:
    asked = Application(OPEN)

    assert asked.ask(encoded(rollout(namespace="brand-new"))).status.startswith("503")
    assert asked.api.asked == ["/api/v1/namespaces/brand-new"]


def test_a_mistake_of_its_own_is_an_error_and_never_allowed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise KeyError(MARKER)

    monkeypatch.setattr("tierguard.webhook.app.evaluate_asking", fail)
    broken = Application(OPEN)
    reply = broken.ask(encoded(rollout()))

    assert reply.status == "500 Internal Server Error"
    assert "KeyError at test_webhook_review.py" in caplog.text
    assert MARKER not in caplog.text + reply.body.decode()
    assert "tierguard_webhook_errors_total 1.0" in broken.scrape()


def annotated(key: str, value: str) -> Callable[[Document], None]:
    def write(new: Document) -> None:
        new["metadata"].setdefault("annotations", {})[key] = value

    return write


def at(*path: str, value: Any) -> Callable[[Document], None]:
    def write(new: Document) -> None:
        node = new
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node[path[-1]] = copy.deepcopy(value)

    return write


EVASIONS = (
    annotated("tierguard.io/break-glass", "INC-7: payments fail; until=2026-11-11T12:30:00Z"),
    annotated("tierguard.io/allow-deletion", "payment-core"),
    annotated("tierguard.io/accept-downtime", "yes"),
    annotated("deployment.kubernetes.io/revision", "1"),
    at("metadata", "deletionTimestamp", value="2026-11-11T00:00:00Z"),
    at(
        "metadata",
        "ownerReferences",
        value=[{"kind": "Deployment", "name": "payment-core", "uid": "x", "controller": True}],
    ),
    at("metadata", "managedFields", value=[{"manager": "x", "time": "2026-06-01T05:00:00Z"}]),
    at("metadata", "creationTimestamp", value="2026-06-01T05:00:00Z"),
    at("metadata", "labels", "tierguard.io/tier", value="4"),
    at("metadata", "labels", value={}),
    at("metadata", "namespace", value="elsewhere"),
    at("metadata", "uid", value="another"),
    at("spec", "template", "metadata", "labels", value={"app": "payment-core"}),
    at(
        "spec",
        "template",
        "metadata",
        "annotations",
        value={"kubectl.kubernetes.io/restartedAt": "2026-11-11T12:00:00Z"},
    ),
    at("spec", "paused", value=True),
    at("spec", "replicas", value=9),
    at("status", value={"observedGeneration": 9}),
)
guarded = payment_core()


@st.composite
def rollouts(draw: st.DrawFn) -> Document:
    """Rollouts of the guarded Deployment with evasions and random damage in what is written."""
    document = rollout()
    new = document["request"]["object"]
    for evasion in draw(st.lists(st.sampled_from(EVASIONS), max_size=4)):
        evasion(new)
    for _ in range(draw(st.integers(0, 3))):
        mutate(draw, new)
    return document


def rolls_out(new: Document) -> bool:
    """Whether other pods would run: that is for everything but the API server's own bookkeeping in the template."""
    template = objects.mapping(new, "spec", "template")
    return bool(template) and essence(template) != essence(guarded["spec"]["template"])


@FUZZED
@given(rollouts())
def test_no_disguise_gets_a_rollout_through_a_freeze(document: Document) -> None:
    assume(rolls_out(document["request"]["object"]))
    reply = application(frozen=True).ask(encoded(document))

    check(reply)
    assert reply.status != "200 OK" or reply.response["allowed"] is False


@pytest.mark.parametrize("evasion", EVASIONS)
def test_no_single_disguise_gets_a_rollout_through_a_freeze(evasion: Callable[[Document], None]) -> None:
    document = rollout()
    evasion(document["request"]["object"])
    # One of its own: look-ups are bounded a second, and the fuzzing may have used them up.
    reply = Application(FROZEN, rights=False).ask(encoded(document))

    check(reply)
    assert reply.response["allowed"] is False


def test_the_same_rollout_passes_while_nothing_holds_it() -> None:
    assert application(frozen=False).ask(encoded(rollout())).response["allowed"] is True


def test_who_takes_no_connections_yet_is_not_ready() -> None:
    starting = Application(OPEN)
    starting.webhook.listening = lambda: False

    reply = starting.ask(b"", REQUEST_METHOD="GET")

    assert reply.status.startswith("503")
    assert b"does not take connections yet" in reply.body
