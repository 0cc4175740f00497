"""What is kept of watched objects: only what is read. An update of anything else is no change to anybody here."""

import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from tierguard.cluster.reflector import PARTIAL
from tierguard.guard.model import objects
from tierguard.guard.model.digest import encoded, sha256
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
OWN_ANNOTATIONS = "tierguard.io/"
REST = "tierguard.io/other-metadata"
"""On what is known by its metadata only: a digest of the rest of it."""
_NONE: dict[str, Any] = {}
MOST_MARKS = 50
"""Annotations of ours whose writers are kept."""
LONGEST_MARK = 1024
MOST_CONFIGURED = 1000
"""Keys of a ConfigMap that are told apart. If there are more, only a change of the set of keys is seen."""
MOST_WRITERS = 50
"""Entries of managedFields that are kept, the latest."""
ACCOUNTED = frozenset(
    {
        *(entry.kind for entry in WORKLOAD_KINDS.values() if not entry.made_by_controllers),
        *("PodDisruptionBudget", "HorizontalPodAutoscaler", "NetworkPolicy"),
    }
)
"""Kinds of whose changes the operator keeps an account."""
_TOLD_APART: Mapping[str, tuple[str, ...]] = {
    "f:metadata": ("f:annotations",),
    "f:spec": ("f:replicas", "f:suspend", "f:template", "f:jobTemplate"),
}


def writers(obj: KubeObject) -> list[dict[str, Any]]:
    """The parts of managedFields that say who scaled, suspended or rolled out `obj`, and when. Its status is left out."""
    entries = [
        {
            "manager": str(entry.get("manager") or ""),
            "time": str(entry.get("time") or ""),
            "fieldsV1": dict(_owned(objects.mapping(entry, "fieldsV1"))),
        }
        for entry in objects.sequence(obj, "metadata", "managedFields")
        if isinstance(entry, dict) and entry.get("subresource") != "status"
    ]
    return sorted(entries, key=lambda entry: (str(entry["time"]), str(entry["manager"])))[-MOST_WRITERS:]


def _owned(fields: KubeObject) -> Iterator[tuple[str, dict[str, Any]]]:
    for part, names in _TOLD_APART.items():
        inside = objects.mapping(fields, part)
        if part == "f:metadata":
            marks = [key for key in objects.mapping(inside, *names) if key.startswith(f"f:{OWN_ANNOTATIONS}")]
            if marks:
                yield part, {names[0]: dict.fromkeys(sorted(marks)[:MOST_MARKS], _NONE)}
        elif found := dict.fromkeys((name for name in names if name in inside), _NONE):
            yield part, found


def trim_writers(obj: Any, kinds: Container[str]) -> None:
    """Keep of the managedFields of `obj` what tells who wrote what, where it is of one of `kinds`; else nothing."""
    kept = writers(obj) if obj.get("kind") in kinds else None
    if kept is None:
        obj.get("metadata", {}).pop("managedFields", None)
    else:
        obj["metadata"]["managedFields"] = kept


def trim_partial(obj: Any) -> dict[str, Any]:
    """The metadata of a ConfigMap that says when and by whom its contents were written, and if anything else changed."""
    metadata = objects.mapping(obj, "metadata")
    annotations = {k: v for k, v in objects.annotations(obj).items() if k != LAST_APPLIED}
    rest = [objects.labels(obj), annotations, objects.sequence(metadata, "ownerReferences")]
    rest.append(objects.sequence(metadata, "finalizers"))
    digest = hashlib.sha256(encoded(rest)).hexdigest()[:16]
    kept = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "ownerReferences")
    return {
        "apiVersion": obj.get("apiVersion"),
        "kind": PARTIAL,
        "metadata": {
            **{key: metadata[key] for key in kept if key in metadata},
            "annotations": {**_marks(annotations), REST: digest},
            "managedFields": list(_contents(objects.sequence(metadata, "managedFields")))[-MOST_WRITERS:],
        },
    }


def _marks(annotations: Mapping[str, str]) -> dict[str, str]:
    marks = sorted((key, mark) for key, mark in annotations.items() if key.startswith(OWN_ANNOTATIONS))
    return {key: mark if len(mark) <= LONGEST_MARK else sha256(mark.encode()) for key, mark in marks[:MOST_MARKS]}


def _contents(entries: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for entry in entries:
        parts = {part: objects.mapping(entry, "fieldsV1", part) for part in ("f:data", "f:binaryData")}
        owned = {part: dict.fromkeys(_told_apart(keys), _NONE) for part, keys in parts.items() if keys}
        if owned:
            yield {"manager": entry.get("manager"), "time": entry.get("time"), "fieldsV1": owned}


def _told_apart(keys: Iterable[str]) -> Iterable[str]:
    """`keys`; of very many a digest, which is the same for whoever owns the same ones."""
    found = sorted(keys)
    return found if len(found) <= MOST_CONFIGURED else (sha256(encoded(found)),)


def trim(obj: Any) -> Any:
    """Of what is around workloads only what is read: an update of anything else is no change to anybody here."""
    kind = obj.get("kind")
    if kind == "Node":
        spec = objects.mapping(obj, "spec")
        named = {"name": objects.name(obj), "labels": dict(objects.labels(obj))}
        return _same(obj, named, {key: spec[key] for key in ("taints", "unschedulable") if key in spec})
    if kind == "Pod":
        metadata: dict[str, Any] = {
            "name": objects.name(obj),
            "namespace": objects.namespace(obj),
            "labels": dict(objects.labels(obj)),
            "deletionTimestamp": objects.value(obj, "metadata", "deletionTimestamp"),
            "ownerReferences": [owner] if (owner := objects.controller_of(obj)) else [],
        }
        ready = [
            {"type": "Ready", "status": known.get("status")}
            for known in objects.sequence(obj, "status", "conditions")
            if known.get("type") == "Ready"
        ]
        status = {"phase": objects.value(obj, "status", "phase"), "conditions": ready}
        return {**_same(obj, metadata, {"nodeName": objects.value(obj, "spec", "nodeName")}), "status": status}
    if kind in ("HorizontalPodAutoscaler", "PodDisruptionBudget"):
        obj.pop("status", None)
    return obj


def _same(obj: Any, metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": obj.get("apiVersion"), "kind": obj.get("kind"), "metadata": metadata, "spec": spec}
