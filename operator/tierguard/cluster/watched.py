"""Which workloads are watched, and what is kept of anything that is."""

from typing import Any

from tierguard.cluster.compact import compact
from tierguard.cluster.known import pack_workload
from tierguard.cluster.reflector import PARTIAL
from tierguard.cluster.trim import ACCOUNTED, LAST_APPLIED, trim, trim_partial, trim_writers
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject

WATCHED_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicationController", "ReplicaSet", "CronJob")
"""Kinds kept in memory: those that are scaled, counted by budgets, or own what a person may forge. Not Pods and Jobs."""

_COMPACTED = frozenset(
    {
        *WATCHED_WORKLOADS,
        "Job",
        "Namespace",
        "Service",
        "NetworkPolicy",
        *("PodDisruptionBudget", "HorizontalPodAutoscaler"),
    }
)
"""Kinds of which anybody may make large ones. Our own kinds are bounded by their schemas."""


def kept(obj: Any, *, status: bool) -> KubeObject:
    """As `trim_watched`; of workloads, which are many and are read again and again, the large parts packed."""
    trimmed = dict(trim_watched(obj, status=status))
    return pack_workload(trimmed) if trimmed.get("kind") in WATCHED_WORKLOADS else trimmed


def trim_watched(obj: Any, *, status: bool) -> KubeObject:
    """Drop what no decision reads; for what controllers make, keep only who made it and what it runs.

    `status` says whether the status of workloads and who wrote what is kept.
    """
    if obj.get("kind") == PARTIAL:
        return trim_partial(obj)
    obj = trim(obj)
    metadata = obj.get("metadata", {})
    trim_writers(obj, ACCOUNTED if status else ())
    if obj.get("kind") == "Job":
        obj["spec"] = {"template": {"metadata": obj.get("spec", {}).get("template", {}).get("metadata", {})}}
    if LAST_APPLIED in metadata.get("annotations", ()):
        del metadata["annotations"][LAST_APPLIED]
    if not status and obj.get("kind") in WATCHED_WORKLOADS:
        obj.pop("status", None)
        if obj["kind"] == "ReplicaSet" and objects.controller_of(obj) is not None:
            obj.pop("spec", None)
    if obj.get("kind") not in _COMPACTED:
        return dict(obj)
    metadata.pop("resourceVersion", None)  # with it every write of anything were a change
    return compact(obj)
