"""The real server under what a network has in store: slow, silent, many, large. An API server stands in on loopback."""

import json
import os
import resource
import signal
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cluster.processes import poll
from tests.fakes.apiserver import Exchange, FakeApiServer
from tests.fakes.webhook import PATH, Hook, review, webhook
from tierguard.webhook import connections, server

WHOLE = review("payments")
HEAD = (
    b"POST "
    + PATH.encode()
    + b"?timeout=5s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
)
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def hook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hook]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with FakeApiServer() as api:
        api.put("/api/v1/namespaces", "payments")
        with webhook(tmp_path_factory.mktemp("webhook"), api) as running:
            yield running
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_body_that_trickles_delays_nobody_and_is_cut_off(hook: Hook) -> None:
    dropped = hook.metric('tierguard_webhook_dropped_connections_total{reason="slow"}')
    trickling = [hook.connect() for _ in range(50)]
    slowest = 0.0
    began = time.monotonic()
    for connection in trickling:
        connection.sendall(HEAD + b"{")
    alive = list(trickling)
    while alive and time.monotonic() - began < connections.OWED_SECONDS + 10:
        alive = [connection for connection in alive if sends(connection)]
        status, text, seconds = hook.ask(WHOLE)
        assert status == 200, text
        slowest = max(slowest, seconds)
    for connection in trickling:
        connection.close()

    assert not alive
    assert slowest < 4
    assert hook.metric('tierguard_webhook_dropped_connections_total{reason="slow"}') >= dropped + 50


def sends(connection: socket.socket) -> bool:
    try:
        connection.sendall(b" ")
    except OSError:
        return False
    return True


def test_more_idle_connections_than_there_are_places_shut_nobody_out(hook: Hook) -> None:
    with ThreadPoolExecutor(16) as pool:
        opened = [pool.submit(hook.connect) for _ in range(server.CONNECTIONS + 100)]
        answers = [hook.ask(WHOLE) for _ in range(5)]
        # Those that are too many may be dropped before they have even greeted.
        idle = [each.result() for each in opened if not isinstance(each.exception(), OSError)]
    assert len(idle) > server.CONNECTIONS / 2
    answers.append(hook.ask(WHOLE))
    for connection in idle:
        connection.close()

    assert [status for status, _, _ in answers] == [200] * 6
    assert max(seconds for _, _, seconds in answers) < 10
    assert hook.metric('tierguard_webhook_dropped_connections_total{reason="idle"}') > 0


def test_headers_that_never_end_and_handshakes_that_never_begin_hold_nobody(hook: Hook) -> None:
    plain = [hook.connect() for _ in range(20)]
    for connection in plain:
        connection.sendall(b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: ")
    assert hook.ask(WHOLE)[0] == 200

    gone = [ended(connection) for connection in plain]

    assert all(gone)
    assert hook.ask(WHOLE)[0] == 200


def test_a_probe_that_trickles_is_cut_off_too(hook: Hook) -> None:
    with socket.create_connection(("127.0.0.1", hook.health)) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nX: ")
        assert poll(lambda: not sends(connection), connections.OWED_SECONDS + 10)
    assert hook.get("/livez")[0] == 200


def ended(connection: ssl.SSLSocket) -> bool:
    """Whether the server ends a connection before the client's patience (30 s) does."""
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    finally:
        connection.close()
    return True


def test_reviews_that_cannot_be_answered_in_time_get_a_503_in_time_and_none_is_allowed(hook: Hook) -> None:
    def silent(exchange: Exchange) -> bool:
        """The API server does not answer questions about one namespace, so that each review of it takes long."""
        if "never-made" in exchange.path:
            exchange.server.stopping.wait(3)
            return True
        return False

    hook.api.sick = silent
    try:
        with ThreadPoolExecutor(60) as pool:
            answers = list(pool.map(lambda _: hook.ask(review("never-made"), "?timeout=2s"), range(120)))
    finally:
        hook.api.sick = lambda _: False

    assert Counter(status for status, _, _ in answers) == {503: 120}
    assert not any("allowed" in text for _, text, _ in answers)
    assert max(seconds for _, _, seconds in answers) < 8
    # What the silence left behind is over soon.
    assert poll(lambda: hook.ask(WHOLE)[0] == 200, 10)


def test_a_review_that_finds_its_time_gone_is_shed_unread_and_counted(hook: Hook) -> None:
    before = hook.metric('tierguard_webhook_shed_total{reason="deadline"}')
    malformed = hook.metric("tierguard_webhook_malformed_total")
    assert hook.ask(b"no review at all", "?timeout=0s")[0] == 503
    assert hook.metric('tierguard_webhook_shed_total{reason="deadline"}') == before + 1
    assert hook.metric("tierguard_webhook_malformed_total") == malformed


def test_a_hundred_clients_with_the_largest_bodies_at_once_fit_into_the_containers_memory(hook: Hook) -> None:
    padding = json.dumps(["x" * 20] * 300_000).encode()
    body = WHOLE[:-2] + b', "more": ' + padding + b"}}"
    body += b" " * (8 * MIB - len(body))
    peak = 0
    ending = threading.Event()

    def measure() -> None:
        nonlocal peak
        while not ending.wait(0.05):
            peak = max(peak, hook.resident())

    watching = threading.Thread(target=measure)
    watching.start()
    with ThreadPoolExecutor(100) as pool:
        answers = Counter(status for status, _, _ in pool.map(lambda _: hook.ask(body, seconds=60), range(200)))
    ending.set()
    watching.join()

    assert set(answers) <= {0, 200, 503}  # 0: it took longer to send than anybody waits
    assert answers[200] > 0
    assert hook.metric('tierguard_webhook_shed_total{reason="memory"}') > 0
    assert peak < 400 * MIB  # of 512 that the chart allows
    assert hook.ask(WHOLE)[0] == 200


def test_a_hundred_megabytes_that_nobody_guards_are_not_in_the_webhooks_memory(tmp_path: Path) -> None:
    with FakeApiServer() as api:
        variables = [{"name": f"V{number}", "value": str(number)} for number in range(20_000)]
        container = {"name": "c", "image": "x", "env": variables, "args": ["x" * 200_000]}
        template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [container]}}
        for number in range(100):
            api.put("/apis/apps/v1/deployments", f"d{number}", "rogue", spec={"template": template})
        with webhook(tmp_path, api) as hook:
            assert poll(lambda: hook.metric('tierguard_cache_seconds_since_sync{kind="Deployment"}') > 0, 30)
            assert hook.resident() < 200 * MIB


def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    with FakeApiServer() as api:
        api.put("/api/v1/namespaces", "payments")
        with webhook(tmp_path, api) as running:
            (worker,) = running.workers()
            os.kill(worker, signal.SIGKILL)
            assert poll(lambda: worker not in running.workers() and running.ask(WHOLE, seconds=2)[0] == 200, 30)


def test_who_says_that_he_is_ready_takes_connections(tmp_path: Path) -> None:
    with FakeApiServer() as api:
        api.put("/api/v1/namespaces", "payments")
        for number in range(3):
            directory = tmp_path / str(number)
            directory.mkdir()
            with webhook(directory, api) as running:  # returns at the very moment at which it is ready
                assert running.ask(WHOLE)[0] == 200


def test_a_port_is_listened_on_only_once_it_is() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert not connections.listening(port)
        bound.listen()
        assert connections.listening(port)
