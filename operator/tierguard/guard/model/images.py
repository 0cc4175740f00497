"""The images that a pod runs or mounts, and which of them cannot become other code under the same name."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject

CONTAINER_PARTS = ("containers", "initContainers", "ephemeralContainers")
VOLUMES = "volumes"

# distribution/reference, DigestRegexp: an algorithm, a colon, and at least 32 hexadecimal digits.
_DIGEST = re.compile(r"@([a-z][a-z0-9]*(?:[+._-][a-z][a-z0-9]*)*):([0-9a-f]{32,128})\Z")
_LONGEST = 256
"""Characters at the end of an image that can be a digest: at most 128 digits and the name of an algorithm."""
_DIGITS: Mapping[str, int] = {"sha256": 64, "sha384": 96, "sha512": 128}
"""Hexadecimal digits of the algorithms that the OCI image specification registers: with others it is no digest."""


@dataclass(frozen=True, slots=True)
class ImageReference:
    """An image that a pod names: in which list of its spec, under what name, and when the kubelet pulls it."""

    part: str
    name: str
    image: str
    pull_policy: str = ""

    @property
    def where(self) -> str:
        """As messages name the place: `container app`, `volume models`."""
        return f"{'volume' if self.part == VOLUMES else 'container'} {objects.printable(self.name, 63)}"

    @property
    def digest(self) -> str:
        """`algorithm:hex`; empty where the image is not named by digest."""
        return digest_of(self.image)

    @property
    def tag(self) -> str:
        """Its tag; empty without one. A colon before the last slash is a port's."""
        return self.image.partition("@")[0].rpartition("/")[2].partition(":")[2]


def digest_of(image: str) -> str:
    """The digest at the end of `image`, as `algorithm:hex`; empty where it has none."""
    found = _DIGEST.search(image[-_LONGEST:])
    if found is None or len(found[2]) != _DIGITS.get(found[1], len(found[2])):
        return ""
    return f"{found[1]}:{found[2]}"


def image_references(pod_spec: KubeObject) -> Iterator[ImageReference]:
    """All images of a pod: of its containers of any sort, then of its image volumes, whose files it runs or reads."""
    for part in CONTAINER_PARTS:
        for container in objects.sequence(pod_spec, part):
            yield _reference(part, container, container, "image", "imagePullPolicy")
    for volume in objects.sequence(pod_spec, VOLUMES):
        if (source := objects.value(volume, "image")) is not None:
            yield _reference(VOLUMES, volume, source, "reference", "pullPolicy")


def _reference(part: str, named: Any, source: Any, image: str, pull_policy: str) -> ImageReference:
    return ImageReference(
        part,
        str(objects.value(named, "name") or ""),
        str(objects.value(source, image) or ""),
        str(objects.value(source, pull_policy) or ""),
    )


def images_cannot_move(template: KubeObject, immutable_tags: tuple[str, ...] = ()) -> bool:
    """Whether a restart of `template` runs what already ran: every image is named by digest, or by a tag that cannot move.

    Such a tag is one under a prefix of `immutable_tags` (the registry keeps tags as they are), and the kubelet does not
    pull it again where it is (pull policy IfNotPresent or Never). Image volumes are pulled anew with each pod as well.
    """
    found = list(image_references(objects.mapping(template, "spec")))
    return bool(found) and all(_cannot_move(reference, immutable_tags) for reference in found)


def _cannot_move(reference: ImageReference, immutable_tags: tuple[str, ...]) -> bool:
    if reference.digest:
        return True
    pulled_once = reference.pull_policy in ("IfNotPresent", "Never")
    known = bool(immutable_tags) and reference.image.startswith(immutable_tags)
    return pulled_once and known and reference.tag not in ("", "latest")
