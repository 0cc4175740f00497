"""What may happen to webhooks."""

import os
import random
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlparse

from tests.chaos.broken import Breaks, Note, again_and_again, nothing
from tests.chaos.impostor import Impostor, Respond, garbage, late
from tests.chaos.site import NAMESPACE, Site
from tests.cluster.install import OPERATORS, WEBHOOKS, Launch
from tests.cluster.ports import free_port
from tests.e2e import manifests
from tests.e2e.world import only_in
from tierguard.controller.certificates.authority import authority_in, make_leaf

REPOSITORY = Path(__file__).resolve().parents[2]
NO_LOG = Launch(prefix=("sh", "-c", 'exec "$@" >/dev/full 2>&1', "sh"))


@contextmanager
def paused(site: Site, *names: str) -> Iterator[None]:
    for name in names:
        site.cluster.processes.signal(name, signal.SIGSTOP)
    try:
        yield
    finally:
        for name in names:
            site.cluster.processes.signal(name, signal.SIGCONT)


@contextmanager
def hanging(site: Site, _seed: int) -> Iterator[Note]:
    with paused(site, *WEBHOOKS):
        yield nothing


@contextmanager
def replaced(site: Site, respond: Respond) -> Iterator[Note]:
    site.cluster.processes.stop(*WEBHOOKS, seconds=0.5)
    impostor = Impostor(site.tierguard.port, site.tierguard.certificates, respond)
    try:
        yield nothing
    finally:
        impostor.close()


def babbling(site: Site, seed: int) -> AbstractContextManager[Note]:
    return replaced(site, garbage(seed))


def slow(seconds: float) -> Breaks:
    @contextmanager
    def broken(site: Site, _seed: int) -> Iterator[Note]:
        port, name = free_port(), "webhook-late"
        site.tierguard.start_webhook(name, port=port)
        site.tierguard.wait_ready(name)
        authority = site.tierguard.certificates / "ca.crt"
        path = urlparse(site.tierguard.review_url()).path
        try:
            with replaced(site, late(seconds, f"https://127.0.0.1:{port}{path}", authority)) as note:
                yield note
        finally:
            site.cluster.processes.stop(name)

    return broken


@contextmanager
def expired(site: Site, _seed: int) -> Iterator[Note]:
    found = authority_in(site.world.get("secret", "tierguard-webhook-ca", "-n", "tierguard-system"))
    assert found is not None
    long_ago = datetime.now(UTC) - timedelta(days=2)
    leaf = make_leaf(found.current, frozenset({"127.0.0.1"}), long_ago, timedelta(days=1))
    site.mounting = False
    directory = site.tierguard.certificates
    try:
        site.cluster.processes.stop(*WEBHOOKS)
        (directory / "tls.crt").write_bytes(leaf.certificate)
        (directory / "tls.key").write_bytes(leaf.key)
        for name in WEBHOOKS:
            site.tierguard.start_webhook(name)
            site.tierguard.wait_ready(name)
        yield nothing
    finally:
        site.mounting = True  # and the webhooks notice by themselves


def started_as(launch: Launch, *also: str) -> Breaks:
    @contextmanager
    def broken(site: Site, _seed: int) -> Iterator[Note]:
        names = (*WEBHOOKS, *also)
        site.cluster.processes.stop(*names)
        for name in names:
            (site.tierguard.start_operator if name in OPERATORS else site.tierguard.start_webhook)(name, launch)
        for name in names:
            site.tierguard.wait_ready(name)
        try:
            yield nothing
        finally:
            site.cluster.processes.stop(*names)

    return broken


def skewed(seconds: float) -> Breaks:
    environment = {"TIERGUARD_CHAOS_SKEW": str(seconds), "PYTHONPATH": str(REPOSITORY)}
    launch = Launch(module="tests.chaos.skewed", environment=environment)
    return started_as(launch)


@contextmanager
def reloaded(site: Site, seed: int) -> Iterator[Note]:
    """Webhooks start over with their certificate, policies change, in the middle of requests."""
    draw = random.Random(seed)  # noqa: S311 - it shall be repeatable
    policy = manifests.policy("changing", {"termination": {"gracePeriodSeconds": 30}}, app="nobody")
    path = "/apis/tierguard.io/v1alpha1/paymenttierpolicies/changing"

    def change() -> None:
        pid = site.cluster.processes.pid(draw.choice(WEBHOOKS))
        if pid is not None:
            os.kill(pid, signal.SIGHUP)  # the supervisor alone: its worker is to end in its own time
        found = site.world.call("GET", path)[1]
        found["spec"]["rules"]["termination"]["gracePeriodSeconds"] = draw.randint(20, 90)
        site.world.call("PUT", path, found)

    assert site.world.apply(only_in(NAMESPACE, policy)).passed
    try:
        with again_and_again(change, 3.0):
            yield nothing
    finally:
        site.world.withdraw([("PaymentTierPolicy", "changing")])
