"""Counts and percentages, and what a rolling update makes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierguard.disruption import RollingUpdateBounds, rolling_update_bounds, scaled_value


@pytest.mark.parametrize(
    ("value", "total", "up", "down"),
    [
        (3, 10, 3, 3),
        (30, 10, 30, 30),
        (-1, 10, -1, -1),
        ("0%", 10, 0, 0),
        ("25%", 4, 1, 1),
        ("25%", 3, 1, 0),
        ("67%", 3, 3, 2),
        ("66%", 3, 2, 1),
        ("34%", 3, 2, 1),
        ("33%", 3, 1, 0),
        ("100%", 7, 7, 7),
        ("150%", 3, 5, 4),
        ("50%", 0, 0, 0),
        ("1%", 1000, 10, 10),
        ("+25%", 8, 2, 2),
        ("-25%", 6, -1, -2),
    ],
)
def test_a_percentage_is_rounded_the_way_that_is_asked_for(value: int | str, total: int, up: int, down: int) -> None:
    assert scaled_value(value, total, round_up=True) == up
    assert scaled_value(value, total, round_up=False) == down


@pytest.mark.parametrize(
    "value",
    ["3", "", "%", "25 %", " 25%", "25%%", "2.5%", "1_0%", "٢٥%", "abc%", "25%\n", "99999999999999999999%", True],
)
def test_what_is_neither_a_number_nor_a_percentage_is_refused_by_name(value: str) -> None:
    with pytest.raises(ValueError, match="is neither a whole number nor a percentage") as refused:
        scaled_value(value, 3, round_up=True)
    assert repr(value) in str(refused.value)


@given(st.integers(0, 100), st.integers(0, 5000))
def test_rounding_up_and_down_are_at_most_one_pod_apart(percent: int, total: int) -> None:
    up, down = (scaled_value(f"{percent}%", total, round_up=way) for way in (True, False))
    assert 0 <= down <= up <= total
    assert up - down == (0 if percent * total % 100 == 0 else 1)


@pytest.mark.parametrize(
    ("replicas", "unavailable", "surge", "expected"),
    [
        (4, None, None, (1, 1)),
        (3, None, None, (0, 1)),
        (1, None, None, (0, 1)),
        (10, None, None, (2, 3)),
        (3, 0, 1, (0, 1)),
        (3, 0, 0, (1, 0)),  # the API refuses it; the controller would still make progress
        (3, 0, "0%", (1, 0)),
        (3, "25%", 0, (1, 0)),  # rounded down to none, and no surge: one after all
        (3, "50%", "50%", (1, 2)),
        (3, 5, 0, (3, 0)),
        (3, "200%", 0, (3, 0)),
        (2, 1, "300%", (1, 6)),
        (0, None, None, (0, 0)),
        (0, 3, 2, (0, 2)),
    ],
)
def test_the_bounds_of_a_rolling_update(
    replicas: int, unavailable: int | str | None, surge: int | str | None, expected: tuple[int, int]
) -> None:
    assert rolling_update_bounds(replicas, unavailable, surge) == RollingUpdateBounds(*expected)


def test_a_malformed_bound_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'a third' is neither"):
        rolling_update_bounds(3, "a third", 1)


numbers = st.integers(0, 20) | st.integers(0, 100).map(lambda percent: f"{percent}%") | st.none()


@given(st.integers(1, 200), numbers, numbers)
def test_a_rolling_update_can_always_make_progress(
    replicas: int, unavailable: int | str | None, surge: int | str | None
) -> None:
    bounds = rolling_update_bounds(replicas, unavailable, surge)
    assert bounds.max_unavailable + bounds.max_surge > 0
    assert 0 <= bounds.max_unavailable <= replicas
