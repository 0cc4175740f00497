"""Values that are small in a file and without end in memory: refused in a line, in a moment, wherever they stand."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import manifests
from tierguard.api.freeze import FreezeSpec
from tierguard.cli import expansion
from tierguard.cli.errors import InputError
from tierguard.cli.expansion import check
from tierguard.cli.main import main
from tierguard.cli.manifests import read_all
from tierguard.cli.shapes import misshapen
from tierguard.guard.freezes.compiled import compile_freeze, compile_policy, compile_window, validate
from tierguard.labels import LabelSelector
from tierguard.text import SHOWN, shown

Document = dict[str, Any]
HEAD = "apiVersion: tierguard.io/v1alpha1\nkind: OperationalFreeze\nmetadata: {name: f}\n"


def laughs(levels: int) -> str:
    """Nine to the power of `levels` values in a few hundred characters."""
    lines = ['a0: &a0 ["lol"]'] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels + 1)]
    return "\n".join(f"  {line}" for line in lines)


def merges(levels: int) -> str:
    """The same by merge keys."""
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, levels + 1)]
    return "\n".join(f"  {line}" for line in lines)


FILES = {
    "aliases": (HEAD + "spec:\n" + laughs(12), "its aliases expand it to"),
    "aliases in a selector": (
        HEAD + "x:\n" + laughs(12) + "\nspec: {scope: {selector: {matchLabels: *a12}}}",
        "expand",
    ),
    "aliases as keys and labels": (HEAD.replace("{name: f}", "\n" + laughs(12)), "expand"),
    "merge keys": (HEAD + "spec:\n" + merges(12), "merged keys"),
    "itself": (HEAD + "spec: &a [*a]", "an alias is inside of what it stands for"),
    "itself, by a mapping": (HEAD + "spec: &a {b: {c: *a}}", "an alias is inside of what it stands for"),
    "depth": (HEAD + "spec: &a " + "[" * 400 + "]" * 400, "nested too deeply"),
    "a number": (HEAD + "spec: {tiers: [" + "9" * 10_000 + "]}", "not YAML"),
}


@pytest.mark.parametrize(("text", "said"), FILES.values(), ids=FILES.keys())
def test_a_file_that_grows_without_end_is_refused_in_a_line(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "bomb.yaml"
    file.write_text(text, encoding="utf-8")
    began = time.thread_time()
    with pytest.raises(InputError, match=said) as refused:
        read_all([str(file)])
    assert time.thread_time() - began < 5
    assert str(file) in str(refused.value)
    assert len(str(refused.value)) < 500 + len(str(file))
    assert main(["check", str(file)]) == 2
    assert said in capsys.readouterr().err


def test_aliases_that_people_use_are_read(tmp_path: Path) -> None:
    file = tmp_path / "freeze.yaml"
    scope = "scope: &s {selector: {matchLabels: &l {app: core}}}\n  other: *s\n  more: {<<: *l, tier: x}"
    file.write_text(f"{HEAD}spec:\n  {scope}\n", encoding="utf-8")
    (found,) = read_all([str(file)])
    assert found.raw["spec"]["other"] == {"selector": {"matchLabels": {"app": "core"}}}
    assert found.raw["spec"]["more"] == {"app": "core", "tier": "x"}


def test_values_are_counted_as_often_as_they_are_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    inner: list[Any] = ["x"] * 9
    document = {"spec": [inner] * 10}
    size = 1 + 1 + (1 + 10 * (1 + 9))
    monkeypatch.setattr(expansion, "MOST_NODES", size)
    check("here", document)
    monkeypatch.setattr(expansion, "MOST_NODES", size - 1)
    with pytest.raises(InputError, match=f"here: its aliases expand it to {size} values"):
        check("here", document)


def bomb(levels: int = 60) -> list[Any]:
    """Nine to the power of sixty values."""
    found: list[Any] = ["lol"]
    for _ in range(levels):
        found = [found] * 9
    return found


def bombs() -> dict[str, Any]:
    return {
        "lists": bomb(),
        "a mapping": {"a": bomb(), "b": {"c": bomb()}},
        "keys": {str(number) * 100: bomb() for number in range(1000)},
        "a text": "x" * 1_000_000,
        "a number": 10**5000,
        "bytes": b"x" * 1_000_000,
        "a set": {"x" * 1000, "y" * 1000},
    }


@pytest.mark.parametrize("value", bombs().values(), ids=bombs().keys())
def test_what_a_message_shows_of_a_value_is_bounded_and_comes_at_once(value: Any) -> None:
    began = time.thread_time()
    assert 0 < len(shown(value)) <= SHOWN
    assert time.thread_time() - began < 0.1


@pytest.mark.parametrize("value", [0, True, None, 1.5, "a", "it's", ["a", 1], {"a": [1, {"b": "c"}]}, []])
def test_what_is_small_is_shown_as_it_is(value: object) -> None:
    assert shown(value) == repr(value)


SELECTORS: list[Document] = [
    {"matchLabels": bomb()},
    {"matchLabels": {"a": bomb()}},
    {"matchExpressions": {"a": bomb()}},
    {"matchExpressions": [bomb()]},
    {"matchExpressions": [{"key": "a", "operator": "In", "values": {"a": bomb()}}]},
    {"matchExpressions": [{"key": "a", "operator": "In", "values": bomb()}]},
    {"matchExpressions": [{"key": "x" * 10_000, "operator": bomb(), "values": []}]},
]


@pytest.mark.parametrize("selector", SELECTORS, ids=range(len(SELECTORS)))
def test_a_selector_that_is_none_is_refused_in_a_few_words(selector: Document) -> None:
    began = time.thread_time()
    with pytest.raises(ValueError, match=r"\w") as refused:
        LabelSelector.compile(selector)
    assert len(str(refused.value)) < 400
    assert time.thread_time() - began < 0.1


FIELDS = ("scope", "reason", "operations", "startsAt", "schedule", "allow", "exceptions", "lift", "tiers", "unknown")


@pytest.mark.parametrize("field", FIELDS)
def test_a_freeze_window_or_policy_with_a_nested_field_is_explained_in_a_line(field: str) -> None:
    for value in (bomb(), {"a": bomb()}, "x" * 1_000_000, {"tiers": bomb(), "selector": {"matchLabels": bomb()}}):
        raw = manifests.freeze("f", startsAt="2026-11-10T00:00:00Z", expiresAt="2026-11-13T00:00:00Z")
        raw["spec"][field] = value
        began = time.thread_time()
        problem = validate(FreezeSpec, raw)
        assert problem is not None
        assert len(problem) <= 300
        assert compile_freeze(raw).broken
        compile_window(raw)
        compile_policy(raw)
        assert time.thread_time() - began < 2


def test_a_workload_with_a_nested_field_is_explained_in_a_line() -> None:
    for path in (("metadata", "labels"), ("spec", "replicas"), ("spec", "template"), ("metadata", "annotations")):
        document = manifests.deployment("payments")
        document[path[0]][path[1]] = {"a": bomb()} if path[1] in ("labels", "annotations") else bomb()
        began = time.thread_time()
        problem = misshapen(document)
        assert problem is not None
        assert len(problem) < 300
        assert time.thread_time() - began < 0.1
