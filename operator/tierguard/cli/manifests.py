"""Reading manifests from files: YAML or JSON, several documents, lists. Anything can be wrong with them."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tierguard.cli.errors import InputError
from tierguard.cli.expansion import MOST_MERGED, check
from tierguard.guard.model import objects

SUFFIXES = (".yaml", ".yml", ".json")
MOST_BYTES = 64 * 1024 * 1024
MOST_DOCUMENTS = 100_000

# libyaml's loader where there is one: ten times as fast, and the same documents.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _TextLoader(_Loader):  # type: ignore[misc] # the base class is picked at run time
    """Leaves instants as the text that they are in JSON: YAML 1.1 would turn an unquoted startsAt into a datetime."""

    def flatten_mapping(self, node: Any) -> None:
        """Draw merge keys together, as many as a person may have written."""
        super().flatten_mapping(node)
        if len(node.value) > MOST_MERGED:
            raise yaml.constructor.ConstructorError(None, None, f"more than {MOST_MERGED} merged keys", node.start_mark)


_TextLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object and where it was read: a file (or `<stdin>`) and the number of the document in it, from 1."""

    source: str
    document: int
    raw: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.raw.get("kind"))

    @property
    def where(self) -> str:
        """`file (document n)`."""
        return f"{self.source} (document {self.document})"


def read_all(paths: Sequence[str]) -> list[Manifest]:
    """All objects in `paths`. Raises InputError that names the file and what is wrong with it."""
    found = [manifest for path in paths for manifest in _read_path(path)]
    if len(found) > MOST_DOCUMENTS:
        message = f"more than {MOST_DOCUMENTS} objects: give fewer paths at a time"
        raise InputError(message)
    return found


def _read_path(path: str) -> Iterator[Manifest]:
    if path == "-":
        yield from _documents("<stdin>", sys.stdin.read(MOST_BYTES))
        return
    place = Path(path)
    try:
        if place.is_dir():
            files = sorted(child for child in place.rglob("*") if child.suffix in SUFFIXES and child.is_file())
            if not files:
                message = f"{path}: no {', '.join(SUFFIXES)} files in this directory"
                raise InputError(message)
        else:
            files = [place]
        for file in files:
            if file.stat().st_size > MOST_BYTES:
                message = f"{file}: larger than {MOST_BYTES // 1024**2} MiB"
                raise InputError(message)
            yield from _documents(str(file), file.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"{path}: {error.strerror or error}"
        raise InputError(message) from None
    except UnicodeDecodeError:
        message = f"{path}: not UTF-8 text"
        raise InputError(message) from None


def _documents(source: str, text: str) -> Iterator[Manifest]:
    try:
        for number, document in enumerate(yaml.load_all(text, Loader=_TextLoader), start=1):
            if "&" in text:  # without an anchor there is no alias
                check(f"{source} (document {number})", document)
            yield from _objects(source, number, document)
    except yaml.YAMLError as error:
        message = f"{source}: not YAML: {objects.printable(str(error), 300)}"
        raise InputError(message) from None
    except RecursionError:
        message = f"{source}: nested too deeply"
        raise InputError(message) from None
    except ValueError as error:  # a number or date that Python does not take
        message = f"{source}: not YAML: {objects.printable(str(error), 300)}"
        raise InputError(message) from None


def _objects(source: str, number: int, document: Any) -> Iterator[Manifest]:
    if document is None:
        return
    if not isinstance(document, Mapping) or not isinstance(document.get("kind"), str):
        message = f"{source} (document {number}): not a Kubernetes object: it has no kind"
        raise InputError(message)
    if document["kind"].endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _objects(source, number, item)
        return
    if not isinstance(document.get("metadata"), Mapping):
        message = f"{source} (document {number}): {document['kind']}: metadata is missing"
        raise InputError(message)
    yield Manifest(source, number, document)
