"""Logging to standard error, one JSON object a line, for both processes."""

import json
import logging
import logging.config
import os
import select
import threading
import time
from typing import Any

import msgspec
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

_ENCODER = msgspec.json.Encoder()
_OWN = frozenset(RESERVED_ATTRS)

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"

BATCH_SECONDS = 0.05
"""How long after a write the lines below WARNING wait for each other. A process that is killed loses them."""
MOST_WAITING = 256 * 1024
"""Bytes of lines that wait; with more, whoever logs writes them."""


def line(fields: dict[str, Any], **options: Any) -> str:
    """`fields` as JSON in ASCII: nearly always msgspec's, which is quick, else the standard library's under `options`."""
    try:
        written = _ENCODER.encode(fields)
    except (TypeError, ValueError):  # a value that is no plain one, or text that is no Unicode
        return json.dumps(fields, **options)
    return written.decode("ascii") if written.isascii() else json.dumps(fields, **options)


_SECONDS: dict[int, str] = {}


def instant(seconds: float) -> str:
    """The instant, so many seconds after 1970, as RFC 3339 says it, in UTC and with milliseconds."""
    whole = int(seconds)
    prefix = _SECONDS.get(whole)
    if prefix is None:
        _SECONDS.clear()  # one is kept: that of the lines before
        prefix = _SECONDS[whole] = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    return f"{prefix}.{int((seconds - whole) * 1000):03}Z"


class Lines(JsonFormatter):
    """The library's formatter, which looks at each of a record's thirty attributes, told which ones there are."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - the library's
        """As `instant`."""
        return instant(record.created)

    def format(self, record: logging.LogRecord) -> str:
        """One line. What has a traceback is the library's business; nearly all lines have none, and one way is shorter."""
        if record.exc_info or record.stack_info or not isinstance(record.msg, str):
            return super().format(record)
        record.asctime, record.message = self.formatTime(record), record.getMessage()
        fields: dict[str, Any] = {}
        self.add_fields(fields, record, {})
        return line(fields, default=str)

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Fill `log_data`: time, level, logger and message, then what else was logged."""
        found = record.__dict__
        log_data["time"], log_data["level"], log_data["logger"] = record.asctime, record.levelname, record.name
        log_data["message"] = record.message
        log_data.update(message_dict)
        for key in sorted(found.keys() - _OWN):
            if not key.startswith("_"):
                log_data[key] = found[key]


class Batches(logging.Handler):
    """Writes a line at once if none was written lately, or it is a warning; the others together, soon after.

    A write lets go of the interpreter lock. To get it back from threads that decide reviews takes longer than all the rest
    of a line of log.
    """

    def __init__(self, descriptor: int = 2) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._lines: list[bytes] = []
        self._bytes = 0
        self._unwritten = 0
        self._adding = threading.Lock()
        self._writing = threading.Lock()
        """Who holds it writes."""
        self._wrote = float("-inf")
        self._some = threading.Event()
        self._closed = False
        threading.Thread(target=self._write_on, name="log", daemon=True).start()

    @property
    def waiting(self) -> int:
        """Lines that are not written yet."""
        return self._unwritten

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or have it wait."""
        try:
            written = self.format(record)
        except Exception:  # noqa: BLE001 - as every handler of the library: what cannot be logged stops nobody
            self.handleError(record)
            return
        self.add(written, waits=record.levelno < logging.WARNING)

    def add(self, line: str, *, waits: bool) -> None:
        """Write a line at once, if none was written lately or it does not wait; else with the next ones."""
        written = line.encode("ascii", "backslashreplace") + b"\n"
        with self._adding:
            self._lines.append(written)
            self._bytes += len(written)
            self._unwritten += 1
        if not waits or self._closed or time.monotonic() - self._wrote >= BATCH_SECONDS or self._bytes > MOST_WAITING:
            self.flush()
        elif not self._some.is_set():
            self._some.set()

    def flush(self) -> None:
        """Write what waits."""
        with self._writing:
            with self._adding:
                lines, self._lines, self._bytes = self._lines, [], 0
                self._some.clear()
            for batch in batches(lines):
                _write(self._descriptor, batch)
            self._wrote = time.monotonic()
            with self._adding:
                self._unwritten -= len(lines)

    def close(self) -> None:
        """Write what waits, and have the thread end."""
        self.flush()
        self._closed = True
        self._some.set()
        super().close()

    def _write_on(self) -> None:
        while self._some.wait() and not self._closed:
            time.sleep(BATCH_SECONDS)
            self.flush()


def batches(lines: list[bytes], most: int = select.PIPE_BUF) -> list[bytes]:
    """The lines together, whole ones, in parts of `most` bytes. So much a pipe takes without mixing it with another's."""
    found: list[bytes] = []
    together: list[bytes] = []
    size = 0
    for each in lines:
        if together and size + len(each) > most:
            found.append(b"".join(together))
            together, size = [], 0
        together.append(each)
        size += len(each)
    return [*found, b"".join(together)] if together else found


def _write(descriptor: int, text: bytes) -> None:
    """Write all of it. Nobody can be told that standard error is closed."""
    try:
        while text:
            text = text[os.write(descriptor, text) :]
    except OSError:
        return


def setup(level: str = "INFO", *, batched: bool = False) -> None:
    """Send everything from `level` on to standard error as JSON lines; `extra` fields become keys of their own.

    `batched`: with `Batches`, for a process that writes a line hundreds of times a second.
    """
    # Nobody reads from which thread or process a line is, and the webhook writes one a decision.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": Lines,
                    "fmt": FORMAT,
                    "json_serializer": line,
                }
            },
            "handlers": {
                "stderr": {"()": Batches, "formatter": "json"}
                if batched
                else {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
            },
            "root": {"level": level, "handlers": ["stderr"]},
        }
    )


def waiting() -> int:
    """Lines of this process that are not written yet."""
    return sum(handler.waiting for handler in logging.getLogger().handlers if isinstance(handler, Batches))


def info(logger: logging.Logger, message: str, **fields: Any) -> None:
    """As `logger.info` with `fields` as extra ones: the same line.

    Without a record of it, which costs more than the line, where nobody but `Batches` would see that.
    """
    if not logger.isEnabledFor(logging.INFO):
        return
    handlers = logging.getLogger().handlers
    if len(handlers) == 1 and handlers[0].__class__ is Batches and not logger.handlers and logger.propagate:
        begun = {"time": instant(time.time()), "level": "INFO", "logger": logger.name, "message": message}
        handlers[0].add(line({**begun, **fields}, default=str), waits=True)
    else:
        logger.info(message, extra=fields)
