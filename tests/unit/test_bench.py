"""The benchmark: what it works out of what it measured, and that a review costs what it may, by an order of magnitude."""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.__main__ import parse, peer
from tests.bench.document import Run, as_json, markdown
from tests.bench.load import read_bodies, verdict, write_bodies
from tests.bench.machine import cpu_seconds, family
from tests.bench.picture import ACCEPTED, CASES, FULL, REFUSED, RULES, UNCHANGED, Size, bodies
from tests.bench.sections import latency, quantile
from tests.bench.targets import EMPTY, OURS, Cost, Target, empty, ours, take_turns
from tests.bench.through import Taken, Through
from tierguard.api.rules import Rules

MACHINE = {
    "load": "0.1",
    "cores": "2",
    "processor": "Some CPU",
    "system": "Linux",
    "python": "3.11",
    "date": "2026-11-26 12:00 UTC",
}
MOST_TIMES_EMPTY = 40
"""What a review may cost in this test, beside the empty handler: ten times what it should, on a machine that is busy."""


def costs(accepted: float, refused: float, unchanged: float) -> dict[str, Cost]:
    return {
        case: Cost([each - 1, each, each + 2]) for case, each in zip(CASES, (accepted, refused, unchanged), strict=True)
    }


def test_the_document_says_what_is_met_and_what_is_not() -> None:
    run = Run(MACHINE, {OURS: costs(100, 250, 40), EMPTY: costs(20, 20, 20), "peer": costs(800, 500, 400)}, 3, 100)
    text = markdown(run)
    assert "| tierguard | 100 (99 to 102) | 250 (249 to 252) | 40 (39 to 42) |" in text
    assert f"| {ACCEPTED} | 100 µs | ≤ 110 µs | met |" in text
    assert f"| {REFUSED} | 250 µs | ≤ 200 µs | **not met** |" in text
    assert f"| {ACCEPTED}, times the empty handler | 5.0 | ≤ 4 | **not met** |" in text
    assert f"| {ACCEPTED}: peer costs | 8.0 times as much | | |" in text
    known = Run(MACHINE, {OURS: costs(100, 250, 40), EMPTY: costs(20, 20, 20), "Gatekeeper": costs(1700, 2000, 1500)})
    assert f"| {ACCEPTED}: Gatekeeper costs | 17.0 times as much | ≥ 16 times | met |" in markdown(known)
    assert f"| {REFUSED}: Gatekeeper costs | 8.0 times as much | ≥ 9 times | **not met** |" in markdown(known)
    assert "Latency" not in text, "what was not measured is not told"
    assert as_json(run)["reviews"]["peer"][UNCHANGED]["median"] == 400


def test_a_whole_run_is_told() -> None:
    found = latency([0.001] * 990 + [0.004] * 9 + [0.02])
    curve = [(Size(1, 2, 3, 4), Cost([100.0])), (Size(10, 20, 30, 40), Cost([130.0]))]
    taken = [Taken.of([each, each, each + 0.001]) for each in (0.010, 0.011, 0.012)]
    through = Through(taken[0], taken[1], taken[2], 300, 0, 301)
    run = Run(MACHINE, latency={OURS: found, EMPTY: found}, curve=curve, through=through)
    text = markdown(run)
    assert "| p99 | 1.00 ms | 1.00 ms | ≤ 5.00 ms | met |" in text
    assert "| the slowest | 20.00 ms | 20.00 ms | ≤ 10.00 ms | **not met** |" in text
    assert "| slower than 10.00 ms | 1 reviews | 1 reviews | none | |" in text
    assert "| the last line, times the first | 1.30 | ≤ 1.15 | **not met** |" in text
    assert "| added by tierguard | 1.00 ms | ≤ what CEL adds | met |" in text
    assert "| calls for what nothing guards | 0 of 300 | 0 | met |" in text
    assert "| calls for what is guarded | 301 of 300 | | |" in text
    assert json.loads(json.dumps(as_json(run)))["apiServer"]["plain"]["median"] == 0.010


@pytest.mark.parametrize(("part", "value"), [(0.0, 1.0), (0.5, 5.0), (0.9, 9.0), (0.99, 10.0), (1.0, 10.0)])
def test_a_quantile_is_a_value_that_was_measured(part: float, value: float) -> None:
    assert quantile([float(n) for n in range(1, 11)], part) == value


def test_there_is_no_quantile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_bodies_come_back_from_their_file_and_are_as_large_as_is_said(tmp_path: Path) -> None:
    for case in CASES:
        made = bodies(case)
        write_bodies(tmp_path / "bodies", made)
        assert read_bodies(tmp_path / "bodies") == made
        assert all(19_000 < len(body) < 22_000 for body in made)
        assert len(set(made)) == len(made)


def test_the_bodies_are_judged_by_every_rule() -> None:
    assert Rules.model_fields.keys() - {"deletion"} == Rules.model_validate(RULES).model_fields_set


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b'{"response":{"allowed":true}}', "allowed"),
        (b'{"response":{"allowed":false,"status":{"message":"no"}}}', "refused"),
        (b'{"response":{"allowed":false}}', "neither"),
        (b"", "neither"),
    ],
)
def test_an_answer_is_read(answer: bytes, said: str) -> None:
    assert verdict(answer) == said


def test_a_peer_is_a_name_an_address_and_a_process() -> None:
    assert peer(f"other=https://127.0.0.1:1/x,{os.getpid()}") == Target("other", "https://127.0.0.1:1/x", os.getpid())
    for wrong in ("", "other", "other=http://x,1", "other=https://x", "=https://x,1", "other=https://x,99999999"):
        with pytest.raises(argparse.ArgumentTypeError):
            peer(wrong)
    assert parse(["--only", "reviews", "--rounds", "2"]).only == ["reviews"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Cost]]]:
    directory = tmp_path_factory.mktemp("bench")
    with ours(directory, Size(20, 50, 3, 3)) as mine, empty(directory) as base:
        assert len(family(mine.pid)) > 1
        before = cpu_seconds(mine.pids)
        yield take_turns([mine, base], directory, rounds=2, reviews=300, connections=4)
        assert cpu_seconds(mine.pids) > before


def test_a_review_costs_what_the_empty_handler_costs_by_an_order_of_magnitude(
    measured: dict[str, dict[str, Cost]],
) -> None:
    for case in CASES:
        mine, base = measured[OURS][case], measured[EMPTY][case]
        assert len(mine.microseconds) == len(base.microseconds) == 2
        assert base.middle < mine.middle < MOST_TIMES_EMPTY * base.middle
        assert len(mine.latencies) == 600


def test_the_full_size_is_the_one_that_the_document_names() -> None:
    assert (FULL.namespaces, FULL.budgets, 2 * (FULL.holds + 3), FULL.policies + 1) == (5_000, 20_000, 200, 50)
