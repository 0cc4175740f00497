"""Rule `images`: what runs is what was tested, and comes from where it may."""

from collections.abc import Iterator
from functools import lru_cache
from typing import ClassVar

from tierguard.api.model import ApiModel
from tierguard.api.rule_values import Pinning, RuleId
from tierguard.api.rules import ImagesRule
from tierguard.guard.model import objects
from tierguard.guard.model.images import ImageReference
from tierguard.guard.model.pod import VOLUMES
from tierguard.guard.rules.rule import EVERY_KIND, Reads, Situation, Violation

_SHOWN = 45
_LONGEST = 1024
"""Characters of an image that say where it comes from: no reference that a runtime takes has half as many."""
_DEFAULT_REGISTRY = "docker.io"


class Images:
    """Every image is named by digest, or at least by a tag that says which one, and comes from an allowed registry.

    Why: a tag is whatever the registry says today. A node that restarts in the middle of the night pulls what `latest`, or a
    tag that was pushed again, has become: code that nobody approved, on one pod of three. The images of volumes
    (`volumes[].image`) count like those of containers, and a digest may be of any algorithm. Names are compared as the
    container runtime resolves them: `nginx` is docker.io/library/nginx, and the part before the first slash is a registry
    only if it has a dot or a colon or is localhost (distribution/reference, ParseNormalizedNamed). An allowed registry or
    repository ends at a slash, so registry.example.com does not allow registry.example.com.evil.org.
    """

    id: ClassVar[RuleId] = RuleId.IMAGES
    block: ClassVar[str] = "images"
    kinds: ClassVar[frozenset[str]] = EVERY_KIND
    reads: ClassVar[Reads] = Reads.MORE

    def check(self, situation: Situation, settings: ApiModel) -> Iterator[Violation]:
        """Yield at most one violation a container or volume and reason, containers first."""
        assert isinstance(settings, ImagesRule)  # noqa: S101 - the registry pairs block and rule
        for reference in situation.subject.workload.images:
            yield from _image(reference, settings)


def _image(reference: ImageReference, settings: ImagesRule) -> Iterator[Violation]:
    image = reference.image
    pinned = bool(reference.digest)
    tag = "" if pinned else reference.tag
    loose = settings.pinning is Pinning.DIGEST and not pinned
    newest = not pinned and tag in ("", "latest")
    # What is behind the digest changes with every release, where it comes from does not.
    foreign = bool(settings.registries) and not _allowed(tuple(settings.registries), _bare(image[:_LONGEST]))
    if not (loose or newest or foreign):
        return  # nearly always
    shown = objects.printable(image, _SHOWN) or "no image"
    # A volume may have a container's name.
    about = reference.where if reference.part == VOLUMES else objects.printable(reference.name, 63)
    if loose:
        yield Violation(
            "NotPinned",
            f"not named by digest: {shown}, in {reference.where}",
            "name the image by digest, as …@sha256:…",
            about=f"{about}/pinning",
        )
    elif newest:
        yield Violation(
            "NoTag",
            f"{'tag latest' if tag else 'no tag, so latest'}: {shown}, in {reference.where}",
            "name the image by a tag of its own, or by digest",
            about=f"{about}/pinning",
        )
    if foreign:
        allowed = ", ".join(settings.registries[:2]) + (" …" if len(settings.registries) > 2 else "")  # noqa: PLR2004
        yield Violation(
            "ForeignRegistry",
            f"registry not allowed: {shown}, in {reference.where}",
            f"use an image from {objects.printable(allowed, 120)}",
            about=f"{about}/registry",
        )


def _bare(image: str) -> str:
    """`image` without its digest. An at sign before a slash is not one of a digest, and no image's."""
    name, at, digest = image.rpartition("@")
    return name if at and "/" not in digest else image


@lru_cache(maxsize=4096)
def _allowed(registries: tuple[str, ...], name: str) -> bool:
    """Whether an image of that `name`, which has no digest, comes from one of `registries`."""
    place = normalized(name)
    return any(_allows(entry, place) for entry in registries)


def normalized(image: str) -> str:
    """`image` with its registry, and `library/` for an official one, as the container runtime resolves it."""
    first, slash, rest = image.partition("/")
    if not slash:
        return f"{_DEFAULT_REGISTRY}/library/{image}"
    if first in (_DEFAULT_REGISTRY, "index.docker.io"):
        return f"{_DEFAULT_REGISTRY}/{rest}" if "/" in rest else f"{_DEFAULT_REGISTRY}/library/{rest}"
    if "." in first or ":" in first or first == "localhost" or first != first.lower():
        return image
    return f"{_DEFAULT_REGISTRY}/{image}"


def _allows(entry: str, image: str) -> bool:
    place = entry.rstrip("/")
    above, slash, last = image.rpartition("/")
    # Without its tag or digest, but with a port: another port of an allowed host is another registry.
    repository = f"{above}{slash}{last.partition('@')[0].partition(':')[0]}/"
    return bool(place) and repository.startswith(f"{place}/")
