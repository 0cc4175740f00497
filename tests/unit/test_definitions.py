"""Our CustomResourceDefinitions: who may not bypass freezes changes nothing of how they are read."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tierguard.guard.decide import evaluate, evaluate_asking
from tierguard.guard.model.change import Change, Operation, Question
from tierguard.guard.model.decision import Outcome
from tierguard.guard.model.state import State

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAME = "operationalfreezes.tierguard.io"
STORED: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "crds" / "tierguard.io_operationalfreezes.yaml").read_text(encoding="utf-8")
)
Edit = Callable[[dict[str, Any]], object]


def change(edit: Edit, name: str = NAME) -> Change:
    new = copy.deepcopy(STORED)
    edit(new)
    return Change(Operation.UPDATE, "CustomResourceDefinition", "", name, STORED, new, "plat")


REWRITES: dict[str, Edit] = {
    "spec": lambda it: it["spec"]["names"].update(shortNames=["x"]),
    "status": lambda it: it.update(status={"storedVersions": ["v0"]}),
}


@pytest.mark.parametrize("edit", REWRITES.values(), ids=REWRITES)
def test_who_may_bypass_may_and_others_are_refused_in_words(edit: Edit) -> None:
    asked = evaluate(change(edit), State(), NOW)
    assert (asked.outcome, asked.question) == (Outcome.UNDECIDED, Question("bypass"))
    assert evaluate_asking(change(edit), State(), NOW, lambda _: True)[0].allowed
    refused = evaluate_asking(change(edit), State(), NOW, lambda _: False)[0]
    assert not refused.allowed
    assert "needs the verb bypass on operationalfreezes" in refused.message


def test_what_is_neither_spec_nor_status_asks_nobody() -> None:
    assert evaluate(change(lambda it: it["metadata"].update(labels={"a": "b"})), State(), NOW).allowed
    assert evaluate(change(REWRITES["spec"], "widgets.example.com"), State(), NOW).allowed


def test_no_longer_serving_is_refused_to_all() -> None:
    unserved = change(lambda it: it["spec"]["versions"][0].update(served=False))
    assert not evaluate_asking(unserved, State(), NOW, lambda _: True)[0].allowed
