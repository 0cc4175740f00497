"""CustomResourceDefinitions out of the models: `python -m tierguard.api.crd DIRECTORY` writes one file a kind.

Pydantic prints JSON Schema; the API server takes only a *structural* subset of it (no `$ref`, no `anyOf` for optional
fields, no `additionalProperties: false`), so the difference is bridged here and nowhere else.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

from tierguard.api.kinds import KINDS, Column, Kind
from tierguard.api.model import GROUP, VERSION

Schema = dict[str, Any]

HEADER = "# Generated from operator/tierguard/api by `make generate`. Do not edit.\n"

_NAME_BOUND = {
    "rule": "size(self.metadata.name) <= 63",
    "message": "metadata.name has at most 63 characters: it is repeated in every refusal",
}
_DROPPED = ("title", "additionalProperties", "propertyNames", "$defs", "const")


def structural(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """Rewrite a pydantic JSON `schema` into a structural one, with references to `definitions` written out."""
    node = dict(schema)
    if "$ref" in node:
        target = definitions[node.pop("$ref").removeprefix("#/$defs/")]
        node = {**target, **node}
    if "anyOf" in node:
        node = _without_null(node)
        if "$ref" in node or "anyOf" in node:
            return structural(node, definitions)
    if "properties" in node:
        node["properties"] = {name: structural(child, definitions) for name, child in node["properties"].items()}
    if "items" in node:
        node["items"] = structural(node["items"], definitions)
    return _bounded(node, definitions)


def _bounded(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """Drop what is not structural, and keep the bounds that it carried."""
    values = node.get("additionalProperties")
    if "const" in node:  # pydantic's form of an enumeration of one
        node["enum"] = [node["const"]]
    for key in _DROPPED:
        node.pop(key, None)
    if "patternProperties" in node:  # pydantic's form of a bounded key; the API server checks only the values
        (values,) = node.pop("patternProperties").values()
    if isinstance(values, dict):
        node["additionalProperties"] = structural(values, definitions)
    if "default" in node:
        node["default"] = _without_absent(node["default"])
        if node["default"] is None:
            del node["default"]
    return node


def _without_absent(value: Any) -> Any:
    """Leave out of a default what is absent: a null in a default is an error to the API server."""
    if isinstance(value, dict):
        return {key: _without_absent(child) for key, child in value.items() if child is not None}
    return value


def _without_null(node: Schema) -> Schema:
    """`anyOf: [X, null]` is an optional X: absence is not a value in the Kubernetes API."""
    choices = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
    rest = {key: value for key, value in node.items() if key != "anyOf"}
    if len(choices) == 1:
        return {**choices[0], **rest}
    if rest.get("x-kubernetes-int-or-string"):
        bounds = ("pattern", "minimum", "maximum")
        return {**{key: choice[key] for choice in choices for key in bounds if key in choice}, **rest}
    message = f"a choice of several types cannot be structural: {choices}"
    raise ValueError(message)


def _column(column: Column) -> Schema:
    written: Schema = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        "description": column.description,
    }
    return {**written, "priority": column.priority} if column.priority else written


def definition(kind: Kind) -> Schema:
    """The CustomResourceDefinition of `kind`, as a plain mapping."""
    raw = kind.model.model_json_schema(by_alias=True)
    schema = structural(raw, raw.get("$defs", {}))
    properties: Schema = {
        "apiVersion": {"type": "string", "description": "The version of this representation of the object."},
        "kind": {"type": "string", "description": "The kind of this object."},
        "metadata": {"type": "object"},
        **schema["properties"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{GROUP}",
            # Deleting a CRD deletes every freeze without asking for each: an uninstall must not do that.
            "annotations": {"helm.sh/resource-policy": "keep"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Cluster",
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": [kind.short],
                "categories": ["tierguard"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in kind.columns],
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "description": schema["description"],
                            "required": ["spec"],
                            "properties": properties,
                            "x-kubernetes-validations": [_NAME_BOUND],
                        }
                    },
                }
            ],
        },
    }


class _Plain(yaml.SafeDumper):
    """Writes every part out: an alias in a CRD helps nobody who reads it."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def main(arguments: list[str]) -> int:
    """Write the definitions into the directory given as the only argument."""
    (directory,) = arguments
    for kind in KINDS:
        path = Path(directory) / f"{GROUP}_{kind.plural}.yaml"
        path.write_text(
            HEADER + yaml.dump(definition(kind), Dumper=_Plain, sort_keys=False, width=120), encoding="utf-8"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
