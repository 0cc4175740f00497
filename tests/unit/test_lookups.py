"""Questions to an API server that does not answer them."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import kubernetes.client
import pytest
from msgspec.structs import replace

from tests.fakes import faults
from tests.fakes.apiserver import Exchange, FakeApiServer, Fault
from tierguard.api.rule_values import RuleId
from tierguard.cluster import client
from tierguard.cluster.access import by_configuration
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api
from tierguard.controller.options import Endpoint, Options
from tierguard.controller.reconcile import RETRY_PAUSE, Reconciler
from tierguard.guard.model.change import Question
from tierguard.guard.model.identities import Identities
from tierguard.webhook import lookup
from tierguard.webhook.lookup import Lookups
from tierguard.webhook.rights import GOOD_SECONDS, MOST_ANSWERS, Rights
from tierguard.webhook.shares import (
    NAMESPACE_BURST,
    NAMESPACE_PER_SECOND,
    TOTAL_PER_SECOND,
    USER_BURST,
    USER_PER_SECOND,
    Buckets,
    Shares,
)
from tierguard.webhook.wire import UserInfo


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    with FakeApiServer() as running:
        yield running


def api(server: FakeApiServer) -> Api:
    configuration = kubernetes.client.Configuration()
    configuration.host = server.url
    return Api(by_configuration(configuration))


def lookups(server: FakeApiServer, results: list[str]) -> Lookups:
    return Lookups(api(server), ClusterCache(api(server), "tierguard-system", Identities()), results.append)


def test_after_one_that_failed_nobody_waits_for_another_one(server: FakeApiServer) -> None:
    results: list[str] = []
    asking = lookups(server, results)
    server.sick = faults.refusing(500)
    assert not any(asking.namespace(f"n{number}") for number in range(10))
    assert results == ["failed"] + ["limited"] * 9
    assert server.count() == 1


def test_what_is_not_there_is_an_answer_and_no_failure(server: FakeApiServer) -> None:
    results: list[str] = []
    asking = lookups(server, results)
    server.sick = faults.refusing(404)
    for number in range(3):
        assert not asking.namespace(f"n{number}")
    assert server.count() == 3


def test_look_ups_go_on_after_the_pause(server: FakeApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "PAUSE_SECONDS", 0.0)
    asking = lookups(server, [])
    server.faults.append(faults.refusing(503))
    assert not asking.namespace("payments")
    assert asking.namespace("payments")


def answering(allowed: bool) -> Fault:
    """What the API server says to every SubjectAccessReview."""

    def fault(exchange: Exchange) -> bool:
        exchange.handler.rfile.read(int(exchange.handler.headers["Content-Length"]))
        exchange.answer(201, json.dumps({"status": {"allowed": allowed}}).encode())
        return True

    return fault


MALLORY, ALICE = UserInfo("mallory", groups=["dev"]), UserInfo("alice", groups=["admins"])
LIFT = Question("lift", "month-end")


def test_the_flood_of_one_user_is_a_bounded_number_of_calls_and_another_user_is_answered_all_the_while(
    server: FakeApiServer,
) -> None:
    asking = lookups(server, [])
    server.sick = answering(allowed=True)
    began = time.monotonic()
    answered = 0
    for number in range(300):
        answered += asking.may(MALLORY, Question("lift", f"freeze-{number}")) is True
        if number % 60 == 0:
            assert asking.may(ALICE, Question("lift", f"freeze-{number}")) is True
    lasted = time.monotonic() - began
    assert USER_BURST <= answered <= USER_BURST + USER_PER_SECOND * lasted + 1


def test_sixty_requests_of_one_user_at_once_need_one_look_up(server: FakeApiServer) -> None:
    results: list[str] = []
    asking = lookups(server, results)
    server.sick = answering(allowed=False)
    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(lambda _: asking.may(MALLORY, Question("bypass")), range(60)))
    assert answers == [False] * 60
    assert server.count() == 1
    assert Counter(results) == {"answered": 1, "cached": 59}


@pytest.mark.parametrize(
    "other",
    [
        replace(ALICE, username="bob"),
        replace(ALICE, uid="2"),
        replace(ALICE, groups=["admins", "more"]),
        replace(ALICE, extra={"scopes": ["read"]}),
    ],
    ids=["name", "uid", "groups", "extra"],
)
def test_an_answer_about_one_identity_is_none_about_another(other: UserInfo) -> None:
    rights = Rights(1.0)
    assert rights.answer(ALICE, LIFT, lambda: True) == (True, False)
    assert rights.answer(other, LIFT, lambda: False) == (False, False)
    assert rights.answer(ALICE, Question("approve", LIFT.name), lambda: False) == (False, False)
    assert rights.answer(ALICE, Question(LIFT.verb, "other"), lambda: False) == (False, False)
    assert rights.answer(ALICE, LIFT, lambda: False) == (True, True)


def test_an_answer_is_good_for_two_seconds_and_no_answer_is_not_kept() -> None:
    now = 0.0
    rights = Rights(1.0, lambda: now)
    assert rights.answer(ALICE, LIFT, lambda: None) == (None, False)
    assert rights.answer(ALICE, LIFT, lambda: True) == (True, False)
    now = GOOD_SECONDS - 0.1
    assert rights.answer(ALICE, LIFT, lambda: False) == (True, True)
    now = GOOD_SECONDS
    assert rights.answer(ALICE, LIFT, lambda: False) == (False, False)


def test_a_look_up_that_fails_by_mistake_leaves_nobody_waiting() -> None:
    rights = Rights(1.0)

    def broken() -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        rights.answer(ALICE, LIFT, broken)
    assert rights.answer(ALICE, LIFT, lambda: True) == (True, False)


def test_what_is_remembered_of_users_is_bounded() -> None:
    rights, buckets = Rights(1.0, lambda: 0.0), Buckets(1.0, 1.0, 10)
    for number in range(MOST_ANSWERS + 50):
        rights.answer(UserInfo(f"u{number}"), LIFT, lambda: True)
        buckets.take(f"u{number}", 0.0)
    assert len(rights._known) == MOST_ANSWERS
    assert not rights._under_way
    assert len(buckets._left) == 10


def test_a_share_comes_back_with_time_and_never_to_more_than_its_burst() -> None:
    buckets = Buckets(2.0, 3.0)
    assert [buckets.take("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert [buckets.take("a", 0.5) for _ in range(2)] == [True, False]
    assert [buckets.take("a", 100.0) for _ in range(4)] == [True, True, True, False]
    assert buckets.take("b", 100.0), "the share of another user is untouched"


def test_a_namespace_full_of_service_accounts_has_one_share() -> None:
    shares = Shares()
    names = [f"system:serviceaccount:rogue:sa-{number}" for number in range(200)]
    taken = sum(shares.take(UserInfo(name), now) for now in range(10) for name in names)
    assert taken <= NAMESPACE_BURST + 10 * NAMESPACE_PER_SECOND
    assert shares.take(ALICE, 9.0)


def test_all_users_together_have_a_bound() -> None:
    shares = Shares()
    taken = sum(shares.take(UserInfo(f"user-{number}"), 0.0) for number in range(1000))
    assert taken == TOTAL_PER_SECOND


def test_a_namespace_whose_lists_fail_pauses_nothing_but_those(server: FakeApiServer) -> None:
    results: list[str] = []
    asking = lookups(server, results)
    server.sick = lambda exchange: "/rogue/" in exchange.path and faults.refusing(500)(exchange)
    missing = {RuleId.DISRUPTION_BUDGET}
    assert not asking.surroundings("rogue", missing, MALLORY)
    assert not asking.surroundings("rogue", missing, MALLORY)
    assert results == ["failed", "limited"]
    assert asking.surroundings("payments", missing, MALLORY)
    assert asking.namespace("payments", ALICE)


def test_a_list_of_more_bytes_than_fit_is_not_read_and_pauses_nobody_else(
    server: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LARGEST_ANSWER", 100_000)
    for number in range(100):
        server.put(
            "/apis/policy/v1/namespaces/rogue/poddisruptionbudgets", f"b{number}", "rogue", spec={"x": "y" * 5000}
        )
    asking = lookups(server, [])
    assert not asking.surroundings("rogue", {RuleId.DISRUPTION_BUDGET}, MALLORY)
    assert asking.namespace("payments", ALICE)


@pytest.mark.parametrize(("asked", "pause"), [("30", 30.0), ("0", RETRY_PAUSE), ("1", RETRY_PAUSE)])
def test_the_operator_comes_back_no_sooner_than_the_api_server_asks(
    server: FakeApiServer, asked: str, pause: float
) -> None:
    server.sick = faults.refusing(429, Retry_After=asked)
    cache: Any = ClusterCache(api(server), "tierguard-system", Identities())
    cache.unsynced = list
    options = Options("tierguard-system", Endpoint("tierguard-system", "webhook", 443), "tierguard", "", "", 0)
    outcome = Reconciler(api(server), cache, options).once()
    assert outcome.failed
    assert outcome.pause == pause
