"""What the operator saw available of any workload: what a workload that becomes guarded later may go back to."""

import copy
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e import manifests
from tierguard.cli.picture import picture
from tierguard.cluster import record
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api, ApiError
from tierguard.controller.rollback import observed as limits
from tierguard.controller.rollback.installation import MOST_PAGES
from tierguard.controller.rollback.observed import MOST_TEMPLATES, SHARDS, Observed, shard_of
from tierguard.controller.rollback.record_keeper import FRESH, MOST_WRITES, WRITE_PAUSE, RecordKeeper
from tierguard.guard.model.identities import Identities
from tierguard.guard.model.template import template_hash
from tierguard.guard.survey import survey

Document = dict[str, Any]

INSTALLED = datetime(2026, 11, 1, 12, tzinfo=UTC)
NOW = INSTALLED + timedelta(seconds=5)
BEFORE = "2026-10-01T00:00:00Z"
PLACE = "payments"


def core(image: str = "core:2", tier: str | None = None, uid: str = "u-core", ready: bool = True) -> Document:
    raw = manifests.deployment(PLACE, image=image, tier=tier)
    raw["metadata"] |= {"uid": uid, "generation": 1, "name": uid}
    available = 3 if ready else 0
    raw["status"] = {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": available}
    return raw


def digest(image: str, tier: str | None = None) -> str:
    return template_hash(manifests.deployment(PLACE, image=image, tier=tier)["spec"]["template"])


def revision(image: str, uid: str = "u-core", made: str = BEFORE) -> Document:
    template = copy.deepcopy(manifests.deployment(PLACE, image=image, tier=None)["spec"]["template"])
    template["metadata"]["labels"]["pod-template-hash"] = "5f7"
    owner = {"uid": uid, "controller": True, "kind": "Deployment", "name": "core"}
    return {"metadata": {"creationTimestamp": made, "ownerReferences": [owner]}, "spec": {"template": template}}


class Cluster(Api):
    """Keeps ConfigMaps, and lists what there is of revisions; `refuses` are the names that it will not write."""

    def __init__(self, *revisions: Document) -> None:
        self.revisions = list(revisions)
        self.lists: list[str] = []
        self.kept: dict[str, Any] = {}
        self.writes = 0
        self.refuses: frozenset[str] = frozenset()
        self.endless = False

    def get_raw(
        self,
        path: str,
        query: Any = None,  # noqa: ARG002
        timeout: float = 0.0,  # noqa: ARG002
        accept: str = "",  # noqa: ARG002
        most_bytes: int | None = None,  # noqa: ARG002
    ) -> bytes:
        self.lists.append(path)
        items = self.revisions if path.endswith("replicasets") else []
        return json.dumps(
            {"items": items, "metadata": {"continue": f"on-{len(self.lists)}"} if self.endless else {}}
        ).encode()

    def apply(self, path: str, body: Any, manager: str) -> Any:
        assert manager
        name = path.rpartition("/")[2]
        if name in self.refuses:
            raise ApiError(503, "PATCH", path, "not now")
        self.writes += 1
        self.kept[name] = body
        return body

    def delete(self, path: str, uid: str = "") -> None:
        assert not uid
        self.kept.pop(path.rpartition("/")[2], None)

    def recorded(self, uid: str = "u-core") -> dict[str, Any]:
        return dict((self.kept.get(record.record_name(uid)) or {}).get("data") or {})


class Operator:
    """One operator process, to which a watch tells all that there is and all that is written."""

    def __init__(self, api: Cluster, *there: Document) -> None:
        self.api = api
        self.cache = ClusterCache(Api.__new__(Api), "tierguard-system", Identities(), status=True)
        self.keeper = RecordKeeper(api, self.cache, "tierguard-system")
        self.there: tuple[Document, ...] = ()
        self.sees(*there)

    def sees(self, *there: Document, now: datetime = NOW) -> None:
        self.there = there
        self.cache.state = picture(there)
        self.cache.state.namespaces.setdefault(PLACE, {})
        self.cache.changes.departed()
        for obj in there:
            self.keeper.observe(str(obj["kind"]), obj, now)

    def passes(self, now: datetime = NOW) -> timedelta | None:
        for body in self.api.kept.values():
            self.cache.notes.changed(body)
        return self.keeper.keep(survey(self.cache.state, now), INSTALLED, now)


def test_history_is_read_at_the_installation_for_what_nothing_guards_yet() -> None:
    api = Cluster(
        revision("core:1"), revision("core:0", uid="somebody"), revision("core:9", made="2026-11-01T12:00:01Z")
    )
    operator = Operator(api, core())
    operator.passes()
    assert api.recorded() == {}

    later = NOW + timedelta(days=90)
    operator.sees(core(tier="1"), now=later)
    operator.passes(later)
    assert api.recorded()[digest("core:1")] == BEFORE
    assert set(api.recorded()) == {digest("core:1"), digest("core:2"), digest("core:2", "1")}


def test_a_revision_that_is_edited_after_the_installation_is_nothing_to_go_back_to() -> None:
    api = Cluster(revision("core:1"))
    operator = Operator(api, core())
    operator.passes()
    api.revisions = [revision("evil:1")]

    for fresh in (operator, Operator(api, core())):  # the same operator, and one that was started since
        for later in (NOW + timedelta(seconds=30), NOW + timedelta(days=90)):
            fresh.keeper.start_over()
            fresh.sees(core(tier="1"), now=later)
            fresh.passes(later)
            assert digest("evil:1") not in api.recorded()
            assert digest("core:1") in api.recorded()
    assert len(api.lists) == 2  # each kind of revision, once


def test_an_operator_that_is_older_than_the_mark_reads_no_history() -> None:
    """After an upgrade, or an installation that nobody could start for a while: who wrote what since then is not known."""
    api = Cluster(revision("core:1"))
    operator = Operator(api, core(tier="1"))
    operator.passes(INSTALLED + FRESH)

    assert api.lists == []
    assert set(api.recorded()) == {digest("core:2", "1")}
    assert record.HISTORY in api.kept


def test_history_whose_writing_failed_is_written_by_the_next_pass_and_not_read_again() -> None:
    api = Cluster(revision("core:1"))
    api.refuses = frozenset({record.HISTORY, record.shard_name(shard_of("u-core"))})
    operator = Operator(api, core(tier="1"))
    for _ in range(2):
        with pytest.raises(ApiError):
            operator.passes()
        api.revisions = [revision("evil:1")]
    api.refuses = frozenset()
    operator.passes(NOW + timedelta(seconds=2))

    assert digest("core:1") in api.recorded()
    assert digest("evil:1") not in api.recorded()
    assert len(api.lists) == 2


def test_what_was_rolled_out_and_replaced_before_a_workload_was_guarded_is_remembered() -> None:
    api = Cluster()
    operator = Operator(api)
    operator.passes()
    for day, image in enumerate(("core:1", "core:2", "core:3"), 1):
        operator.sees(core(image), now=NOW + timedelta(days=day))
        operator.passes(NOW + timedelta(days=day))
    operator.sees(core("bad:4", ready=False), now=NOW + timedelta(days=4))
    operator.passes(NOW + timedelta(days=4))

    following = Operator(api, core("core:3", tier="1"))  # another process, which was told of nothing before
    following.passes(NOW + timedelta(days=5))
    found = api.recorded()
    assert found[digest("core:1")] == "2026-11-02T12:00:05Z"
    assert found[digest("core:2")] == "2026-11-03T12:00:05Z"
    assert digest("bad:4") not in found


def test_what_the_standby_saw_counts_when_the_leader_died_before_it_wrote_it_down() -> None:
    api = Cluster()
    Operator(api, core("core:1")).passes()
    standby = Operator(api, core("core:1"))
    standby.sees(core("core:2"), now=NOW + timedelta(hours=1))
    standby.sees(core("core:3", tier="1"), now=NOW + timedelta(hours=2))
    standby.keeper.start_over()
    standby.passes(NOW + timedelta(hours=3))

    assert api.recorded()[digest("core:2")] == "2026-11-01T13:00:05Z"
    assert api.recorded()[digest("core:1")] == "2026-11-01T12:00:05Z"


def test_what_is_gone_is_forgotten_also_by_who_only_looks_on() -> None:
    api = Cluster()
    leader, standby = Operator(api, core()), Operator(api, core())
    leader.passes()
    shard = record.shard_name(shard_of("u-core"))
    assert "u-core" in api.kept[shard]["data"]["templates"]
    for each in (leader, standby):
        each.sees()
        each.keeper.observe("Deployment", core(), NOW)  # its deletion is told with its last state
    standby.keeper.look_on()
    leader.passes(NOW + WRITE_PAUSE)

    assert len(standby.keeper._observed) == len(leader.keeper._observed) == 0
    assert api.kept[shard]["data"]["templates"] == ""


def test_one_pass_writes_a_bounded_number_of_config_maps_and_says_when_to_go_on() -> None:
    api = Cluster()
    operator = Operator(api)
    assert operator.passes() is None
    written = api.writes
    operator.sees(*(core(uid=f"u-{number}") for number in range(600)))
    at, waits = NOW, []
    while (wait := operator.passes(at)) is not None:
        waits.append(wait)
        assert api.writes - written <= MOST_WRITES
        assert operator.passes(at + wait / 2) == wait / 2  # sooner it writes nothing
        written, at = api.writes, at + wait
    assert waits == [WRITE_PAUSE] * (SHARDS // MOST_WRITES - 1)
    assert sum(body["data"].get("templates", "").count("u-") for body in api.kept.values()) == 600


def test_a_history_without_an_end_is_read_to_a_bound() -> None:
    api = Cluster()
    api.endless = True
    Operator(api).passes()

    assert len(api.lists) == 2 * MOST_PAGES


def seen(*entries: tuple[str, str, int]) -> Observed:
    found = Observed()
    for uid, template, seconds in entries:
        found.see(uid, template * 32, datetime.fromtimestamp(seconds, UTC))
    return found


def written(observed: Observed) -> dict[int, str]:
    return {shard: observed.take(shard) for shard in observed.due()}


def times(found: Observed, uid: str = "u") -> dict[str, float]:
    return {template[0]: at.timestamp() for template, at in found.entries(uid).items()}


def test_the_earliest_time_counts_in_whatever_order_it_is_told() -> None:
    assert times(seen(("u", "a", 7), ("u", "a", 5), ("u", "a", 9))) == {"a": 5}
    late = seen(("u", "a", 7), ("u", "b", 7))
    late.load(written(seen(("u", "a", 5), ("u", "b", 9))))
    assert times(late) == {"a": 5, "b": 7}


def test_a_fraction_of_a_second_is_rounded_away_from_a_freeze() -> None:
    found = Observed()
    found.see("u", "a" * 32, datetime(2026, 11, 1, 0, 0, 0, 1, UTC))

    assert found.entries("u") == {"a" * 32: datetime(2026, 11, 1, 0, 0, 1, tzinfo=UTC)}


def test_what_is_written_down_is_read_again_and_nothing_else() -> None:
    first = seen(("u", "a", 7), ("u", "b", 8), ("v", "c", 9))
    again = Observed()
    again.load(written(first))
    assert times(again) == {"a": 7, "b": 8}
    assert times(again, "v") == {"c": 9}
    assert again.due() == []

    broken = Observed()
    digest32 = "a" * 32
    broken.load({0: f"u {digest32}@x {digest32} {digest32}@{'9' * 400} short@7\n\nv\n {digest32}@7\n\0"})
    assert len(broken) == 0


def test_the_oldest_templates_make_room() -> None:
    letters = "abcdefghijklmnop"
    found = seen(*(("u", letter, at) for at, letter in enumerate(letters)))

    assert set(times(found)) == set(letters[-MOST_TEMPLATES:])
    before = times(found)
    found.see("u", "z" * 32, datetime.fromtimestamp(0, UTC))
    assert times(found) == before


def test_workloads_beyond_the_bound_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_WORKLOADS", 2)
    found = seen(("u", "a", 1), ("v", "a", 1), ("w", "a", 1), ("u", "b", 2))

    assert len(found) == 2
    assert times(found) == {"a": 1, "b": 2}
    found.keep_only({"v"})
    found.see("w", "a" * 32, NOW)
    assert len(found) == 2


def test_a_config_map_has_room_for_its_share_of_all_that_is_remembered() -> None:
    uids: Iterable[str] = (f"6a5c9f0e-0000-4000-8000-{number:012}" for number in range(limits.MOST_WORKLOADS))
    shares = [0] * SHARDS
    for uid in uids:
        shares[shard_of(uid)] += 1
    line = 36 + MOST_TEMPLATES * len(f" {'a' * 32}@1790000000")

    assert max(shares) * (line + 1) < 1_000_000
