"""Logging to standard error, one JSON object a line, for both processes."""

import json
import logging
import logging.config
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def line(fields: dict[str, Any], **options: Any) -> str:
    """`fields` as JSON in ASCII: nearly always msgspec's, which is quick, else the standard library's under `options`."""
    try:
        written = _ENCODER.encode(fields)
    except (TypeError, ValueError):  # a value that is no plain one, or text that is no Unicode
        return json.dumps(fields, **options)
    return written.decode("ascii") if written.isascii() else json.dumps(fields, **options)


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
                    "()": "pythonjsonlogger.json.JsonFormatter",
                    "fmt": FORMAT,
                    "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
                    "json_serializer": line,
                }
            },
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
            },
            "root": {"level": level, "handlers": ["stderr"]},
        }
    )
