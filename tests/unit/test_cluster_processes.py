"""Which process may be killed, and that all which were started are."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import processes
from tests.cluster.errors import ClusterError
from tests.cluster.processes import Processes

# Fields 3 to 22 of /proc/<pid>/stat; the last is the start time.
STAT_FIELDS = "1 12 12 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 8812345 0 0"
WAITING = [sys.executable, "-c", "import signal; signal.pause()"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()",
]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Processes]:
    mine = Processes(tmp_path / "a cluster")
    yield mine
    mine.stop(*mine.names(), seconds=0.0)


@pytest.mark.parametrize("name", ["etcd", "a b", "sneaky) Z 1 (x"])
def test_the_start_time_is_found_whatever_the_program_is_called(name: str) -> None:
    assert processes.parse_stat(f"42 ({name}) S {STAT_FIELDS}", "boot") == "boot 8812345"


@pytest.mark.parametrize("state", ["Z", "X"])
def test_a_process_that_only_waits_to_be_collected_has_ended(state: str) -> None:
    assert processes.parse_stat(f"42 (etcd) {state} {STAT_FIELDS}", "boot") is None


def test_a_process_whose_other_threads_are_still_ending_has_not_ended() -> None:
    fields = STAT_FIELDS.split()
    fields[16] = "3"
    assert processes.parse_stat(f"42 (etcd) Z {' '.join(fields)}", "boot") == "boot 8812345"


def test_a_process_is_itself() -> None:
    own = processes.start_time(os.getpid())
    assert own is not None
    assert processes.is_same_process(os.getpid(), own)


@pytest.mark.parametrize("started", ["", "another-boot 8812345"])
def test_a_recycled_or_unknown_pid_is_not_the_process_on_record(started: str) -> None:
    assert not processes.is_same_process(os.getpid(), started)


def test_a_process_with_a_recycled_pid_is_left_alone(started: Processes) -> None:
    with subprocess.Popen(WAITING) as stranger:
        started.pids.mkdir(parents=True)
        (started.pids / "etcd").write_text(f"{stranger.pid}\n")
        (started.pids / ".etcd.started").write_text("another-boot 1")
        started.stop("etcd")
        assert stranger.poll() is None
        stranger.kill()
    assert started.names() == []


def test_a_started_process_is_on_record_until_it_is_stopped(started: Processes) -> None:
    started.start("one", WAITING)
    assert started.names() == ["one"]
    assert started.alive("one")
    assert (started.pids / "one").read_text() == f"{started.pid('one')}\n"
    started.stop("one")
    assert not started.alive("one")
    assert started.names() == []


def test_another_program_can_stop_what_this_one_started(started: Processes) -> None:
    started.start("one", WAITING)
    Processes(started.pids.parent).stop("one")
    assert not started.alive("one")


def test_a_process_that_ignores_the_request_to_end_is_killed(started: Processes) -> None:
    started.start("deaf", STUBBORN)
    started.wait("deaf", "it is deaf", lambda: "deaf" in started.tail("deaf"), 10.0)
    started.stop("deaf", seconds=0.0)
    assert not started.alive("deaf")


def test_waiting_for_a_process_that_dies_fails_at_once_with_the_end_of_its_log(started: Processes) -> None:
    started.start("broken", [sys.executable, "-c", "raise SystemExit('port 1 is taken')"])
    with pytest.raises(ClusterError, match=r"(?s)broken ended while waiting until it answers.*port 1 is taken"):
        started.wait("broken", "it answers", lambda: False, 60.0)


def test_waiting_is_bounded(started: Processes) -> None:
    started.start("slow", WAITING)
    with pytest.raises(ClusterError, match="slow: not true after 0 s that it answers"):
        started.wait("slow", "it answers", lambda: False, 0.0)


def test_a_program_that_does_not_exist_is_an_error_for_a_person(started: Processes) -> None:
    with pytest.raises(ClusterError, match=r"nothing cannot be started: .*No such file"):
        started.start("nothing", [started.pids / "no-such-program"])


def test_a_running_process_is_not_started_twice(started: Processes) -> None:
    started.start("one", WAITING)
    with pytest.raises(ClusterError, match="one is already running, with pid"):
        started.start("one", WAITING)


def test_a_restarted_process_is_a_new_one(started: Processes) -> None:
    started.start("one", WAITING)
    first = started.pid("one")
    started.restart("one")
    assert started.alive("one")
    assert started.pid("one") != first


def test_a_signal_during_the_start_of_a_process_arrives_after_it_is_on_record(started: Processes) -> None:
    # Whoever runs the tests in the background of a shell has them ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupted_start() -> None:
        with processes.signals_deferred():
            signal.raise_signal(signal.SIGINT)
            started.start("one", WAITING)

    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted_start()
    finally:
        signal.signal(signal.SIGINT, before)
    assert started.alive("one")


def test_a_request_to_end_unwinds_the_stack() -> None:
    with pytest.raises(SystemExit) as exit_, processes.termination_as_exit():
        signal.raise_signal(signal.SIGTERM)
    assert exit_.value.code == 128 + signal.SIGTERM
