"""Logging to standard error, one JSON object a line, for both processes."""

import json
import logging
import logging.config
from typing import Any

import msgspec
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

_ENCODER = msgspec.json.Encoder()
_OWN = frozenset(RESERVED_ATTRS)

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def line(fields: dict[str, Any], **options: Any) -> str:
    """`fields` as JSON in ASCII: nearly always msgspec's, which is quick, else the standard library's under `options`."""
    try:
        written = _ENCODER.encode(fields)
    except (TypeError, ValueError):  # a value that is no plain one, or text that is no Unicode
        return json.dumps(fields, **options)
    return written.decode("ascii") if written.isascii() else json.dumps(fields, **options)


class Lines(JsonFormatter):
    """The library's formatter, which looks at each of a record's thirty attributes, told which ones there are."""

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


def setup(level: str = "INFO") -> None:
    """Send everything from `level` on to standard error as JSON lines; `extra` fields become keys of their own."""
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
                "stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
            },
            "root": {"level": level, "handlers": ["stderr"]},
        }
    )
