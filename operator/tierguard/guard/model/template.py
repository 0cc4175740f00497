"""What a person wrote into a pod template: what makes two of them the same, and the digest that they are known by."""

import hashlib
from collections.abc import Mapping
from typing import Any

from tierguard.guard.model import objects
from tierguard.guard.model.digest import condensed, encoded
from tierguard.guard.model.objects import KubeObject

# Written by controllers into the templates that they copy; they are no part of what a person wrote.
HASH_LABELS = ("pod-template-hash", "controller-revision-hash", "pod-template-generation")
_COPIED_INTO_PODS = ("finalizers", "name", "generateName", "namespace", "ownerReferences")
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


def essence_of_metadata(template: KubeObject) -> dict[str, Any]:
    """The labels and annotations of a pod template that a person wrote, and what of its other metadata pods get."""
    labels = {key: value for key, value in objects.labels(template).items() if key not in HASH_LABELS}
    annotations = {key: value for key, value in objects.annotations(template).items() if key != RESTARTED_AT}
    metadata = objects.mapping(template, "metadata")
    # Hardly any template has them; where one does, they are copied into the pods like everything else.
    rest = {key: metadata[key] for key in _COPIED_INTO_PODS if metadata.get(key)}
    found = {"labels": labels, "annotations": annotations}
    return {**found, "metadata": rest} if rest else found


def essence(template: KubeObject) -> dict[str, Any]:
    """A pod template without what controllers and `kubectl rollout restart` write into it, for comparing."""
    metadata = essence_of_metadata(template)
    return {**metadata, "spec": objects.mapping(template, "spec")}


def template_hash(template: KubeObject) -> str:
    """A digest of what a person wrote into `template`: 32 hexadecimal digits, the same for the same pods.

    All templates compared have been through the API server's defaulting, which also drops what is empty, so the plain
    content is right. Hash labels and the restart annotation are left out. Of a large part its digest counts, so that a
    watched template, which is cut, has the same hash as a reviewed one.
    """
    return _digest(essence(template))


def _digest(found: Mapping[str, Any]) -> str:
    return hashlib.sha256(encoded({key: condensed(part) for key, part in found.items()})).hexdigest()[:32]
