"""What the rollback record should say. Pure.

A template enters the record when its rollout is complete at the observed generation. The history from before tierguard was
installed enters once, at the installation: it was running before anybody watched. Later nobody reads revisions any more, as
whoever may write ReplicaSets may have written another template into an old one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.template import template_hash
from tierguard.guard.model.workload import Workload

RECORDED_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})


def complete(workload: Workload) -> bool:
    """Whether all pods of `workload` run its current template and are available (as `kubectl rollout status` sees it).

    A workload scaled to zero is not: nothing shows that its template works.
    """
    status = objects.mapping(workload.raw, "status")
    if int(status.get("observedGeneration") or 0) < objects.generation(workload.raw):
        return False
    if workload.kind == "DaemonSet":
        wanted = int(status.get("desiredNumberScheduled") or 0)
        counts: tuple[str, ...] = ("updatedNumberScheduled", "numberAvailable")
    else:
        wanted = workload.replicas or 0
        counts = ("updatedReplicas", "availableReplicas", "replicas")
    return wanted > 0 and all(int(status.get(count) or 0) == wanted for count in counts)


@dataclass(frozen=True, slots=True)
class Revision:
    """A pod template that a ReplicaSet or ControllerRevision keeps: of whom (uid), which (hash), and since when."""

    workload: str
    template: str
    made: datetime

    @classmethod
    def of(cls, raw: KubeObject) -> "Revision | None":
        """The revision in `raw`; None for what nothing controls, or has no template.

        Only its template and its creation time, which is the API server's own, are read.
        """
        owner = objects.controller_of(raw)
        kept = raw if raw.get("kind") == "ReplicaSet" else objects.mapping(raw, "data")
        template = {key: value for key, value in objects.mapping(kept, "spec", "template").items() if key != "$patch"}
        written = objects.value(raw, "metadata", "creationTimestamp")
        if owner is None or not template or not isinstance(written, str):
            return None
        return cls(str(owner.get("uid") or ""), template_hash(template), datetime.fromisoformat(written))


def wanted_entries(
    workload: Workload, known: Mapping[str, datetime], observed: Mapping[str, datetime], now: datetime
) -> dict[str, datetime]:
    """The record of `workload` as it should be: what is recorded (`known`), what was `observed`, and what is complete now.

    What is recorded keeps its time, whatever was observed since: a time that moves would move what a freeze compares with.
    """
    entries = {**observed, **known}
    current = workload.template_hash
    if current not in entries and complete(workload):
        entries[current] = now
    return entries
