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

from tests.chaos.mix import FREE, GUARDED, ON_OWN, WEIGHTS, Kind, Mix, Request
from tests.cluster.controlplane import ControlPlane

CLIENTS = 6
OWN = 4
"""Workloads of each client: so many rollouts can come in a second without two of one client on one object."""
APART_SECONDS = 1.1
"""Two changes of one object by one manager within a second leave no new time: without a webhook the second is refused."""
PATIENCE_SECONDS = 15.0


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
        """Make what is written to."""
        for collection, made in Mix(self.namespace).prepared(CLIENTS, OWN):
            status, said = admin("POST", collection, made)
            if status != HTTPStatus.CREATED:
                raise RuntimeError(said)

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
        self._mix = Mix(load.namespace)

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
        own = self._free(GUARDED) if kind in ON_OWN else ""
        if own is None or (kind is Kind.SCALE_DOWN and own in self._load.low):
            return None
        if kind in ON_OWN and kind is not Kind.DELETE:
            self._changed[own] = time.monotonic()
        unguarded = f"{FREE}-{self._number}-{self._draw.randrange(OWN)}"
        return self._mix.write(kind, own, unguarded, f"{self._number}-{self._load.number()}", self._draw)

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
        if request.dry:
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
