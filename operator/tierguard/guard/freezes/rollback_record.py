"""What the rollback record should say. Pure.

A template enters the record when its rollout is complete at the observed generation. Of a workload that is met for the
first time, the history from before tierguard was installed enters too: it was running before anybody watched.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.workload import Workload, template_hash

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


def revision_of(workload: Workload, revision: KubeObject) -> KubeObject | None:
    """The pod template in `revision`, a ReplicaSet or ControllerRevision that `workload` controls; None if it is not."""
    owner = objects.controller_of(revision)
    if owner is None or owner.get("uid") != objects.uid(workload.raw):
        return None
    kept = revision if revision.get("kind") == "ReplicaSet" else objects.mapping(revision, "data")
    template = objects.mapping(kept, "spec", "template")
    return {key: value for key, value in template.items() if key != "$patch"} or None


def history(workload: Workload, revisions: Iterable[KubeObject], installed: datetime) -> dict[str, datetime]:
    """Templates of `workload` from before `installed`, by hash, with when their revision was made.

    Only a revision's template and its creation time are read. The latter is the API server's own; a revision that somebody
    makes up today is younger than the installation.
    """
    found: dict[str, datetime] = {}
    for revision in revisions:
        template = revision_of(workload, revision)
        written = objects.value(revision, "metadata", "creationTimestamp")
        if template is None or not isinstance(written, str):
            continue
        made = datetime.fromisoformat(written)
        if made < installed:
            found[template_hash(template)] = made
    return found


def wanted_entries(
    workload: Workload,
    known: Mapping[str, datetime] | None,
    revisions: Iterable[KubeObject],
    installed: datetime,
    now: datetime,
) -> dict[str, datetime]:
    """The record of `workload` as it should be; `known` is what is recorded, None when it is met for the first time."""
    entries = dict(known) if known is not None else history(workload, revisions, installed)
    current = template_hash(workload.template)
    if current not in entries and complete(workload):
        entries[current] = now
    return entries
