"""What the end-to-end tests see of a cluster, whichever it is."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import kubernetes.client
import kubernetes.config
import yaml

from tests.cluster.controlplane import ControlPlane
from tests.cluster.install import RELEASE, WEBHOOKS, Tierguard
from tests.cluster.processes import poll
from tierguard.api.kinds import KINDS
from tierguard.api.model import API_VERSION

DANA = "dana@payments.example"
"""A developer: admin of the test's namespace, nothing else."""
# Deleting what a test leaves behind is what the namespace controller does: it is not asked.
COLLECTOR = "system:serviceaccount:kube-system:generic-garbage-collector"
CLEANER = (f"--as={COLLECTOR}", "--as-group=system:masters")
SECONDS = 30.0

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What kubectl said."""

    code: int
    out: str

    @property
    def passed(self) -> bool:
        return self.code == 0


class World(Protocol):
    """A cluster with tierguard on it."""

    def kubectl(self, *arguments: str, user: str | None = None, stdin: str | None = None) -> Answer:
        """Run kubectl as `user`, or as the administrator."""
        ...

    def generations(self) -> Iterator[Mapping[tuple[str, str], int]]:
        """For each webhook replica: the generation of our resources that it decides by, by kind and name."""
        ...

    def create_namespace(self, name: str) -> None: ...

    def remove_namespace(self, name: str) -> None: ...


class WorldBase:
    """What does not depend on the kind of cluster."""

    def kubectl(self, *arguments: str, user: str | None = None, stdin: str | None = None) -> Answer:
        raise NotImplementedError

    def generations(self) -> Iterator[Mapping[tuple[str, str], int]]:
        raise NotImplementedError

    def ok(self, *arguments: str, user: str | None = None, stdin: str | None = None) -> str:
        """Run kubectl, which must succeed; returns what it printed."""
        answer = self.kubectl(*arguments, user=user, stdin=stdin)
        assert answer.passed, f"kubectl {' '.join(arguments)}: {answer.out}"
        return answer.out

    def get(self, *arguments: str) -> Any:
        """An object, or None when there is none."""
        answer = self.kubectl("get", *arguments, "-o", "json")
        if not answer.passed:
            assert "NotFound" in answer.out or "not found" in answer.out, answer.out
            return None
        return json.loads(answer.out)

    def apply(
        self, *documents: Document, user: str | None = None, verb: str = "apply", options: tuple[str, ...] = ()
    ) -> Answer:
        """Apply (or create, or replace) documents."""
        text = yaml.safe_dump_all(documents)
        return self.kubectl(verb, *options, "-f", "-", user=user, stdin=text)

    def until(self, what: str, holds: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Wait for something to become true."""
        assert poll(holds, seconds), f"not true after {seconds:.0f} s: {what}"

    def create_namespace(self, name: str) -> None:
        self.ok("create", "namespace", name)
        self.ok("create", "rolebinding", "dana", "-n", name, "--clusterrole=admin", f"--user={DANA}")

    def remove_namespace(self, name: str) -> None:
        self.ok("delete", "namespace", name, "--wait=false", *CLEANER)

    @contextmanager
    def in_force(self, *resources: Document, options: tuple[str, ...] = ()) -> Iterator[None]:
        """Have freezes, windows and policies in force, known to every webhook, for the length of a block."""
        names = [(str(r["kind"]), str(r["metadata"]["name"])) for r in resources]
        self.declare(resources, options)
        try:
            self.until(
                "every webhook knows the resources", lambda: all(set(names) <= set(g) for g in self.generations())
            )
            yield
        finally:
            self.withdraw(names)

    def declare(self, resources: Sequence[Document], options: tuple[str, ...]) -> None:
        """Create resources of ours."""
        if resources:
            answer = self.apply(*resources, verb="create", options=options)
            assert answer.passed, answer.out

    def drop(self, kind: str, name: str) -> None:
        """Delete a resource of ours, if it is there, whatever holds."""
        self.ok("delete", kind.lower(), name, "--ignore-not-found", *CLEANER)

    def withdraw(self, names: list[tuple[str, str]]) -> None:
        """Delete resources, whatever they are, and wait until every webhook has forgotten them."""
        for kind, name in names:
            self.drop(kind, name)
        self.until(
            "every webhook has forgotten the resources",
            lambda: not any(set(names) & set(g) for g in self.generations()),
        )

    def rolled_out(self, namespace: str, name: str) -> None:
        """Wait until a Deployment has rolled out."""
        self.ok("rollout", "status", f"deployment/{name}", "-n", namespace, "--timeout=60s")

    def surveyed(self, namespace: str) -> None:
        """Wait until the operator has told the API server by name of what is in a namespace.

        Until then the webhooks are asked about all that is in it. Between the two may come a moment in which the API server
        knows the namespace, and not yet what was made in it last: a refusal alone does not tell that this is over.
        """
        named = f'"{namespace}": ["", '
        configuration = ("validatingwebhookconfigurations", RELEASE)
        self.until(f"the API server knows what is in {namespace}", lambda: named in str(self.get(*configuration)))

    def recorded(self, namespace: str, name: str, templates: int) -> None:
        """Wait until the rollback record of a Deployment has that many templates."""
        uid = self.get("deployment", name, "-n", namespace)["metadata"]["uid"]

        def holds() -> bool:
            found = self.get("configmap", f"rollback-{uid}", "-n", "tierguard-system") or {}
            entries = [datetime.fromisoformat(since) for since in (found.get("data") or {}).values()]
            # A freeze's creation is known to the second: what became available in that same second was not before it.
            return len(entries) >= templates and datetime.now(UTC) - max(entries) > timedelta(seconds=1)

        self.until(f"{templates} templates of {name} are on record", holds)


class EmbeddedWorld(WorldBase):
    """tierguard on the embedded control plane; people are real users with client certificates."""

    def __init__(self, cluster: ControlPlane, tierguard: Tierguard) -> None:
        self.cluster = cluster
        self.tierguard = tierguard
        self._clients: dict[str | None, Any] = {}

    def kubectl(self, *arguments: str, user: str | None = None, stdin: str | None = None) -> Answer:
        kubeconfig = None if user is None else self.cluster.user(user)
        done = self.cluster.kubectl(*arguments, kubeconfig=kubeconfig, input=stdin, check=False, seconds=120)
        return Answer(done.returncode, done.stdout + done.stderr)

    def call(
        self,
        method: str,
        path: str,
        body: Document | None = None,
        user: str | None = None,
        instead: str | None = None,
        **query: str,
    ) -> tuple[int, Any]:
        """Call the API server without a kubectl: status and decoded answer.

        As `user`, or as the administrator, who may call himself `instead`. What is PATCHed is a merge patch.
        """
        api = self._clients.get(user)
        if api is None:
            configuration = kubernetes.client.Configuration()
            kubeconfig = self.cluster.kubeconfig if user is None else self.cluster.user(user)
            kubernetes.config.load_kube_config(str(kubeconfig), client_configuration=configuration)
            api = self._clients[user] = kubernetes.client.ApiClient(configuration)
        impersonated = {"Impersonate-User": instead, "Impersonate-Group": "system:masters"} if instead else {}
        content = "application/merge-patch+json" if method == "PATCH" else "application/json"
        answer = api.rest_client.pool_manager.request(
            method,
            f"{api.configuration.host}{path}?{urlencode(query)}",
            body=None if body is None else json.dumps(body),
            headers={"Content-Type": content, "Accept": "application/json", **impersonated},
        )
        return answer.status, json.loads(answer.data)

    def declare(self, resources: Sequence[Document], options: tuple[str, ...]) -> None:
        """As on any cluster, but without a kubectl, which takes most of the time."""
        instead = next((option.partition("=")[2] for option in options if option.startswith("--as=")), None)
        for resource in resources:
            status, said = self.call("POST", _ours(resource["kind"]), resource, instead=instead)
            assert status == HTTPStatus.CREATED, said

    def drop(self, kind: str, name: str) -> None:
        status, said = self.call("DELETE", f"{_ours(kind)}/{quote(name)}", instead=COLLECTOR)
        assert status in (HTTPStatus.OK, HTTPStatus.NOT_FOUND), said

    def create_namespace(self, name: str) -> None:
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        assert self.call("POST", "/api/v1/namespaces", made)[0] == HTTPStatus.CREATED
        group = "rbac.authorization.k8s.io"
        binding = {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "dana"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "admin"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": DANA}],
        }
        status, said = self.call("POST", f"/apis/{group}/v1/namespaces/{name}/rolebindings", binding)
        assert status == HTTPStatus.CREATED, said

    def remove_namespace(self, name: str) -> None:
        status, said = self.call("DELETE", f"/api/v1/namespaces/{name}", instead=COLLECTOR)
        assert status == HTTPStatus.OK, said

    def generations(self) -> Iterator[Mapping[tuple[str, str], int]]:
        for name in WEBHOOKS:
            yield parse_generations(self.tierguard.get(name, "/metrics")[1])


def _ours(kind: str) -> str:
    (plural,) = (each.plural for each in KINDS if each.kind == kind)
    return f"/apis/{API_VERSION}/{plural}"


def parse_generations(metrics: str) -> Mapping[tuple[str, str], int]:
    """`tierguard_webhook_resource_generation` out of a scrape."""
    found = {}
    for line in metrics.splitlines():
        if line.startswith("tierguard_webhook_resource_generation{"):
            labels, _, value = line.partition("{")[2].rpartition("} ")
            fields = dict(part.split("=", 1) for part in labels.split(","))
            found[(fields["kind"].strip('"'), fields["name"].strip('"'))] = int(float(value))
    return found


def only_in(namespace: str, resource: Document) -> Document:
    """A freeze, window or policy, narrowed to one namespace."""
    spec = resource["spec"]
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    return {**resource, "spec": {**spec, "scope": {**spec.get("scope", {}), "namespaceSelector": selector}}}
