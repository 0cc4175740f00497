"""Every kind of change by every tool, in every state: what an unprivileged developer meets."""

import os
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext

import pytest

from tests.conftest import REPOSITORY
from tests.e2e import manifests
from tests.e2e.table import AUTOSCALER, CLOSED, FREE, FROZEN, PASSES, RECREATE, SCALE, STATES, TABLE, Row, render
from tests.e2e.tools import SHORT_LIVED, Outcome, Site, write_chart
from tests.e2e.world import DANA, EmbeddedWorld, only_in
from tierguard.api.scope import ChangeKind

pytestmark = pytest.mark.embedded

DOCUMENT = REPOSITORY / "docs" / "changes.md"
WRITE = "TIERGUARD_WRITE_DOCS"
NEVER = {"dates": ["2099-01-01"]}

Outcomes = Mapping[str, Mapping[str, Outcome]]
"""By the row's name and the state."""


def in_state(state: str, site: Site) -> AbstractContextManager[None]:
    """Have a namespace frozen, or outside of its change window, for the length of a block."""
    name = f"{state.replace(' ', '-')}-{site.namespace[-6:]}"
    held = {FREE: None, FROZEN: manifests.freeze(name), CLOSED: manifests.window(name, NEVER)}[state]
    return nullcontext() if held is None else site.world.in_force(only_in(site.namespace, held))


def all_rows(state: str, site: Site) -> dict[str, Outcome]:
    site.prepare(TABLE)
    with in_state(state, site):
        return {row.name: site.run(row) for row in TABLE}


@pytest.fixture(scope="module")
def outcomes(world: EmbeddedWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcomes]:
    """The whole table, run once: a namespace and a thread for each state."""
    chart = write_chart(tmp_path_factory.mktemp("chart") / "payments")
    kubeconfig = world.cluster.user(DANA)  # once: a neighbour would read a new one half-written
    sites = {
        state: Site(world, f"table-{state.split()[-1]}-{uuid.uuid4().hex[:6]}", kubeconfig, chart) for state in STATES
    }
    for site in sites.values():
        world.create_namespace(site.namespace)
    try:
        with pytest.MonkeyPatch.context() as environment, ThreadPoolExecutor() as pool:
            for name, value in SHORT_LIVED.items():
                environment.setenv(name, value)
            runs = {state: pool.submit(all_rows, state, site) for state, site in sites.items()}
        found = {state: run.result() for state, run in runs.items()}
        yield {row.name: {state: found[state][row.name] for state in STATES} for row in TABLE}
    finally:
        for site in sites.values():
            world.remove_namespace(site.namespace)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_change_meets_what_the_table_says(outcomes: Outcomes, row: Row) -> None:
    met = outcomes[row.name]

    otherwise = {state: met[state].out for state in STATES if met[state].verdict != row.expected[state]}
    assert {state: outcome.verdict for state, outcome in met.items()} == row.expected, (row.name, otherwise)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_the_guard_calls_a_change_what_the_table_calls_it(outcomes: Outcomes, row: Row) -> None:
    for state, outcome in outcomes[row.name].items():
        expected = {row.change.kind}
        if row.tool == RECREATE and outcome.verdict == PASSES:
            expected.add("Create")
        unasked = row.tool == AUTOSCALER or (row.change.kind, row.tool) == ("ScaleUp", SCALE)
        if row.change.kind == "None" or unasked:
            expected = set()  # of what changes nothing there is no record; autoscalers and more pods wait for nobody
        assert outcome.kinds == expected, (row.name, state, outcome.out)


def test_every_kind_of_change_has_a_row() -> None:
    of_no_workload = {"Configuration", "Traffic"}
    assert {row.change.kind for row in TABLE} == {kind.value for kind in ChangeKind} - of_no_workload


def test_no_two_rows_are_called_alike() -> None:
    assert len({row.name for row in TABLE}) == len(TABLE)


def test_the_documentation_is_what_happened(outcomes: Outcomes) -> None:
    text = render(
        {name: {state: outcome.verdict for state, outcome in found.items()} for name, found in outcomes.items()}
    )
    if os.environ.get(WRITE) == "1":
        DOCUMENT.write_text(text, encoding="utf-8")
    stored = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else ""
    assert stored == text, f"docs/{DOCUMENT.name} is stale: run {WRITE}=1 make test"
