"""Log lines: JSON in ASCII, whatever is logged."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tierguard import logs
from tierguard.guard.model.decision import Outcome


@pytest.mark.parametrize(
    "extra",
    [
        {"decision": {"tier": 1, "dryRun": False, "message": ""}},
        {"text": "caf\u00e9 \u202e \U0001f600"},
        {"text": "a lone surrogate \ud800"},
        {"text": 'quotes " and \\ and \n and \x00 and \x7f'},
        {"what": object},
        {"nested": [{"a": None, "b": 1.5, "c": [True, -(2**80)]}]},
    ],
)
def test_a_line_is_ascii_and_says_what_the_standard_library_would_say(extra: dict[str, object]) -> None:
    written = logs.line(extra, default=str)
    assert written.isascii()
    assert "\n" not in written
    assert json.loads(written) == json.loads(json.dumps(extra, default=str))


def test_a_record_is_one_line_with_its_time_level_logger_message_and_extra_fields(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        logs.setup("INFO")
        logging.getLogger("tierguard.decision").info("decided %d", 3, extra={"decision": {"tier": 1}})
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert found.pop("time")
    assert found == {
        "level": "INFO",
        "logger": "tierguard.decision",
        "message": "decided 3",
        "decision": {"tier": 1},
    }


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1794998400.1239, "2026-11-18T10:40:00.123Z"),
        (1794998400.9999, "2026-11-18T10:40:00.999Z"),
        (1794998401.0, "2026-11-18T10:40:01.000Z"),
    ],
)
def test_times_are_rfc_3339_in_utc_with_milliseconds(seconds: float, written: str) -> None:
    assert logs.instant(seconds) == written


def test_a_line_without_a_record_is_that_of_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1794998400.5)
    root, logger = logging.getLogger(), logging.getLogger("tierguard.decision")
    handlers, level = root.handlers[:], root.level
    reading, writing = os.pipe()
    handler = logs.Batches(writing)
    handler.setFormatter(logs.Lines(logs.FORMAT, json_serializer=logs.line))
    fields = {"decision": {"tier": 1, "outcome": Outcome.DENIED, "text": "caf\u00e9 \ud800"}}
    try:
        root.setLevel(logging.INFO)
        root.handlers[:] = [handler]
        logs.info(logger, "decision", **fields)
        root.handlers[:] = [handler, logging.NullHandler()]
        logs.info(logger, "decision", **fields)
        handler.close()
        one, other = os.read(reading, 1 << 16).decode().splitlines()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        os.close(reading)
        os.close(writing)
    assert one == other
    assert json.loads(one)["time"] == "2026-11-18T10:40:00.500Z"


@contextmanager
def batched() -> Iterator[tuple[logging.Logger, int]]:
    """A logger that writes in batches, and where to read what it writes."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    handler = logs.Batches(writing)
    logger = logging.getLogger("batched")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield logger, reading
    finally:
        logger.removeHandler(handler)
        handler.close()
        os.close(reading)
        os.close(writing)


def read(descriptor: int) -> list[str]:
    try:
        return os.read(descriptor, 1 << 20).decode().splitlines()
    except BlockingIOError:
        return []


def test_a_line_is_written_at_once_the_next_ones_together_and_a_warning_takes_them_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "BATCH_SECONDS", 3600.0)
    with batched() as (logger, reading):
        logger.info("one")
        assert read(reading) == ["one"]
        logger.info("two")
        logger.info("three")
        assert read(reading) == []
        logger.warning("four")
        assert read(reading) == ["two", "three", "four"]


def test_after_the_end_lines_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "BATCH_SECONDS", 3600.0)
    with batched() as (logger, reading):
        logger.info("one")
        (handler,) = [each for each in logger.handlers if isinstance(each, logs.Batches)]
        handler.close()
        logger.info("two")
        assert read(reading) == ["one", "two"]


def test_lines_do_not_wait_long() -> None:
    with batched() as (logger, reading):
        os.set_blocking(reading, True)
        for text in ("one", "two"):
            logger.info(text)
            assert read(reading) == [text]


def test_lines_from_many_threads_are_all_there_and_whole() -> None:
    with batched() as (logger, reading):
        os.set_blocking(reading, True)

        def some(thread: int) -> None:
            for number in range(200):
                logger.info("%d-%d-%s", thread, number, "x" * 200)

        threads = [threading.Thread(target=some, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        found = b""
        while found.count(b"\n") < 1600:
            found += os.read(reading, 1 << 16)
        for thread in threads:
            thread.join()
        assert sorted(found.decode().split()) == sorted(
            f"{thread}-{number}-{'x' * 200}" for thread in range(8) for number in range(200)
        )


def test_more_lines_than_may_wait_are_written_by_who_logs() -> None:
    with batched() as (logger, reading):
        big = "x" * 1000
        told = threading.Event()

        def many() -> None:
            for _ in range(logs.MOST_WAITING // 1000 + 2):
                logger.info(big)
            told.set()

        threading.Thread(target=many, daemon=True).start()
        os.set_blocking(reading, True)
        size = 0
        while size <= logs.MOST_WAITING:
            size += len(os.read(reading, 1 << 16))
        assert told.wait(10)


@pytest.mark.parametrize("size", [1, 100, 4095, 4096, 4097, 10_000])
def test_batches_are_whole_lines_of_a_size_that_a_pipe_takes_at_once(size: int) -> None:
    lines = [bytes([65 + number]) * size for number in range(10)]
    found = logs.batches(lines, 4096)
    assert b"".join(found) == b"".join(lines)
    assert all(len(each) <= 4096 or len(each) == size for each in found)
    assert len(found) == (1 if size == 1 else 10 if size > 2048 else 10 * size // 4096 + 1)


ENDS = """
import logging, multiprocessing, multiprocessing.util
from tierguard import logs

def work():
    logs.setup("INFO", batched=True)
    multiprocessing.util.Finalize(None, logging.shutdown, exitpriority=0)
    logging.getLogger("x").info("the last")

if __name__ == "__main__":
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join()
"""


def test_a_worker_that_ends_writes_its_last_line() -> None:
    done = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True, check=True, timeout=60)
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["message"] == "the last"


def test_who_closed_standard_error_is_not_stopped_by_it() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    handler = logs.Batches(writing)
    assert handler.handle(logging.makeLogRecord({"msg": "nobody reads", "levelno": logging.ERROR}))
    handler.close()
    os.close(writing)
