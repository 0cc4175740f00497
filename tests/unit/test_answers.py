"""Answers that are kept: for the same marks alone, and only so many."""

from tierguard.guard.model.answers import Alike


class Counting:
    def __init__(self) -> None:
        self.found = 0

    def __call__(self) -> int:
        self.found += 1
        return self.found


def test_the_same_marks_in_the_same_place_are_answered_once() -> None:
    known, find = Alike(10), Counting()
    assert [known.once_for("a", ({"app": "x"},), find) for _ in range(3)] == [1, 1, 1]
    assert known.once_for("b", ({"app": "x"},), find) == 2
    assert known.once_for("a", ({"app": "y"},), find) == 3
    assert known.once_for("a", ({"app": "x"},), find) == 1, "both are kept"


def test_a_few_marks_of_a_place_are_kept_and_the_earliest_is_forgotten() -> None:
    known, find = Alike(10), Counting()
    for number in range(5):
        known.once_for("a", ({"app": str(number)},), find)
    assert known.once_for("a", ({"app": "4"},), find) == 5
    assert known.once_for("a", ({"app": "0"},), find) == 6


def test_with_too_many_places_all_are_forgotten() -> None:
    known, find = Alike(2), Counting()
    for place in ("a", "b", "c"):
        known.once_for(place, ({},), find)
    assert known.once_for("c", ({},), find) == 3
    assert known.once_for("a", ({},), find) == 4


def test_what_has_very_many_labels_is_not_kept() -> None:
    known, find = Alike(10), Counting()
    many = {str(number): "x" for number in range(65)}
    assert [known.once_for("a", (many,), find) for _ in range(2)] == [1, 2]
