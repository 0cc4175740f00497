"""Wrong types in files: what the API server would refuse before any webhook sees it."""

from collections.abc import Mapping
from typing import Any

from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.workload import Workload
from tierguard.text import shown


def misshapen(raw: KubeObject) -> str | None:
    """What has the wrong type among the fields that decisions read, as `field: what was found`; None if nothing has."""
    for kind, paths in _SHAPES:
        for path in paths:
            found = objects.value(raw, *path)
            if found is not None and (not isinstance(found, kind) or isinstance(found, bool)):
                return f"{'.'.join(path)}: expected {_NAMES[kind]}, found {shown(found)}"
    for path in (("metadata", "labels"), ("metadata", "annotations")):
        if (problem := _not_text(".".join(path), objects.mapping(raw, *path))) is not None:
            return problem
    workload = Workload.of(raw)
    if workload is None:
        return None
    if workload.entry.template and not workload.template:
        return f"{'.'.join(workload.entry.template)}: missing; a {workload.kind} has a pod template"
    if workload.entry.replicas is not None:
        replicas = objects.value(raw, *workload.entry.replicas)
        if replicas is not None and (not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0):
            return f"{'.'.join(workload.entry.replicas)}: expected a whole number, found {shown(replicas)}"
    return _not_text(".".join((*workload.entry.template, "metadata", "labels")), workload.template_labels)


def _not_text(path: str, entries: Mapping[Any, Any]) -> str | None:
    """What of `entries` is not text: YAML reads an unquoted `tier: 1` as a number."""
    for key, value in entries.items():
        if not isinstance(key, str) or not isinstance(value, str):
            return f"{path}: {shown(key)}: expected text, found {shown(value)}; put it in quotes"
    return None


_SHAPES: tuple[tuple[Any, tuple[tuple[str, ...], ...]], ...] = (
    (
        Mapping,
        (
            ("metadata",),
            ("metadata", "labels"),
            ("metadata", "annotations"),
            ("spec",),
            ("spec", "selector"),
            ("spec", "strategy"),
            ("spec", "template"),
            ("spec", "template", "metadata"),
            ("spec", "template", "metadata", "labels"),
            ("spec", "template", "spec"),
        ),
    ),
    (str, (("apiVersion",), ("metadata", "name"), ("metadata", "namespace"))),
    (list, (("metadata", "ownerReferences"), ("spec", "template", "spec", "topologySpreadConstraints"))),
)
_NAMES: dict[Any, str] = {Mapping: "a map", str: "text", list: "a list"}
