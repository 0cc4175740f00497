"""Who writes while something is broken: several clients, each with a mix of writes, and what became of each write."""

import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import kubernetes.client
import kubernetes.config
import urllib3

from tests.cluster.controlplane import ControlPlane
from tests.e2e import manifests

CLIENTS = 6
OWN = 4
"""Workloads of each client: so many rollouts can come in a second without two of one client on one object."""
APART_SECONDS = 1.1
"""Two changes of one object by one manager within a second leave no new time: without a webhook the second is refused."""
PATIENCE_SECONDS = 15.0
GUARDED, FREE = "guarded", "free"
CONFIG = "settings"

Document = dict[str, Any]


class Kind(Enum):
    """A kind of write, and what a freeze of tiers 0 and 1 means for it."""

    ROLLOUT = "template"
    CREATE = "create"
    DELETE = "delete"
    SCALE_DOWN = "scale down"
    CONFIGURE = "configuration"
    AUTOSCALE = "autoscaler"
    CONTROLLER = "controller"
    UNGUARDED = "tier 3"
    NOTE = "annotation"


STRICT = frozenset({Kind.ROLLOUT, Kind.CREATE, Kind.DELETE})
"""Must never pass in a freeze, whatever is dead."""
LENIENT = frozenset({Kind.SCALE_DOWN, Kind.CONFIGURE})
"""Refused in a freeze by a webhook that is there; without one they pass, and are found afterwards."""
ALWAYS_HELD = frozenset({Kind.DELETE})
"""Refused outside of a freeze as well: deletion that nobody announced."""
WEIGHTS = {
    Kind.ROLLOUT: 6,
    Kind.CREATE: 3,
    Kind.DELETE: 3,
    Kind.SCALE_DOWN: 1,
    Kind.CONFIGURE: 1,
    Kind.AUTOSCALE: 3,
    Kind.CONTROLLER: 2,
    Kind.UNGUARDED: 2,
    Kind.NOTE: 2,
}


_ON_GUARDED = frozenset({Kind.ROLLOUT, Kind.DELETE, Kind.SCALE_DOWN, Kind.AUTOSCALE, Kind.NOTE})


@dataclass(frozen=True)
class Request:
    """What is sent; `instead` names a controller of Kubernetes' in whose name."""

    method: str
    path: str
    body: Document | None = None
    instead: str = ""


class Fate(Enum):
    """What became of a write."""

    ADMITTED = "admitted"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    """The API server or its etcd was not there, or somebody else was faster: nothing was decided."""


@dataclass(frozen=True)
class Write:
    """One write: when it was sent and answered (Unix time), and what became of it."""

    kind: Kind
    sent: float
    answered: float
    fate: Fate
    said: str

    @property
    def seconds(self) -> float:
        return self.answered - self.sent


@dataclass
class Load:
    """The clients of one namespace. `run` may be called any number of times, from one thread."""

    cluster: ControlPlane
    namespace: str
    low: set[str] = field(default_factory=set)
    """What cannot be scaled down again: nobody would refuse what changes nothing."""
    _number: Iterator[int] = field(default_factory=itertools.count)

    def prepare(self, admin: Callable[..., tuple[int, Any]]) -> None:
        """Make what is written to. Paused: what a rollout does to pods is not what this is about."""
        apps = f"/apis/apps/v1/namespaces/{self.namespace}/deployments"
        for client, own in itertools.product(range(CLIENTS), range(OWN)):
            for prefix, tier in ((GUARDED, "1"), (FREE, "3")):
                made = manifests.deployment(self.namespace, f"{prefix}-{client}-{own}", tier=tier, replicas=2)
                made["spec"]["paused"] = True
                made["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": CONFIG}}]
                _made(admin("POST", apps, made))
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CONFIG}, "data": {"n": "0"}}
        _made(admin("POST", f"/api/v1/namespaces/{self.namespace}/configmaps", config))

    def run(self, seed: int, user: str, enough: int, least_seconds: float, most_seconds: float) -> list[Write]:
        """Write until `enough` writes were answered and `least_seconds` have passed, or `most_seconds` have."""
        writes: list[Write] = []
        began = time.monotonic()

        def going() -> bool:
            passed = time.monotonic() - began
            answered = sum(write.fate is not Fate.UNANSWERED for write in tuple(writes))
            return passed < most_seconds and (answered < enough or passed < least_seconds)

        clients = [
            _Client(self, _pool(self.cluster, user), number, random.Random(f"{seed}/{number}"))  # noqa: S311 - repeatable
            for number in range(CLIENTS)
        ]
        threads = [threading.Thread(target=each.work, args=(writes, going), name="client") for each in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return writes

    def number(self) -> int:
        return next(self._number)


class _Client:
    def __init__(self, load: Load, pools: "_Pools", number: int, draw: random.Random) -> None:
        self._load = load
        self._pools = pools
        self._number = number
        self._draw = draw
        self._changed: dict[str, float] = {}

    def work(self, writes: list[Write], going: Callable[[], bool]) -> None:
        while going():
            kind = self._draw.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            request = self._request(kind)
            if request is None:
                time.sleep(0.02)
                continue
            sent = time.time()
            fate, said = self._send(request)
            writes.append(Write(kind, sent, time.time(), fate, said))
            self._scaled(kind, request.path, fate)

    def _request(self, kind: Kind) -> Request | None:
        """None when it is too early for another change of the same object."""
        namespace, unique = self._load.namespace, f"{self._number}-{self._load.number()}"
        apps = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        core = f"/api/v1/namespaces/{namespace}"
        unguarded = f"{apps}/{FREE}-{self._number}-{self._draw.randrange(OWN)}"
        if kind not in _ON_GUARDED:
            return {
                Kind.CREATE: Request("POST", apps, manifests.deployment(namespace, f"new-{unique}", replicas=0)),
                Kind.CONFIGURE: Request("PATCH", f"{core}/configmaps/{CONFIG}", {"data": {"n": unique}}),
                Kind.CONTROLLER: Request("POST", f"{core}/pods", _pod(namespace, unique), "replicaset-controller"),
                Kind.UNGUARDED: Request("PATCH", unguarded, _image(unique)),
            }[kind]
        guarded = self._free(GUARDED)
        if guarded is None or (kind is Kind.SCALE_DOWN and guarded in self._load.low):
            return None
        path = f"{apps}/{guarded}"
        if kind is not Kind.DELETE:
            self._changed[guarded] = time.monotonic()
        more = {"spec": {"replicas": self._draw.randint(2, 4)}}
        return {
            Kind.ROLLOUT: Request("PATCH", path, _image(unique)),
            Kind.DELETE: Request("DELETE", path),
            Kind.SCALE_DOWN: Request("PATCH", f"{path}/scale", {"spec": {"replicas": 1}}),
            Kind.AUTOSCALE: Request("PATCH", f"{path}/scale", more, "horizontal-pod-autoscaler"),
            Kind.NOTE: Request("PATCH", path, {"metadata": {"annotations": {"note": unique}}}),
        }[kind]

    def _scaled(self, kind: Kind, path: str, fate: Fate) -> None:
        name = path.rpartition("/scale")[0].rpartition("/")[2]
        if kind is Kind.SCALE_DOWN and fate is not Fate.REFUSED:
            self._load.low.add(name)
        elif kind is Kind.AUTOSCALE and fate is Fate.ADMITTED:
            self._load.low.discard(name)

    def _free(self, prefix: str) -> str | None:
        names = [f"{prefix}-{self._number}-{own}" for own in range(OWN)]
        now = time.monotonic()
        free = [name for name in names if now - self._changed.get(name, -APART_SECONDS) >= APART_SECONDS]
        return self._draw.choice(free) if free else None

    def _send(self, request: Request) -> tuple[Fate, str]:
        method, path = request.method, request.path
        headers = {"Content-Type": "application/merge-patch+json" if method == "PATCH" else "application/json"}
        query = {"fieldManager": f"client-{self._number}"}
        if path.endswith("/pods"):
            query["dryRun"] = "All"
        if request.instead:
            query.pop("fieldManager")
            headers |= {
                "Impersonate-User": f"system:serviceaccount:kube-system:{request.instead}",
                "Impersonate-Group": "system:masters",
            }
        body = None if request.body is None else json.dumps(request.body).encode()
        return self._pools.send(method, f"{path}?{urlencode(query)}", body, headers)


class _Pools:
    def __init__(self, person: tuple[str, urllib3.PoolManager], admin: tuple[str, urllib3.PoolManager]) -> None:
        self._person, self._admin = person, admin

    def send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[Fate, str]:
        host, pool = self._admin if "Impersonate-User" in headers else self._person
        timeout = urllib3.Timeout(total=PATIENCE_SECONDS)
        try:
            answer = pool.request(method, host + path, body=body, headers=headers, timeout=timeout, retries=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return Fate.UNANSWERED, str(error)
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return Fate.ADMITTED, ""
        try:
            said = str(json.loads(answer.data).get("message"))
        except ValueError:
            said = answer.data.decode(errors="replace")
        return fate_of(said), said


def fate_of(said: str) -> Fate:
    """Whether an error of the API server is a refusal by admission; anything else decided nothing."""
    words = ("denied the request", "failed calling webhook", "denied request")
    return Fate.REFUSED if any(word in said for word in words) else Fate.UNANSWERED


def _pool(cluster: ControlPlane, user: str) -> _Pools:
    return _Pools(_connected(cluster.user(user)), _connected(cluster.kubeconfig))


def _connected(kubeconfig: Any) -> tuple[str, urllib3.PoolManager]:
    configuration = kubernetes.client.Configuration()
    kubernetes.config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    return configuration.host, kubernetes.client.ApiClient(configuration).rest_client.pool_manager


def _image(unique: str) -> Document:
    """A merge patch: another template, whatever is in it now."""
    return {"spec": {"template": {"metadata": {"annotations": {"release": unique}}}}}


def _pod(namespace: str, unique: str) -> Document:
    spec = manifests.deployment(namespace)["spec"]["template"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**spec["metadata"], "name": f"pod-{unique}"},
        "spec": spec["spec"],
    }


def _made(answer: tuple[int, Any]) -> None:
    if answer[0] != HTTPStatus.CREATED:
        raise RuntimeError(answer[1])
