"""Selectors and tiers as CEL text, for the API server's own look at whether the webhook need be asked.

The text may select too much (the webhook then says "not ours"), never too little. In a webhook's matchConditions `object`
and `oldObject` are untyped, there is no namespaceObject, and an error under failurePolicy Fail refuses the request, so every
access goes through an optional.
"""

import json
from collections.abc import Iterable, Mapping

from tierguard.api.scope import Selector, SelectorOperator
from tierguard.guard.model.scope import TIER_LABEL

RESOURCE = "request.resource.resource"
# Where a workload keeps labels: its own, its pod template's, and a CronJob's pods'.
_LABEL_MAPS = (
    "o.?metadata.?labels.orValue({})",
    "o.?spec.?template.?metadata.?labels.orValue({})",
    "o.?spec.?jobTemplate.?metadata.?labels.orValue({})",
    "o.?spec.?jobTemplate.?spec.?template.?metadata.?labels.orValue({})",
)


def conjunction(*terms: str) -> str:
    """All of `terms`; none of them is evaluated once one is false."""
    if "false" in terms:
        return "false"
    return " && ".join(f"({term})" for term in terms if term != "true") or "true"


def disjunction(*terms: str) -> str:
    """Any of `terms`."""
    return " || ".join(f"({term})" for term in dict.fromkeys(terms) if term != "false") or "false"


def text(value: str) -> str:
    """`value` as a CEL string literal."""
    return json.dumps(value, ensure_ascii=True)


def one_of(expression: str, values: Iterable[str]) -> str:
    """`expression in [values]`; false for no values."""
    listed = sorted(set(values))
    return f"{expression} in [{', '.join(map(text, listed))}]" if listed else "false"


def on_labels(conditions: Iterable[str]) -> str:
    """Whether any of `conditions`, each about a label map `l`, holds for the new or the old object."""
    anything = " || ".join(f"({condition})" for condition in conditions)
    if not anything:
        return "false"
    maps = ", ".join(_LABEL_MAPS)
    return f"[object, oldObject].exists(o, o != null && [{maps}].exists(l, {anything}))"


def tier_label(tiers: Iterable[int]) -> str:
    """Whether the map `l` has a tier label that names one of `tiers`, or that names no tier at all (counts as 0)."""
    others = sorted({"0", "1", "2", "3", "4"} - {str(tier) for tier in tiers})
    return f"{text(TIER_LABEL)} in l && !({one_of(f'l[{text(TIER_LABEL)}]', others)})"


def labels(wanted: Mapping[str, str]) -> str:
    """Whether the label map `l` has all of `wanted`."""
    parts = (f"{text(key)} in l && l[{text(key)}] == {text(value)}" for key, value in sorted(wanted.items()))
    return " && ".join(f"({part})" for part in parts) or "true"


def selector(source: Selector | None) -> str:
    """Whether the label map `l` satisfies `source`; true for one that selects everything."""
    if source is None:
        return "true"
    parts = [
        f"{text(key)} in l && l[{text(key)}] == {text(value)}"
        for key, value in sorted((source.match_labels or {}).items())
    ]
    for requirement in source.match_expressions or ():
        has = f"{text(requirement.key)} in l"
        among = f"{has} && {one_of(f'l[{text(requirement.key)}]', requirement.values or ())}"
        parts.append(
            {
                SelectorOperator.IN: among,
                SelectorOperator.NOT_IN: f"!({among})",
                SelectorOperator.EXISTS: has,
                SelectorOperator.DOES_NOT_EXIST: f"!({has})",
            }[requirement.operator]
        )
    return " && ".join(f"({part})" for part in parts) or "true"


VOLUMES = (
    "(o.?spec.?volumes.orValue([]) + o.?spec.?template.?spec.?volumes.orValue([])"
    " + o.?spec.?jobTemplate.?spec.?template.?spec.?volumes.orValue([]))"
)
"""The volumes of the object `o`, be it a Pod or what has a template of one."""
