"""What was let through while no operator looked: the snapshot, and what is read from it."""

import copy
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e import manifests
from tests.unit.test_passed import autoscaler, config_map, core, entry
from tierguard.cli.picture import picture
from tierguard.controller.unreviewed import recovery
from tierguard.controller.unreviewed.accountant import Passed
from tierguard.controller.unreviewed.snapshot import (
    MOST_BYTES,
    bounded,
    decode,
    encode,
    fitting,
    place,
    restored,
    summary,
)
from tierguard.controller.unreviewed.snapshot import packed as pack
from tierguard.guard.model.state import State
from tierguard.guard.model.template import RESTARTED_AT, template_hash
from tierguard.guard.model.workload import Workload

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SINCE = NOW - timedelta(minutes=10)
THEN = NOW - timedelta(minutes=5)
MADE = {"creationTimestamp": "2026-11-21T09:00:00Z"}
Document = dict[str, Any]
Alter = Callable[[Document], None]


def at(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def freeze(**spec: Any) -> Document:
    found = manifests.freeze("promotion", **{"startsAt": "2026-11-21T10:00:00Z", **spec})
    found["metadata"] |= MADE
    return found


def window(start: str) -> Document:
    found = manifests.window("nights", {"from": start, "to": "23:00"})
    found["spec"]["schedule"]["timeZone"] = "UTC"
    found["metadata"] |= MADE
    return found


def wrote(workload: Document, instant: datetime, *fields: str, manager: str = "kubectl") -> Document:
    entries = workload["metadata"].setdefault("managedFields", [])
    owned: Document = {"f:spec": {field: {} for field in fields}}
    entries.append({"manager": manager, "time": at(instant), "fieldsV1": owned})
    return workload


def image(workload: Document, name: str = "registry.example.com/core:9") -> Document:
    return manifests.with_image(workload, name)


def kept(*documents: Document) -> dict[str, Any]:
    found = {}
    for document in documents:
        workload = Workload.of(document)
        found[place(document)] = document if workload is None else summary(workload)
    packed = encode(pack(found))
    assert packed is not None
    return decode(packed)


def looked_back(
    before: list[Document], after: list[Document], *more: Document, known: State | None = None
) -> list[str]:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"}}
    state = picture([namespace, *after, *more]) if known is None else known
    there = {place(document): document for document in after}
    return [
        Passed.of(found.change, found.at, found.findings).line(finding)
        for found in recovery.recovered(kept(*before), there, state, SINCE, NOW)
        for finding in found.findings
    ]


CORE = "payments/Deployment/payment-core"


def test_a_rollout_in_a_freeze_or_outside_a_window_is_found_with_its_time() -> None:
    after = wrote(image(core()), THEN, "f:template")

    assert looked_back([core()], [after], freeze()) == [f"{CORE}: freeze/ActiveFreeze at {at(THEN)}"]
    assert looked_back([core()], [after], window("20:00")) == [f"{CORE}: window/ClosedWindow at {at(THEN)}"]
    assert looked_back([core()], [after], window("11:00")) == []
    assert looked_back([core()], [after]) == []


def test_what_was_before_the_freeze_or_before_it_was_made_is_not_found() -> None:
    after = wrote(image(core()), THEN, "f:template")
    late = freeze()
    late["metadata"]["creationTimestamp"] = at(THEN + timedelta(seconds=1))

    assert looked_back([core()], [after], freeze(startsAt=at(THEN + timedelta(seconds=1)))) == []
    assert looked_back([core()], [after], late) == []
    assert looked_back([core()], [after], freeze(startsAt=at(SINCE - timedelta(hours=1)), expiresAt=at(THEN))) == []


def test_what_changes_nothing_is_not_found() -> None:
    relabelled = wrote(core(), THEN, "f:template")
    relabelled["metadata"]["annotations"] = {"note": "x"}

    assert looked_back([core()], [core()], freeze()) == []
    assert looked_back([core()], [relabelled], freeze()) == []


def test_who_scaled_down_is_found_and_the_autoscaler_is_not() -> None:
    by_person = wrote(core(replicas=1), THEN, "f:replicas")
    by_autoscaler = wrote(core(replicas=1), THEN, "f:replicas", manager="kube-controller-manager")

    assert looked_back([core()], [by_person], freeze()) == [f"{CORE}: by kubectl, freeze/ActiveFreeze at {at(THEN)}"]
    assert looked_back([core()], [by_autoscaler], freeze()) == []
    assert looked_back([core(replicas=1)], [wrote(core(), THEN, "f:replicas")], freeze()) == []  # up


def test_scaling_down_in_a_freeze_is_found_though_a_rollout_after_it_came_later() -> None:
    ended = freeze(expiresAt=at(THEN + timedelta(minutes=1)))
    scaled = wrote(image(core(replicas=1)), THEN, "f:replicas")
    after = wrote(scaled, THEN + timedelta(minutes=2), "f:template")

    assert looked_back([core()], [after], ended) == [f"{CORE}: by kubectl, freeze/ActiveFreeze at {at(THEN)}"]
    assert looked_back([core()], [after], freeze()) == [
        f"{CORE}: by kubectl, freeze/ActiveFreeze at {at(THEN)}",
        f"{CORE}: freeze/ActiveFreeze at {at(THEN + timedelta(minutes=2))}",
    ]


def test_deletions_are_found_only_where_the_freeze_held_all_the_while() -> None:
    gone = [autoscaler(3), config_map(entry("helm", "2026-11-21T08:00:00Z", "max"))]
    found = looked_back([core(), *gone], [core()], freeze())

    assert found == [
        f"payments/HorizontalPodAutoscaler/core: deleted, freeze/ActiveFreeze at {at(NOW)}",
        f"payments/ConfigMap/limits: deleted, freeze/ActiveFreeze at {at(NOW)}",
    ]
    assert looked_back([core(), *gone], [core()], freeze(startsAt=at(THEN))) == []
    assert looked_back([core(), *gone], [core()], freeze(expiresAt=at(THEN))) == []
    assert looked_back([core(), *gone], [core()], window("20:00")) != []
    assert looked_back([core(), *gone], [core()], window("11:55")) == []


def test_a_workload_that_vanished_or_came_is_found() -> None:
    fresh = core()
    fresh["metadata"] |= {"uid": "another", "creationTimestamp": at(THEN)}

    assert looked_back([core()], [], freeze()) == [f"{CORE}: deleted, freeze/ActiveFreeze at {at(NOW)}"]
    assert looked_back([], [fresh], freeze()) == [f"{CORE}: freeze/ActiveFreeze at {at(THEN)}"]
    assert looked_back([], [core()], freeze()) == []  # of before the snapshot
    assert len(looked_back([core()], [fresh], freeze())) == 2


def test_configuration_is_found_by_the_time_of_its_contents() -> None:
    before = config_map(entry("helm", "2026-11-21T08:00:00Z", "max"))
    after = config_map(entry("kubectl-edit", at(THEN), "max"))

    assert looked_back([core(), before], [core(), after], freeze()) == [
        f"payments/ConfigMap/limits: by kubectl-edit, freeze/ActiveFreeze at {at(THEN)}"
    ]
    assert looked_back([core(), before], [core(), before], freeze()) == []
    assert looked_back([core(), before], [core(), after], freeze(startsAt=at(THEN + timedelta(seconds=1)))) == []


def pinned(name: str) -> str:
    return f"registry.example.com/core@sha256:{name * 64}"


def test_what_the_webhook_allowed_meanwhile_is_not_found() -> None:
    pinned_core = image(core(), pinned("a"))
    restarted = wrote(copy.deepcopy(pinned_core), THEN, "f:template")
    restarted["spec"]["template"]["metadata"]["annotations"] = {RESTARTED_AT: at(THEN)}
    back = wrote(image(core(), pinned("b")), THEN, "f:template")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"}}
    known = picture([namespace, back, freeze()])
    known.available = {"core": {template_hash(back["spec"]["template"]): SINCE - timedelta(days=1)}}
    marked = copy.deepcopy(back)
    until = at(THEN + timedelta(minutes=30))
    marked["metadata"]["annotations"] = {"tierguard.io/break-glass": f"PAYOPS-1: outage; until={until}"}

    assert looked_back([pinned_core], [restarted], freeze()) == []
    assert looked_back([pinned_core], [back], known=known) == []
    assert looked_back([pinned_core], [marked], freeze()) == []
    assert looked_back([pinned_core], [back], freeze()) != []


@pytest.mark.parametrize(("digest", "found"), [("b", 0), ("c", 1)])
def test_an_approved_exception_for_one_image_covers_that_image(digest: str, found: int) -> None:
    exception = {
        "workload": {"kind": "Deployment", "namespace": "payments", "name": "payment-core"},
        "imageDigest": f"sha256:{'b' * 64}",
        "changeTicket": "PAYOPS-9900",
        "reason": "fix",
        "requestedBy": "dana",
        "approvedBy": ["risk-lead"],
        "expiresAt": at(NOW + timedelta(hours=1)),
    }
    after = wrote(image(core(), pinned(digest)), THEN, "f:template")

    assert len(looked_back([image(core(), pinned("a"))], [after], freeze(exceptions=[exception]))) == found


def test_what_became_available_since_is_nothing_that_was_gone_back_to() -> None:
    after = wrote(image(core()), THEN, "f:template")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"}}
    known = picture([namespace, after, window("20:00")])
    known.available = {"core": {template_hash(after["spec"]["template"]): THEN + timedelta(seconds=20)}}

    assert looked_back([core()], [after], known=known) == [f"{CORE}: window/ClosedWindow at {at(THEN)}"]


def test_a_snapshot_has_no_contents_of_templates_and_is_the_same_for_the_same() -> None:
    workload = core()
    workload["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "KEY", "value": "s3cret"}]
    (found,) = kept(workload).values()
    rebuilt = restored(found, workload)

    assert "s3cret" not in str(found)
    assert rebuilt["spec"] == workload["spec"]
    assert encode(pack(kept(workload))) == encode(pack(kept(copy.deepcopy(workload))))


def test_a_snapshot_is_bounded_and_one_that_cannot_be_read_is_empty() -> None:
    noise = {f"a/b/{number}": {"kind": str(hash((number, "x")) ** 9)} for number in range(MOST_BYTES // 60)}

    assert encode(pack(noise)) is None
    assert decode("nonsense") == {}
    assert decode("") == {}


def random_policy(number: int, place: str) -> Document:
    """A NetworkPolicy that no compression makes smaller."""
    noise = random.Random(number).randbytes(4000).hex()  # noqa: S311 - no secret
    metadata = {"name": f"p{number:05}", "namespace": place, "uid": f"{place}-{number}"}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata,
        "spec": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": noise}}]}]},
    }


def test_who_fills_a_namespace_pushes_out_of_the_snapshot_only_what_is_in_it() -> None:
    flood = {place(raw): raw for raw in (random_policy(number, "rogue") for number in range(400))}
    others = {f"n{n}/Deployment/core": {**summary_of_core(), "n": n} for n in range(300)}
    snapshot = {"": {"known": []}, **flood, **others}

    assert encode(pack(snapshot)) is None
    part = fitting(snapshot)
    assert encode(pack(part)) is not None
    assert others.keys() <= part.keys()
    assert 0 < len(part.keys() & flood.keys()) < len(flood)
    assert part[""] == {"known": []}


def summary_of_core() -> Document:
    workload = Workload.of(core())
    assert workload is not None
    return summary(workload)


def test_a_large_object_takes_little_of_a_snapshot_and_is_known_to_have_changed_or_not() -> None:
    before = random_policy(1, "payments")
    before["spec"]["ingress"] *= 10
    found = bounded(before)
    assert found is not None
    assert len(encode(pack({"a": found})) or "") < 2000

    same, other = copy.deepcopy(before), copy.deepcopy(before)
    other["spec"]["podSelector"] = {"matchLabels": {"app": "core"}}
    assert restored(found, same) == before
    state = State()
    assert list(recovery._changes(found, same, state)) == []
    assert list(recovery._changes(found, other, state)) == [], "nobody is accused of what nobody saw"
    assert len(list(recovery._changes(before, other, state))) == 1


def test_what_stays_too_large_is_in_no_snapshot() -> None:
    wide = summary_of_core()
    wide["podLabels"] = {f"k{number}": "x" * 60 for number in range(500)}
    assert bounded(wide) is None
    assert bounded(summary_of_core()) == summary_of_core()


def test_what_a_status_tells_already_is_known() -> None:
    hold = {"status": {"passedUnjudged": ["a/b/c: deleted, freeze/ActiveFreeze at 2026-11-21T11:55:00Z"]}}
    again = "a/b/c: deleted, freeze/ActiveFreeze at 2026-11-21T12:00:00Z"

    assert recovery.told(hold, again, SINCE, gone=True)
    assert not recovery.told(hold, again, NOW + timedelta(hours=1), gone=True)
    assert not recovery.told(hold, again, SINCE, gone=False)
