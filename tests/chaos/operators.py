"""What may happen to operators."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.chaos.broken import Note
from tests.chaos.site import NAMESPACE, Site
from tests.cluster.install import CHART, OPERATORS, RELEASE, WEBHOOKS
from tests.e2e import manifests
from tests.e2e.world import only_in

TAKEOVER_SECONDS = 15.0
KINDS = ("OperationalFreeze", "ChangeWindow", "PaymentTierPolicy")
PREVIOUS = Path(__file__).parent / "previous"
"""The CustomResourceDefinitions as tierguard's first version had them."""
CURRENT = CHART / "files" / "crds"
TAKE_OVER = ("--server-side", "--force-conflicts")


@contextmanager
def leader_lost(site: Site, lose: Callable[[str], None], mend: Callable[[str], None]) -> Iterator[Note]:
    (leader,) = site.leaders()
    (standby,) = set(OPERATORS) - {leader}
    lose(leader)
    began, took = time.monotonic(), []

    def watch() -> None:
        while standby not in site.leaders() and time.monotonic() - began < 2 * TAKEOVER_SECONDS:
            time.sleep(0.1)
        took.append(time.monotonic() - began)

    watching = threading.Thread(target=watch)
    watching.start()

    def note() -> str:
        watching.join()
        assert took[0] <= TAKEOVER_SECONDS, f"the standby took {took[0]:.1f} s to take over"
        assert [name for name in site.leaders() if name != standby] in ([], [leader]), site.leaders()
        return f"takeover {took[0]:.1f} s"

    try:
        yield note
    finally:
        mend(leader)


def leader_killed(site: Site, _seed: int) -> AbstractContextManager[Note]:
    processes = site.cluster.processes
    return leader_lost(site, lambda name: processes.signal(name, signal.SIGKILL), site.tierguard.start_operator)


def leader_cut_off(site: Site, _seed: int) -> AbstractContextManager[Note]:
    return leader_lost(site, lambda name: site.wires[name].cut(), lambda name: site.wires[name].mend())


@contextmanager
def cut_off(site: Site, _seed: int) -> Iterator[Note]:
    with ExitStack() as mending:
        for name in OPERATORS:
            site.wires[name].freeze()
            mending.callback(site.wires[name].mend)
        yield lambda: f"leaders: {len(site.leaders())}"


@contextmanager
def upgraded(site: Site, seed: int) -> Iterator[Note]:
    """CustomResourceDefinitions, objects and webhook configuration of the first version, then this one's, under load."""
    world, processes = site.world, site.cluster.processes
    processes.stop(*OPERATORS, seconds=0.5)
    now = world.get("validatingwebhookconfigurations", RELEASE)
    definitions = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(PREVIOUS.glob("*.yaml"))]
    assert world.apply(*definitions, user=None, options=TAKE_OVER).passed
    old = {each: f"old-{each.lower()}-{seed % 100000}" for each in KINDS}
    over = {"startsAt": "2020-01-01T00:00:00Z", "expiresAt": "2021-01-01T00:00:00Z"}
    stored = (
        manifests.freeze(old[KINDS[0]], **over),
        manifests.window(old[KINDS[1]], {"from": "00:00", "to": "24:00"}),
        manifests.policy(old[KINDS[2]], {"rollout": {}, "topologySpread": {}}, app="nobody"),
    )
    assert world.apply(*(only_in(NAMESPACE, each) for each in stored), verb="create").passed
    assert world.apply(_as_it_was(now), options=(*TAKE_OVER, "--field-manager=tierguard-operator")).passed
    for name in WEBHOOKS:
        processes.stop(name, seconds=2.0)
        site.tierguard.start_webhook(name)
        site.tierguard.wait_ready(name)

    def upgrade() -> None:
        current = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(CURRENT.glob("*.yaml"))]
        assert world.apply(*current, options=TAKE_OVER).passed
        for name in OPERATORS:
            site.tierguard.start_operator(name)

    upgrading = threading.Thread(target=upgrade)
    upgrading.start()

    def judged() -> bool:
        found = [world.get(kind, name) for kind, name in old.items()]
        return all(each and each.get("status", {}).get("observedGeneration") for each in found)

    def note() -> str:
        upgrading.join()
        site.seconds_until("the old objects have a status", judged, 30)
        found = world.get("validatingwebhookconfigurations", RELEASE)
        assert [w["name"] for w in found["webhooks"]] == [w["name"] for w in now["webhooks"]], found
        return "old objects judged"

    try:
        yield note
    finally:
        upgrading.join()
        world.withdraw(list(old.items()))


def _as_it_was(now: Any) -> dict[str, Any]:
    """The first version's configuration: one webhook for guarded workloads, under Fail, that this version does not have."""
    rules = [{**rule, "operations": ["CREATE", "UPDATE", "DELETE"]} for rule in now["webhooks"][0]["rules"]]
    guarded = {**now["webhooks"][0], "name": "guarded.tierguard.io", "matchConditions": [], "rules": rules}
    metadata = {"name": RELEASE, "ownerReferences": now["metadata"].get("ownerReferences") or []}
    kept = [webhook for webhook in now["webhooks"] if webhook["name"].startswith(("policy.", "resources."))]
    return {
        "apiVersion": now["apiVersion"],
        "kind": now["kind"],
        "metadata": metadata,
        "webhooks": [guarded, *kept],
    }
