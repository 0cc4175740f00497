"""A tier label that is no tier: refused wherever somebody writes it, as what it says is not what it does."""

from collections.abc import Iterator

from tierguard.guard.model import objects
from tierguard.guard.model.decision import Effect, Finding
from tierguard.guard.model.objects import KubeObject, Labels
from tierguard.guard.model.scope import TIER_LABEL, no_tier
from tierguard.guard.model.workload import Workload
from tierguard.text import shown


def invalid_tier(old: KubeObject | None, new: KubeObject | None, workload: Workload | None = None) -> list[Finding]:
    """At most one finding, the gravest, about the tier labels in `new`, which was `old`, and is `workload` if it is one.

    One that was in the same place before only warns: the object must stay mendable.
    """
    if new is None:
        return []
    written = [(place, what) for place, labels in _places(new, workload) if (what := no_tier(labels)) is not None]
    if not written:
        return []  # nearly always
    before = {} if old is None else dict(_places(old))
    found = [
        Finding(
            "tier",
            f"Label/{TIER_LABEL}",
            "InvalidTier",
            f"label {TIER_LABEL} is {shown(what)}, which is no tier, and counts as 0",
            "set it to 0, 1, 2, 3 or 4",
            Effect.WARN if no_tier(before.get(place, {})) == what else Effect.DENY,
        )
        for place, what in written
    ]
    return sorted(found, key=lambda finding: -finding.effect)[:1]


def _places(obj: KubeObject, workload: Workload | None = None) -> Iterator[tuple[str, Labels]]:
    """By place, the label sets that give a tier: to the object, and to what its controller makes of it."""
    yield "", objects.labels(obj)
    workload = workload or Workload.of(obj)
    if workload is None:
        return
    yield "pods", workload.template_labels
    if workload.kind == "CronJob":
        yield "jobs", objects.mapping(workload.spec, "jobTemplate", "metadata", "labels")
    if workload.kind == "StatefulSet":
        for template in objects.sequence(workload.spec, "volumeClaimTemplates"):
            yield f"claims/{objects.name(template)}", objects.mapping(template, "metadata", "labels")
