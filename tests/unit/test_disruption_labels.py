"""Label selectors, with the semantics of Kubernetes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierguard.labels import LabelSelector

LABELS = {"app": "core", "tier": "0", "empty": ""}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {}, "matchExpressions": []}, True),
        ({"matchLabels": None, "matchExpressions": None}, True),
        ({"matchLabels": {"app": "core"}}, True),
        ({"matchLabels": {"app": "other"}}, False),
        ({"matchLabels": {"missing": ""}}, False),
        ({"matchLabels": {"empty": ""}}, True),
        ({"matchLabels": {"app": "core", "tier": "1"}}, False),
        (expression("tier", "In", "0", "1"), True),
        (expression("tier", "In", "1", "2"), False),
        (expression("missing", "In", "1"), False),
        (expression("tier", "NotIn", "0"), False),
        (expression("tier", "NotIn", "1"), True),
        (expression("missing", "NotIn", "1"), True),
        (expression("empty", "In", ""), True),
        (expression("empty", "NotIn", ""), False),
        (expression("missing", "NotIn", ""), True),
        (expression("empty", "Exists"), True),
        (expression("missing", "Exists"), False),
        (expression("missing", "DoesNotExist"), True),
        (expression("empty", "DoesNotExist"), False),
        ({"matchLabels": {"app": "core"}, **expression("tier", "In", "1")}, False),
        ({"matchLabels": {"app": "core"}, **expression("tier", "Exists")}, True),
        (
            {
                "matchExpressions": [
                    {"key": "tier", "operator": "In", "values": ["0", "1"]},
                    {"key": "tier", "operator": "NotIn", "values": ["0"]},
                ]
            },
            False,
        ),
    ],
)
def test_a_selector_selects(selector: dict[str, Any] | None, selected: bool) -> None:
    assert LabelSelector.compile(selector).matches(LABELS) is selected


@pytest.mark.parametrize(
    ("selector", "problem"),
    [
        (expression("app", "Near", "core"), "'Near' is no label selector operator"),
        (expression("app", "in", "core"), "'in' is no label selector operator"),
        ({"matchExpressions": [{"key": "app"}]}, "None is no label selector operator"),
        (expression("app", "In"), "In on 'app' needs at least one value"),
        (expression("app", "NotIn"), "NotIn on 'app' needs at least one value"),
        (expression("app", "Exists", "core"), "Exists on 'app' takes no values"),
        (expression("app", "DoesNotExist", "core"), "takes no values"),
        ({"matchExpressions": [{"operator": "Exists"}]}, "needs a key"),
        ({"matchExpressions": ["app"]}, "needs a key"),
        ({"matchExpressions": "app"}, "is no list"),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": "core"}]}, "are no list of strings"),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": [1]}]}, "are no list of strings"),
        ({"matchExpressions": [{"key": "app", "operator": ["In"]}]}, "is no label selector operator"),
        ({"matchLabels": ["app"]}, "is no map of labels"),
        ({"matchLabels": {"app": 1}}, "both must be strings"),
    ],
)
def test_a_selector_that_kubernetes_would_refuse_is_refused(selector: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=r"app|label|list") as refused:
        LabelSelector.compile(selector)
    assert problem in str(refused.value)


def test_only_the_empty_selector_is_known_to_select_everything() -> None:
    assert LabelSelector.compile({}).everything
    assert not LabelSelector.compile(None).everything
    assert not LabelSelector.compile({"matchLabels": {"app": "core"}}).everything


keys, values = st.sampled_from(["a", "b", "c"]), st.sampled_from(["", "0", "1"])
label_maps = st.dictionaries(keys, values)


@given(label_maps, keys, st.lists(values, min_size=1))
def test_not_in_is_the_opposite_of_in_and_absence_that_of_presence(
    labels: dict[str, str], key: str, listed: list[str]
) -> None:
    def selects(operator: str, *wanted: str) -> bool:
        return LabelSelector.compile(expression(key, operator, *wanted)).matches(labels)

    assert selects("In", *listed) is not selects("NotIn", *listed)
    assert selects("Exists") is not selects("DoesNotExist")


@given(label_maps, label_maps)
def test_labels_to_match_are_a_part_of_the_object_s(wanted: dict[str, str], labels: dict[str, str]) -> None:
    selected = LabelSelector.compile({"matchLabels": wanted}).matches(labels)
    assert selected == (wanted.items() <= labels.items())
