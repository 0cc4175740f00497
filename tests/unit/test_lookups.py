"""Questions to an API server that does not answer them."""

from collections.abc import Iterator
from typing import Any

import kubernetes.client
import pytest

from tests.fakes import faults
from tests.fakes.apiserver import FakeApiServer
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api
from tierguard.controller.options import Endpoint, Options
from tierguard.controller.reconcile import RETRY_PAUSE, Reconciler
from tierguard.guard.model.state import Identities
from tierguard.webhook import lookup
from tierguard.webhook.lookup import PER_SECOND, Lookups


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    with FakeApiServer() as running:
        yield running


def api(server: FakeApiServer) -> Api:
    configuration = kubernetes.client.Configuration()
    configuration.host = server.url
    return Api(configuration)


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


def test_a_storm_of_questions_is_a_bounded_number_of_calls(server: FakeApiServer) -> None:
    asking = lookups(server, [])
    server.sick = faults.refusing(404)
    for number in range(10 * PER_SECOND):
        asking.namespace(f"n{number}")
    seconds = server.requests[-1][0] - server.requests[0][0]
    assert server.count() <= PER_SECOND * (2 + seconds)


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
