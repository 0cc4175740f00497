"""What the operator last saw, written down small, for one who comes after a time in which nobody looked. Pure.

Of workloads only labels, replicas, images and digests of the rest are kept, no contents of any template; of ConfigMaps their
metadata; budgets, autoscalers and network policies as they are.
"""

import base64
import gzip
import hashlib
import zlib
from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.reflector import PARTIAL
from tierguard.cluster.trim import OWN_ANNOTATIONS
from tierguard.guard.model import objects
from tierguard.guard.model.digest import DIGEST, encoded, sha256
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.model.template import RESTARTED_AT, template_hash
from tierguard.guard.model.workload import Workload
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.guard.survey import Part, Survey, Surveyed, around_part

Snapshot = Mapping[str, KubeObject]
"""By `namespace/Kind/name`."""

AROUND = ("PodDisruptionBudget", "HorizontalPodAutoscaler", "NetworkPolicy")
MOST_BYTES = 900_000
"""A ConfigMap takes 1 MiB: about ten thousand workloads. Of a larger snapshot only a part is written."""
MOST_OF_ONE = 8 * 1024
"""Bytes of JSON of one object in a snapshot."""
MOST_OF_CONFIGURATION = 32 * 1024
MOST_WRITERS_OF_LARGE = 5
ANOTHER = "tierguard.io/another"
"""Marks a part that differed. Its content was not kept."""
_PARTS = ("initContainers", "containers")
_METADATA = (
    *("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp"),
    *("ownerReferences", "managedFields"),
)


def taken(cache: ClusterCache, state: State, surveyed: Iterable[Surveyed], now: datetime) -> dict[str, KubeObject]:
    """What there is to keep of the workloads that a freeze or window may mean, and of what is around them.

    Which of those hold is in it too, for a new snapshot when one begins: from then on it holds all the while.
    """
    found = {"": heading(state, now)}
    for part in Survey.of(surveyed).parts:
        found |= taken_in(part, cache, state)
    return found


def heading(state: State, now: datetime) -> KubeObject:
    """The freezes and windows that there are, and those that hold."""
    holds = (*state.freezes, *state.windows)
    covering = [hold.source for hold in holds if hold.timeline.covering(now) is not None]
    return {"known": [hold.source for hold in holds], "covering": covering}


def taken_in(part: Part, cache: ClusterCache, state: State) -> dict[str, KubeObject]:
    """What there is to keep of one namespace: nothing, where nothing in it may be meant."""
    if not part.surveyed:
        return {}
    read = around_part(part, state).read
    kept = (bounded(raw) for raw in _kept_in(part, cache, read))
    return {place(raw): raw for raw in kept if raw is not None}


def _kept_in(part: Part, cache: ClusterCache, read: Container[tuple[str, str, str]]) -> Iterator[KubeObject]:
    for workload in (subject.classified.workload for subject in part.surveyed):
        if not workload.entry.made_by_controllers:
            yield summary(workload)
    for kind in AROUND:
        for raw in cache.known(kind).within(part.namespace):
            yield {**_named(raw), "spec": objects.mapping(raw, "spec")}
    for raw in cache.known(PARTIAL).within(part.namespace):
        if ("ConfigMap", part.namespace, objects.name(raw)) in read:
            yield raw


def present(cache: ClusterCache) -> dict[str, KubeObject]:
    """Everything of the kinds that are kept, as it is."""
    kinds = [entry.kind for entry in WORKLOAD_KINDS.values() if not entry.made_by_controllers]
    return {place(raw): raw for kind in (*kinds, *AROUND, PARTIAL) for raw in cache.known(kind).everything()}


def place(obj: KubeObject) -> str:
    """Where it is kept."""
    return f"{objects.namespace(obj)}/{obj.get('kind')}/{objects.name(obj)}"


def _named(obj: KubeObject) -> dict[str, Any]:
    metadata = objects.mapping(obj, "metadata")
    kept = {key: metadata[key] for key in _METADATA if key in metadata}
    marks = {key: mark for key, mark in objects.annotations(obj).items() if key.startswith(OWN_ANNOTATIONS)}
    kept |= {"labels": dict(objects.labels(obj)), "annotations": marks}
    return {"apiVersion": obj.get("apiVersion"), "kind": obj.get("kind"), "metadata": kept}


def summary(workload: Workload) -> dict[str, Any]:
    """What is kept of a workload."""
    return {
        **_named(workload.raw),
        "podLabels": dict(workload.template_labels),
        "images": _images(workload.template),
        "restartedAt": objects.annotations(workload.template).get(RESTARTED_AT),
        "template": _bare_hash(workload.template),
        "replicas": workload.replicas,
        "paused": workload.paused,
        "settings": _digest(workload.settings()),
    }


def restored(kept: KubeObject, now: KubeObject | None) -> KubeObject:
    """The object that `kept` was made of, as far as a decision about what became of it, `now`, can tell the difference."""
    entry = WORKLOAD_KINDS.get(str(kept.get("kind")))
    workload = None if now is None else Workload.of(now)
    if entry is None:
        return {**kept, "spec": now["spec"]} if now is not None and same_spec(kept, now) else kept
    base: KubeObject = {} if now is None or workload is None else now
    template = _template(kept, {} if workload is None else workload.template)
    found = _put(base, entry.template, template)
    spec = dict(objects.mapping(found, "spec"))
    if entry.replicas is not None and (workload is None or workload.replicas != kept.get("replicas")):
        spec["replicas"] = kept.get("replicas")
    if entry.paused is not None and (workload is None or workload.paused != kept.get("paused")):
        spec[entry.paused[-1]] = kept.get("paused")
    if workload is not None and _digest(workload.settings()) != kept.get("settings"):
        spec[ANOTHER] = kept.get("settings")
    metadata = {**objects.mapping(base, "metadata"), **objects.mapping(kept, "metadata")}
    if objects.value(kept, "metadata", "deletionTimestamp") is None:
        metadata.pop("deletionTimestamp", None)
    return {**found, "apiVersion": kept.get("apiVersion"), "kind": kept.get("kind"), "metadata": metadata, "spec": spec}


def _template(kept: KubeObject, template: KubeObject) -> dict[str, Any]:
    metadata, spec = dict(objects.mapping(template, "metadata")), dict(objects.mapping(template, "spec"))
    annotations: dict[str, Any] = dict(objects.annotations(template))
    if objects.labels(template) != kept.get("podLabels"):
        metadata["labels"] = kept.get("podLabels")
    if annotations.get(RESTARTED_AT) != kept.get("restartedAt"):
        annotations[RESTARTED_AT] = kept.get("restartedAt")
    if template and _bare_hash(template) != kept.get("template"):
        annotations[ANOTHER] = kept.get("template")
    if annotations != objects.annotations(template):
        metadata["annotations"] = annotations
    images = objects.mapping(kept, "images")
    for part in _PARTS:
        if part in spec:
            spec[part] = [_with_image(container, part, images) for container in objects.sequence(spec, part)]
    return {**template, "metadata": metadata, "spec": spec}


def _with_image(container: KubeObject, part: str, images: KubeObject) -> KubeObject:
    image = images.get(f"{part}/{container.get('name')}")
    return container if image in (None, container.get("image")) else {**container, "image": image}


def _put(obj: KubeObject, path: tuple[str, ...], value: Any) -> dict[str, Any]:
    inner = value if len(path) == 1 else _put(objects.mapping(obj, path[0]), path[1:], value)
    return {**obj, path[0]: inner}


def _images(template: KubeObject) -> dict[str, str]:
    return {
        f"{part}/{container.get('name')}": str(container.get("image") or "")
        for part in _PARTS
        for container in objects.sequence(template, "spec", part)
        if isinstance(container, dict)
    }


def _bare_hash(template: KubeObject) -> str:
    """A digest of the template without its labels and images, which are kept in full."""
    spec = dict(objects.mapping(template, "spec"))
    for part in _PARTS:
        containers = [c for c in objects.sequence(spec, part) if isinstance(c, dict)]
        spec[part] = [{key: value for key, value in c.items() if key != "image"} for c in containers]
    metadata = {key: value for key, value in objects.mapping(template, "metadata").items() if key != "labels"}
    return template_hash({"metadata": metadata, "spec": spec})[:16]


def _digest(content: Any) -> str:
    return hashlib.sha256(encoded(content)).hexdigest()[:16]


def bounded(raw: KubeObject) -> KubeObject | None:
    """`raw` as it is kept: of a large spec a digest, of many writers the last. None where that is still too large.

    One object that somebody made large must not end the account of all others.
    """
    size = len(encoded(raw))
    if size <= MOST_OF_ONE:
        return raw
    if raw.get("kind") == PARTIAL:  # its writers and keys are all that is known of it
        return raw if size <= MOST_OF_CONFIGURATION else None
    kept = dict(raw)
    if isinstance(kept.get("spec"), dict):
        kept["spec"] = {DIGEST: sha256(encoded(kept["spec"]))}
    metadata = dict(objects.mapping(kept, "metadata"))
    if writers := objects.sequence(metadata, "managedFields"):
        metadata["managedFields"] = list(writers)[-MOST_WRITERS_OF_LARGE:]
    kept["metadata"] = metadata
    return kept if len(encoded(kept)) <= MOST_OF_ONE else None


def same_spec(kept: KubeObject, now: KubeObject) -> bool | None:
    """Whether the spec of `now` has the digest that `kept` has. None if `kept` has more than a digest."""
    digest = objects.value(kept, "spec", DIGEST)
    if not isinstance(digest, str) or len(objects.mapping(kept, "spec")) > 1:
        return None
    return digest == sha256(encoded(objects.mapping(now, "spec")))


def fitting(snapshot: Snapshot) -> dict[str, KubeObject]:
    """As much of `snapshot` as fits into a ConfigMap.

    Each namespace gives its first object, then each its second, and so on, workloads before what is around them: who fills a
    namespace pushes out what is in that namespace.
    """
    packer, size = zlib.compressobj(6), 0
    found: dict[str, KubeObject] = {}
    for key in _in_turn(snapshot):
        entry = encoded({key: snapshot[key]})
        # Flushed, so that its size is known; what `packed` makes of all of it is a little smaller.
        size += len(packer.compress(entry)) + len(packer.flush(zlib.Z_SYNC_FLUSH))
        if size > MOST_BYTES:
            break
        found[key] = snapshot[key]
    return found


def _in_turn(snapshot: Snapshot) -> list[str]:
    turns: dict[str, int] = {}
    ordered = []
    for key in sorted(snapshot, key=lambda key: (str(snapshot[key].get("kind")) not in WORKLOAD_KINDS, key)):
        namespace = key.partition("/")[0]
        turns[namespace] = turns.get(namespace, 0) + 1
        ordered.append((key != "", turns[namespace], key))
    return [key for _, _, key in sorted(ordered)]


def packed(snapshot: Snapshot) -> bytes:
    """`snapshot`, deflated. The same for the same snapshot; several, one after the other, are all of them together."""
    return gzip.compress(encoded(snapshot), 6, mtime=0)


def encode(content: bytes) -> str | None:
    """What `packed` made as a ConfigMap's binaryData has it; None when it is too large."""
    return base64.b64encode(content).decode() if len(content) <= MOST_BYTES else None


def decode(text: str) -> dict[str, KubeObject]:
    """What was packed; empty for what was not."""
    found: dict[str, Any] = {}
    room = 64 * MOST_BYTES
    try:
        content = base64.b64decode(text)
        while content:
            unpacking = zlib.decompressobj(wbits=31)
            unpacked = unpacking.decompress(content, max(1, room))
            room -= len(unpacked)
            found |= msgspec.json.decode(unpacked, type=dict[str, Any])
            content = unpacking.unused_data
    except (ValueError, zlib.error, msgspec.DecodeError):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, dict)}
