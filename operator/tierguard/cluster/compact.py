"""Watched objects cut to a bounded size: whole as long as they are small, else what decisions read and digests of the rest.

Anybody who may create Deployments may create thousands of a megabyte, which is many times that in memory. What is cut errs
to the safe side: a list that is gone proves nothing, containers that are gone break every rule about containers, and a
workload reads all that it read. Its template has the same hash as before (`tierguard.guard.model.digest`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tierguard.guard.model import objects
from tierguard.guard.model.container_spec import ContainerSpec, EnvVar
from tierguard.guard.model.digest import DIGEST, LARGEST_WHOLE, digest_of, encoded, sha256
from tierguard.guard.model.pod import CONTAINER_PARTS, POD_SPEC, READS
from tierguard.guard.model.references import reads
from tierguard.guard.model.shape import Shape
from tierguard.guard.model.template import RESTARTED_AT
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.guard.rules.secrets import telling

ROOM = 8 * 1024
"""Bytes of JSON that are kept of a part that was too large."""
CONTAINERS_ROOM = 16 * 1024
"""The same of all containers of one kind (init containers, containers) together, and of one of them."""
CONTAINER_ROOM = 2 * 1024
MOST_CONTAINERS = 64
_LITTLE_ROOM = 512
"""The same of a mapping inside a part."""
MOST_READ = 128 * 1024
"""Characters of what pods read that are kept. Beyond, they count as reading everything in their namespace."""
MOST_KEYS = 64
"""Keys of one mapping that was cut, and items of a list of names."""
MOST_OWNERS = 100
LARGEST_ANNOTATION = 8 * 1024
_OWN = "tierguard.io/"
"""What the keys of annotations that decisions read have in them."""


def compact(obj: dict[str, Any]) -> dict[str, Any]:
    """`obj` itself, with what is too large cut."""
    metadata = obj.get("metadata")
    if isinstance(metadata, dict):
        _cut_metadata(metadata)
    entry = WORKLOAD_KINDS.get(str(obj.get("kind")))
    for part in ("spec", "status"):
        found = obj.get(part)
        if isinstance(found, dict) and digest_of(found) is not None:
            template = entry is not None and part == "spec"
            obj[part] = _workload_spec(found, entry.template[1:]) if template and entry else fit(found, ROOM)
    return obj


def _cut_metadata(metadata: dict[str, Any]) -> None:
    if annotations := metadata.get("annotations"):
        metadata["annotations"] = _annotations(annotations, hashed=False)
    for field in ("ownerReferences", "finalizers"):
        if len(objects.sequence(metadata, field)) > MOST_OWNERS:
            metadata[field] = metadata[field][:MOST_OWNERS]


def _annotations(written: Mapping[str, Any], *, hashed: bool) -> Mapping[str, Any]:
    """The annotations that decisions read, where all of them would be too many; `hashed` with the digest of all."""
    rest = {key: value for key, value in written.items() if key != RESTARTED_AT}
    digest = digest_of(rest)
    if digest is None:
        return written
    room = LARGEST_WHOLE
    found = {DIGEST: digest} if hashed else {}
    own = (key for key in written if _OWN in key or key == RESTARTED_AT)
    for key in sorted(own, key=lambda key: (not key.startswith(_OWN) and key != RESTARTED_AT, key)):
        text = str(written[key])
        kept = text if len(text) <= LARGEST_ANNOTATION else sha256(text.encode())
        room -= len(key) + len(kept)
        if room >= 0:
            found[key] = kept
    return found


def _workload_spec(spec: Mapping[str, Any], path: Sequence[str]) -> dict[str, Any]:
    """A workload's spec, whose pod template is at `path`: the template cut, and the rest where it is too large."""
    inner, *deeper = path
    rest = {key: value for key, value in spec.items() if key != inner}
    found = dict(_settings(rest)) if digest_of(rest) is not None else rest
    written = spec.get(inner)
    if isinstance(written, dict):
        found[inner] = _workload_spec(written, deeper) if deeper else _template(written)
    return found


def _settings(rest: Mapping[str, Any]) -> Mapping[str, Any]:
    found = fit(rest, ROOM)
    # A selector that was cut selects more, never less: who adopts foreign pods is found by it.
    selector = rest.get("selector")
    if isinstance(selector, dict) and digest_of(selector) is not None:
        equal = sorted(objects.mapping(selector, "matchLabels").items())[:MOST_KEYS]
        found["selector"] = {DIGEST: digest_of(selector), "matchLabels": dict(equal)}
    claims = objects.sequence(rest, "volumeClaimTemplates")
    if claims and found.get("volumeClaimTemplates") != claims:
        names = [{"metadata": {"name": objects.name(claim)}} for claim in claims if isinstance(claim, dict)]
        found["volumeClaimTemplates"] = [*names[: 8 * MOST_KEYS], sha256(encoded(claims))]
    return found


def _template(template: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in template.items() if key in ("metadata", "spec")}
    metadata, spec = found.get("metadata"), found.get("spec")
    if isinstance(metadata, dict) and isinstance(metadata.get("annotations"), dict):
        found["metadata"] = {**metadata, "annotations": _annotations(metadata["annotations"], hashed=True)}
    if isinstance(spec, dict):
        found["spec"] = _pod_spec(spec)
    return found


def _pod_spec(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    digest = digest_of(spec)
    if digest is None:
        return spec
    found = fit({key: value for key, value in spec.items() if key not in CONTAINER_PARTS}, ROOM)
    for part in CONTAINER_PARTS:
        if part in spec:
            found[part] = _containers(objects.sequence(spec, part))
    names = reads(POD_SPEC.of(spec))
    found[READS] = names if len(names) <= MOST_READ else "\n".join(f"{kind}/*" for kind in _READ)
    found[DIGEST] = digest
    return found


_READ = ("ConfigMap", "PersistentVolumeClaim", "Secret", "ServiceAccount")


def _containers(written: Sequence[Any]) -> list[Any]:
    found: list[Any] = []
    room = CONTAINERS_ROOM
    for number, container in enumerate(written):
        if not isinstance(container, dict):
            continue
        kept = _container(container)
        room -= len(encoded(kept))
        if room < 0 or len(found) == MOST_CONTAINERS:
            # It names no image, no probe and no resources, so no rule takes the containers that are gone for sound.
            found.append({"name": f"{len(written) - number} more", "env": telling(_variables(written[number:]))})
            break
        found.append(kept)
    return found


def _variables(containers: Sequence[Any]) -> list[EnvVar]:
    return [variable for container in containers for variable in _CONTAINER.of(container).env]


_CONTAINER = Shape(ContainerSpec)


def _container(container: Mapping[str, Any]) -> dict[str, Any]:
    if len(encoded(container)) <= CONTAINER_ROOM:
        return dict(container)
    found = fit({key: value for key, value in container.items() if key not in ("env", "envFrom")}, CONTAINER_ROOM)
    if objects.sequence(container, "env"):
        found["env"] = telling(_variables([container]))
    if sources := objects.sequence(container, "envFrom"):
        secret = [source for source in sources if objects.mapping(source, "secretRef")]
        found["envFrom"] = secret[:MOST_KEYS]
    return found


def fit(part: Mapping[str, Any], room: int) -> dict[str, Any]:
    """`part` cut to about `room` bytes of JSON, the smallest values first; digests stand for those that do not fit."""
    sizes = sorted((len(encoded(value)), key) for key, value in part.items())
    found: dict[str, Any] = {}
    for size, key in sizes[:MOST_KEYS]:
        value, taken = part[key], size
        if taken > room:
            value = _short(value)
            taken = len(encoded(value))
        room -= taken
        if room < -ROOM:
            break
        found[key] = value
    if found != part:
        found[DIGEST] = sha256(encoded(part))
    return found


def _short(value: Any) -> Any:
    """What stands for `value`, of the same type."""
    if isinstance(value, dict):
        return fit(value, _LITTLE_ROOM)
    if isinstance(value, list):
        return [sha256(encoded(value))]
    return sha256(encoded(value)) if isinstance(value, str) else value
