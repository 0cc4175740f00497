"""Log lines: JSON in ASCII, whatever is logged."""

import json
import logging

import pytest

from tierguard import logs


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
