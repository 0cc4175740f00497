"""Reading Kubernetes objects as they come: plain mappings, decoded from JSON or YAML.

The API server has checked the types of what the webhook sees, but files on the command line are anybody's, so these
readers take a part of the wrong type for an absent one; `misshapen` is where wrong types are reported. Decoded objects are
dicts; asking for exactly that, and not for any Mapping, makes the readers several times as fast.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

KubeObject = Mapping[str, Any]
Labels = Mapping[str, str]

_NOTHING: Mapping[str, Any] = {}
_SEQUENCES = (list, tuple)
_LOOKED_AT = 8
"""How many times as many characters as a text may have are looked at for it."""


def mapping(parent: Any, *path: str) -> Mapping[str, Any]:
    """The mapping at `path` below `parent`; empty where there is none."""
    node = parent
    for key in path:
        if not isinstance(node, dict):
            return _NOTHING
        node = node.get(key)
    return node if isinstance(node, dict) else _NOTHING


def sequence(parent: Any, *path: str) -> Sequence[Any]:
    """The list at `path` below `parent`; empty where there is none."""
    node = parent
    for key in path:
        if not isinstance(node, dict):
            return ()
        node = node.get(key)
    return node if isinstance(node, _SEQUENCES) else ()


def value(parent: Any, *path: str) -> Any:
    """What is at `path` below `parent`, or None."""
    node = parent
    for key in path:
        if not isinstance(node, dict):
            return None
        node = node.get(key)
    return node


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


def labels(obj: KubeObject) -> Labels:
    """`metadata.labels`."""
    return mapping(obj, "metadata", "labels")


def annotations(obj: KubeObject) -> Mapping[str, str]:
    """`metadata.annotations`."""
    return mapping(obj, "metadata", "annotations")


def name(obj: KubeObject) -> str:
    """`metadata.name`, or the empty string."""
    return str(mapping(obj, "metadata").get("name") or "")


def namespace(obj: KubeObject) -> str:
    """`metadata.namespace`, or the empty string."""
    return str(mapping(obj, "metadata").get("namespace") or "")


def uid(obj: KubeObject) -> str:
    """`metadata.uid`, or the empty string."""
    return str(mapping(obj, "metadata").get("uid") or "")


def generation(obj: KubeObject) -> int:
    """`metadata.generation`, or 0."""
    found = mapping(obj, "metadata").get("generation")
    return found if isinstance(found, int) else 0


def controller_of(obj: KubeObject) -> Mapping[str, Any] | None:
    """The owner reference that has `controller: true`, if there is one."""
    for owner in sequence(obj, "metadata", "ownerReferences"):
        if isinstance(owner, Mapping) and owner.get("controller") is True:
            return owner
    return None


class Unreadable(Exception):  # noqa: N818 - it leads to the third outcome
    """A part of an object that was left undecoded turns out to be no JSON."""


def managed_fields(obj: KubeObject | None) -> list[Mapping[str, Any]]:
    """The entries of `metadata.managedFields`.

    They are often half of an object, and hardly any decision reads them: the webhook leaves them undecoded until here.
    Raises Unreadable.
    """
    found = mapping(obj, "metadata").get("managedFields")
    if isinstance(found, msgspec.Raw):
        try:
            found = msgspec.json.decode(found)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            message = f"metadata.managedFields: {error}"
            raise Unreadable(message) from None
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
