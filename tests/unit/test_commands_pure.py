"""Freezes as audited commands, without a cluster: marks, exceptions, lifts, ledgers, announcements, suspensions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e import manifests
from tierguard.cluster.journal import Entry, Glass, Journal, read, write
from tierguard.controller.status.ledgers import ledger, reviews_owed, summary, together
from tierguard.controller.status.transitions import announcement, next_announcement
from tierguard.controller.suspension.actions import MANAGER, actions
from tierguard.guard.decide import evaluate, evaluate_asking
from tierguard.guard.freezes.break_glass import BREAK_GLASS, Mark, judge_mark
from tierguard.guard.freezes.compiled import compile_freeze, compile_window, validate
from tierguard.guard.model.change import Change, Operation, Question, Unanswered
from tierguard.guard.model.decision import MESSAGE_LIMIT, Finding, Outcome
from tierguard.guard.model.images import digest_of, image_references, images_cannot_move
from tierguard.guard.model.pod import POD_SPEC
from tierguard.guard.model.state import State
from tierguard.guard.resources.own import SPECS
from tierguard.guard.tiers.deletion import ALLOW_DELETION, announced

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
PLACE = "payments"
HOUR = timedelta(hours=1)


def change(mark: str | None, **answers: bool) -> Change:
    old = manifests.deployment(PLACE)
    new = manifests.with_image(old, f"{manifests.IMAGE}:2")
    if mark is not None:
        new["metadata"]["annotations"] = {BREAK_GLASS: mark}
    known = {Question(verb): answer for verb, answer in answers.items()}
    return Change(Operation.UPDATE, "Deployment", PLACE, "payment-core", old, new, "sara", known)


def until(ahead: timedelta) -> str:
    return f"INC-7: payments fail; until={(NOW + ahead).isoformat()}"


@pytest.mark.parametrize(
    ("mark", "reason"),
    [
        ("because", "Unreadable"),
        ("INC-7: no end", "Unreadable"),
        ("INC-7: no end; until=tomorrow", "Unreadable"),
        (f"INC-7: no zone; until={NOW.replace(tzinfo=None).isoformat()}", "Unreadable"),
        (": no ticket; until=2026-11-11T12:30:00Z", "Unreadable"),
        (until(timedelta(0)), "Over"),
        (until(timedelta(hours=1, seconds=1)), "TooLong"),
    ],
)
def test_a_mark_that_does_not_count_says_why_and_nobody_is_asked(mark: str, reason: str) -> None:
    found = judge_mark(change(mark), NOW)
    assert isinstance(found, Finding)
    assert found.reason == reason


def test_a_mark_counts_for_who_may_bypass() -> None:
    assert judge_mark(change(None), NOW) is None
    assert isinstance(judge_mark(change(until(HOUR), bypass=True), NOW), Mark)
    refused = judge_mark(change(until(HOUR), bypass=False), NOW)
    assert isinstance(refused, Finding)
    assert refused.reason == "NotAuthorized"
    with pytest.raises(Unanswered):
        judge_mark(change(until(HOUR)), NOW)


def frozen(**spec: Any) -> dict[str, Any]:
    raw = manifests.freeze("f", startsAt="2026-11-10T17:00:00Z", expiresAt="2026-11-12T05:00:00Z", **spec)
    raw["metadata"]["uid"] = "freeze-uid"
    return raw


def state(*freezes: dict[str, Any]) -> State:
    return State(freezes=tuple(map(compile_freeze, freezes)), namespaces={PLACE: {}})


def test_without_an_answer_the_decision_is_open_and_with_one_it_is_not() -> None:
    asked: list[Question] = []

    def ask(question: Question) -> bool:
        asked.append(question)
        return True

    marked = change(until(HOUR))
    open_decision = evaluate(marked, state(frozen()), NOW)
    assert (open_decision.outcome, open_decision.question) == (Outcome.UNDECIDED, Question("bypass"))
    decision, _ = evaluate_asking(marked, state(frozen()), NOW, ask)
    assert decision.allowed
    assert decision.bypass is not None
    assert [stretch.uid for stretch in decision.bypass.past] == ["freeze-uid"]
    assert asked == [Question("bypass")]


def test_a_right_that_could_not_be_checked_is_none_and_the_refusal_says_so() -> None:
    decision, asked_about = evaluate_asking(change(until(HOUR)), state(frozen()), NOW, lambda _: None)
    assert decision.outcome is Outcome.DENIED
    assert decision.question is None
    assert decision.message.endswith("Whether you may bypass could not be checked: try again.")
    assert len(decision.message) <= MESSAGE_LIMIT
    assert "break-glass/NotChecked" in decision.reasons()
    assert asked_about.unchecked == {Question("bypass")}


def test_who_lacks_a_right_is_told_that_and_not_to_try_again() -> None:
    decision, _ = evaluate_asking(change(until(HOUR)), state(frozen()), NOW, lambda _: False)
    assert decision.outcome is Outcome.DENIED
    assert "break-glass/NotAuthorized" in decision.reasons()
    assert "could not be checked" not in decision.message


def test_a_mark_asks_nobody_where_nothing_holds() -> None:
    assert evaluate(change(until(HOUR)), state(), NOW).allowed


def exception(**more: Any) -> dict[str, Any]:
    return {
        "workload": {"kind": "Deployment", "namespace": PLACE, "name": "payment-core"},
        "requestedBy": "mike",
        "approvedBy": ["paul"],
        "expiresAt": "2026-11-11T13:00:00Z",
        **more,
    }


@pytest.mark.parametrize(
    ("item", "at", "passes"),
    [
        (exception(), NOW, True),
        (exception(), NOW + HOUR, False),
        (exception(), NOW + HOUR - timedelta(seconds=1), True),
        (exception(approvedBy=[]), NOW, False),
        (exception(approvedBy=["mike"]), NOW, False),
        (exception(imageDigest="sha256:" + "b" * 64), NOW, False),
        (exception(workload={"kind": "Deployment", "namespace": PLACE, "name": "other"}), NOW, False),
        (exception(workload={"kind": "Deployment", "namespace": "other", "name": "payment-core"}), NOW, False),
    ],
)
def test_an_exception_counts_for_its_workload_until_it_expires(
    item: dict[str, Any], at: datetime, passes: bool
) -> None:
    # One that its requester approved is refused by the API server; stored all the same it makes the freeze unreadable.
    assert evaluate(change(None), state(frozen(exceptions=[item])), at).allowed is passes


def test_an_exception_for_an_image_is_for_that_image_alone() -> None:
    digest = "sha256:" + "b" * 64
    known = state(frozen(exceptions=[exception(imageDigest=digest)]))
    old = manifests.deployment(PLACE)
    new = manifests.with_image(old, f"{manifests.IMAGE}@{digest}")
    more = manifests.with_image(old, f"{manifests.IMAGE}@{digest}")
    more["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "B"}]
    gone = Change(Operation.DELETE, "Deployment", PLACE, "payment-core", old, None, "dana")

    def decided(wanted: dict[str, Any]) -> bool:
        asked = Change(Operation.UPDATE, "Deployment", PLACE, "payment-core", old, wanted, "dana")
        return evaluate(asked, known, NOW).allowed

    assert decided(new)
    assert not decided(more)
    assert not evaluate(gone, known, NOW).allowed


@pytest.mark.parametrize("digest", [f"sha256:{'b' * 64}", f"sha512:{'b' * 128}"])
def test_an_exception_for_an_image_speaks_of_image_volumes_too(digest: str) -> None:
    known = state(frozen(exceptions=[exception(imageDigest=digest)]))

    def mounting(reference: str) -> dict[str, Any]:
        raw = manifests.with_image(manifests.deployment(PLACE), f"{manifests.IMAGE}@{digest}")
        raw["spec"]["template"]["spec"]["volumes"] = [{"name": "models", "image": {"reference": reference}}]
        return raw

    named, latest = mounting(f"models@{digest}"), mounting("models:latest")
    for old, new, passes in ((None, named, True), (None, latest, False), (latest, named, True), (named, latest, False)):
        operation = Operation.CREATE if old is None else Operation.UPDATE
        asked = Change(operation, "Deployment", PLACE, "payment-core", old, new, "dana")
        assert evaluate(asked, known, NOW).allowed is passes


def test_an_exception_passes_a_closed_window_but_no_other_freeze() -> None:
    other = frozen()
    other["metadata"] = {"name": "other"}
    known = state(frozen(exceptions=[exception()]))
    known.windows = (compile_window(manifests.window("w", {"dates": ["2099-01-01"]})),)
    assert evaluate(change(None), known, NOW).allowed
    known.freezes = (*known.freezes, compile_freeze(other))
    assert not evaluate(change(None), known, NOW).allowed


def lifted(**lift: Any) -> dict[str, Any]:
    return {"requestedBy": "sara", "reason": "over", "approvedBy": ["paul"], **lift}


def test_a_lift_counts_once_it_is_approved() -> None:
    assert evaluate(change(None), state(frozen(lift=lifted())), NOW).allowed
    assert not evaluate(change(None), state(frozen(lift=lifted(approvedBy=[]))), NOW).allowed


def test_the_lift_of_a_repeating_freeze_leaves_its_later_stretches() -> None:
    raw = manifests.freeze("f", lift=lifted(until="2026-11-11T15:00:00Z"))
    del raw["spec"]["expiresAt"]
    raw["spec"]["schedule"] = {"timeZone": "UTC", "periods": [{"from": "10:00", "to": "18:00"}]}
    hold = compile_freeze(raw)
    ends = datetime(2026, 11, 11, 18, tzinfo=UTC)

    assert hold.timeline.covering(NOW) is None
    following = hold.timeline.next_after(NOW)
    assert following is not None
    assert (following.start, following.end) == (NOW + 3 * HOUR, ends)
    resumed = hold.timeline.covering(NOW + 3 * HOUR)
    assert resumed is not None
    assert resumed.end == ends
    assert [interval.start.day for interval in hold.timeline.upcoming(NOW, 3)] == [11, 12, 13]


@pytest.mark.parametrize(
    "spec",
    [
        {"untilLifted": False, "expiresAt": None},
        {"announce": ["400d"]},
        {"announce": ["soon"]},
    ],
)
def test_what_cannot_be_is_refused_by_field(spec: dict[str, Any]) -> None:
    raw = manifests.freeze("f", **spec)
    problem = validate(SPECS["OperationalFreeze"], raw)
    assert problem is not None
    assert problem.startswith("spec.")


def test_an_announcement_that_came_back_by_rollout_undo_does_not_count() -> None:
    raw = manifests.deployment(PLACE)
    raw["metadata"]["annotations"] = {ALLOW_DELETION: "payment-core"}
    owned: dict[str, Any] = {"f:metadata": {"f:annotations": {f"f:{ALLOW_DELETION}": {}}}}
    raw["metadata"]["managedFields"] = [{"manager": "kubectl-annotate", "fieldsV1": owned}]
    assert announced(raw)
    raw["metadata"]["managedFields"] = [{"manager": "kubectl-rollout", "fieldsV1": owned}]
    assert not announced(raw)


@pytest.mark.parametrize(
    ("image", "pull", "cannot_move"),
    [
        ("registry.example.com/a:1", "IfNotPresent", True),
        ("registry.example.com/a:1", "Never", True),
        ("registry.example.com/a:1", "Always", False),
        ("registry.example.com/a:latest", "IfNotPresent", False),
        ("registry.example.com/a", "IfNotPresent", False),
        ("registry.example.com:5000/a", "IfNotPresent", False),
        ("elsewhere.example.com/a:1", "IfNotPresent", False),
        ("elsewhere.example.com/a@sha256:" + "a" * 64, "Always", True),
    ],
)
def test_a_tag_cannot_move_where_the_registry_says_so(image: str, pull: str, cannot_move: bool) -> None:
    found = tuple(image_references(POD_SPEC.of({"containers": [{"image": image, "imagePullPolicy": pull}]})))
    assert images_cannot_move(found, ("registry.example.com/", "registry.example.com:5000/")) is cannot_move
    assert images_cannot_move(found) is ("@sha256:" in image)


@pytest.mark.parametrize(
    ("written", "digest"),
    [
        (f"a@sha256:{'a' * 64}", True),
        (f"a:1@sha512:{'a' * 128}", True),
        (f"a@sha384:{'a' * 96}", True),
        (f"a@blake3:{'a' * 64}", True),
        (f"a@sha256+b64:{'a' * 64}", True),
        (f"a@sha256:{'a' * 63}", False),
        (f"a@sha256:{'A' * 64}", False),
        (f"a@sha512:{'a' * 64}", False),
        ("a@sha256:", False),
        ("a:latest@sha256:abc", False),
        (f"a@sha256:{'a' * 64}\n", False),
        (f"sha256:{'a' * 64}", False),
    ],
)
def test_a_digest_is_one_of_a_known_length(written: str, digest: bool) -> None:
    assert (digest_of(written) != "") is digest


ENTRIES = st.builds(
    Entry,
    user=st.sampled_from(["dana", "mike"]),
    change=st.sampled_from(["Rollout", "Delete"]),
    kind=st.just("Deployment"),
    namespace=st.just(PLACE),
    name=st.integers(0, 40).map(lambda n: f"app-{n}"),
    first=st.just("2026-11-11T12:00:00Z"),
    last=st.integers(0, 59).map(lambda s: f"2026-11-11T12:00:{s:02d}Z"),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2), ENTRIES), max_size=80))
def test_a_ledger_counts_every_refusal_once_whoever_answered(tries: list[tuple[int, Entry]]) -> None:
    processes = [Journal() for _ in range(3)]
    for process, entry in tries:
        processes[process].refuse("freeze-uid", NOW, entry)
    stored = [read(write("tierguard-system", str(n), journal)) for n, journal in enumerate(processes)]
    found = ledger(frozen(), together(stored), "2026-11-11T12:00:00Z")

    assert found is not None
    assert found["total"] == len(tries)
    assert len(found["newest"]) <= 20
    assert sum(item["count"] for item in found["newest"]) <= len(tries)
    again = ledger(frozen(), together([*reversed(stored)]), "2026-11-11T12:00:00Z")
    assert again is not None
    assert again["total"] == found["total"]


def test_a_journal_that_is_gone_takes_nothing_back() -> None:
    since = "2026-11-10T17:00:00Z"
    stored = {**frozen(), "status": {"refused": {"since": since, "total": 4, "newest": []}}}
    assert ledger(stored, together([]), since) == {"since": since, "total": 4, "newest": []}
    assert ledger(stored, together([]), "2026-12-10T17:00:00Z") == {
        "since": "2026-12-10T17:00:00Z",
        "total": 0,
        "newest": [],
    }
    assert summary({}) == "It refused no change."


def test_a_review_is_owed_until_somebody_else_made_it() -> None:
    glass = Glass(
        "id-1", "sara", "Rollout", "Deployment", PLACE, "a", "INC-7", "why", "2026-11-11T12:00:00Z", ("freeze-uid",)
    )
    told = together([Journal(bypasses=[glass])])
    own = {"id": "id-1", "reviewedBy": "sara", "note": "fine"}

    assert [item["id"] for item in reviews_owed(frozen(), compile_freeze(frozen()), told)] == ["id-1"]
    assert reviews_owed(frozen(), compile_freeze(frozen(reviews=[own])), told)
    reviewed = compile_freeze(frozen(reviews=[{**own, "reviewedBy": "paul"}]))
    assert not reviews_owed(frozen(), reviewed, told)
    elsewhere = {**frozen(), "metadata": {"name": "g", "uid": "another"}}
    assert not reviews_owed(elsewhere, compile_freeze(elsewhere), told)


def test_a_freeze_announces_itself_a_day_and_an_hour_ahead() -> None:
    raw = manifests.freeze("f", startsAt="2026-11-13T12:00:00Z", expiresAt="2026-11-14T12:00:00Z")
    hold = compile_freeze(raw)
    start = datetime(2026, 11, 13, 12, tzinfo=UTC)

    assert announcement(raw, hold, start - timedelta(hours=25)) is None
    assert next_announcement(hold, start - timedelta(hours=25)) == start - timedelta(hours=24)
    told = [announcement(raw, hold, start - lead) for lead in (24 * HOUR, 2 * HOUR, HOUR, timedelta(minutes=1))]
    names = [str(event["metadata"]["name"]) for event in told if event is not None]
    assert len(names) == 4
    assert len(set(names)) == 2
    assert announcement(raw, hold, start) is None


def cron_job(managers: tuple[str, ...] = (), **spec: Any) -> dict[str, Any]:
    owned: dict[str, Any] = {"f:spec": {"f:suspend": {}}}
    metadata = {
        "name": "settle",
        "namespace": PLACE,
        "uid": "u",
        "labels": {"tierguard.io/operation": "settlement"},
        "managedFields": [{"manager": manager, "fieldsV1": owned} for manager in managers],
    }
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("job", "active", "wanted"),
    [
        (cron_job(), True, [True]),
        (cron_job(), False, []),
        (cron_job(("dana",), suspend=True), True, []),
        (cron_job(("dana",), suspend=True), False, []),
        (cron_job((MANAGER,), suspend=True), True, []),
        (cron_job((MANAGER,), suspend=True), False, [False]),
        (cron_job((MANAGER, "dana"), suspend=True), False, []),
    ],
)
def test_only_what_tierguard_alone_suspended_is_resumed(job: dict[str, Any], active: bool, wanted: list[bool]) -> None:
    known = state(frozen(operations=["Settlement"]))
    known.workloads_in = {PLACE: {("CronJob", PLACE, "settle"): job}}
    at = NOW if active else NOW + timedelta(days=3)

    assert [action.suspend for action in actions(known, at, {"u"})] == wanted


def test_a_cron_job_is_resumed_also_when_its_freeze_is_gone() -> None:
    known = state()
    known.workloads_in = {PLACE: {("CronJob", PLACE, "settle"): cron_job((MANAGER,), suspend=True)}}
    (action,) = actions(known, NOW, {"u"})
    assert not action.suspend
    assert action.skip_missed


def test_the_controllers_own_new_jobs_are_refused_while_their_operation_is_frozen() -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": cron_job()["metadata"], "spec": {}}
    controller = "system:serviceaccount:kube-system:cronjob-controller"
    asked = Change(Operation.CREATE, "Job", PLACE, "settle-1", None, job, controller)

    assert not evaluate(asked, state(frozen(operations=["Settlement"])), NOW).allowed
    assert evaluate(asked, state(frozen(operations=["Payout"])), NOW).allowed
    assert evaluate(asked, state(frozen()), NOW).allowed
