"""All that an API server has: what can be asked of it, what admission asks about, and every object in it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import product
from pathlib import Path
from typing import Any

from tests.e2e.world import EmbeddedWorld

OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT")
ARCHITECTURE = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"

Matched = tuple[str, str]
"""A resource as `deployments/scale.apps`, and an operation."""


@dataclass(frozen=True)
class Resource:
    """A resource of API discovery; subresources are resources of their own."""

    group: str
    version: str
    name: str
    namespaced: bool
    listed: bool

    @property
    def full_name(self) -> str:
        return f"{self.name}.{self.group}".rstrip(".")

    @property
    def path(self) -> str:
        root = f"/apis/{self.group}" if self.group else "/api"
        return f"{root}/{self.version}/{self.name}"


def discovered(world: EmbeddedWorld) -> list[Resource]:
    """Everything that API discovery names, in every version."""
    groups = asked(world, "/apis")["groups"]
    versions = ["/api/v1", *(f"/apis/{v['groupVersion']}" for group in groups for v in group["versions"])]
    found = []
    for path in versions:
        group, _, version = path.removeprefix("/apis/").removeprefix("/api/").rpartition("/")
        found += [
            Resource(group, version, entry["name"], entry["namespaced"], "list" in entry["verbs"])
            for entry in asked(world, path).get("resources", [])
        ]
    return found


def everything(world: EmbeddedWorld) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object, with the name of its resource; of events there is nothing to say."""
    for resource in {each.full_name: each for each in discovered(world) if each.listed}.values():
        if resource.name != "events":
            for item in asked(world, resource.path).get("items", []):
                yield resource.full_name, item


def terminating(world: EmbeddedWorld) -> list[str]:
    """What was deleted and is still there; Pods have their grace period."""
    return [
        f"{resource} {item['metadata']['name']}"
        for resource, item in everything(world)
        if "deletionTimestamp" in item["metadata"] and resource != "pods"
    ]


def finalizers(world: EmbeddedWorld) -> set[tuple[str, str]]:
    """Every finalizer on anything, with the resource that it is on."""
    return {
        (resource, finalizer)
        for resource, item in everything(world)
        for finalizer in item["metadata"].get("finalizers", [])
    }


def asked(world: EmbeddedWorld, path: str) -> Any:
    """What the API server answers; nothing for what was deleted a moment ago and is still in its discovery."""
    try:
        status, answer = world.call("GET", path)
    except json.JSONDecodeError:  # "404 page not found"
        return {}
    assert status in (HTTPStatus.OK, HTTPStatus.NOT_FOUND), (path, answer)
    return answer


def matched(rules: list[Mapping[str, Any]], resources: list[Resource]) -> set[Matched]:
    """What admission rules match, wildcards included. Versions do not matter: matchPolicy is Equivalent."""
    return {
        (resource.full_name, operation)
        for rule, resource, operation in product(rules, resources, OPERATIONS)
        if _among(rule["operations"], operation)
        and _among(rule["apiGroups"], resource.group)
        and any(_names(pattern, resource.name) for pattern in rule["resources"])
        and rule.get("scope", "*") in ("*", "Namespaced" if resource.namespaced else "Cluster")
    }


def _among(wanted: list[str], value: str) -> bool:
    return "*" in wanted or value in wanted


def _names(pattern: str, resource: str) -> bool:
    """As the API server does it: `*` is resources without subresources, `*/*` all, `pods/*` and `*/scale` what they say."""
    wanted, _, wanted_sub = pattern.partition("/")
    name, _, sub = resource.partition("/")
    return wanted in ("*", name) and (wanted_sub == sub or (wanted_sub == "*" and (sub != "" or wanted == "*")))


def documented(policy: str = "") -> set[Matched]:
    """The same, as the table in docs/architecture.md has it; of a `policy` that confines a component, as its row has it."""
    _, _, section = ARCHITECTURE.read_text(encoding="utf-8").partition("\n## What can be asked about\n")
    lines = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    start = f"| `{policy or 'tierguard-'}"
    rows = [line.split("|")[2 if policy else 1 :][:2] for line in lines if line.startswith(start) == bool(policy)]
    assert rows
    return {
        (name, operation)
        for names, operations in rows
        for name, operation in product(re.findall(r"`([^`]+)`", names), re.findall(r"[A-Z]+", operations))
    }


def commands(heading: str) -> list[list[str]]:
    """The kubectl commands of a section of docs/architecture.md, without the word kubectl."""
    _, _, section = ARCHITECTURE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    found = re.findall(r"^kubectl ([^#\n]+)", section.partition("\n## ")[0], re.MULTILINE)
    assert found
    return [line.split() for line in found]
