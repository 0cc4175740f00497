"""The session's cluster: one control plane with tierguard on it, a fresh namespace a test.

`--kind` runs the same tests on kind (needs a container engine) instead of the embedded control plane.
"""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.controlplane import ControlPlane
from tests.cluster.install import Tierguard
from tests.cluster.toolchain import ensure_binaries
from tests.e2e.people import CERT_MANAGER, GITOPS
from tests.e2e.world import EmbeddedWorld, World

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kind", action="store_true", help="run the end-to-end tests on kind instead")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    on_kind = pytest.mark.skip(reason="reaches into the embedded control plane's processes or fake nodes")
    for item in items:
        if config.getoption("--kind") and item.get_closest_marker("embedded"):
            item.add_marker(on_kind)
        if {"world", "namespace"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def binaries() -> Path:
    """Where kubectl, Helm and the control plane are, built if need be."""
    return ensure_binaries(REPOSITORY)


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster with tierguard on it."""
    if request.config.getoption("--kind"):
        from tests.e2e.on_kind import kind_world  # noqa: PLC0415 - pytest-kind is needed for nothing else

        yield from kind_world(request)
        return
    cluster = ControlPlane(tmp_path_factory.mktemp("cluster", numbered=True), request.getfixturevalue("binaries"))
    with cluster:
        tierguard = Tierguard(cluster)
        identities = {"gitops": GITOPS, "rotators": CERT_MANAGER}
        tierguard.install(
            [part for key, user in identities.items() for part in ("--set", f"identities.{key}={{{user}}}")]
        )
        yield EmbeddedWorld(cluster, tierguard)


@pytest.fixture
def namespace(world: World, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own, in which `dana` may do everything that RBAC's `admin` may."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-") + f"-{uuid.uuid4().hex[:6]}"
    world.create_namespace(name)
    yield name
    world.remove_namespace(name)
