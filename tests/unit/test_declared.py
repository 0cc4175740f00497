"""What is declared is found where it is told of only once decisions are made by it."""

import pytest

from tests.e2e import manifests
from tierguard.cluster.declared import Declared
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State


@pytest.fixture
def publications(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], list[str]]]:
    """Whenever what decisions read has changed: the freezes in it, and those that are told of at that moment."""
    seen: list[tuple[list[str], list[str]]] = []
    publish = Declared._publish

    def watched(self: Declared, kind: str) -> None:
        publish(self, kind)
        seen.append(([freeze.name for freeze in self._state.freezes], sorted(self.raw["OperationalFreeze"])))

    monkeypatch.setattr(Declared, "_publish", watched)
    return seen


def stored() -> KubeObject:
    freeze = manifests.freeze("promotion")
    return {**freeze, "metadata": {**freeze["metadata"], "uid": "1", "generation": 1}}


def test_a_freeze_is_told_of_after_decisions_are_made_by_it(publications: list[tuple[list[str], list[str]]]) -> None:
    state = State()
    declared = Declared(state)
    source = next(each for each in declared.sources() if each.collection.kind == "OperationalFreeze")

    source.changed(stored())
    assert publications == [(["promotion"], [])]
    assert sorted(declared.raw["OperationalFreeze"]) == ["promotion"]

    source.changed({**stored(), "status": {"phase": "Active"}})
    assert len(publications) == 1, "its status alone changes no decision"
    assert declared.raw["OperationalFreeze"]["promotion"]["status"] == {"phase": "Active"}

    source.gone(stored())
    assert publications[1:] == [([], ["promotion"])]
    assert declared.raw["OperationalFreeze"] == {}
