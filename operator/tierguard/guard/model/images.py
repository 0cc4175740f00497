"""The images that a pod runs or mounts, and which of them cannot become other code under the same name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from msgspec import Struct

from tierguard.guard.model import objects
from tierguard.guard.model.pod import CONTAINER_PARTS, VOLUMES, PodSpec

# distribution/reference, DigestRegexp: an algorithm, a colon, and at least 32 hexadecimal digits.
_DIGEST = re.compile(r"@([a-z][a-z0-9]*(?:[+._-][a-z][a-z0-9]*)*):([0-9a-f]{32,128})\Z")
_LONGEST = 256
"""Characters at the end of an image that can be a digest: at most 128 digits and the name of an algorithm."""
_DIGITS: Mapping[str, int] = {"sha256": 64, "sha384": 96, "sha512": 128}
"""Hexadecimal digits of the algorithms that the OCI image specification registers: with others it is no digest."""


class ImageReference(Struct, frozen=True):
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
    return _digest_of(image[-_LONGEST:])


@lru_cache(maxsize=4096)
def _digest_of(end: str) -> str:
    found = _DIGEST.search(end)
    if found is None or len(found[2]) != _DIGITS.get(found[1], len(found[2])):
        return ""
    return f"{found[1]}:{found[2]}"


def image_references(pod: PodSpec) -> Iterator[ImageReference]:
    """All images of a pod: of its containers of any sort, then of its image volumes, whose files it runs or reads."""
    for part in CONTAINER_PARTS:
        for container in pod.part(part):
            yield ImageReference(part, container.name, container.image, container.image_pull_policy)
    for volume in pod.volumes:
        if volume.image is not None:
            yield ImageReference(VOLUMES, volume.name, volume.image.reference, volume.image.pull_policy)


def images_cannot_move(found: Sequence[ImageReference], immutable_tags: tuple[str, ...] = ()) -> bool:
    """Whether a restart of a pod with the images `found` runs what already ran: none can have become other code.

    One cannot that is named by digest, or by a tag under a prefix of `immutable_tags` (the registry keeps tags as they are)
    where the kubelet does not pull it again (pull policy IfNotPresent or Never). Image volumes are pulled anew with each pod
    as well.
    """
    return bool(found) and all(_cannot_move(reference, immutable_tags) for reference in found)


def _cannot_move(reference: ImageReference, immutable_tags: tuple[str, ...]) -> bool:
    if reference.digest:
        return True
    pulled_once = reference.pull_policy in ("IfNotPresent", "Never")
    known = bool(immutable_tags) and reference.image.startswith(immutable_tags)
    return pulled_once and known and reference.tag not in ("", "latest")
