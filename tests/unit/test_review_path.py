"""The webhook's path: nobody guesses it, and while it is replaced no review is lost."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.reviews import FROZEN, PATH, Application, encoded, review
from tierguard.cluster.review_path import MOST, ReviewPath, encode, fresh, known, parse
from tierguard.controller.certificates.review_paths import OVERLAP, USED, due, in_use, renewed
from tierguard.controller.certificates.trust import ensure_certificates
from tierguard.controller.options import Endpoint, Options
from tierguard.guard.model.objects import KubeObject
from tierguard.webhook.paths import LOOK_SECONDS, Paths

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LAG = timedelta(minutes=5)
"""How late a kubelet brings a Secret to a pod, and how late an API server hears of a configuration."""
LEGACY = "/validate"


def test_a_path_has_256_random_bits_and_is_read_as_it_was_written() -> None:
    made = [fresh(NOW), fresh(NOW)]
    assert len({each.path for each in made}) == 2
    assert all(len(each.path.rpartition("/")[2]) == 64 for each in made)
    assert parse(encode(made)) == tuple(made)


@pytest.mark.parametrize(
    "line", ["", "x", "2026-11-21T12:00:00Z", "2026-11-21T12:00:00Z /validate/short", "now /validate", "\xff /validate"]
)
def test_a_line_that_is_no_path_is_left_out(line: str) -> None:
    good = fresh(NOW)
    assert parse(line.encode("latin-1") + b"\n" + encode([good])) == (good,)


def test_a_long_list_is_cut() -> None:
    many = [fresh(NOW) for _ in range(MOST + 3)]
    assert parse(encode(many)) == tuple(many[-MOST:])


@pytest.mark.parametrize("begins", ["", LEGACY])
def test_through_all_renewals_webhooks_take_what_api_servers_use(begins: str) -> None:
    paths: tuple[ReviewPath, ...] = ()
    configured = begins
    taken: list[tuple[datetime, frozenset[str]]] = []
    used: list[tuple[datetime, str]] = [(NOW, configured)] if configured else []
    now = NOW
    while now < NOW + timedelta(days=5):
        if due(paths, now):
            paths = renewed(paths, configured, now)
            assert len(paths) <= MOST
        configured = in_use(paths, now)
        assert known(configured)
        taken.append((now, frozenset(each.path for each in paths)))
        used.append((now, configured))
        # Whatever pair of old and new a webhook and an API server may have for a while.
        for _, one in [entry for entry in taken if now - entry[0] <= LAG]:
            for _, other in [entry for entry in used if now - entry[0] <= LAG]:
                assert other in one
        now += LAG / 2
    assert len({path for _, path in used}) >= 9
    ended = now - 2 * USED - 2 * OVERLAP
    assert not {path for at, path in used if at < ended} & taken[-1][1], "a path that was shown is soon worth nothing"


def test_while_the_configuration_cannot_be_written_what_it_says_is_kept() -> None:
    first = renewed((), "", NOW)
    paths = first
    for days in range(1, 10):
        paths = renewed(paths, first[0].path, NOW + timedelta(days=days))
        assert paths[0] == first[0]


class Cluster:
    """An API server with Secrets and a webhook configuration."""

    def __init__(self) -> None:
        self.stored: dict[str, KubeObject] = {}
        self.writes: list[str] = []

    def find(self, path: str) -> KubeObject | None:
        return self.stored.get(path)

    def create(self, path: str, body: KubeObject) -> KubeObject:
        self.writes.append(path)
        self.stored[f"{path}/{body['metadata']['name']}"] = body
        return body

    def merge(self, path: str, body: dict[str, Any], manager: str) -> None:
        assert manager
        self.writes.append(path)
        self.stored[path] = {**self.stored[path], "data": {**self.stored[path]["data"], **body["data"]}}


SECRETS = "/api/v1/namespaces/guard/secrets"
OPTIONS = Options("guard", Endpoint("guard", "webhook", 443), "tierguard", "", "", 0)


def path_of(cluster: Any, now: datetime, options: Options = OPTIONS) -> str:
    return ensure_certificates(cluster, options, now).path


def test_the_path_is_made_once_along_with_the_certificate_and_outlives_it() -> None:
    cluster = Cluster()
    made = path_of(cluster, NOW)
    assert set(cluster.stored[f"{SECRETS}/tierguard-webhook-tls"]["data"]) == {"tls.crt", "tls.key", "ca.crt", "paths"}
    assert cluster.writes == [SECRETS] * 2
    assert path_of(cluster, NOW + USED / 2) == made
    assert cluster.writes == [SECRETS] * 2


def test_what_the_api_server_uses_is_found_in_its_configuration_when_the_secret_is_lost() -> None:
    for config in (
        {"url": "https://127.0.0.1:9443/validate"},
        {"service": {"path": "/validate", "name": "w", "namespace": "guard"}},
    ):
        cluster = Cluster()
        cluster.stored["/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/tierguard"] = {
            "webhooks": [{"clientConfig": config}]
        }
        assert path_of(cluster, NOW) == LEGACY, "old webhooks know no other"
        assert path_of(cluster, NOW + OVERLAP) != LEGACY


def test_with_cert_manager_the_path_is_in_a_secret_of_its_own() -> None:
    cluster = Cluster()
    path_of(cluster, NOW)  # the certificate, as cert-manager would make it
    served = cluster.stored[f"{SECRETS}/tierguard-webhook-tls"]
    before = dict(served["data"])
    elsewhere = Options(
        "guard", Endpoint("guard", "webhook", 443), "tierguard", "", "", 0, certificates_from_elsewhere=True
    )
    made = path_of(cluster, NOW, elsewhere)
    assert known(made)
    assert served["data"] == before
    assert set(cluster.stored[f"{SECRETS}/tierguard-webhook-path"]["data"]) == {"paths"}
    assert path_of(cluster, NOW, elsewhere) == made


def test_the_webhook_reads_its_file_again_and_keeps_what_it_knew_while_it_cannot(tmp_path: Path) -> None:
    file, now = tmp_path / "paths", [0.0]
    first, second = fresh(NOW), fresh(NOW)
    file.write_bytes(encode([first]))
    paths = Paths(file, lambda: now[0])
    assert paths(first.path)
    assert not paths(second.path)

    file.write_bytes(encode([first, second]))
    now[0] += LOOK_SECONDS
    assert paths(second.path)
    file.unlink()
    now[0] += LOOK_SECONDS
    assert paths(first.path)
    file.write_bytes(b"")
    now[0] += LOOK_SECONDS
    assert paths(first.path)


def test_the_file_is_read_before_the_first_request(tmp_path: Path) -> None:
    """Two first requests at once: one that had still to read let the other one find nothing known."""
    file, path = tmp_path / "paths", fresh(NOW)
    file.write_bytes(encode([path]))
    paths = Paths(file)
    file.unlink()
    assert paths(path.path)


@pytest.mark.parametrize(
    "path", ["", "/", "/validate", "/validate/", "/readyz", "/metrics", f"{PATH}/", f"{PATH}\udcff", "é"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_on_another_path_nothing_is_answered_read_or_logged(
    path: str, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    application = Application(FROZEN)

    def unread(_size: int) -> bytes:
        raise AssertionError

    reply = application.ask(
        b"{}", PATH_INFO=path, REQUEST_METHOD=method, **{"wsgi.input": type("Stream", (), {"read": unread})}
    )

    assert reply.status.startswith("404")
    assert not caplog.records
    assert "tierguard_webhook_unknown_path_total 1.0" in application.scrape()


def test_on_the_path_reviews_are_answered_and_get_says_so() -> None:
    application = Application(FROZEN)
    assert application.ask(b"", REQUEST_METHOD="GET").status.startswith("200")
    assert application.ask(b"", REQUEST_METHOD="PUT").status.startswith("405")
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "payments"}}
    assert application.ask(encoded(review(None, workload))).status.startswith("200")
