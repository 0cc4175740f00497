"""The judge of `make chaos`: a broken promise is seen as one, and what nobody promised is not."""

import pytest

from tests.chaos.__main__ import FROZEN, LEASE_SECONDS, OUTSIDE, due_across, due_in, unanswered
from tests.chaos.clients import Fate, Write, fate_of
from tests.chaos.document import document
from tests.chaos.mix import ALWAYS_HELD, CLOCKLESS, HELD_IN_A_FREEZE, PASS, WEIGHTS, Kind
from tests.chaos.table import COLUMNS, Row, cells, markdown

START, END = 1000.0, 1020.0


def write(kind: Kind, fate: Fate, sent: float = 1010.0, seconds: float = 0.1) -> Write:
    return Write(kind, sent, sent + seconds, fate, "words")


def row(phase: str, *writes: Write) -> Row:
    sound = [write(Kind.NOTE, Fate.ADMITTED)] * 100
    return Row("a fault", phase, [*sound, *writes], due_in(phase))


@pytest.mark.parametrize("kind", sorted(HELD_IN_A_FREEZE, key=str))
def test_what_must_not_pass_in_a_freeze_breaks_the_promise_when_it_does(kind: Kind) -> None:
    broken = row(FROZEN, write(kind, Fate.ADMITTED))
    assert broken.admitted == 1
    assert "wrongly admitted: 1, such as" in broken.failures[0]
    assert row(FROZEN, write(kind, Fate.REFUSED), write(kind, Fate.UNANSWERED)).failures == []


@pytest.mark.parametrize("kind", sorted(PASS, key=str))
@pytest.mark.parametrize("phase", [FROZEN, OUTSIDE])
def test_what_no_freeze_holds_must_always_pass(kind: Kind, phase: str) -> None:
    broken = row(phase, write(kind, Fate.REFUSED))
    assert broken.refused == 1
    assert "wrongly refused: 1" in broken.failures[0]


def test_each_kind_of_write_is_sent_and_is_one_or_the_other() -> None:
    assert WEIGHTS.keys() == set(Kind)
    assert CLOCKLESS | ALWAYS_HELD <= HELD_IN_A_FREEZE


def test_a_kind_that_nobody_answered_is_told() -> None:
    answered = row(FROZEN, write(Kind.ROLLOUT, Fate.REFUSED), write(Kind.OWNER, Fate.UNANSWERED))
    assert Kind.OWNER in unanswered([answered])
    assert not {Kind.ROLLOUT, Kind.NOTE} & set(unanswered([answered]))


@pytest.mark.parametrize("kind", sorted(CLOCKLESS, key=str))
def test_what_carries_no_clock_is_held_some_seconds_after_a_freeze_began_that_nobody_was_there_to_see(
    kind: Kind,
) -> None:
    sound = [write(Kind.NOTE, Fate.ADMITTED)] * 100

    def broken(fate: Fate, sent: float) -> list[str]:
        return Row("a fault", "across", [*sound, write(kind, fate, sent)], due_across(START, END)).failures

    assert "wrongly admitted: 1" in broken(Fate.ADMITTED, START + LEASE_SECONDS)[0]
    assert broken(Fate.ADMITTED, START + LEASE_SECONDS - 1) == []
    assert broken(Fate.REFUSED, END + LEASE_SECONDS - 1) == []
    assert "wrongly refused: 1" in broken(Fate.REFUSED, END + LEASE_SECONDS)[0]


def test_what_an_older_version_does_not_hold_is_counted_and_nothing_else_is() -> None:
    due = due_in(FROZEN, frozenset({Kind.OWNER}))
    sound = [write(Kind.NOTE, Fate.ADMITTED)] * 100
    upgraded = Row("a fault", FROZEN, [*sound, write(Kind.OWNER, Fate.ADMITTED), write(Kind.OWNER, Fate.REFUSED)], due)
    assert (upgraded.let_through, len(upgraded.new), upgraded.failures) == (1, 2, [])
    assert Row("a fault", FROZEN, [*sound, write(Kind.BUDGET, Fate.ADMITTED)], due).admitted == 1


def test_outside_only_an_unannounced_deletion_and_an_owner_by_status_may_be_refused() -> None:
    assert row(OUTSIDE, write(Kind.DELETE, Fate.REFUSED)).failures == []
    assert row(OUTSIDE, write(Kind.DELETE, Fate.ADMITTED)).admitted == 1
    assert row(OUTSIDE, write(Kind.OWNER, Fate.ADMITTED)).admitted == 1
    for kind in HELD_IN_A_FREEZE - ALWAYS_HELD:
        assert row(OUTSIDE, write(kind, Fate.REFUSED)).refused == 1


def test_too_few_answers_are_no_proof() -> None:
    few = Row("a fault", FROZEN, [write(Kind.NOTE, Fate.ADMITTED)] * 99, due_in(FROZEN))
    assert few.failures == ["only 99 writes were answered"]


@pytest.mark.parametrize(
    ("sent", "seconds", "expected"),
    [
        (1005.0, 0.1, "held"),
        (990.0, 0.1, "free"),
        (1030.0, 0.1, "free"),
        (999.9, 0.3, "either"),
        (1019.5, 1.0, "either"),
    ],
)
def test_across_a_freeze_it_is_the_instant_that_decides(sent: float, seconds: float, expected: str) -> None:
    due = due_across(START, END)
    assert due(write(Kind.ROLLOUT, Fate.ADMITTED, sent, seconds)) == expected
    assert due(write(Kind.DELETE, Fate.ADMITTED, sent, seconds)) == "held"
    assert due(write(Kind.NOTE, Fate.ADMITTED, sent, seconds)) == "free"


@pytest.mark.parametrize(
    ("said", "fate"),
    [
        ('admission webhook "active-freeze.tierguard.io" denied the request: …', Fate.REFUSED),
        ("Internal error occurred: failed calling webhook …", Fate.REFUSED),
        ("ValidatingAdmissionPolicy 'x' with binding 'y' denied request: …", Fate.REFUSED),
        ("etcdserver: request timed out", Fate.UNANSWERED),
        ("the object has been modified", Fate.UNANSWERED),
    ],
)
def test_only_admission_refuses(said: str, fate: Fate) -> None:
    assert fate_of(said) is fate


def test_the_table_has_a_cell_for_each_column() -> None:
    shown = row(FROZEN, write(Kind.ROLLOUT, Fate.REFUSED, seconds=2.0))
    assert len(cells(shown)) == len(COLUMNS)
    assert "| a fault | in a freeze | 101 | 1 | 0 | 100 | 0 |" in markdown([shown])
    assert shown.latency(1.0) == pytest.approx(2.0)


def test_the_document_has_the_table_and_how_it_came_about() -> None:
    text = document([row(FROZEN, write(Kind.ROLLOUT, Fate.REFUSED))], "Seed 7, 101 writes.")
    assert "Seed 7, 101 writes." in text
    assert "| a fault | in a freeze | 101 |" in text
    assert "{" not in text
