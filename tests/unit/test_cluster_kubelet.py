"""What dies is started again, as a kubelet would; what was stopped stays down; a changed Secret reaches its files."""

import base64
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import kubelet
from tests.cluster.kubelet import BACKOFF_SECONDS, WELL_SECONDS, Kubelet
from tests.cluster.processes import Processes, poll

WAITING = [sys.executable, "-c", "import signal; signal.pause()"]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Processes]:
    mine = Processes(tmp_path)
    mine.start("one", WAITING, {"COLOUR": "blue"})
    yield mine
    mine.stop(*mine.names(), seconds=0.0)


def kill(processes: Processes, name: str) -> None:
    processes.signal(name, signal.SIGKILL)
    assert poll(lambda: not processes.alive(name), 10)


def test_what_was_killed_is_started_again_as_it_was_by_another_program(started: Processes) -> None:
    before = started.pid("one")
    looking = Processes(started.pids.parent)
    kubelet_ = Kubelet(looking)
    assert kubelet_.look() == []
    kill(started, "one")
    assert kubelet_.look() == ["one"]
    after = looking.pid("one")
    assert after is not None
    assert after != before
    # The kernel shows both only once the program has been loaded.
    assert poll(lambda: b"COLOUR=blue" in Path(f"/proc/{after}/environ").read_bytes().split(b"\0"), 10)
    assert Path(f"/proc/{after}/cmdline").read_bytes().split(b"\0")[0] == os.fsencode(sys.executable)


def test_what_was_stopped_stays_down(started: Processes) -> None:
    started.stop("one")
    assert Kubelet(Processes(started.pids.parent)).look() == []


def test_the_kubelet_does_not_look_after_itself(started: Processes) -> None:
    started.start(kubelet.NAME, WAITING)
    kill(started, kubelet.NAME)
    assert Kubelet(Processes(started.pids.parent)).look() == []


def test_what_dies_again_and_again_waits_longer_each_time_until_it_has_lived(started: Processes) -> None:
    clock = Clock()
    kubelet_ = Kubelet(started, clock)
    waits = []
    for _ in range(8):
        kill(started, "one")
        began = clock.now
        while not kubelet_.look():
            clock.now += 1
        waits.append(clock.now - began)
    first, longest = BACKOFF_SECONDS
    assert waits == [0, first, 2 * first, 4 * first, 8 * first, 16 * first, longest, longest]
    clock.now += WELL_SECONDS
    kill(started, "one")
    assert kubelet_.look() == ["one"]


def test_a_secret_reaches_its_files_and_no_answer_changes_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "tls"
    for content in (b"old", b"new"):
        data = {"tls.key": base64.b64encode(content).decode()}
        kubelet.mount(json.dumps({"data": data}).encode(), directory)
        assert (directory / "tls.key").read_bytes() == content
    kubelet.mount(None, directory)
    assert [path.name for path in directory.iterdir()] == ["tls.key"]
    assert (directory / "tls.key").stat().st_mode & 0o077 == 0
