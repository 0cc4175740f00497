"""Approved exceptions from a freeze: whether one covers a change, and until when."""

from datetime import datetime

from tierguard.api.freeze import FreezeException
from tierguard.api.scope import ChangeKind
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change
from tierguard.guard.model.hold import Hold
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.pod import CONTAINER_PARTS, VOLUMES
from tierguard.guard.model.workload import Workload

_NEVER = frozenset({ChangeKind.DELETE, ChangeKind.DECLASSIFY})
"""An exception is for changing a workload, not for losing it."""


def excepted_until(
    hold: Hold, change: Change, old: Workload | None, new: Workload | None, kinds: tuple[ChangeKind, ...]
) -> datetime | None:
    """When the last of the exceptions of `hold` that cover the change expires; None where none does."""
    if new is None or not _NEVER.isdisjoint(kinds):
        return None
    fitting = (
        exception.expires_at
        for exception in hold.exceptions
        if _means(exception, change)
        and (exception.image_digest is None or _only_image(old, new, exception.image_digest))
    )
    return max(fitting, default=None)


def _means(exception: FreezeException, change: Change) -> bool:
    workload = exception.workload
    return (workload.kind, workload.namespace, workload.name) == (change.kind, change.namespace, change.name)


def _only_image(old: Workload | None, new: Workload, digest: str) -> bool:
    """Whether nothing but images changes, and each changed one is named by `digest`."""
    if old is None:
        images = list(_images(new).values())
        return bool(images) and all(image.endswith(f"@{digest}") for image in images)
    if old.settings() != new.settings() or old.replicas != new.replicas or old.paused != new.paused:
        return False
    before, after = _images(old), _images(new)
    moved = [image for place, image in after.items() if before.get(place) != image]
    return (
        before.keys() == after.keys()
        and bool(moved)
        and all(image.endswith(f"@{digest}") for image in moved)
        and _without_images(old) == _without_images(new)
    )


def _images(workload: Workload) -> dict[tuple[str, str], str]:
    return {(found.part, found.name): found.image for found in workload.images}


def _without_images(workload: Workload) -> dict[str, object]:
    spec = dict(objects.mapping(workload.template, "spec"))
    for part in CONTAINER_PARTS:
        spec[part] = [
            {key: value for key, value in container.items() if key != "image"}
            for container in objects.sequence(spec, part)
            if isinstance(container, dict)
        ]
    spec[VOLUMES] = [_without_reference(volume) for volume in objects.sequence(spec, VOLUMES)]
    return {"metadata": objects.mapping(workload.template, "metadata"), "spec": spec}


def _without_reference(volume: KubeObject) -> KubeObject:
    source = objects.mapping(volume, "image")
    return (
        {**volume, "image": {key: value for key, value in source.items() if key != "reference"}} if source else volume
    )
