"""AdmissionReview (admission.k8s.io/v1) as it is on the wire: what is read of it, as types."""

from typing import Any, TypedDict

import msgspec

from tierguard.guard.model.change import Operation


class GroupVersionKind(msgspec.Struct, frozen=True, gc=False):
    """What kind of object the request is about."""

    group: str
    version: str
    kind: str


class GroupVersionResource(msgspec.Struct, frozen=True, gc=False):
    """Which collection the request goes to."""

    group: str
    version: str
    resource: str


class UserInfo(msgspec.Struct, frozen=True, gc=False):
    """Who asks, as the API server authenticated it."""

    username: str = ""
    uid: str = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}


Fields = dict[str, msgspec.Raw]


class Request(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """The part of an AdmissionRequest that is read; unknown fields are skipped. `change_of` decodes the two objects."""

    uid: str
    kind: GroupVersionKind
    resource: GroupVersionResource
    operation: Operation
    user_info: UserInfo
    name: str = ""
    namespace: str = ""
    sub_resource: str = ""
    object: Fields | None = None
    old_object: Fields | None = None
    dry_run: bool | None = None


class Review(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """An AdmissionReview with a request in it."""

    api_version: str
    kind: str
    request: Request


class _Metadata(TypedDict, total=False):
    """ObjectMeta (meta/v1), whole."""

    name: str
    generateName: str
    namespace: str
    selfLink: str
    uid: str
    resourceVersion: str
    generation: int
    creationTimestamp: str | None
    deletionTimestamp: str | None
    deletionGracePeriodSeconds: int | None
    labels: dict[str, str]
    annotations: dict[str, str]
    ownerReferences: list[dict[str, Any]]
    finalizers: list[str]
    managedFields: msgspec.Raw


class _Object(TypedDict, total=False):
    """A workload of the group apps: whole, but decoded only as far as nearly every decision reads it."""

    apiVersion: str
    kind: str
    metadata: _Metadata
    spec: Fields
    status: msgspec.Raw


class WorkloadRequest(Request, rename="camel", frozen=True, gc=False):
    """A request about a workload of the group apps."""

    object: _Object | None = None  # type: ignore[assignment]
    old_object: _Object | None = None  # type: ignore[assignment]


class WorkloadReview(Review, rename="camel", frozen=True, gc=False):
    """A review of such a request."""

    request: WorkloadRequest
