"""CronJobs are resumed by the operator's own record, not by a field manager's name: through crashes, leaders and lag."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest

from tests.e2e import manifests
from tierguard.cluster.client import ApiError
from tierguard.controller.status.orphans import orphan_events
from tierguard.controller.suspension import record
from tierguard.controller.suspension.actions import MANAGER, suspended
from tierguard.controller.suspension.suspension_keeper import SuspensionKeeper
from tierguard.guard.freezes.compiled import compile_freeze
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
END = NOW + timedelta(hours=1)
PLACE = "payments"
RECORD = f"/api/v1/namespaces/guard/configmaps/{record.NAME}"
JOB = f"/apis/batch/v1/namespaces/{PLACE}/cronjobs/settle"
FREEZE = manifests.freeze("f", operations=["Settlement"], startsAt="2026-11-21T11:00:00Z", expiresAt=END.isoformat())


class Cluster:
    """An API server with one CronJob, and what an operator sees of it."""

    def __init__(self) -> None:
        self.job: dict[str, Any] = {
            "kind": "CronJob",
            "metadata": {
                "name": "settle",
                "namespace": PLACE,
                "uid": "u",
                "labels": {"tierguard.io/operation": "settlement"},
            },
            "spec": {},
        }
        self.records: dict[str, KubeObject] = {}
        self.writes: list[str] = []
        self.broken: set[str] = set()
        self.state = State(freezes=(compile_freeze(FREEZE),), namespaces={PLACE: {}})
        self.watch()

    def watch(self) -> None:
        """What the API server has becomes known to the operator."""
        self.state.workloads_in = {PLACE: {("CronJob", PLACE, "settle"): dict(self.job)}}

    def suspend(self, manager: str, *, suspended: bool = True) -> None:
        fields: dict[str, Any] = {"f:spec": {"f:suspend": {}}}
        metadata = {**self.job["metadata"], "managedFields": [{"manager": manager, "fieldsV1": fields}]}
        self.job = {**self.job, "metadata": metadata, "spec": {"suspend": suspended}}

    def find(self, path: str) -> KubeObject | None:
        return self.records.get(path)

    def _write(self, path: str) -> None:
        if path in self.broken:
            raise ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "PATCH", path, "no")
        self.writes.append(path)

    def apply(self, path: str, body: KubeObject, manager: str) -> None:
        assert manager != MANAGER
        self._write(path)
        self.records[path] = body

    def merge(self, path: str, body: dict[str, Any], manager: str) -> None:
        self._write(path)
        if "spec" in body:
            self.suspend(manager, suspended=body["spec"]["suspend"])

    @property
    def paused(self) -> bool:
        return bool(self.job["spec"].get("suspend"))

    def operator(self) -> SuspensionKeeper:
        """An operator that begins to lead."""
        api: Any = self
        return SuspensionKeeper(api, "guard")


def test_it_is_on_record_before_it_is_suspended_and_resumed_by_another_leader_without_the_freeze() -> None:
    cluster = Cluster()
    cluster.operator().keep(cluster.state, NOW)
    assert cluster.writes == [RECORD, JOB]
    cluster.watch()
    cluster.state.freezes = ()

    cluster.operator().keep(cluster.state, END)

    assert not cluster.paused


def test_a_forged_manager_resumes_nothing_and_is_told_of() -> None:
    cluster = Cluster()
    cluster.suspend(MANAGER)
    cluster.watch()
    for now in (NOW, END, END + timedelta(days=1)):
        cluster.operator().keep(cluster.state, now)
        assert cluster.paused
    assert JOB not in cluster.writes

    assert not list(orphan_events(cluster.state, set(), NOW)), "frozen: nobody expects it to be resumed"
    ((_, event),) = orphan_events(cluster.state, set(), END)
    assert "kubectl patch cronjob settle -n payments" in event["note"]
    assert not list(orphan_events(cluster.state, {"u"}, END))


def test_a_forged_one_counts_as_suspended_before() -> None:
    cluster = Cluster()
    cluster.suspend(MANAGER)
    cluster.watch()
    (hold,) = cluster.state.freezes
    (forged,) = suspended(FREEZE, hold, cluster.state, NOW)
    (own,) = suspended(FREEZE, hold, cluster.state, NOW, {"u"})
    assert (forged["suspendedBefore"], own["suspendedBefore"]) == (True, False)


def test_a_lost_record_leaves_it_suspended() -> None:
    cluster = Cluster()
    cluster.operator().keep(cluster.state, NOW)
    cluster.watch()
    cluster.records.clear()

    cluster.operator().keep(cluster.state, END)

    assert cluster.paused


def test_a_leader_that_dies_before_it_suspends_loses_nothing() -> None:
    cluster = Cluster()
    cluster.broken = {JOB}
    with pytest.raises(ApiError):
        cluster.operator().keep(cluster.state, NOW)
    assert set(record.read(cluster.records[RECORD])) == {"u"}
    cluster.broken = set()
    cluster.operator().keep(cluster.state, NOW)
    cluster.watch()
    cluster.operator().keep(cluster.state, END)
    assert not cluster.paused


def test_a_watch_that_is_behind_forgets_nothing() -> None:
    cluster = Cluster()
    leader = cluster.operator()
    leader.keep(cluster.state, END - timedelta(seconds=1))
    leader.keep(cluster.state, END)  # the freeze is over, and the watch has not shown the suspension yet
    cluster.watch()
    leader.keep(cluster.state, END + timedelta(seconds=1))
    assert not cluster.paused


def test_where_the_record_cannot_be_written_the_freeze_holds_and_the_error_is_told() -> None:
    cluster = Cluster()
    cluster.broken = {RECORD}
    leader = cluster.operator()
    with pytest.raises(ApiError):
        leader.keep(cluster.state, NOW)
    assert cluster.paused
    cluster.broken = set()
    cluster.watch()
    leader.keep(cluster.state, NOW)
    assert set(record.read(cluster.records[RECORD])) == {"u"}


def test_what_was_resumed_leaves_the_record_and_what_somebody_suspends_then_stays() -> None:
    cluster = Cluster()
    leader = cluster.operator()
    leader.keep(cluster.state, NOW)
    cluster.watch()
    leader.keep(cluster.state, END)
    cluster.watch()
    leader.keep(cluster.state, END)
    assert record.read(cluster.records[RECORD]) == {}

    cluster.suspend(MANAGER)
    cluster.watch()
    leader.keep(cluster.state, END)
    assert cluster.paused


def test_what_a_person_wants_suspended_stays_and_leaves_the_record() -> None:
    cluster = Cluster()
    leader = cluster.operator()
    leader.keep(cluster.state, NOW)
    cluster.suspend("dana")
    cluster.watch()
    leader.keep(cluster.state, END + record.SETTLED)
    assert cluster.paused
    assert record.read(cluster.records[RECORD]) == {}


def test_the_record_is_bounded_and_reads_what_it_wrote() -> None:
    many = {f"uid-{number:032}": NOW for number in range(record.MOST)}
    written = record.write("guard", many)
    assert record.read(written) == many
    assert len(written["data"]["suspended"]) < 1_000_000
    assert record.read(None) == {}
    assert record.read({"data": {"suspended": "u\nv never\nw 2026-11-21T12:00:00\nx 2026-11-21T12:00:00Z\n"}}) == {
        "x": NOW
    }
