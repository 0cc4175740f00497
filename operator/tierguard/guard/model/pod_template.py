"""A pod template as decisions read it: worked out once for the same bytes, as most templates come again and again."""

from collections.abc import Mapping
from typing import Any

from tierguard.guard.model import objects
from tierguard.guard.model.container_spec import Typed
from tierguard.guard.model.containers import Container, containers
from tierguard.guard.model.digest import encoded
from tierguard.guard.model.images import ImageReference, image_references
from tierguard.guard.model.memory import Memory
from tierguard.guard.model.objects import KubeObject, Labels
from tierguard.guard.model.once import once
from tierguard.guard.model.pod import POD_SPEC, PodSpec
from tierguard.guard.model.references import claims, references
from tierguard.guard.model.shape import Shape
from tierguard.guard.model.template import essence_of_metadata, template_hash

_MOST = 2 * 1024 * 1024
"""Bytes of templates that are remembered, with what was worked out of them."""
_NOTHING: dict[str, Any] = {}


class _Template(Typed, frozen=True):
    metadata: dict[str, Any] = {}
    spec: PodSpec = PodSpec()


_TEMPLATE = Shape(_Template)


class PodTemplate:
    """What is read of a pod template. It is shared by all that say the same, and never changed."""

    def __init__(self, found: Any, *, shared: bool = False) -> None:
        """`found` is the template, decoded or not; anything but an object counts as an empty one.

        `shared` says that it is remembered, so that it is worth while to work more out.
        """
        self._found = found
        self._shared = shared

    @once
    def fields(self) -> KubeObject:
        """The template itself: `metadata` and `spec`, decoded or not."""
        return objects.fields({"template": self._found}, "template")

    @once
    def _typed(self) -> _Template:
        if self._found.__class__ is not objects.Raw:
            return _Template(spec=POD_SPEC.of(self.fields.get("spec")))
        return _TEMPLATE.decoded(self._found)

    @once
    def metadata(self) -> Mapping[str, Any]:
        """The metadata that its pods get."""
        return (
            self._typed.metadata if self._found.__class__ is objects.Raw else objects.mapping(self.fields, "metadata")
        )

    @once
    def labels(self) -> Labels:
        """The labels that its pods carry."""
        return objects.mapping(self.metadata, "labels")

    @once
    def annotations(self) -> Mapping[str, str]:
        """The annotations that its pods carry."""
        return objects.mapping(self.metadata, "annotations")

    @once
    def pod(self) -> PodSpec:
        """What is read of the `spec` of its pods."""
        return self._typed.spec

    @once
    def containers(self) -> tuple[Container, ...]:
        """The containers of its pods, but for those that people attach."""
        return tuple(containers(self.pod))

    @once
    def images(self) -> tuple[ImageReference, ...]:
        """The images that its pods run or mount."""
        return tuple(image_references(self.pod))

    @once
    def references(self) -> frozenset[tuple[str, str]]:
        """What its pods read (see `references`)."""
        return references(self.pod)

    @once
    def claims(self) -> frozenset[str]:
        """Names of the PersistentVolumeClaims that its pods name."""
        return claims(self.pod)

    @once
    def frame(self) -> bytes | None:
        """All that is read of its pods but images, environment and volumes; None for one that is not shared.

        JSON has no zero bytes in it, so no two different frames are the same bytes.
        """
        if not self._shared:
            return None
        return b"\0".join((encoded(self.labels), *self.pod.framed()))

    def frame_beside(self, other: "PodTemplate") -> bytes | None:
        """The frame: that of `other` where it is the same, which is soon found out."""
        known = "frame" in self.__dict__ or not self._shared or other.frame is None
        if not known and self.labels == other.labels and self.pod.framed_as(other.pod):
            self.__dict__["frame"] = other.frame
        return self.frame

    def same_claims(self, other: "PodTemplate") -> bool:
        """Whether the pods of `other` mount the same claims."""
        mine, others = self.pod, other.pod
        return (mine.volumes_written == others.volumes_written and mine.reads == others.reads) or (
            self.claims == other.claims
        )

    @once
    def hash(self) -> str:
        """The digest of what a person wrote into it."""
        return template_hash(self.fields)

    def same(self, other: "PodTemplate") -> bool:
        """Whether `other` says the same, whoever wrote what into it."""
        if self is other:
            return True
        if not self.same_pods(other):
            return False
        mine, others = self.fields, other.fields
        keys = (mine.keys() | others.keys()) - {"spec"}
        return all(objects.same(mine.get(key), others.get(key)) for key in keys)

    def same_essence(self, other: "PodTemplate") -> bool:
        """Whether a person wrote the same into `other` (see `essence`)."""
        return self.same_pods(other) and essence_of_metadata(self.fields) == essence_of_metadata(other.fields)

    def same_pods(self, other: "PodTemplate") -> bool:
        """Whether `other` makes pods of the same spec."""
        if self is other:
            return True
        if self.images != other.images:
            return False  # nearly always
        mine, others = self.fields.get("spec") or _NOTHING, other.fields.get("spec") or _NOTHING
        return objects.same(mine, others)


_TEMPLATES: Memory[PodTemplate] = Memory("template", _MOST)


def pod_template(found: Any) -> PodTemplate:
    """The template in `found`, decoded or not."""
    if found.__class__ is not objects.Raw:
        return PodTemplate(found)
    key = bytes(found)
    known = _TEMPLATES.get(key)
    if known is None:
        known = PodTemplate(objects.Raw(key), shared=True)
        _TEMPLATES.put(key, known)
    return known
