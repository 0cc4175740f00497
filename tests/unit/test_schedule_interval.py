"""Intervals and their algebra."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierguard.schedule import BEGINNING, FOREVER, Interval, complement, merge

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
BANGKOK = timezone(timedelta(hours=7))


def hours(start: int, end: int) -> Interval:
    return Interval(NOON + timedelta(hours=start), NOON + timedelta(hours=end))


pieces = st.lists(
    st.tuples(st.integers(-30, 30), st.integers(0, 6)).map(lambda pair: hours(pair[0], pair[0] + pair[1])), max_size=12
)


def covered(intervals: Iterable[Interval]) -> set[int]:
    """The half hours of the days around noon that `intervals` cover."""
    found = tuple(intervals)
    steps = range(-80, 160)
    return {step for step in steps if any(each.covers(NOON + timedelta(minutes=30 * step)) for each in found)}


def test_an_interval_covers_its_start_and_not_its_end() -> None:
    interval = hours(0, 1)
    assert interval.covers(interval.start)
    assert interval.covers(interval.end - timedelta(microseconds=1))
    assert not interval.covers(interval.end)
    assert not interval.covers(interval.start - timedelta(microseconds=1))


def test_an_empty_interval_covers_nothing() -> None:
    assert not hours(0, 0).covers(NOON)


def test_an_interval_without_end_covers_the_last_instant_there_is() -> None:
    assert Interval(NOON, FOREVER).covers(FOREVER)


def test_an_interval_is_kept_in_utc_whatever_zone_it_was_given_in() -> None:
    interval = Interval(datetime(2026, 11, 11, 0, tzinfo=BANGKOK), datetime(2026, 11, 12, 0, tzinfo=BANGKOK))
    assert interval.start.isoformat() == "2026-11-10T17:00:00+00:00"
    assert interval.end.tzinfo is UTC


def test_the_edges_of_the_calendar_in_any_zone_do_not_overflow() -> None:
    east = Interval(datetime.min.replace(tzinfo=BANGKOK), datetime.max.replace(tzinfo=BANGKOK))
    assert east.start == BEGINNING
    west = timezone(timedelta(hours=-7))
    assert Interval(datetime.min.replace(tzinfo=west), datetime.max.replace(tzinfo=west)).end == FOREVER


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        Interval(datetime(2026, 1, 1), NOON)  # noqa: DTZ001


def test_an_end_before_the_start_is_refused() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        hours(1, 0)


def test_overlapping_and_touching_intervals_merge_and_separate_ones_do_not() -> None:
    assert merge([hours(4, 5), hours(0, 2), hours(1, 3), hours(3, 4), hours(6, 7)]) == (hours(0, 5), hours(6, 7))


def test_an_interval_inside_another_does_not_shorten_it() -> None:
    assert merge([hours(0, 9), hours(1, 2)]) == (hours(0, 9),)


def test_the_complement_of_nothing_is_everything() -> None:
    assert complement(()) == (Interval(BEGINNING, FOREVER),)
    assert complement((Interval(BEGINNING, FOREVER),)) == ()


@given(pieces)
def test_merging_keeps_what_is_covered_and_leaves_gaps_between_all_intervals(intervals: list[Interval]) -> None:
    merged = merge(intervals)
    assert covered(merged) == covered(intervals)
    assert all(before.end < after.start for before, after in pairwise(merged))
    assert all(each.start < each.end for each in merged)
    assert merge(merged) == merged
    assert merge(reversed(intervals)) == merged


@given(pieces)
def test_the_complement_covers_exactly_the_rest_and_is_its_own_inverse(intervals: list[Interval]) -> None:
    start, end = NOON - timedelta(hours=40), NOON + timedelta(hours=80)
    rest = complement(intervals, start, end)
    assert covered(rest) == set(range(-80, 160)) - covered(intervals)
    assert complement(rest, start, end) == merge(intervals)
