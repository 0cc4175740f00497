"""What may happen to the control plane, and to the way there."""

import itertools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.chaos.broken import Breaks, Note, again_and_again, nothing
from tests.chaos.site import NAMESPACE, Site
from tests.cluster.install import OPERATORS
from tests.e2e import manifests
from tests.e2e.world import only_in
from tierguard.controller.certificates.authority import (
    Authority,
    authority_in,
    authority_secret,
    make_authority,
)
from tierguard.controller.options import Lifetimes

MANY = 10_000
SYSTEM = "/api/v1/namespaces/tierguard-system"


def restarted(*names: str) -> Breaks:
    @contextmanager
    def broken(site: Site, _seed: int) -> Iterator[Note]:
        def restart() -> None:
            for name in names:
                site.cluster.processes.signal(name, signal.SIGKILL)
                site.cluster.restart(name)

        restarting = threading.Thread(target=restart)
        restarting.start()
        try:
            yield nothing
        finally:
            restarting.join()

    return broken


@contextmanager
def rotated(site: Site, _seed: int) -> Iterator[Note]:
    """Another CA, which is trusted first and signs soon after, as it does once a year; the operators start over, too."""
    path = f"{SYSTEM}/secrets/tierguard-webhook-ca"
    status, stored = site.world.call("GET", path)
    known = authority_in(stored)
    assert known is not None, status
    now = datetime.now(UTC)
    following = make_authority(now - Lifetimes().overlap + timedelta(seconds=12))
    due = authority_secret("tierguard-system", "tierguard-webhook-ca", Authority(known.current, following))
    status, said = site.world.call("PUT", path, {**stored, "data": due["data"]})
    assert status == 200, said
    for name in OPERATORS:
        site.cluster.processes.stop(name, seconds=0.5)
        site.tierguard.start_operator(name)

    def note() -> str:
        now_signing = authority_in(site.world.call("GET", path)[1])
        assert now_signing is not None
        assert now_signing.current.certificate == following.certificate, "the new CA does not sign yet"
        return "the new CA signs"

    yield note


@contextmanager
def watches_closed(site: Site, _seed: int) -> Iterator[Note]:
    def drop() -> None:
        for wire in site.wires.values():
            wire.drop()

    with again_and_again(drop, 1.0):
        yield nothing


@contextmanager
def too_old(site: Site, seed: int) -> Iterator[Note]:
    """Cut off, they miss changes that the API server forgets in its restart; then they are told that theirs is too old."""
    for wire in site.wires.values():
        wire.cut()
    site.cluster.restart("kube-apiserver")
    name = f"missed-{seed % 100000}"
    missed = manifests.freeze(name, startsAt="2020-01-01T00:00:00Z", expiresAt="2021-01-01T00:00:00Z")
    assert site.world.apply(only_in(NAMESPACE, missed), verb="create").passed
    for wire in site.wires.values():
        wire.mend()
    took: list[float] = []

    def watch() -> None:
        took.append(site.seconds_until("they know what they missed", knows, 60))

    def knows() -> bool:
        return all(("OperationalFreeze", name) in known for known in site.world.generations())

    watching = threading.Thread(target=watch)
    watching.start()

    def note() -> str:
        watching.join()
        return f"caught up in {took[0]:.1f} s"

    try:
        yield note
    finally:
        watching.join()
        site.world.withdraw([("OperationalFreeze", name)])


@contextmanager
def relisted(site: Site, _seed: int) -> Iterator[Note]:
    """Ten thousand NetworkPolicies, which all four processes watch, and all connections lost every few seconds."""
    path = "/apis/networking.k8s.io/v1/namespaces/many/networkpolicies"
    if site.world.get("namespace", "many") is None:
        site.world.create_namespace("many")
        _in_parallel(lambda number: site.world.call("POST", path, _network_policy(number)), MANY)

    def drop() -> None:
        for wire in site.wires.values():
            wire.drop()

    drop()
    with again_and_again(drop, 4.0):
        yield lambda: f"{MANY:,} objects"


def _network_policy(number: int) -> dict[str, Any]:
    selector = {"podSelector": {"matchLabels": {"app": f"app-{number}"}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": f"policy-{number}"},
        "spec": selector,
    }


def _in_parallel(act: Callable[[int], object], count: int, threads: int = 8) -> None:
    numbers = itertools.count()

    def work() -> None:
        while (number := next(numbers)) < count:
            act(number)

    working = [threading.Thread(target=work) for _ in range(threads)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()


@contextmanager
def controllers_dead(site: Site, _seed: int) -> Iterator[Note]:
    processes, name = site.cluster.processes, "kube-controller-manager"
    processes.signal(name, signal.SIGKILL)
    try:
        yield nothing
    finally:
        processes.revive(name)
