"""Logging to standard error, one JSON object a line, for both processes."""

import logging
import logging.config

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def setup(level: str = "INFO") -> None:
    """Send everything from `level` on to standard error as JSON lines; `extra` fields become keys of their own."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": "pythonjsonlogger.json.JsonFormatter",
                    "fmt": FORMAT,
                    "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
                }
            },
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
            },
            "root": {"level": level, "handlers": ["stderr"]},
        }
    )
