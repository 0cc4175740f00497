"""Who waits how long for his turn, and which connections have to go. Without a server."""

import threading
import time

import pytest

from tests.cluster.processes import poll
from tierguard.webhook.connections import (
    CROWDED_IDLE_SECONDS,
    IDLE,
    IDLE_SECONDS,
    OWED_SECONDS,
    SLOW,
    Judge,
    Seen,
)
from tierguard.webhook.gate import DEADLINE, LONGEST_SECONDS, PATIENCE, QUEUE, Gate, patience


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ("timeout=5s", 5.0),
        ("timeout=2s", 2.0),
        ("timeout=500ms", 0.5),
        ("timeout=1m0s", LONGEST_SECONDS),
        ("other=1&timeout=1.5s", 1.5),
        ("timeout=0s", 0.0),
        ("", LONGEST_SECONDS),
        ("timeout=", LONGEST_SECONDS),
        ("timeout=soon", LONGEST_SECONDS),
        ("timeout=5s5", LONGEST_SECONDS),
        ("timeout=-5s", LONGEST_SECONDS),
        ("timeout=999999999s", LONGEST_SECONDS),
    ],
)
def test_a_review_waits_for_a_part_of_what_the_api_server_waits(query: str, seconds: float) -> None:
    assert patience(query) == pytest.approx(seconds * PATIENCE)


def test_who_finds_nobody_enters_at_once() -> None:
    gate = Gate()
    assert gate.enter(time.monotonic() + 5) == ""
    gate.leave()
    assert gate.enter(time.monotonic() + 5) == ""


def test_who_comes_after_his_deadline_is_turned_away_and_holds_nothing() -> None:
    gate = Gate()
    assert gate.enter(time.monotonic() - 1) == DEADLINE
    assert gate.enter(time.monotonic() + 5) == ""


def test_who_waits_is_turned_away_at_his_deadline() -> None:
    gate = Gate()
    assert gate.enter(time.monotonic() + 5) == ""
    began = time.monotonic()
    assert gate.enter(began + 0.1) == DEADLINE
    assert time.monotonic() - began < 2
    assert gate.waiting == 0


def test_who_finds_too_many_waiting_is_turned_away_at_once() -> None:
    gate = Gate(most_waiting=1)
    assert gate.enter(time.monotonic() + 5) == ""
    said: list[str] = []
    second = threading.Thread(target=lambda: said.append(gate.enter(time.monotonic() + 30)))
    second.start()
    assert poll(lambda: gate.waiting == 1, 5)
    assert gate.enter(time.monotonic() + 30) == QUEUE
    gate.leave()
    second.join(5)
    assert said == [""]
    assert gate.waiting == 0


def look(judge: Judge, now: float, **seen: Seen) -> dict[int, str]:
    return judge.look({int(name[1:]): info for name, info in seen.items()}, now)


def test_a_silent_connection_goes_after_a_while_and_sooner_where_it_is_crowded() -> None:
    idle = Seen(sent=CROWDED_IDLE_SECONDS + 1, received=CROWDED_IDLE_SECONDS + 1, delivered=900)
    assert look(Judge(100), 50, c1=idle) == {}
    assert look(Judge(1), 50, c1=idle) == {1: IDLE}
    assert look(Judge(100), 50, c1=Seen(IDLE_SECONDS + 1, IDLE_SECONDS + 1, 900)) == {1: IDLE}


def test_a_body_that_trickles_goes_although_data_comes_all_the_time() -> None:
    judge = Judge(100)
    found = {}
    for second in range(20):
        found = look(judge, float(second), c1=Seen(sent=float(second + 1), received=0.1, delivered=900))
        if found:
            break
    assert found == {1: SLOW}
    assert OWED_SECONDS <= second <= OWED_SECONDS + 2


def test_a_busy_connection_stays_for_ever() -> None:
    judge = Judge(1)
    for second in range(100):
        # Whenever one looks, a request is just under way.
        assert look(judge, float(second), c1=Seen(sent=0.3, received=0.1, delivered=900 + second)) == {}


def test_who_waits_for_his_answer_in_a_crowd_is_not_taken_for_silent() -> None:
    judge = Judge(1)
    assert look(judge, 0.0, c1=Seen(sent=9.0, received=9.0, delivered=900)) == {1: IDLE}
    assert look(judge, 10.0, c1=Seen(sent=14.0, received=4.0, delivered=900)) == {}


def test_a_request_on_a_connection_that_was_silent_before_has_its_whole_time() -> None:
    judge = Judge(100)
    assert look(judge, 0.0, c1=Seen(sent=14.0, received=14.0, delivered=900)) == {}
    assert look(judge, 1.0, c1=Seen(sent=15.0, received=0.5, delivered=900)) == {}
    assert look(judge, 5.0, c1=Seen(sent=19.0, received=4.5, delivered=900)) == {}
