"""The same tests on kind, through pytest-kind: the image is built, loaded and installed by the chart as anybody would."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pytest_kind import KindCluster

from tests.cluster.install import CHART, NAMESPACE, RELEASE
from tests.e2e import manifests
from tests.e2e.people import CERT_MANAGER
from tests.e2e.world import Answer, World, WorldBase, parse_generations

IMAGE = "localhost/tierguard:dev"
KIND_CONFIG = """\
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
  - role: control-plane
  - {role: worker, labels: {topology.kubernetes.io/zone: zone-a}}
  - {role: worker, labels: {topology.kubernetes.io/zone: zone-b}}
  - {role: worker, labels: {topology.kubernetes.io/zone: zone-c}}
"""


class KindWorld(WorldBase):
    """tierguard in kind; people are impersonated."""

    def __init__(self, kind: KindCluster, kubectl: Path) -> None:
        self._kind = kind
        self._kubectl = kubectl

    def kubectl(self, *arguments: str, user: str | None = None, stdin: str | None = None) -> Answer:
        as_user = [] if user is None else [f"--as={user}", "--as-group=system:authenticated"]
        done = subprocess.run(
            [self._kubectl, "--kubeconfig", self._kind.kubeconfig_path, *as_user, *arguments],
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return Answer(done.returncode, done.stdout)

    def generations(self) -> Iterator[Mapping[tuple[str, str], int]]:
        pods = json.loads(
            self.ok("get", "pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=webhook", "-o", "json")
        )["items"]
        for pod in pods:
            path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}:8080/proxy/metrics"
            yield parse_generations(self.ok("get", "--raw", path))


def kind_world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Make a kind cluster, install tierguard from its image, and take it down again."""
    binaries: Path = request.getfixturevalue("binaries")
    config = request.getfixturevalue("tmp_path_factory").mktemp("kind") / "kind.yaml"
    config.write_text(KIND_CONFIG, encoding="utf-8")
    kind = KindCluster("tierguard-test")
    kind.create(str(config))
    try:
        kind.load_docker_image(IMAGE)
        for name in (f"{manifests.IMAGE}:{tag}" for tag in manifests.TAGS):
            subprocess.run(["docker", "tag", IMAGE, name], check=True, timeout=60)
            kind.load_docker_image(name)
        repository, _, tag = IMAGE.rpartition(":")
        subprocess.run(
            [
                *(binaries / "helm", "install", RELEASE, CHART, "--kubeconfig", kind.kubeconfig_path),
                *("--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout", "3m"),
                *("--set", f"image.repository={repository}", "--set", f"image.tag={tag}"),
                *("--set", "image.pullPolicy=Never", "--set", f"identities.rotators={{{CERT_MANAGER}}}"),
            ],
            check=True,
            timeout=300,
        )
        world = KindWorld(kind, binaries / "kubectl")
        world.until(
            "the webhook configuration is there",
            lambda: world.get("validatingwebhookconfigurations", RELEASE) is not None,
            120,
        )
        yield world
    finally:
        kind.delete()
