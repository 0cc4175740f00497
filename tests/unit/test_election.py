"""Who leads: two candidates and a Lease, on a clock that the tests move."""

import itertools
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierguard.cluster.client import ApiError
from tierguard.controller.election import (
    LEASE_SECONDS,
    RENEW_DEADLINE,
    RETRY_SECONDS,
    WRITE_SECONDS,
    Election,
    Gate,
    LeaderApi,
    NotLeading,
)
from tierguard.guard.model.objects import KubeObject


class Clock:
    """Seconds; each candidate's own may run ahead, but all run alike."""

    def __init__(self) -> None:
        self.now = 1000.0

    def of(self, ahead: float) -> Any:
        return lambda: self.now + ahead


class Leases:
    """The part of an API server that a Lease needs: optimistic locking."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] | None = None
        self.versions = itertools.count(1)
        self.reachable = True

    def get(self, path: str, timeout: float = 0) -> KubeObject:
        self._reach("GET", path, timeout)
        if self.stored is None:
            raise ApiError(HTTPStatus.NOT_FOUND, "GET", path, "not found")
        return self.stored

    def create(self, path: str, body: KubeObject, timeout: float = 0) -> KubeObject:
        self._reach("POST", path, timeout)
        if self.stored is not None:
            raise ApiError(HTTPStatus.CONFLICT, "POST", path, "exists")
        return self._store(body)

    def replace(self, path: str, body: KubeObject, timeout: float = 0) -> KubeObject:
        self._reach("PUT", path, timeout)
        if self.stored is None or self.stored["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            raise ApiError(HTTPStatus.CONFLICT, "PUT", path, "changed")
        return self._store(body)

    def _reach(self, method: str, path: str, timeout: float) -> None:
        assert 0 < timeout < LEASE_SECONDS / 2
        if not self.reachable:
            raise ApiError(0, method, path, "no route")

    def _store(self, body: KubeObject) -> KubeObject:
        self.stored = {**body, "metadata": {**body["metadata"], "resourceVersion": str(next(self.versions))}}
        return self.stored


class Candidate:
    """An operator that may lead."""

    def __init__(self, name: str, leases: Leases, clock: Clock, ahead: float = 0.0) -> None:
        self.gate = Gate(clock.of(ahead))
        self.told: list[bool] = []
        api: Any = leases
        self.election = Election(api, "guard", "tierguard", name, self.gate, self.told.append, clock.of(ahead))

    def tries(self) -> bool:
        return self.election.try_once()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases() -> Leases:
    return Leases()


@pytest.fixture
def both(leases: Leases, clock: Clock) -> tuple[Candidate, Candidate]:
    return Candidate("a", leases, clock), Candidate("b", leases, clock, ahead=5000.0)


def test_the_first_leads_and_the_second_waits(both: tuple[Candidate, Candidate]) -> None:
    a, b = both
    assert a.tries()
    assert not b.tries()
    assert (a.told, b.told) == ([True], [])
    assert a.election.leading
    assert not b.election.leading


def test_the_standby_takes_over_within_fifteen_seconds(both: tuple[Candidate, Candidate], clock: Clock) -> None:
    a, b = both
    a.tries()
    b.tries()
    died = clock.now
    while not b.tries():
        clock.now += RETRY_SECONDS
    assert clock.now - died <= 15
    assert not a.gate.open()  # it stopped by itself before


def test_a_leader_that_renews_stays_the_leader(both: tuple[Candidate, Candidate], clock: Clock) -> None:
    a, b = both
    for _ in range(100):
        assert a.tries()
        assert not b.tries()
        clock.now += RETRY_SECONDS


def test_a_leader_that_is_cut_off_stops_well_before_another_starts(
    both: tuple[Candidate, Candidate], leases: Leases, clock: Clock
) -> None:
    a, b = both
    a.tries()
    b.tries()
    leases.reachable = False
    clock.now += RENEW_DEADLINE - 0.1
    assert a.tries()  # not for long
    clock.now += 0.2
    assert not a.gate.open()
    assert not a.tries()
    assert a.told == [True, False]
    assert RENEW_DEADLINE + WRITE_SECONDS < LEASE_SECONDS


def test_a_leader_that_was_paused_writes_nothing_when_it_wakes(both: tuple[Candidate, Candidate], clock: Clock) -> None:
    a, b = both
    a.tries()
    b.tries()
    clock.now += LEASE_SECONDS + 1
    assert b.tries()
    assert not a.gate.open()
    assert not a.tries()


def test_a_lease_that_was_given_back_is_taken_at_once(both: tuple[Candidate, Candidate], leases: Leases) -> None:
    a, b = both
    a.tries()
    b.tries()
    a.election.start()
    a.election.stop()
    assert leases.stored is not None
    assert leases.stored["spec"]["holderIdentity"] == ""
    assert b.tries()
    assert leases.stored["spec"]["leaseTransitions"] == 2


def test_of_two_that_write_at_once_one_wins(leases: Leases, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    a = Candidate("a", leases, clock)
    leases.stored = {"metadata": {"resourceVersion": "7"}, "spec": {"holderIdentity": ""}}
    read = leases.get("", 1)
    assert Candidate("b", leases, clock).tries()
    monkeypatch.setattr(leases, "get", lambda *_, **__: read)  # what a had read before b wrote
    assert not a.tries()


def test_a_write_without_the_lease_is_no_write() -> None:
    api = LeaderApi.__new__(LeaderApi)
    api.gate = Gate(lambda: 100.0)
    with pytest.raises(NotLeading):
        api.check("PATCH", "/apis/x")
    api.check("GET", "/apis/x")
    api.gate.renewed(99.0)
    api.check("PATCH", "/apis/x")


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 4), st.booleans()), min_size=1, max_size=60))
def test_never_two_at_once_whatever_is_paused_or_cut_off(steps: list[tuple[str, float, bool]]) -> None:
    clock, leases = Clock(), Leases()
    candidates = {name: Candidate(name, leases, clock, ahead=ord(name) * 77.0) for name in "abc"}
    for name, pause, reachable in steps:
        leases.reachable = reachable
        candidates[name].tries()
        assert sum(candidate.gate.open() for candidate in candidates.values()) <= 1
        clock.now += pause
        assert sum(candidate.gate.open() for candidate in candidates.values()) <= 1
