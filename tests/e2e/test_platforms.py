"""The baseline of `policies/tiers` on a well-made platform and on a badly made one: with kubectl, and offline."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.test_cases_live import moved, placed
from tests.e2e.world import DANA, EmbeddedWorld
from tierguard.api.rules import Rules
from tierguard.cli.main import main

pytestmark = pytest.mark.embedded

REPOSITORY = Path(__file__).resolve().parents[2]
TIERS = REPOSITORY / "policies" / "tiers"
WELL_MADE = REPOSITORY / "tests" / "demo" / "platform"
BADLY_MADE = REPOSITORY / "tests" / "platforms" / "bad.yaml"

Document = dict[str, Any]


def documents(path: Path) -> list[Document]:
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    return [found for file in files for found in yaml.safe_load_all(file.read_text(encoding="utf-8")) if found]


@pytest.fixture
def baseline(world: EmbeddedWorld, namespace: str) -> Iterator[list[Document]]:
    policies = []
    for document in documents(TIERS):
        if document["kind"] == "PriorityClass":
            assert world.apply(document).passed
        else:
            policies.append(placed(document, namespace, f"-{namespace[-6:]}"))
    with world.in_force(*policies):
        yield policies


def by_command_line(capsys: pytest.CaptureFixture[str], path: Path) -> dict[str, set[str]]:
    """By `Kind/name`, the `rule/Reason` of all that refuses it."""
    capsys.readouterr()
    main(["check", str(path), "--policies", str(TIERS), "-o", "json"])
    decided = json.loads(capsys.readouterr().out)
    return {
        subject["subject"].replace(" payments/", "/"): {
            f"{finding['rule']}/{finding['reason']}" for finding in subject["findings"] if finding["effect"] == "Deny"
        }
        for subject in decided
    }


def key(document: Document) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


def test_nothing_of_a_well_made_platform_is_refused(
    world: EmbeddedWorld, namespace: str, baseline: list[Document], capsys: pytest.CaptureFixture[str]
) -> None:
    platform = [moved(document, namespace) for document in documents(WELL_MADE)]
    for document in platform:
        if document["metadata"]["name"] == "ledger-db":
            document["metadata"].setdefault("annotations", {})["evidence.tierguard.io/last-restore-test"] = (
                datetime.now(UTC).strftime("%Y-%m-%d")
            )
    for document in platform:
        answer = world.apply(document, user=DANA)
        assert answer.passed, answer.out
        # Dependencies come in the order of the files: what is not there yet is only warned of.
        assert "Warning" not in answer.out.replace("Warning: dependencies", ""), answer.out
    assert set(map(frozenset, by_command_line(capsys, WELL_MADE).values())) == {frozenset()}

    def violations() -> dict[str, Any]:
        found = [world.get("ptp", policy["metadata"]["name"]) for policy in baseline]
        return {policy["metadata"]["name"]: policy.get("status", {}).get("violatingWorkloads") for policy in found}

    world.until("the scan finds nothing either", lambda: set(violations().values()) == {0})


def test_every_fault_of_a_badly_made_platform_is_found(
    world: EmbeddedWorld, namespace: str, baseline: list[Document], capsys: pytest.CaptureFixture[str]
) -> None:
    assert baseline
    platform = [moved(document, namespace) for document in documents(BADLY_MADE)]
    faulty = {key(d): d for d in platform if d["metadata"].get("annotations", {}).get("fault")}
    rest = [document for document in platform if key(document) not in faulty]
    said = world.apply(*rest, options=())  # as the administrator, budgets that nobody's pods need yet
    assert said.passed, said.out
    expected = {name: document["metadata"]["annotations"]["fault"] for name, document in faulty.items()}

    offline = by_command_line(capsys, BADLY_MADE)
    assert {name: offline[name] for name in expected} == {name: {fault} for name, fault in expected.items()}
    for name, document in faulty.items():
        answer = world.apply(document, user=DANA, options=("--dry-run=server",))
        rule = expected[name].partition("/")[0]
        assert not answer.passed, name
        assert f"rule {rule}:" in answer.out, (name, answer.out)
        assert "(+" not in answer.out, (name, answer.out)  # that, and nothing else


def test_the_baseline_has_every_rule() -> None:
    blocks = {block for document in documents(TIERS) for block in document.get("spec", {}).get("rules", {})}

    aliases = {field.alias for field in Rules.model_fields.values()}
    assert blocks == aliases
