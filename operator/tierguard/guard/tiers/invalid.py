"""A tier label that is no tier: refused wherever somebody writes it, as what it says is not what it does."""

from collections.abc import Iterator, Mapping

from tierguard.guard.model import objects
from tierguard.guard.model.decision import Effect, Finding
from tierguard.guard.model.objects import KubeObject, Labels
from tierguard.guard.model.scope import TIER_LABEL, no_tier
from tierguard.guard.model.workload import Workload
from tierguard.text import shown


def invalid_tier(old: KubeObject | None, new: KubeObject | None) -> list[Finding]:
    """At most one finding, the gravest, about the tier labels in `new`, which was `old`.

    One that was in the same place before only warns: the object must stay mendable.
    """
    if new is None:
        return []
    before = {} if old is None else _labels(old)
    found = [
        Finding(
            "tier",
            f"Label/{TIER_LABEL}",
            "InvalidTier",
            f"label {TIER_LABEL} is {shown(written)}, which is no tier, and counts as 0",
            "set it to 0, 1, 2, 3 or 4",
            Effect.WARN if no_tier(before.get(place, {})) == written else Effect.DENY,
        )
        for place, labels in _labels(new).items()
        if (written := no_tier(labels)) is not None
    ]
    return sorted(found, key=lambda finding: -finding.effect)[:1]


def _labels(obj: KubeObject) -> Mapping[str, Labels]:
    """By place, the label sets that give a tier: to the object, and to what its controller makes of it."""
    return dict(_places(obj))


def _places(obj: KubeObject) -> Iterator[tuple[str, Labels]]:
    yield "", objects.labels(obj)
    workload = Workload.of(obj)
    if workload is None:
        return
    yield "pods", workload.template_labels
    yield "jobs", objects.mapping(obj, "spec", "jobTemplate", "metadata", "labels")
    for template in objects.sequence(obj, "spec", "volumeClaimTemplates"):
        yield f"claims/{objects.name(template)}", objects.mapping(template, "metadata", "labels")
