"""What people write reaches logs, metrics, events and refusals as text only; what they keep secret reaches none of them."""

import copy
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pythonjsonlogger.json import JsonFormatter

from tests.e2e import manifests
from tests.unit.reviews import FROZEN, MARKER, OPEN, Application, encoded, every_review, payment_core, review
from tierguard import logs
from tierguard.api.kinds import FREEZE
from tierguard.api.scope import ChangeKind
from tierguard.cluster.journal import write
from tierguard.controller.events import event as announce
from tierguard.controller.metrics import ResourceCollector
from tierguard.controller.status.transitions import transition
from tierguard.guard.freezes.compiled import compile_freeze
from tierguard.guard.model.decision import MESSAGE_LIMIT, WARNING_LIMIT, Outcome

FORGED = (
    '"}\n{"outcome":"Allowed","user":"admin"}\r\n\x1b[2K\x1b[31mred\u202egnp\u2028next\u2029\x85\0\ufeff\u200b%s{}\\'
)
HOSTILE = st.one_of(
    st.just(FORGED),
    st.just(FORGED * 30),
    st.text(st.sampled_from("a\n\r\t\0\x1b\x85\u2028\u2029\u202e\u2066\ufeff\"'\\{}%"), max_size=20),
    st.text(st.characters(codec="utf-8"), max_size=20),
)
SOME = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
REVIEWS = dict(every_review())


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What tierguard's processes write to standard error, every level of it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(logs.FORMAT))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def texts(node: Any) -> Iterator[str]:
    """Every text in `node`, keys included."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from (*texts(key), *texts(value))
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)


def drain(stream: io.StringIO) -> list[dict[str, Any]]:
    """The lines logged so far, decoded; each is one for whatever splits lines."""
    written = stream.getvalue()
    stream.seek(0)
    stream.truncate()
    assert written.splitlines() == written.split("\n")[:-1] if written else True
    return [json.loads(line) for line in written.splitlines()]


def hostile_freeze(text: str) -> dict[str, Any]:
    """A freeze full of `text`, as could be stored if nothing were bounded."""
    made = manifests.freeze(f"frz{text}", startsAt="2026-11-10T00:00:00Z", expiresAt="2026-11-13T00:00:00Z")
    made["spec"] |= {"reason": text[:256] or "x", "changeTicket": text[:128] or "x", "requestedBy": text[:253] or "x"}
    made["metadata"] |= {"uid": "u", "generation": 3}
    return made


@SOME
@given(HOSTILE, st.sampled_from(["name", "username", "label", "annotation", "mark", "image", "uid"]))
def test_a_decision_is_one_line_of_log_whatever_anybody_is_called(log: io.StringIO, text: str, where: str) -> None:
    document = review(payment_core(), payment_core(f"{manifests.IMAGE}:2"))
    request, new = document["request"], document["request"]["object"]
    match where:
        case "name":
            request["name"] = new["metadata"]["name"] = f"n{text}"
        case "username":
            request["userInfo"]["username"] = text
        case "uid":
            request["uid"] = text
        case "label":
            new["metadata"]["labels"] |= {"tierguard.io/tier": text, f"k{text}": text}
        case "annotation":
            new["metadata"]["annotations"] = {"tierguard.io/depends-on": text, "tierguard.io/allow-deletion": text}
        case "mark":
            until = "until=2026-11-11T12:30:00Z"
            new["metadata"]["annotations"] = {"tierguard.io/break-glass": f"T{text}: r{text}; {until}"}
        case _:
            new["spec"]["template"]["spec"]["containers"][0] |= {"image": f"i{text}", "name": f"c{text}"}
    reply = Application(FROZEN, rights=True).ask(encoded(document))

    (line,) = (line for line in drain(log) if line["name"] == "tierguard.decision")
    told = line["decision"]
    assert all(found.isprintable() for found in texts(told))
    assert sum(map(len, texts(told))) < 3000
    response = reply.response
    assert all(found.isprintable() for found in texts({**response, "uid": ""}))
    assert len(response.get("status", {}).get("message", "")) <= MESSAGE_LIMIT
    assert all(len(warning) <= WARNING_LIMIT for warning in response.get("warnings", ()))


@SOME
@given(HOSTILE)
def test_a_freeze_cannot_forge_its_refusal_or_its_line(log: io.StringIO, text: str) -> None:
    known = Application(FROZEN, (hostile_freeze(text),))
    known.forget(manifests.freeze("double-days"))
    reply = known.ask(encoded(review(payment_core(), payment_core(f"{manifests.IMAGE}:2"))))

    assert reply.response["allowed"] is False
    message = reply.response["status"]["message"]
    assert message.isprintable()
    assert len(message) <= MESSAGE_LIMIT
    (line,) = (line for line in drain(log) if line["name"] == "tierguard.decision")
    assert all(found.isprintable() for found in texts(line["decision"]))


@SOME
@given(HOSTILE)
def test_what_is_no_review_is_one_line_of_log(log: io.StringIO, text: str) -> None:
    application = Application(OPEN)
    document = review(None, payment_core())
    document["request"]["operation"] = text
    application.ask(encoded(document))
    application.ask(b"", CONTENT_TYPE=text)
    application.ask(b"", REQUEST_METHOD=text)

    lines = drain(log)
    assert len(lines) == 3
    assert all(line["message"].isprintable() and len(line["message"]) < 350 for line in lines)


@SOME
@given(HOSTILE)
def test_a_scrape_can_be_read_whatever_things_are_called(text: str) -> None:
    freeze = hostile_freeze(text)
    freeze["status"] = {"conditions": [{"type": "Active", "status": "True"}], "refused": {"total": 7}}
    known = Application(FROZEN, (freeze,))
    operator = CollectorRegistry()
    operator.register(ResourceCollector(known.cache))

    for scraped in (known.scrape(), generate_latest(operator).decode()):
        names = {
            sample.labels.get("name", sample.labels.get("freeze"))
            for family in text_string_to_metric_families(scraped)
            for sample in family.samples
        }
        assert f"frz{text}" in names


def test_no_request_makes_a_new_series() -> None:
    application = Application(FROZEN)
    for kind in REVIEWS.values():
        application.ask(encoded(kind))

    def series() -> set[tuple[str, tuple[tuple[str, str], ...]]]:
        families = text_string_to_metric_families(application.scrape())
        return {(s.name, tuple(sorted(s.labels.items()))) for family in families for s in family.samples}

    before = series()
    for number in range(50):
        document = review(payment_core(), payment_core(f"{manifests.IMAGE}:2"))
        document["request"] |= {"name": f"n{number}", "uid": f"u{number}", "userInfo": {"username": f"d{number}"}}
        document["request"]["object"]["metadata"]["labels"][f"l{number}"] = "x"
        application.ask(encoded(document))
        application.ask(b"", CONTENT_TYPE=f"text/{number}")
    assert series() == before
    for _, labels in before:
        values = dict(labels)
        assert values.get("outcome", "Allowed") in set(Outcome)
        assert values.get("change", "None") in set(ChangeKind)


@SOME
@given(HOSTILE)
def test_events_are_one_bounded_line(text: str) -> None:
    made = hostile_freeze(text)
    status: dict[str, Any] = {
        "conditions": [{"type": "Active", "status": "True", "message": text}],
        "guardedWorkloads": 1,
    }
    status["rolloutsInFlight"] = [text] * 20
    posted = transition(FREEZE, made, compile_freeze(made), status, FROZEN)
    other = announce.event(made, reason="Told", note=text * 3, action="Tell", at=FROZEN, now=FROZEN, distinct=text)

    assert posted is not None
    for event in (posted, other):
        assert event["note"].isprintable()
        assert len(event["note"]) <= 1000


@SOME
@given(
    st.sampled_from(sorted(REVIEWS)), st.booleans(), st.sampled_from(["as is", "bare", "half", "flipped", "applied"])
)
def test_what_is_secret_reaches_no_log_answer_metric_or_journal(
    log: io.StringIO, name: str, frozen: bool, how: str
) -> None:
    application = Application(FROZEN if frozen else OPEN, rights=not frozen)
    document = copy.deepcopy(REVIEWS[name])
    for obj in (document["request"]["object"], document["request"]["oldObject"]):
        if obj is not None and how == "bare":
            obj.update(dict.fromkeys(("data", "stringData", "binaryData"), MARKER))
        elif obj is not None and how == "applied":
            applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": MARKER})}
            obj["metadata"]["annotations"] = applied
    body = encoded(document)
    if how == "half":
        body = body[: body.find(MARKER.encode()) + len(MARKER)] if MARKER.encode() in body else body[:-1]
    elif how == "flipped":
        body = body.replace(MARKER.encode(), MARKER.encode() + b"\xff")
    reply = application.ask(body)

    journal = write("tierguard-system", "p", application.journalist._journal)
    outputs = [reply.body.decode(), application.scrape(), json.dumps(journal), log.getvalue()]
    assert all(MARKER not in output for output in outputs)
    drain(log)


def test_the_marker_would_be_seen() -> None:
    kinds = {name for name, document in REVIEWS.items() if MARKER in json.dumps(document)}
    assert {"Secret-update", "ConfigMap-update", "Deployment-create", "CronJob-update", "Pod-create"} <= kinds
