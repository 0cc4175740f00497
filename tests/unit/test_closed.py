"""The coming stretches as they are compiled: bounded, pruned, and never more lenient than the freezes."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e import manifests
from tierguard.controller.webhooks import stretches as laid_out
from tierguard.guard.freezes.compiled import compile_freeze
from tierguard.guard.freezes.object_clock import BELIEVED, carried
from tierguard.guard.model.change import Change, Operation
from tierguard.guard.model.hold import Hold

HORIZON, MOST_GROUPS, MOST_INTERVALS = laid_out.HORIZON, laid_out.MOST_GROUPS, laid_out.MOST_INTERVALS
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


def freeze(name: str = "f", **spec: object) -> Hold:
    return compile_freeze(manifests.freeze(name, **spec))


def between(start: datetime, end: datetime, name: str = "f") -> Hold:
    return freeze(name, startsAt=start.isoformat(), expiresAt=end.isoformat())


def recurring(**period: object) -> Hold:
    made = manifests.freeze("f", schedule={"timeZone": "Asia/Bangkok", "periods": [period]})
    del made["spec"]["expiresAt"]
    return compile_freeze(made)


class Closed(NamedTuple):
    """What freezes compile to."""

    expression: str
    intervals: int
    coarsened: bool


def closed(freezes: Iterable[Hold], meant: Callable[[Hold], str], now: datetime) -> Closed:
    made = laid_out.stretches(freezes, now)
    expression = laid_out.inside(made, lambda group: "true" if group.like is None else meant(group.like))
    return Closed(expression, made.intervals, made.coarsened)


def spans(compiled: Closed) -> list[tuple[int, int]]:
    return [(int(start), int(end)) for start, end in re.findall(r"\[(\d+), (\d+)\]", compiled.expression)]


def inside(compiled: Closed, instant: datetime) -> bool:
    at = int(instant.timestamp())  # as managedFields have it
    return any(start <= at < end for start, end in spans(compiled))


instants = st.integers(-10 * 86400, 70 * 86400).map(lambda seconds: NOW + timedelta(seconds=seconds))


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(instants, st.integers(1, 20 * 86400)), max_size=12), instants, st.integers(0, 999_999))
def test_whatever_a_freeze_holds_is_inside(drawn: list[tuple[datetime, int]], at: datetime, microseconds: int) -> None:
    freezes = [between(start, start + timedelta(seconds=long), f"f{n}") for n, (start, long) in enumerate(drawn)]
    compiled = closed(freezes, lambda hold: f"'{hold.name}' == ''", NOW)
    at = max(at, NOW) + timedelta(microseconds=microseconds)
    held = any(hold.timeline.covering(at) for hold in freezes)
    if held and at < NOW + HORIZON:
        assert inside(compiled, at)
    if not held and not any(hold.timeline.covering(at - SECOND) for hold in freezes):
        assert not inside(compiled, at)


def test_what_is_over_is_not_compiled_and_what_is_far_ahead_is_not_yet() -> None:
    over, far = between(NOW - 2 * DAY, NOW - DAY), between(NOW + HORIZON + DAY, NOW + HORIZON + 2 * DAY)
    assert closed([over, far], lambda _: "true", NOW).expression == "false"
    assert closed([over, far], lambda _: "true", NOW).intervals == 0


def test_recurring_freezes_are_laid_out_far_ahead() -> None:
    monthly = recurring(monthDays=[-1, 1])
    compiled = closed([monthly], lambda _: "true", NOW)
    assert HORIZON >= 30 * DAY
    assert compiled.intervals >= 2
    assert inside(compiled, datetime(2026, 12, 31, 12, tzinfo=UTC))


def test_a_freeze_without_an_end_holds_for_ever() -> None:
    made = manifests.freeze("f", untilLifted=True)
    del made["spec"]["expiresAt"]
    assert inside(closed([compile_freeze(made)], lambda _: "true", NOW), datetime(2200, 1, 1, tzinfo=UTC))


def test_a_freeze_that_cannot_be_read_holds() -> None:
    made = manifests.freeze("f", schedule={"timeZone": "Nowhere/AtAll", "periods": [{"monthDays": [1]}]})
    assert inside(closed([compile_freeze(made)], lambda _: "true", NOW), NOW)


def test_frozen_operations_hold_no_deploys() -> None:
    assert closed([freeze(operations=["Payout"])], lambda _: "true", NOW).expression == "false"


def test_a_freeze_that_can_mean_nothing_costs_nothing() -> None:
    assert closed([freeze()], lambda _: "false", NOW).expression == "false"


@pytest.mark.parametrize("count", [MOST_INTERVALS, MOST_INTERVALS + 1, 3 * MOST_INTERVALS])
def test_too_many_stretches_are_joined_where_the_gaps_are_smallest(count: int) -> None:
    step = HORIZON / (count + 1)
    freezes = [between(NOW + step * n, NOW + step * n + step / 2, f"f{n}") for n in range(count)]
    compiled = closed(freezes, lambda _: "true", NOW)
    assert compiled.intervals == len(spans(compiled)) <= MOST_INTERVALS
    assert compiled.coarsened == (count > MOST_INTERVALS)
    assert all(inside(compiled, NOW + step * n + step / 4) for n in range(count))


def test_one_that_is_on_and_off_all_the_time_counts_as_on() -> None:
    every_other_minute = recurring(cron="*/2 * * * *", duration="1m")
    compiled = closed([every_other_minute], lambda _: "true", NOW)
    assert compiled.coarsened
    assert compiled.intervals <= MOST_INTERVALS
    assert inside(compiled, NOW + HORIZON / 2)


def test_too_many_scopes_count_as_one() -> None:
    freezes = [
        freeze(
            f"f{n}",
            startsAt=NOW.isoformat(),
            expiresAt=(NOW + DAY).isoformat(),
            scope={"workloadSelector": {"matchLabels": {"app": f"f{n}"}}},
        )
        for n in range(MOST_GROUPS + 1)
    ]
    compiled = closed(freezes, lambda hold: f"'{hold.name}' in l", NOW)
    assert compiled.coarsened
    assert compiled.intervals == 1
    assert "f1" not in compiled.expression


def entry(manager: str, time: str) -> dict[str, str]:
    return {"manager": manager, "operation": "Update", "apiVersion": "apps/v1", "time": time}


def change(before: list[dict[str, str]], after: list[dict[str, str]]) -> Change:
    old, new = ({"metadata": {"managedFields": fields}} for fields in (before, after))
    return Change(Operation.UPDATE, "Deployment", "payments", "core", old, new)


def test_the_clock_of_an_update_is_its_one_new_entry() -> None:
    a, b = entry("a", "2026-11-21T11:00:00Z"), entry("b", "2026-11-21T11:58:00Z")
    assert carried(change([a], [a, b]), NOW) == datetime(2026, 11, 21, 11, 58, tzinfo=UTC)
    assert carried(change([a], [a]), NOW) is None
    assert carried(change([], [a, b]), NOW) is None
    assert carried(change([a, b], [b, a]), NOW) is None


@pytest.mark.parametrize("time", ["2020-01-01T00:00:00Z", "2036-01-01T00:00:00Z", "", "yesterday", "2026-11-21"])
def test_a_clock_that_is_far_off_or_none_is_not_believed(time: str) -> None:
    assert carried(change([], [entry("a", time)]), NOW) is None
    made = {"metadata": {"creationTimestamp": time}}
    assert carried(Change(Operation.CREATE, "Deployment", "payments", "core", None, made), NOW) is None


def test_the_clock_of_a_creation_is_its_timestamp() -> None:
    made = {"metadata": {"creationTimestamp": (NOW - BELIEVED).isoformat()}}
    assert carried(Change(Operation.CREATE, "Deployment", "payments", "core", None, made), NOW) == NOW - BELIEVED
    assert carried(Change(Operation.DELETE, "Deployment", "payments", "core", made, None), NOW) is None


def test_what_carries_no_clock_goes_by_the_last_edge_that_the_operator_saw() -> None:
    on, coming = between(NOW - DAY, NOW + DAY), between(NOW + 3 * DAY, NOW + 4 * DAY, "g")
    made = laid_out.stretches([on, coming], NOW)
    assert made.epoch == int((NOW - DAY).timestamp())
    # An hour later nothing began or ended: the configuration stays as it is.
    assert laid_out.stretches([on, coming], NOW + DAY / 24).epoch == made.epoch
    assert laid_out.stretches([on, coming], NOW + 2 * DAY).epoch == 0
