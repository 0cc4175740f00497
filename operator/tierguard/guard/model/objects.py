"""Reading Kubernetes objects as they come: plain mappings, decoded from JSON or YAML.

The API server has checked the types of what the webhook sees, but files on the command line are anybody's, so these
readers take a part of the wrong type for an absent one; `misshapen` is where wrong types are reported. Decoded objects are
dicts; asking for exactly that, and not for any Mapping, makes the readers several times as fast.

A part may be undecoded still (`msgspec.Raw`): decoding is most of what a review costs, and most of an object is never read.
The readers decode what they come to, and put it in its place; `fields` decodes one level of it alone. What is kept for long
is `Packed`: decoded again each time that it is read.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tierguard.guard.model.packed import Packed

KubeObject = Mapping[str, Any]
Labels = Mapping[str, str]

Raw = msgspec.Raw
"""A part that is not decoded yet."""

_NOTHING: Mapping[str, Any] = {}
_SEQUENCES = (list, tuple)
_LOOKED_AT = 8
"""How many times as many characters as a text may have are looked at for it."""
_ANYTHING = msgspec.json.Decoder()
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_BRACE = ord("{")


NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for what is no JSON."""


class Unreadable(Exception):  # noqa: N818 - it leads to the third outcome
    """A part of an object that was left undecoded turns out to be no JSON."""


class Fields(dict[str, Any]):
    """An object whose fields are known by name. Each value may be undecoded, or another `Fields`."""


def mapping(parent: Any, *path: str) -> Mapping[str, Any]:
    """The mapping at `path` below `parent`; empty where there is none. Raises Unreadable, as all readers do."""
    found = value(parent, *path)
    return found if isinstance(found, dict) else _NOTHING


def sequence(parent: Any, *path: str) -> Sequence[Any]:
    """The list at `path` below `parent`; empty where there is none."""
    found = value(parent, *path)
    return found if isinstance(found, _SEQUENCES) else ()


def value(parent: Any, *path: str) -> Any:
    """What is at `path` below `parent`, decoded, or None."""
    if len(path) == 1 and isinstance(parent, dict):
        (at,) = path
        found = parent.get(at)
        if found.__class__ is Raw or found.__class__ is Fields:
            found = parent[at] = decoded(found)
        return decoded(found) if found.__class__ is Packed else found
    holder: dict[str, Any] = {}
    at, found = "", parent
    for key in path:
        if found.__class__ is Raw:
            found = holder[at] = _opened(found)
        elif found.__class__ is Packed:
            found = _opened(found.json)
        if not isinstance(found, dict):
            return None
        holder, at, found = found, key, found.get(key)
    if found.__class__ is Raw or found.__class__ is Fields:
        found = holder[at] = decoded(found)
    elif found.__class__ is Packed:
        found = decoded(found)
    return found


def fields(parent: Any, *path: str) -> Mapping[str, Any]:
    """As `mapping`, but what is undecoded is decoded one level only: its values are for the readers alone."""
    found = parent
    for key in path:
        if not isinstance(found, dict):
            return _NOTHING
        holder, found = found, found.get(key)
        if found.__class__ is Raw:
            found = holder[key] = _opened(found)
        elif found.__class__ is Packed:
            found = _opened(found.json)
    return found if isinstance(found, dict) else _NOTHING


def decoded(found: Any) -> Any:
    """`found`, decoded wholly if it was not."""
    if found.__class__ is Raw:
        try:
            return _ANYTHING.decode(found)
        except NO_JSON as error:
            raise unreadable(error) from None
    if found.__class__ is Fields:
        return {key: decoded(each) for key, each in found.items()}
    return decoded(found.json) if found.__class__ is Packed else found


def _opened(found: msgspec.Raw) -> Any:
    """The fields of an undecoded object, each undecoded; anything else decoded."""
    if memoryview(found)[0] != _BRACE:
        return decoded(found)
    try:
        return Fields(_FIELDS.decode(found))
    except NO_JSON as error:
        raise unreadable(error) from None


def unreadable(error: Exception) -> Unreadable:
    """What is raised where a part turns out to be no JSON, which `error` says."""
    return Unreadable(f"a part of the object is no JSON: {error}")


def same(one: Any, other: Any) -> bool:
    """Whether two parts say the same, decoded or not. Of undecoded ones only what differs byte by byte is looked into."""
    if one is other:
        return True
    if one.__class__ is Packed and other.__class__ is Packed and one == other:
        return True
    one, other = (each.json if each.__class__ is Packed else each for each in (one, other))
    if one.__class__ is Raw and other.__class__ is Raw:
        if one == other:
            return True
        one, other = _opened(one), _opened(other)
    if one.__class__ is Fields and other.__class__ is Fields:
        return one.keys() == other.keys() and all(same(found, other[key]) for key, found in one.items())
    return bool(decoded(one) == decoded(other))


def whole_number(parent: Any, *path: str) -> int | None:
    """The whole number at `path` below `parent`; None where there is none. True is no number."""
    found = value(parent, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def larger_than(value: Any, most: int) -> bool:
    """Whether there are more than `most` values in `value`, each as often as it is repeated; stops counting there."""
    seen, waiting = 0, [value]
    while waiting:
        node = waiting.pop()
        seen += 1
        if isinstance(node, dict):
            waiting += node.values()
        elif isinstance(node, _SEQUENCES):
            waiting += node
        if seen + len(waiting) > most:
            return True
    return False


def _metadata(obj: KubeObject) -> Mapping[str, Any]:
    found = obj.get("metadata") if isinstance(obj, dict) else None
    return found if found.__class__ is dict else mapping(obj, "metadata")


def _map_in(metadata: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = metadata.get(key)
    return found if found.__class__ is dict else mapping(metadata, key)


def labels(obj: KubeObject) -> Labels:
    """`metadata.labels`."""
    return _map_in(_metadata(obj), "labels")


def annotations(obj: KubeObject) -> Mapping[str, str]:
    """`metadata.annotations`."""
    return _map_in(_metadata(obj), "annotations")


def owners(obj: KubeObject) -> Sequence[Any]:
    """`metadata.ownerReferences`."""
    metadata = _metadata(obj)
    return sequence(metadata, "ownerReferences") if "ownerReferences" in metadata else ()


def owner_uids(obj: KubeObject) -> frozenset[str]:
    """The uids in them."""
    return frozenset(str(value(owner, "uid")) for owner in owners(obj))


def name(obj: KubeObject) -> str:
    """`metadata.name`, or the empty string."""
    return str(_metadata(obj).get("name") or "")


def namespace(obj: KubeObject) -> str:
    """`metadata.namespace`, or the empty string."""
    return str(_metadata(obj).get("namespace") or "")


def uid(obj: KubeObject) -> str:
    """`metadata.uid`, or the empty string."""
    return str(_metadata(obj).get("uid") or "")


def generation(obj: KubeObject) -> int:
    """`metadata.generation`, or 0."""
    found = mapping(obj, "metadata").get("generation")
    return found if isinstance(found, int) else 0


def controller_of(obj: KubeObject) -> Mapping[str, Any] | None:
    """The owner reference that has `controller: true`, if there is one."""
    for owner in owners(obj):
        if isinstance(owner, Mapping) and owner.get("controller") is True:
            return owner
    return None


def managed_fields(obj: KubeObject | None) -> list[Mapping[str, Any]]:
    """The entries of `metadata.managedFields`.

    They are often half of an object, and hardly any decision reads them: the webhook leaves them undecoded until here.
    Raises Unreadable.
    """
    found = decoded(mapping(obj, "metadata").get("managedFields"))
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, _SEQUENCES) else []


def printable(text: str, limit: int) -> str:
    """`text` on one line, without control characters, cut to `limit` characters: fit for a log line or a message.

    Names, reasons and annotations are written by users; a line break in one must not look like a line of ours.
    """
    if len(text) <= limit and text.isprintable() and "  " not in text:
        return text.strip()  # nearly always
    # Of white space that is drawn together more than `limit` characters are looked at, but never all of a megabyte.
    cut = len(text) > _LOOKED_AT * limit
    text = text[: _LOOKED_AT * limit]
    clean = "".join(character if character.isprintable() else " " for character in text)
    clean = " ".join(clean.split())
    return clean if len(clean) <= limit and not cut else clean[: max(0, limit - 1)].rstrip() + "…"


def instant(written: object) -> datetime | None:
    """The instant that `written` names with its time zone, as Kubernetes writes them (RFC 3339); None where it is none."""
    try:
        found = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
