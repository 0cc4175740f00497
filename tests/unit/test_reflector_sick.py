"""A watched collection whose API server is not well: the truth in the end, at a bounded rate, no false word meanwhile."""

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import kubernetes.client
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cluster.processes import poll
from tests.fakes import faults
from tests.fakes.apiserver import FakeApiServer
from tierguard.cluster import client, reflector
from tierguard.cluster.access import by_configuration
from tierguard.cluster.client import Api, ApiError
from tierguard.cluster.reflector import Collection, Pace, Reflector, Timing
from tierguard.guard.model.objects import KubeObject

PATH = "/api/v1/services"
BRISK = Timing(first_pause=0.005, longest_pause=0.04, settled=0.15, relist=0.2, silence=5.0)
Key = tuple[str, str]


def api(server: FakeApiServer) -> Api:
    configuration = kubernetes.client.Configuration()
    configuration.host = server.url
    return Api(by_configuration(configuration))


class Consumer:
    """Believes what a reflector tells it."""

    def __init__(self, server: FakeApiServer, timing: Timing = BRISK) -> None:
        self.believed: dict[Key, KubeObject] = {}
        collection = Collection(PATH, "v1", "Service")
        self.reflector = Reflector(api(server), collection, self._changed, self._gone, lambda obj: obj, timing)

    def _changed(self, before: KubeObject | None, obj: KubeObject) -> None:
        assert self.believed.get(key(obj)) == before, "what was before is what it was told of"
        self.believed[key(obj)] = obj

    def _gone(self, obj: KubeObject) -> None:
        self.believed.pop(key(obj), None)

    def versions(self) -> dict[Key, str]:
        return {name: obj["metadata"]["resourceVersion"] for name, obj in tuple(self.believed.items())}


def key(obj: KubeObject) -> Key:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


@contextmanager
def watching(server: FakeApiServer, timing: Timing = BRISK) -> Iterator[Consumer]:
    consumer = Consumer(server, timing)
    consumer.reflector.start()
    try:
        yield consumer
    finally:
        consumer.reflector.stop()


def truth(server: FakeApiServer) -> dict[Key, str]:
    return {name: obj["metadata"]["resourceVersion"] for name, obj in server.objects.get(PATH, {}).items()}


def converges(consumer: Consumer, server: FakeApiServer, seconds: float = 30.0) -> bool:
    return poll(lambda: consumer.reflector.staleness() is not None and consumer.versions() == truth(server), seconds)


STEP = st.one_of(
    st.tuples(st.just("fault"), st.sampled_from(sorted(faults.EVERY))),
    st.tuples(st.just("put"), st.sampled_from("abcde")),
    st.tuples(st.just("drop"), st.sampled_from("abcde")),
    st.tuples(st.just("compact"), st.just("")),
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(before=st.lists(STEP, max_size=12), after=st.lists(STEP, max_size=12), page=st.integers(1, 4))
def test_whatever_goes_wrong_in_whatever_order_the_truth_is_known_in_the_end(
    before: list[tuple[str, str]], after: list[tuple[str, str]], page: int
) -> None:
    with FakeApiServer() as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(reflector, "PAGE", page)
        for name in "abc":
            server.put(PATH, name, "payments")
        take(server, before)
        with watching(server) as consumer:
            take(server, after)
            assert converges(consumer, server), (consumer.versions(), truth(server), server.requests[-20:])


def take(server: FakeApiServer, steps: list[tuple[str, str]]) -> None:
    for what, which in steps:
        if what == "fault":
            server.faults.append(faults.EVERY[which])
        elif what == "put":
            server.put(PATH, which, "payments", spec={"n": len(server.requests)})
        elif what == "drop":
            server.drop(PATH, which, "payments")
        else:
            server.compact()


ENDLESS = {**faults.EVERY, "429 and when": faults.refusing(429, Retry_After="0")}


@pytest.mark.parametrize("fault", ENDLESS.values(), ids=ENDLESS.keys())
def test_an_api_server_that_stays_sick_is_asked_no_faster_than_the_backoff_allows(fault: Any) -> None:
    timing = Timing(first_pause=0.02, longest_pause=0.1, settled=5.0, relist=60.0)
    with FakeApiServer() as server:
        server.put(PATH, "a", "payments")
        server.sick = fault
        with watching(server, timing):
            began = time.monotonic()
            assert poll(lambda: time.monotonic() - began > 0.8, 10)
            asked, lasted = server.count(), time.monotonic() - began
    # Pauses of 20, 40, 80 ms, then 100 ms each; a round is a list and a watch.
    assert 2 <= asked <= 2 * (4 + lasted / 0.1)


def test_a_list_that_expires_in_the_middle_is_begun_again_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflector, "PAGE", 2)
    with FakeApiServer() as server:
        for number in range(7):
            server.put(PATH, f"s{number}", "payments")
        server.faults.extend([faults.forgetting, faults.forgetting, faults.forgetting])
        with watching(server) as consumer:
            assert converges(consumer, server)
        assert server.count("list") <= 4 + 3 * 2


def test_what_vanished_while_nothing_was_told_is_noticed() -> None:
    with FakeApiServer() as server:
        server.put(PATH, "a", "payments")
        server.put(PATH, "b", "payments")
        with watching(server) as consumer:
            assert converges(consumer, server)
            server.drop(PATH, "a", "payments")
            server.compact()  # nobody tells of the deletion any more
            assert converges(consumer, server)
            assert list(consumer.believed) == [("payments", "b")]


@pytest.mark.parametrize("fault", [faults.closed_at_once, faults.half, faults.error_in_watch, faults.cut])
def test_watches_that_tell_nothing_are_no_sign_of_life(fault: Any) -> None:
    with FakeApiServer() as server:
        server.put(PATH, "a", "payments")
        server.sick = lambda exchange: exchange.verb == "watch" and fault(exchange)
        with watching(server, Timing(first_pause=0.01, longest_pause=0.02, settled=5.0, relist=60.0)) as consumer:
            assert poll(lambda: (consumer.reflector.staleness() or 0) > 0.6, 10)
            assert server.count("watch") > 5


def test_where_watches_stay_silent_lists_tell_the_truth() -> None:
    timing = Timing(first_pause=0.01, longest_pause=0.05, settled=0.1, relist=0.2, silence=0.1)
    with FakeApiServer() as server:
        server.put(PATH, "a", "payments")
        server.sick = lambda exchange: exchange.verb == "watch" and faults.silent(exchange)
        with watching(server, timing) as consumer:
            assert converges(consumer, server)
            server.put(PATH, "b", "payments")
            assert converges(consumer, server)


def test_the_api_server_is_left_alone_for_as_long_as_it_asks() -> None:
    with FakeApiServer() as server:
        server.faults.append(faults.refusing(429, Retry_After="1"))
        with watching(server) as consumer:
            assert converges(consumer, server)
        (first, _, _), (second, _, _), *_ = server.requests
    assert second - first >= 1.0


@pytest.mark.parametrize(
    ("written", "seconds"), [("7", 7.0), ("999999", client.LONGEST_RETRY), ("tomorrow", 0.0), ("-1", 0.0), ("", 0.0)]
)
def test_a_retry_after_is_believed_within_reason(written: str, seconds: float) -> None:
    with FakeApiServer() as server:
        server.faults.append(faults.refusing(429, Retry_After=written))
        with pytest.raises(ApiError) as refused:
            api(server).get(PATH)
    assert refused.value.status == 429
    assert refused.value.retry_after == seconds


@pytest.mark.parametrize("fault", [faults.trickling, faults.silent])
def test_a_call_ends_at_its_deadline_whether_nothing_comes_or_too_little(fault: Any) -> None:
    with FakeApiServer() as server:
        server.faults.append(fault)
        began = time.monotonic()
        with pytest.raises(ApiError):
            api(server).get(PATH, timeout=0.3)
    assert time.monotonic() - began < 3


def test_an_event_without_an_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LONGEST_LINE", 1000)
    with FakeApiServer() as server:
        server.faults.append(faults.trickling_line)
        with pytest.raises(ApiError, match="more than"):
            list(api(server).watch(PATH, {"watch": "1", "resourceVersion": "1"}, 5.0))


def test_pauses_grow_to_a_bound_and_begin_anew_when_all_is_well() -> None:
    pace = Pace(Timing(first_pause=1.0, longest_pause=4.0))
    pauses = [pace.pause() for _ in range(6)]
    for pause, least in zip(pauses, (1, 2, 4, 4, 4, 4), strict=True):
        assert least <= pause <= 1.5 * least
    assert pace.pause(asked=30.0) >= 30
    pace.well()
    assert pace.pause() <= 1.5


def test_ten_thousand_objects_are_listed_in_pages_within_bounds_of_time_and_memory() -> None:
    """Measured on 2 shared cores: see the bounds, which are several times of that."""
    with FakeApiServer() as server:
        for number in range(10_000):
            server.put(
                PATH, f"s{number:05}", "payments", spec={"selector": {"app": f"s{number}"}, "ports": [{"port": 80}]}
            )
        tracemalloc.start()
        spent = time.thread_time()
        consumer = Consumer(server)
        consumer.reflector._list()
        spent = time.thread_time() - spent
        kept, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(consumer.believed) == 10_000
        assert server.count("list") == 20
    print(f"10,000 objects: {spent:.2f} s CPU, {kept / 1e6:.0f} MB kept, {peak / 1e6:.0f} MB at most")
    assert spent < 10
    assert peak < 300e6
