"""What was let through while no operator looked: the last snapshot compared with what is there. Pure.

Only freezes and windows are looked back at; what breaks a tier rule is found as it is. A change that says when it was (a
creation, an entry of managedFields) is judged at that instant. Others are listed only if a freeze or window
held them from the snapshot until now without a break: they may have come before the freeze.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tierguard.controller.unreviewed.accountant import refused
from tierguard.controller.unreviewed.changes import change_of, newest, written
from tierguard.controller.unreviewed.snapshot import Snapshot, restored, same_spec
from tierguard.guard.freezes.matching import FREEZE_RULE, WINDOW_RULE
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change
from tierguard.guard.model.decision import Finding
from tierguard.guard.model.hold import Hold
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload

CLOSE = timedelta(seconds=60)
"""How much older than the snapshot a change may be that is not in it: clocks and watches differ."""


@dataclass(frozen=True, slots=True)
class Found:
    """A change that nobody saw, when it was (or by when), and why it should have been refused."""

    change: Change
    at: datetime
    findings: tuple[Finding, ...]


def recovered(before: Snapshot, after: Snapshot, state: State, since: datetime, now: datetime) -> Iterator[Found]:
    """What was let through between the snapshot `before`, of `since`, and `after`, of `now`."""
    for key in sorted(before.keys() | after.keys()):
        for change in _changes(before.get(key), after.get(key), state):
            at = _when(change, since)
            if at is None:
                found, at = _all_the_while(change, state, since, now), now
            elif at < since - CLOSE:
                continue  # it was there before, and only now is anything that the snapshot keeps
            else:
                found = _at(change, state, at)
            if found:
                yield Found(change, at, found)


def _changes(kept: KubeObject | None, there: KubeObject | None, state: State) -> Iterator[Change]:
    if kept is not None and there is not None and objects.uid(kept) != objects.uid(there):
        sides = [(restored(kept, None), None), (None, there)]
    else:
        sides = [(None if kept is None else restored(kept, there), there)]
    for before, after in sides:
        if before is not None and after is not None and same_spec(before, after) is False:
            continue  # its earlier form is unknown, so it cannot be judged
        for old, new in _one_by_one(before, after):
            change = change_of(old, new, state.identities)
            if change is not None:
                yield change


def _one_by_one(
    before: KubeObject | None, after: KubeObject | None
) -> Iterator[tuple[KubeObject | None, KubeObject | None]]:
    """What became of a workload, scaling apart from the rest: each has a time of its own, and a later one hides none."""
    old, new = Workload.of(before or {}), Workload.of(after or {})
    if old is None or new is None or old.replicas == new.replicas:
        yield before, after
        return
    spec = {**objects.mapping(old.raw, "spec"), "replicas": new.replicas}
    between = {**old.raw, "metadata": {**new.raw["metadata"], "labels": objects.labels(old.raw)}, "spec": spec}
    yield before, between
    yield between, after


def _when(change: Change, since: datetime) -> datetime | None:
    """The time that the API server recorded for it; None if there is none."""
    old, new = change.old, change.new
    if new is None:
        return None
    if old is None:
        return objects.instant(objects.value(new, "metadata", "creationTimestamp"))
    found = _of_workload(old, new) if Workload.of(new) is not None else written(new)
    return found if found is not None and found >= since - CLOSE else None


def _of_workload(old: KubeObject, new: KubeObject) -> datetime | None:
    """The time of the managedFields entry that owns the changed fields."""
    before, after = Workload.of(old), Workload.of(new)
    if before is None or after is None:
        return None
    moved = set()
    if before.replicas != after.replicas:
        moved.add("f:replicas")
    if not before.same_template(after):
        moved |= {"f:template", "f:jobTemplate"}
    entries = objects.sequence(new, "metadata", "managedFields")
    owners = [entry for entry in entries if moved & objects.mapping(entry, "fieldsV1", "f:spec").keys()]
    rest = before.settings() != after.settings() or before.paused != after.paused or before.labels != after.labels
    return newest(entries if rest or not moved else owners)


def _at(change: Change, state: State, at: datetime) -> tuple[Finding, ...]:
    """For what freezes and windows that were there at the instant `at` would have refused it."""
    uid = objects.uid(change.new or change.old or {})
    # What became available since is no template that anybody could have gone back to then.
    available = {uid: {key: known for key, known in state.available.get(uid, {}).items() if known < at}}
    earlier = replace(state, available=available)
    there = {hold.source for hold in (*state.freezes, *state.windows) if hold.created <= at}
    return tuple(
        finding
        for finding in refused(change, earlier, at)
        if finding.rule in (FREEZE_RULE, WINDOW_RULE) and finding.source in there
    )


def _all_the_while(change: Change, state: State, since: datetime, now: datetime) -> tuple[Finding, ...]:
    """The same for a change that came at an unknown time between `since` and `now`."""
    holds = {hold.source: hold for hold in (*state.freezes, *state.windows)}
    return tuple(
        finding
        for finding in _at(change, state, now)
        if finding in _at(change, state, since) and _held(holds[finding.source], since, now)
    )


def _held(hold: Hold, since: datetime, now: datetime) -> bool:
    if hold.kind == "ChangeWindow":
        opening = hold.timeline.next_after(since)
        return hold.timeline.covering(since) is None and (opening is None or opening.start > now)
    first, last = hold.timeline.covering(since), hold.timeline.covering(now)
    return first is not None and first == last


def told(hold: KubeObject, line: str, since: datetime, *, gone: bool) -> bool:
    """Whether the status of `hold` has `line`; of a deletion, which has no time of its own, any since the snapshot."""
    known = [str(other) for other in objects.sequence(hold, "status", "passedUnjudged")]
    if not gone:
        return line in known
    head = line.rpartition(" at ")[0]
    times = (objects.instant(at) for other, _, at in (each.rpartition(" at ") for each in known) if other == head)
    return any(at is not None and at >= since - CLOSE for at in times)
