"""A webhook that does not know, or not any more, says so: 503, on every path that somebody looks at, and never "allowed"."""

import io
import time
from collections.abc import Iterator
from typing import Any

import kubernetes.client
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.cluster.processes import poll
from tests.fakes import faults
from tests.fakes.apiserver import FakeApiServer
from tests.fakes.webhook import review
from tierguard.cluster.access import by_configuration
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api
from tierguard.cluster.reflector import Reflector
from tierguard.guard.model.identities import Identities
from tierguard.webhook.app import STALE_SECONDS, Webhook
from tierguard.webhook.journalist import Journalist

PATH = "/validate/secret"
NAMESPACES = "/api/v1/namespaces"


class Blind:
    """A webhook in this process, on an API server that can be made sick."""

    def __init__(self, server: FakeApiServer) -> None:
        configuration = kubernetes.client.Configuration()
        configuration.host = server.url
        api = Api(by_configuration(configuration))
        self.cache = ClusterCache(api, "tierguard-system", Identities())
        self.registry = CollectorRegistry()
        self.webhook = Webhook(
            self.cache, api, self.registry, Journalist(api, "tierguard-system"), lambda path: path == PATH
        )

    def call(self, path: str, body: bytes = b"") -> tuple[str, str]:
        said: list[str] = []
        environ = {
            "PATH_INFO": path,
            "REQUEST_METHOD": "POST" if body else "GET",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "QUERY_STRING": "timeout=5s",
            "wsgi.input": io.BytesIO(body),
        }
        text = b"".join(self.webhook(environ, lambda status, _headers: said.append(status)))
        return said[0], text.decode()

    def reflector(self, kind: str) -> Reflector:
        return next(r for r in self.cache._reflectors if r.collection.kind == kind)

    def metric(self, kind: str) -> float:
        prefix = f'tierguard_cache_seconds_since_sync{{kind="{kind}"}} '
        lines = generate_latest(self.registry).decode().splitlines()
        return next((float(line.removeprefix(prefix)) for line in lines if line.startswith(prefix)), -1.0)


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    with FakeApiServer() as running:
        running.put(NAMESPACES, "payments")
        yield running


@pytest.fixture
def blind(server: FakeApiServer) -> Iterator[Blind]:
    made = Blind(server)
    yield made
    made.cache.stop()


def test_until_every_kind_was_listed_it_decides_nothing(server: FakeApiServer, blind: Blind) -> None:
    server.sick = lambda exchange: "networkpolicies" in exchange.path and faults.refusing(500)(exchange)
    blind.cache.start()
    assert poll(lambda: blind.cache.unsynced() == ["NetworkPolicy"], 10)

    for path, body in ((PATH, b""), (PATH, review("payments"))):
        status, text = blind.call(path, body)
        assert status.startswith("503")
        assert "NetworkPolicy" in text
        assert "allowed" not in text
    assert blind.metric("NetworkPolicy") == -1

    server.sick = lambda _: False
    assert poll(lambda: blind.call(PATH)[0].startswith("200"), 30)
    assert blind.call(PATH, review("payments"))[0].startswith("200")


def test_a_kind_of_which_nothing_was_heard_for_long_makes_it_unready_and_undecided(blind: Blind) -> None:
    blind.cache.start()
    assert poll(lambda: blind.call(PATH)[0].startswith("200"), 30)
    assert blind.call(PATH, review("payments"))[0].startswith("200")

    freezes: Any = blind.reflector("OperationalFreeze")
    freezes._last_contact = time.monotonic() - STALE_SECONDS - 1

    assert blind.metric("OperationalFreeze") > STALE_SECONDS
    status, text = blind.call(PATH)
    assert status.startswith("503")
    assert "OperationalFreeze" in text
    # Reviews look once a second.
    assert poll(lambda: blind.call(PATH, review("payments"))[0].startswith("503"), 5)
    assert "allowed" not in blind.call(PATH, review("payments"))[1]


def test_all_watches_together_ask_an_api_server_that_refuses_everything_at_a_bounded_rate(
    server: FakeApiServer, blind: Blind
) -> None:
    server.sick = faults.refusing(429)
    blind.cache.start()
    began = time.monotonic()
    assert poll(lambda: time.monotonic() - began > 3, 10)
    kinds = len(blind.cache._reflectors)
    # 0.2, 0.4, 0.8, 1.6 s: five tries in the first three seconds, whatever the dice say.
    assert kinds <= server.count() <= 5 * kinds
    assert max(server.by_path().values()) <= 5
