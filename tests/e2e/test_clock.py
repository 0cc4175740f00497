"""The clock inside the API server: it is watched, and where it stands still the guard is not the outage."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.controlplane import ControlPlane
from tests.cluster.install import OPERATORS, Tierguard
from tests.e2e import manifests
from tests.e2e.test_forgery import YEAR, forged, planted, settled
from tests.e2e.world import DANA, EmbeddedWorld, only_in

pytestmark = pytest.mark.embedded  # reads the operators' metrics, stops a controller manager

POLICIES = "validatingadmissionpolicies"
TOLERANCE = 16
"""Seconds; the operator hears of a clock that stands still after half of them."""


def state(world: EmbeddedWorld) -> str:
    """What the leading operator thinks of the clock."""
    for name in OPERATORS:
        for line in world.tierguard.get(name, "/metrics")[1].splitlines():
            if line.startswith("tierguard_clock_policy{") and line.endswith(" 1.0"):
                return line.split('"')[1]
    return "nobody says"


def guarded(world: EmbeddedWorld) -> str:
    """What the policy against planted times looks at."""
    conditions = world.get(POLICIES, "tierguard-clock")["spec"].get("matchConditions") or []
    return next((each["expression"] for each in conditions if each["name"] == "guarded"), "")


def armed(world: EmbeddedWorld) -> bool:
    return guarded(world) not in ("", "false")


def message(world: EmbeddedWorld, freeze: str) -> str:
    conditions = world.get("ofz", freeze).get("status", {}).get("conditions", [])
    return next((each["message"] for each in conditions if each["type"] == "Compiled"), "")


def coming(namespace: str) -> dict[str, Any]:
    starts = (datetime.now(UTC) + timedelta(days=20)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return dict(only_in(namespace, manifests.freeze(f"clock-{namespace[-12:]}", startsAt=starts)))


def tells(world: EmbeddedWorld, namespace: str) -> None:
    """Wait until planted times are refused; then see that an honest change passes."""
    tries = iter(range(10_000))
    world.until(
        "planted times are refused",
        lambda: "not now" in forged(world, namespace, planted(YEAR), f"planted-{next(tries)}").out,
    )
    answer = settled(world, namespace, lambda _: None, f"honest-{next(tries)}")
    assert answer.passed, answer.out


def test_the_clock_works_and_the_operator_says_so(world: EmbeddedWorld, namespace: str) -> None:
    assert world.apply(manifests.deployment(namespace), user=DANA).passed
    world.until("the clock is known to work", lambda: state(world) == "working")
    freeze = coming(namespace)
    with world.in_force(freeze):
        world.until("the policy looks at what is guarded", lambda: armed(world))
        tells(world, namespace)
    assert world.get("configmap", "tierguard-clock-probe", "-n", "tierguard-system") is None


@pytest.fixture
def apart(binaries: Path, tmp_path: Path) -> Iterator[EmbeddedWorld]:
    """A cluster whose clock may be broken: what is broken here only a restart of its API server would mend."""
    with ControlPlane(tmp_path / "cluster", binaries, nodes=1) as cluster:
        tierguard = Tierguard(cluster)
        tierguard.install(("--set", f"admissionPolicies.clockToleranceSeconds={TOLERANCE}"))
        yield EmbeddedWorld(cluster, tierguard)


@pytest.mark.cluster
def test_a_clock_that_stands_still_keeps_nobody_from_an_honest_change(apart: EmbeddedWorld) -> None:
    namespace = "standing-still"
    apart.create_namespace(namespace)
    assert apart.apply(manifests.deployment(namespace), user=DANA).passed
    freeze = coming(namespace)
    with apart.in_force(freeze):
        apart.until("the policy looks at what is guarded", lambda: armed(apart))
        tells(apart, namespace)
        the_controller_manager_dies(apart, namespace, str(freeze["metadata"]["name"]))
        the_policies_are_made_again(apart, namespace)


def the_controller_manager_dies(world: EmbeddedWorld, namespace: str, freeze: str) -> None:
    manager = "kube-controller-manager"
    world.cluster.processes.signal(manager, signal.SIGKILL)
    honest_all_the_while(world, namespace, "dead")
    assert state(world) == "stale"
    assert guarded(world) == "false"
    world.until("the freeze says so", lambda: "planted times" in message(world, freeze))
    assert state_of_compiled(world, freeze) == "True"
    # As one that ends well leaves it: the next need not wait until the Lease has run out.
    world.ok("patch", "lease", manager, "-n", "kube-system", "--type=merge", '-p={"spec":{"holderIdentity":""}}')
    world.cluster.restart(manager)
    world.until("the clock works again", lambda: state(world) == "working", 45)
    world.until("the policy is armed again", lambda: armed(world))
    tells(world, namespace)
    world.until("the freeze says nothing more of it", lambda: "planted times" not in message(world, freeze))


def the_policies_are_made_again(world: EmbeddedWorld, namespace: str) -> None:
    """As `helm uninstall` and `helm install` do."""
    kinds = (POLICIES, "validatingadmissionpolicybindings")
    names = ("tierguard-clock", "tierguard-clock-probe")
    found = [world.get(kind, name) for kind in kinds for name in names]
    for each in found:
        each["metadata"] = {"name": each["metadata"]["name"], "labels": each["metadata"]["labels"]}
        each.pop("status", None)
    for kind in kinds:
        # Every policy with a Lease for its parameter: the API server stops reading Leases with the last one.
        world.ok("delete", kind, *names, "tierguard-clockless")
    world.until("the API server has no such policy", lambda: state(world) == "blind")
    world.ok("create", "-f", "-", stdin=yaml.safe_dump_all(found))
    honest_all_the_while(world, namespace, "again")
    assert state(world) == "stale"
    assert guarded(world) == "false"


def honest_all_the_while(world: EmbeddedWorld, namespace: str, name: str) -> None:
    """Change the workload honestly until well after the policy would have refused it."""
    end = datetime.now(UTC) + timedelta(seconds=TOLERANCE + 3)
    tries = 0
    while datetime.now(UTC) < end:
        tries += 1
        answer = settled(world, namespace, lambda _: None, f"{name}-{tries}")
        assert answer.passed, (tries, state(world), guarded(world), answer.out)


def state_of_compiled(world: EmbeddedWorld, freeze: str) -> str:
    conditions = world.get("ofz", freeze)["status"]["conditions"]
    return str(next(each["status"] for each in conditions if each["type"] == "Compiled"))
