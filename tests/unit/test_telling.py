"""An Event storm: so many a minute, the rest later or counted."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import pytest

from tests.e2e import manifests
from tierguard.api.ledger import MOST_ENTRIES
from tierguard.cli.picture import picture
from tierguard.cluster.client import ApiError
from tierguard.cluster.journal import Entry, Journal
from tierguard.cluster.known import Known
from tierguard.cluster.notes import Notes
from tierguard.controller.budgets.budget_keeper import BudgetKeeper
from tierguard.controller.events.rate_limit import A_SECOND, BURST, URGENT_A_SECOND, URGENT_BURST, Teller
from tierguard.controller.status.status_keeper import StatusKeeper
from tierguard.controller.unreviewed.accountant import Accountant
from tierguard.controller.webhooks.clock_probe import Reading
from tierguard.guard.model.state import State
from tierguard.guard.survey import survey

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PASS_SECONDS = 15
A_MINUTE = BURST + 60 * A_SECOND
Document = dict[str, Any]


class Recorder:
    """The part of an `Api` that keepers use. Remembers when what was posted, and refuses duplicates as a server does."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.posted: dict[str, float] = {}
        self.attempts: list[float] = []

    def create(self, path: str, body: Document) -> Document:
        name = f"{path}/{body['metadata']['name']}"
        self.attempts.append(self._clock())
        if name in self.posted:
            raise ApiError(HTTPStatus.CONFLICT, "POST", path, "exists")
        self.posted[name] = self._clock()
        return body

    def apply(self, _path: str, body: Document, _manager: str) -> Document:
        return body

    def delete(self, _path: str, _uid: str = "") -> None:
        """Whatever."""

    def busiest_minute(self) -> int:
        return max(sum(begin <= at < begin + 60 for at in self.attempts) for begin in self.attempts)


class Storm:
    """Keepers on a picture, and a clock that a test turns."""

    def __init__(self, state: State) -> None:
        self.seconds = 0.0
        api: Any = Recorder(lambda: self.seconds)
        self.api = api
        self.teller = Teller(api, lambda: self.seconds)
        raw: Document = {kind: {} for kind in ("OperationalFreeze", "ChangeWindow", "PaymentTierPolicy")}
        cache: Any = SimpleNamespace(state=state, raw=raw, notes=Notes(), jobs={}, managed_budgets=Known())
        self.cache = cache
        self.statuses = StatusKeeper(api, cache, Accountant(), self.teller)
        self.budgets = BudgetKeeper(api, cache, self.teller)
        self.surveyed = survey(state, NOW)

    def pass_once(self, state: State | None = None) -> None:
        self.seconds += PASS_SECONDS
        if state is not None:
            self.cache.state, self.surveyed = state, survey(state, NOW)
        self.teller.begin()
        now = NOW + timedelta(seconds=self.seconds)
        self.budgets.keep(self.cache.state, self.surveyed, now)
        self.statuses.keep(self.cache.state, self.surveyed, None, Reading.UNKNOWN, now)


def platform(rules: Document, workloads: int, generation: int = 0) -> State:
    policy = manifests.policy("tier-1", rules)
    policy["spec"]["scope"] = {}
    there: list[Document] = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"}}, policy]
    for number in range(workloads):
        deployment = manifests.deployment("payments", f"w{number:04}")
        deployment["metadata"] |= {"uid": f"{generation}-{number}", "creationTimestamp": "2026-11-01T00:00:00Z"}
        deployment["spec"]["strategy"] = {"rollingUpdate": {"maxUnavailable": 2, "maxSurge": 1}}
        there.append(deployment)
    return picture(there)


def test_a_thousand_violations_at_once_are_told_one_after_the_other_and_each_once() -> None:
    storm = Storm(platform({"rollout": {"maxUnavailable": 0}}, 1000))

    storm.pass_once()
    assert len(storm.api.posted) == BURST
    assert storm.teller.waiting == 1000 - BURST

    for _ in range(80):
        storm.pass_once()

    assert len(storm.api.posted) == len(storm.api.attempts) == 1000
    assert storm.api.busiest_minute() <= A_MINUTE
    assert storm.teller.waiting == 0


def test_a_namespace_that_is_made_again_and_again_is_told_of_at_a_bounded_rate() -> None:
    rules = {"rollout": {"maxUnavailable": 0}, "disruptionBudget": {"mode": "Maintain"}}
    storm = Storm(platform(rules, 100))
    for generation in range(20):
        storm.pass_once(platform(rules, 100, generation))

    assert storm.teller.waiting > 0
    assert storm.api.busiest_minute() <= A_MINUTE


def test_ten_thousand_refusals_of_a_freeze_are_few_events_and_one_number() -> None:
    freeze = manifests.freeze("double-days", startsAt="2026-11-21T00:00:00Z", expiresAt="2026-11-22T00:00:00Z")
    freeze["metadata"] |= {"uid": "f-1", "generation": 1}
    state = picture([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"}}, freeze])
    storm = Storm(state)
    storm.cache.raw["OperationalFreeze"]["double-days"] = freeze
    journal = Journal()
    storm.cache.notes.journals["journal-a"] = journal
    since = datetime(2026, 11, 21, tzinfo=UTC)
    for number in range(10_000):
        at = f"2026-11-21T12:{number // 60 % 60:02}:{number % 60:02}Z"
        journal.refuse("f-1", since, Entry("dana", "Rollout", "Deployment", "payments", f"w{number}", at, at))
        if number % 500 == 0:
            storm.pass_once()
    storm.pass_once()

    assert next(iter(journal.pages.values())).total == 10_000
    assert len(storm.api.posted) <= 21 * MOST_ENTRIES + 1
    assert storm.api.busiest_minute() <= A_MINUTE + URGENT_BURST


def test_a_storm_about_workloads_leaves_room_for_what_is_told_of_freezes() -> None:
    seconds = 0.0
    api: Any = Recorder(lambda: seconds)
    teller = Teller(api, lambda: seconds)
    for number in range(BURST + 10):
        teller.tell(event(f"w{number}"))
    teller.urgent(event("freeze"))
    assert teller.waiting == 10
    assert any(name.endswith("/freeze") for name in api.posted)


def test_freezes_that_flap_are_told_of_at_a_bounded_rate_too() -> None:
    seconds = 0.0
    api: Any = Recorder(lambda: seconds)
    teller = Teller(api, lambda: seconds)
    for number in range(1000):
        teller.urgent(event(f"f{number}"))
    seconds = 10.0
    for number in range(1000, 2000):
        teller.urgent(event(f"f{number}"))
    assert len(api.posted) == teller.told == URGENT_BURST + 10 * URGENT_A_SECOND
    assert teller.dropped == 2000 - teller.told


@pytest.mark.parametrize("status", [HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.INTERNAL_SERVER_ERROR])
def test_an_event_that_the_api_server_did_not_take_is_not_taken_for_told(status: HTTPStatus) -> None:
    def create(path: str, _body: Document) -> Document:
        raise ApiError(status, "POST", path, "not now")

    api: Any = SimpleNamespace(create=create)
    teller = Teller(api, lambda: 0.0)
    with pytest.raises(ApiError):
        teller.tell(event("w"))
    assert teller.told == 0


def event(name: str) -> Document:
    return {"metadata": {"name": name, "namespace": "payments"}}
