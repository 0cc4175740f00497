"""A known vulnerability fails the audit; what was not looked up is never called sound."""

import json
from typing import Any

import pytest

from tests.audit.__main__ import verdict

SOUND = {"name": "granian", "version": "2.8.1", "vulns": []}
UNKNOWN = {"name": "kopf", "skip_reason": "Dependency not found"}
ISSUE = {"id": "PYSEC-2026-1", "fix_versions": ["45.0.2"]}
VULNERABLE = {"name": "cryptography", "version": "45.0.1", "vulns": [ISSUE]}


def printed(*dependencies: dict[str, Any]) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_a_known_vulnerability_fails_and_is_named() -> None:
    code, said = verdict(printed(SOUND, VULNERABLE, UNKNOWN))
    assert code == 1
    assert "cryptography 45.0.1: PYSEC-2026-1, fixed in 45.0.2" in said


@pytest.mark.parametrize("output", ["", "[]", "no network", printed(UNKNOWN), printed()])
def test_what_was_not_looked_up_is_said_not_to_be(output: str) -> None:
    code, said = verdict(output)
    assert code == 0
    assert "NOT audited" in said


def test_what_is_not_known_is_named_beside_what_is() -> None:
    assert verdict(printed(SOUND)) == (0, "1 dependencies audited, no known vulnerability.")
    assert "NOT audited, as nothing is known of them: kopf" in verdict(printed(SOUND, UNKNOWN))[1]
