"""Every known way around a freeze, by a namespace's admin and by a pipeline: alive, half dead and dead.

What is refused in the frozen namespace passes in its twin, where no freeze is: so it is the freeze that refuses.
"""

import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.cluster.install import OPERATORS, WEBHOOKS
from tests.e2e import manifests
from tests.e2e.attacks import kinds, running, ways
from tests.e2e.attacks.caller import Caller, Said
from tests.e2e.attacks.kinds import WITH_STATUS, Ways
from tests.e2e.attacks.place import ANNOUNCE, CI, MACHINE, furnish
from tests.e2e.outage import compiled, without_operators, without_webhooks
from tests.e2e.world import DANA, EmbeddedWorld, only_in
from tierguard.guard.freezes.break_glass import BREAK_GLASS

pytestmark = [pytest.mark.embedded, pytest.mark.cluster]  # kills the processes

INSIDE: Ways = {**running.RUNS, **running.STOPS, **ways.AROUND, **ways.ENDS, **ways.LEAVES}
EVERYTHING: Ways = {**INSIDE, **ways.RESETS, **ways.INVALID}


@dataclass(frozen=True)
class Twins:
    """Two namespaces with the same in them, and a freeze of tiers 0 to 2 in one."""

    world: EmbeddedWorld
    frozen: str
    free: str

    def said(self, namespace: str, tried: Ways, *users: str) -> dict[str, Said]:
        """What became of each way, by each of `users` who may try it at all."""
        found: dict[str, Said] = {}
        for user in users or (CI, DANA):
            caller = Caller(self.world, namespace, user, machine=user == MACHINE)
            found |= {f"{way}, by {user.partition('@')[0]}": act(caller) for way, act in tried.items()}
        return {way: said for way, said in found.items() if not said.by_rbac}


@pytest.fixture(scope="module")
def twins(world: EmbeddedWorld) -> Iterator[Twins]:
    frozen, free = (f"{name}-{uuid.uuid4().hex[:6]}" for name in ("ways-frozen", "ways-free"))
    for name in (frozen, free):
        world.create_namespace(name)
        furnish(world, name)
    freeze = only_in(frozen, manifests.freeze(f"ways-{frozen[-6:]}", scope={"tiers": [0, 1, 2]}))
    with world.in_force(freeze):
        world.until("the API server knows the freeze", lambda: compiled(world, freeze["metadata"]["name"]))
        yield Twins(world, frozen, free)
    for name in (frozen, free):
        world.remove_namespace(name)


def passed(answers: Mapping[str, Said]) -> list[str]:
    return [way for way, said in answers.items() if said.passed]


def refused(answers: Mapping[str, Said]) -> dict[str, str]:
    return {way: said.message for way, said in answers.items() if not said.passed}


def by_others(answers: Mapping[str, Said]) -> dict[str, str]:
    """Refused, but not by tierguard: such an attack shows nothing."""
    return {way: said.message for way, said in answers.items() if not said.passed and not said.by_tierguard}


def waiting(answers: Mapping[str, Said]) -> dict[str, str]:
    """Refused for want of an answer that only a freeze asks for. Some changes wait for one at any time."""
    always = ("deletion.tierguard.io", "metadata.tierguard.io")
    return {way: why for way, why in refused(answers).items() if not any(name in why for name in always)}


def test_nothing_passes_in_a_freeze(twins: Twins) -> None:
    answers = twins.said(twins.frozen, EVERYTHING)
    assert passed(answers) == []
    assert by_others(answers) == {}


def test_the_same_passes_where_no_freeze_is(twins: Twins) -> None:
    assert refused(twins.said(twins.free, INSIDE)) == {}
    answers = twins.said(twins.free, {**ways.RESETS, **ways.INVALID})
    assert passed(answers) == []
    assert by_others(answers) == {}
    # Kubernetes itself takes them.
    assert refused(twins.said(twins.free, {**ways.RESETS, **ways.INVALID}, MACHINE)) == {}


def took(said: Said) -> bool:
    """Whether something of `METADATA` is in the object now."""
    metadata = said.result["metadata"]
    owners = [owner["uid"] for owner in metadata.get("ownerReferences", [])]
    lower = (metadata.get("labels") or {}).get("tierguard.io/tier") == "4"
    return kinds.GONE["uid"] in owners or lower or ANNOUNCE in (metadata.get("annotations") or {})


def test_no_owner_label_or_announcement_is_written_through_a_subresource(twins: Twins) -> None:
    assert_no_metadata(twins)
    taken = twins.said(twins.frozen, ways.through_subresources(), MACHINE)
    assert len([way for way, said in taken.items() if said.passed and took(said)]) > len(WITH_STATUS), taken


def assert_no_metadata(twins: Twins) -> None:
    answers = twins.said(twins.frozen, ways.through_subresources())
    assert [way for way, said in answers.items() if said.passed and took(said)] == []
    assert by_others(answers) == {}


def test_a_flood_of_questions_to_rbac_lets_nothing_through(twins: Twins) -> None:
    """With a break-glass mark each review hangs on a question to RBAC, which has a budget."""
    pipeline = Caller(twins.world, twins.frozen, CI)
    until = (datetime.now(UTC) + timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    mark = kinds.field("metadata", "annotations", BREAK_GLASS, to=f"X-1: mine; until={until}")
    zero = kinds.field("spec", "replicas", to=0)

    def tried(_: int) -> Said:
        return pipeline.edit("deployments", "settlement", lambda it: (mark(it), zero(it)), "apps/v1")

    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(tried, range(150)))
    assert [said.status for said in answers if said.passed] == []
    assert all(said.by_tierguard for said in answers), [said.message for said in answers if not said.by_tierguard]


def test_no_pod_is_labelled_by_its_binding(twins: Twins) -> None:
    pipeline = Caller(twins.world, twins.frozen, CI)
    adopted = running.bound(pipeline, running.labels_of_pods(pipeline))
    assert "a Binding has labels" in adopted.message
    assert running.bound(pipeline, {"topology.kubernetes.io/zone": "zone-a"}).passed


def test_the_same_is_refused_with_the_webhooks_dead_and_passes_outside(twins: Twins) -> None:
    with without_webhooks(twins.world, *WEBHOOKS):
        answers = twins.said(twins.frozen, EVERYTHING)
        assert passed(answers) == []
        assert by_others(answers) == {}
        assert_no_metadata(twins)
        assert waiting(twins.said(twins.free, INSIDE)) == {}
        # What is refused at any time is not let through for want of an answer.
        assert passed(twins.said(twins.free, ways.RESETS)) == []
        with without_operators(twins.world):
            answers = twins.said(twins.frozen, EVERYTHING)
            assert passed(answers) == []
    for name in OPERATORS:
        twins.world.tierguard.wait_ready(name)
