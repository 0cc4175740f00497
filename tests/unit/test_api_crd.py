"""The CustomResourceDefinitions: structural, bounded, described, and true to what `kubectl get` wants of them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tierguard.api.crd import HEADER, definition
from tierguard.api.kinds import KINDS

Schema = dict[str, Any]

FILES = sorted((Path(__file__).parents[2] / "crds").glob("*.yaml"))
DEFINITIONS = [yaml.safe_load(path.read_text()) for path in FILES]
_EXTENSIONS = ("validations", "list-type", "list-map-keys", "int-or-string")
KNOWN = frozenset(
    {
        "type",
        "description",
        "properties",
        "items",
        "additionalProperties",
        "required",
        "enum",
        "default",
        "format",
        "pattern",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "minimum",
        "maximum",
        *(f"x-kubernetes-{name}" for name in _EXTENSIONS),
    }
)
"""What structural schemas may have and we use: no `$ref`, `anyOf`, `nullable` or preserved unknown fields among it."""

THE_API_SERVERS_OWN = {
    ".apiVersion": "compared with the version's name by the API server, never stored as sent",
    ".kind": "compared with the definition's kind by the API server, never stored as sent",
    ".metadata": "ObjectMeta, whose schema and bounds the API server brings",
}
"""Exceptions from the bounds, each with its reason."""


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every part of `schema` with its path: `[]` are a list's items, `{}` a map's values."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


def versions() -> Iterator[tuple[str, Schema]]:
    for crd in DEFINITIONS:
        for version in crd["spec"]["versions"]:
            yield crd["spec"]["names"]["kind"], version


PARTS = [
    pytest.param(path, schema, id=f"{kind}{path}")
    for kind, version in versions()
    for path, schema in nodes(version["schema"]["openAPIV3Schema"])
]
OURS = [part for part in PARTS if part.values[0] not in THE_API_SERVERS_OWN]


def test_there_is_one_file_a_kind_and_it_is_what_the_models_say() -> None:
    assert {path.name for path in FILES} == {f"tierguard.io_{kind.plural}.yaml" for kind in KINDS}
    for path, written in zip(FILES, DEFINITIONS, strict=True):
        (kind,) = (kind for kind in KINDS if path.stem.endswith(kind.plural))
        assert path.read_text().startswith(HEADER)
        assert written == definition(kind)


def test_the_exceptions_are_all_needed() -> None:
    paths = {part.values[0] for part in PARTS}
    assert paths >= THE_API_SERVERS_OWN.keys()


@pytest.mark.parametrize(("path", "schema"), PARTS)
def test_every_part_is_typed_and_structural(path: str, schema: Schema) -> None:
    assert schema.keys() <= KNOWN
    if schema.get("x-kubernetes-int-or-string"):
        assert "type" not in schema
    else:
        assert schema["type"] in {"object", "array", "string", "integer", "boolean"}, path
    assert not ("properties" in schema and "additionalProperties" in schema)


@pytest.mark.parametrize(("path", "schema"), OURS)
def test_every_part_is_bounded(path: str, schema: Schema) -> None:
    match schema.get("type"):
        case "object" if "additionalProperties" in schema:
            assert schema["maxProperties"] <= 64
            assert isinstance(schema["additionalProperties"], dict)
        case "object":
            assert schema.get("properties"), f"{path} takes anything"
        case "array":
            assert schema["maxItems"] <= 200
            assert schema["x-kubernetes-list-type"] in {"set", "map", "atomic"}
        case "string":
            assert "enum" in schema or schema.get("format") == "date-time" or schema["maxLength"] <= 2048
        case "integer":
            assert "minimum" in schema
        case "boolean":
            pass
        case other:
            assert other is None
            assert schema["pattern"]  # a number or a percentage
            assert schema["maxLength"] <= 8 if "maxLength" in schema else "minimum" in schema


@pytest.mark.parametrize(("path", "schema"), OURS)
def test_every_field_is_described(path: str, schema: Schema) -> None:
    if not path.endswith(("[]", "{}")):  # what a list or map holds is described where the list or map is
        description = schema["description"]
        assert description.isprintable()
        assert description.endswith((".", ")"))


@pytest.mark.parametrize(("path", "schema"), PARTS)
def test_every_validation_has_a_rule_and_words(path: str, schema: Schema) -> None:
    for validation in schema.get("x-kubernetes-validations", ()):
        assert validation["rule"].strip(), path
        assert 10 < len(validation["message"]) <= 250
        assert validation["message"].isprintable()
        assert validation.keys() <= {"rule", "message", "fieldPath", "reason"}
        if field := validation.get("fieldPath"):
            assert resolve(schema, field) is not None, f"{path}: no field {field}"


@pytest.mark.parametrize(("path", "schema"), PARTS)
def test_what_is_required_and_what_is_a_key_exists(path: str, schema: Schema) -> None:
    assert set(schema.get("required", ())) <= schema.get("properties", {}).keys(), path
    if schema.get("x-kubernetes-list-type") == "map":
        assert set(schema["x-kubernetes-list-map-keys"]) <= set(schema["items"]["required"])


def resolve(schema: Schema, path: str) -> Schema | None:
    """What `path`, a JSONPath of the few forms that printer columns take, leads to in `schema`."""
    node: Schema | None = schema
    for name, filtered, wanted in re.findall(r"\.(\w+)(?:\[\?\(@\.(\w+)==\"(\w+)\"\)\])?", path):
        if node is None:
            return None
        node = node.get("properties", {}).get(name)
        if filtered and node is not None:
            node = node["items"]
            key = node["properties"].get(filtered, {})
            if wanted not in key.get("enum", [wanted]):
                return None
    return node


COLUMNS = [
    pytest.param(version["schema"]["openAPIV3Schema"], column, id=f"{kind}-{column['name']}")
    for kind, version in versions()
    for column in version["additionalPrinterColumns"]
]


@pytest.mark.parametrize(("schema", "column"), COLUMNS)
def test_every_column_shows_a_field_of_its_type(schema: Schema, column: Schema) -> None:
    assert column["description"]
    if column["jsonPath"] == ".metadata.creationTimestamp":
        assert column["type"] == "date"
        return
    field = resolve(schema, column["jsonPath"])
    assert field is not None
    assert field["type"] == column["type"]


@pytest.mark.parametrize("path", [".spec.nothing", '.status.conditions[?(@.nothing=="x")].nothing', ".nothing"])
def test_a_column_of_nothing_would_be_seen(path: str) -> None:
    assert all(resolve(version["schema"]["openAPIV3Schema"], path) is None for _, version in versions())


def test_status_is_written_apart_and_one_version_is_stored() -> None:
    for _, version in versions():
        assert version["subresources"] == {"status": {}}
        assert (version["served"], version["storage"]) == (True, True)


def test_no_status_field_is_required_and_every_spec_is() -> None:
    for _, version in versions():
        schema = version["schema"]["openAPIV3Schema"]
        assert schema["required"] == ["spec"]
