"""Operations that are frozen: which CronJobs are to be suspended, which to be resumed. Pure.

The operator resumes what it has on record as suspended by itself (`record`), and what still belongs to its field manager
alone: a person's own suspension, made before or meanwhile, stays. A lost record resumes nothing.
"""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tierguard.api.freeze import MissedRuns
from tierguard.api.ledger import MOST_LISTED
from tierguard.api.model import rfc3339
from tierguard.controller.suspension.record import SETTLED, Suspensions
from tierguard.guard.freezes.operations import batch_of, operation_freezes
from tierguard.guard.model import objects
from tierguard.guard.model.hold import Hold
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload

MANAGER = "tierguard-suspension"
"""The field manager under which CronJobs are suspended. Anybody may write under this name."""


@dataclass(frozen=True, slots=True)
class Action:
    """Suspend a CronJob, or resume it; `skip_missed` when a run that was due meanwhile shall not be made up for."""

    cron_job: Workload
    suspend: bool
    skip_missed: bool = False


def owners_of_suspend(obj: KubeObject) -> frozenset[str]:
    """The field managers of `spec.suspend`."""
    return frozenset(
        str(entry.get("manager"))
        for entry in objects.sequence(obj, "metadata", "managedFields")
        if "f:suspend" in objects.mapping(entry, "fieldsV1", "f:spec")
    )


def claimed(cron_job: Workload) -> bool:
    """Whether it is suspended under tierguard's field manager alone, whoever wrote so."""
    return cron_job.paused and owners_of_suspend(cron_job.raw) == {MANAGER}


def ours(cron_job: Workload, recorded: Container[str]) -> bool:
    """Whether tierguard suspended it, and nobody else wanted it suspended since."""
    return objects.uid(cron_job.raw) in recorded and claimed(cron_job)


def actions(state: State, now: datetime, recorded: Container[str]) -> Iterator[Action]:
    """What is to be done so that all CronJobs of frozen operations are suspended, and no others by tierguard."""
    freezes = operation_freezes(state.freezes)
    active = _active(freezes, now)
    for cron_job in _cron_jobs(state):
        frozen = any(_meaning(cron_job, active, state))
        if frozen and not cron_job.paused:
            yield Action(cron_job, suspend=True)
        elif not frozen and ours(cron_job, recorded):
            asked = [freeze.missed_runs for freeze in _meaning(cron_job, freezes, state)]
            yield Action(cron_job, suspend=False, skip_missed=MissedRuns.RUN not in asked)


def kept(state: State, now: datetime, suspensions: Suspensions, resumed: Container[str]) -> dict[str, datetime]:
    """What stays on record: CronJobs of frozen operations, those still suspended, those that a watch may not show yet."""
    if not suspensions:
        return {}
    active = _active(operation_freezes(state.freezes), now)
    there: dict[str, bool] = {}
    for cron_job in _cron_jobs(state):
        uid = objects.uid(cron_job.raw)
        if uid in suspensions:
            there[uid] = claimed(cron_job) or any(_meaning(cron_job, active, state))
    return {
        uid: since
        for uid, since in suspensions.items()
        if uid in there and (there[uid] or (now - since < SETTLED and uid not in resumed))
    }


def orphans(state: State, now: datetime, recorded: Container[str]) -> Iterator[Workload]:
    """CronJobs that are suspended in tierguard's name without its record, and not frozen: nobody resumes them."""
    active = _active(operation_freezes(state.freezes), now)
    for cron_job in _cron_jobs(state):
        if claimed(cron_job) and not ours(cron_job, recorded) and not any(_meaning(cron_job, active, state)):
            yield cron_job


def suspended(
    stored: KubeObject, hold: Hold, state: State, now: datetime, recorded: Container[str] = frozenset()
) -> list[dict[str, Any]]:
    """`status.suspended`: the CronJobs that the freeze keeps suspended, and after its end those not yet resumed."""
    known = {str(item.get("uid")): item for item in objects.sequence(stored, "status", "suspended")}
    if not known and hold not in operation_freezes((hold,)):
        return []
    active = hold.timeline.covering(now) is not None
    found = []
    for cron_job in _cron_jobs(state):
        uid = objects.uid(cron_job.raw)
        meant = active and batch_of(cron_job).meant_by(hold, state.namespaces.get(cron_job.namespace, {}))
        if not meant and not (uid in known and not active and claimed(cron_job)):
            continue
        before = cron_job.paused and not ours(cron_job, recorded)
        entry = known.get(uid) or {
            "namespace": cron_job.namespace,
            "name": cron_job.name,
            "uid": uid,
            "suspendedBefore": before,
            "since": rfc3339(now),
        }
        found.append(dict(entry))
    return sorted(found, key=lambda item: (item["namespace"], item["name"]))[:MOST_LISTED]


def running_jobs(hold: Hold, jobs: list[KubeObject], state: State, now: datetime) -> list[str]:
    """`status.runningJobs`: Jobs of a frozen operation that are still running."""
    if hold not in operation_freezes((hold,)) or hold.timeline.covering(now) is None:
        return []
    found = []
    for raw in jobs:
        job = Workload.of(raw)
        if job is None or not objects.value(raw, "status", "active"):
            continue
        batch = batch_of(job, state.owner_of(raw, job.namespace))
        if batch.meant_by(hold, state.namespaces.get(job.namespace, {})):
            found.append(f"{job.namespace}/{job.name}")
    return sorted(found)[:MOST_LISTED]


def _active(freezes: Iterable[Hold], now: datetime) -> list[Hold]:
    return [freeze for freeze in freezes if freeze.timeline.covering(now) is not None]


def _meaning(cron_job: Workload, freezes: Iterable[Hold], state: State) -> Iterator[Hold]:
    """Those of `freezes` that freeze the operation of `cron_job`."""
    batch, labels = batch_of(cron_job), state.namespaces.get(cron_job.namespace, {})
    return (freeze for freeze in freezes if batch.meant_by(freeze, labels))


def _cron_jobs(state: State) -> Iterator[Workload]:
    for namespace in tuple(state.workloads_in.values()):
        for (kind, _, _), raw in tuple(namespace.items()):
            if kind == "CronJob":
                workload = Workload.of(raw)
                if workload is not None:
                    yield workload
