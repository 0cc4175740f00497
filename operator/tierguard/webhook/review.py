"""AdmissionReview (admission.k8s.io/v1) on the wire, and its translation into a `Change` and out of a `Decision`."""

from typing import Any

import msgspec

from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, Operation
from tierguard.guard.model.decision import Decision
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.workload_kinds import KIND_OF_RESOURCE, WORKLOAD_KINDS
from tierguard.guard.resources.definitions import DEFINITION
from tierguard.guard.resources.own import OWN
from tierguard.guard.resources.registry import AROUND, REGISTRY
from tierguard.text import shown
from tierguard.webhook.wire import Fields, Request, Review, WorkloadRequest, WorkloadReview

REVIEW_VERSION = "admission.k8s.io/v1"


class Malformed(Exception):  # noqa: N818 - it is the client's error, not ours
    """A request that is not one; the text says what is wrong with it, for the log and the caller."""


_SCALE = "Scale"
_LATER = ("spec", "status")
_LONGEST_SAID = 128
"""Characters of a kind that a message names."""
_DECODER = msgspec.json.Decoder(Review)
_WORKLOAD_DECODER = msgspec.json.Decoder(WorkloadReview)
_OF_APPS = b'"group":"apps"'
_BEGINNING = 512
"""Bytes of a body in which the API server has said what it is about."""
_FIELDS = msgspec.json.Decoder(Fields)
_ANYTHING = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()

_KNOWN = frozenset((resource.group, resource.kind) for resource in (*AROUND, *OWN, DEFINITION))


def decode(body: bytes) -> Request:
    """The request in `body`. Raises Malformed for anything but a v1 AdmissionReview about a kind that we judge."""
    try:
        review = _quickly(body) or _DECODER.decode(body)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"not an AdmissionReview: {error}"
        raise Malformed(message) from None
    if review.kind != "AdmissionReview" or review.api_version != REVIEW_VERSION:
        message = f"not an AdmissionReview of {REVIEW_VERSION}: {review.api_version} {review.kind}"
        raise Malformed(message)
    request = review.request
    if request.__class__ is WorkloadRequest and _plainly_consistent(request):
        return request  # nearly every review
    scale = (request.kind.group, request.kind.kind) == ("autoscaling", _SCALE)
    if not scale and (request.kind.group, request.kind.kind) not in _KNOWN:
        message = f"unknown kind {request.kind.group}/{request.kind.kind}: this webhook does not judge it"
        raise Malformed(message)
    missing = {
        Operation.CREATE: request.object is None,
        Operation.UPDATE: request.object is None or request.old_object is None,
        Operation.DELETE: request.old_object is None,
    }
    if missing[request.operation]:
        message = f"{request.operation.value} without the object that it is about"
        raise Malformed(message)
    _consistent(request)
    return request


def _quickly(body: bytes) -> Review | None:
    """The review in `body`, decoded in one pass, if it is of a workload of the group apps; None where it is not one."""
    if _OF_APPS not in body[:_BEGINNING]:
        return None
    try:
        review = _WORKLOAD_DECODER.decode(body)
    except msgspec.ValidationError:
        return None
    kind = review.request.kind
    return review if (kind.group, kind.kind) in _WORKLOADS_OF_APPS else None


_WORKLOADS_OF_APPS = frozenset((entry.group, entry.kind) for entry in WORKLOAD_KINDS.values() if entry.group == "apps")


def _plainly_consistent(request: Request) -> bool:
    """Whether it is an update through which both objects are what the request says. False proves nothing."""
    kind = request.kind
    if request.sub_resource or request.operation is not Operation.UPDATE or kind.version != "v1":
        return False
    old, new = request.old_object, request.object
    return _plainly_of(old, kind.kind) and _plainly_of(new, kind.kind)


def _plainly_of(obj: Any, kind: str) -> bool:
    return obj is not None and obj.get("kind") == kind and obj.get("apiVersion") == _APPS_V1


_APPS_V1 = "apps/v1"


def _consistent(request: Request) -> None:
    """Raise Malformed where the request says one thing and its objects another.

    Decisions go by the objects: one of a kind that nobody judges, in the name of a kind that is judged, must not pass.
    """
    kind = request.kind
    if (kind.kind == _SCALE) != (request.sub_resource == "scale"):
        message = f"a {kind.kind} for the sub-resource {shown(request.sub_resource)}"
        raise Malformed(message)
    resource = REGISTRY.get(kind.kind)
    if resource is not None and resource.version != kind.version:
        message = f"unknown version {kind.version} of {kind.kind}: this webhook does not judge it"
        raise Malformed(message)
    if resource is not None and request.sub_resource and request.sub_resource not in resource.subresources:
        message = f"unknown sub-resource {shown(request.sub_resource)} of {kind.kind}: this webhook does not judge it"
        raise Malformed(message)
    api_version = f"{kind.group}/{kind.version}" if kind.group else kind.version
    for obj in (request.object, request.old_object):
        if obj is None:
            continue
        said = _said(obj, "apiVersion"), _said(obj, "kind")
        if said != (api_version, kind.kind):
            message = f"an object of {_plain(said[0])} {_plain(said[1])} in a request about {api_version} {kind.kind}"
            raise Malformed(message)


def _plain(said: Any) -> str:
    return said[:_LONGEST_SAID] if isinstance(said, str) else shown(said)


def _said(obj: Fields, field: str) -> Any:
    raw = obj.get(field)
    if isinstance(raw, str):
        return raw
    try:
        return None if raw is None else _ANYTHING.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"not an AdmissionReview: {error}"
        raise Malformed(message) from None


def change_of(request: Request, parent: KubeObject | None = None) -> Change:
    """The change that `request` asks for. For `/scale` that is one of `parent`, the workload as it is stored.

    Raises Malformed for objects that are no JSON.
    """
    try:
        old, new = _objects(request)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"not an AdmissionReview: {error}"
        raise Malformed(message) from None
    kind = request.kind.kind
    if request.sub_resource == "scale" and parent is not None:
        kind = str(parent["kind"])
        old, new = _scaled(parent, old), _scaled(parent, new)
    resource = REGISTRY.get(kind)
    return Change(
        operation=request.operation,
        kind=kind,
        namespace="" if resource is not None and not resource.namespaced else request.namespace,
        name=request.name or objects.name(new or old or {}) or _generated(new),
        old=old,
        new=new,
        user=request.user_info.username,
        subresource="" if request.sub_resource == _SCALE.lower() else request.sub_resource,
    )


def _objects(request: Request) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The old and the new object, decoded.

    Decoding is most of what a review costs, so a field that is the same on both sides, byte for byte, is decoded once, and
    the two objects share it, for this one review. What is hardly ever read, or only in part, stays as it is until it is: the
    spec of workloads (see `Workload`), and `metadata.managedFields`, often half of an object (see `objects.managed_fields`).
    """
    old = None if request.operation is Operation.CREATE else request.old_object
    new = None if request.operation is Operation.DELETE else request.object
    if request.__class__ is WorkloadRequest:
        return _opened(old), _opened(new)
    later = _LATER if request.kind.kind in WORKLOAD_KINDS else ()
    before = None if old is None else _decoded(old, {}, {}, later)
    return before, None if new is None else _decoded(new, old or {}, before or {}, later)


def _opened(found: dict[str, Any] | None) -> dict[str, Any] | None:
    if found is not None and "spec" in found:
        found["spec"] = objects.Fields(found["spec"])
    return found


def _decoded(fields: Fields, others: Fields, shared: dict[str, Any], later: tuple[str, ...]) -> dict[str, Any]:
    """The object of `fields`, with what `others` has too taken from `shared`, and without what is decoded `later`."""
    found: dict[str, Any] = {}
    for key, raw in fields.items():
        if key == "metadata":
            found[key] = _metadata(raw)
        elif key in later:
            found[key] = raw
        else:
            found[key] = shared[key] if others.get(key) == raw else _ANYTHING.decode(raw)
    return found


def _metadata(raw: msgspec.Raw) -> Any:
    try:
        fields = _FIELDS.decode(raw)
    except msgspec.ValidationError:
        return _ANYTHING.decode(raw)  # no mapping: whoever reads it takes it for absent
    undecoded = fields.pop("managedFields", None)
    found = dict(zip(fields, map(_ANYTHING.decode, fields.values()), strict=True))
    if undecoded is not None:
        found["managedFields"] = undecoded
    return found


def parent_of(request: Request) -> str | None:
    """The kind of the workload that a request to `/scale` is about; None for any other request."""
    if request.sub_resource != "scale":
        return None
    entry = KIND_OF_RESOURCE.get(request.resource.resource)
    if entry is None or entry.replicas is None:
        message = f"unknown resource {request.resource.resource}/scale: this webhook does not judge it"
        raise Malformed(message)
    return entry.kind


def _scaled(parent: KubeObject, scale: KubeObject | None) -> dict[str, Any]:
    return {
        **parent,
        "spec": {**objects.mapping(parent, "spec"), "replicas": objects.mapping(scale, "spec").get("replicas", 0)},
    }


def _generated(new: KubeObject | None) -> str:
    prefix = objects.mapping(new, "metadata").get("generateName")
    return f"{prefix}…" if prefix else ""


def encode(request: Request, decision: Decision, audit: dict[str, str]) -> bytes:
    """The AdmissionReview that answers `request` with `decision`, which is not undecided."""
    response: dict[str, Any] = {"uid": request.uid, "allowed": decision.allowed}
    if not decision.allowed:
        response["status"] = {"code": 403, "reason": "Forbidden", "message": decision.message}
    if decision.warnings:
        response["warnings"] = decision.warnings
    if audit:
        response["auditAnnotations"] = audit
    return _ENCODER.encode({"apiVersion": REVIEW_VERSION, "kind": "AdmissionReview", "response": response})
