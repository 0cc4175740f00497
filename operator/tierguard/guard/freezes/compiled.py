"""Freezes, windows and policies, compiled from their stored objects into what decisions read.

A stored object that cannot be read any more (its time zone is gone, a newer version wrote it) is not ignored: a freeze
then counts as active and a window as closed for whatever of their scope can still be read, and `broken` says why.
"""

from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from tierguard.api.freeze import FreezeScope, FreezeSpec, Lift, Operation
from tierguard.api.model import ApiModel
from tierguard.api.policy import PolicySpec
from tierguard.api.schedule import Schedule
from tierguard.api.scope import TieredScope, WorkloadScope
from tierguard.api.window import WindowSpec
from tierguard.guard.model import objects
from tierguard.guard.model.hold import Hold, Policy, approved
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.scope import Scope
from tierguard.schedule import BEGINNING, FOREVER, Interval, Recurrence, ScheduleError, Timeline
from tierguard.schedule.compile import compile_duration
from tierguard.text import shown

ALL_TIERS = frozenset(range(5))
MOST_VALUES = 100_000
"""Values in a spec: many times as many as the schemas of our kinds allow."""
_EXPIRES = "spec.expiresAt"


def compile_freeze(raw: KubeObject) -> Hold:
    """The freeze stored as `raw`. Never fails: what cannot be read holds."""
    raw = _readable_part(raw)
    scope, problem = _scope(raw, FreezeScope)
    try:
        spec = FreezeSpec.model_validate(raw.get("spec"))
        timeline, announce = _freeze_timeline(spec, raw), _leads(spec)
        _means_something(spec)
    except ValueError as error:  # pydantic's and the schedule's are ValueErrors too
        broken = _broken("OperationalFreeze", raw, scope, Timeline.always(), problem or explain(error))
        return replace(broken, operations=_operations(raw), providers=_providers(scope))
    lift = in_force(spec.lift)
    if lift is not None:
        timeline = Timeline.fixed(()) if lift.until is None else timeline.suspended_until(lift.until)
    return replace(
        _hold("OperationalFreeze", raw, spec, timeline),
        operations=frozenset(operation.value for operation in spec.operations),
        providers=frozenset(spec.scope.providers),
        exceptions=tuple(exception for exception in spec.exceptions if approved(exception)),
        lift=lift,
        until_lifted=spec.until_lifted is True,
        missed_runs=spec.missed_runs,
        announce=announce,
        reviewed=frozenset((review.id, review.reviewed_by) for review in spec.reviews),
    )


def _leads(spec: FreezeSpec) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=compile_duration(lead, "announce")) for lead in spec.announce)


def in_force(lift: Lift | None) -> Lift | None:
    """`lift`, if it counts."""
    return lift if lift is not None and approved(lift) else None


def compile_window(raw: KubeObject) -> Hold:
    """The window stored as `raw`. Never fails: what cannot be read is closed."""
    raw = _readable_part(raw)
    scope, problem = _scope(raw, TieredScope)
    try:
        spec = WindowSpec.model_validate(raw.get("spec"))
        timeline = Timeline.recurring(Recurrence.compile(spec.schedule))
        _means_something(spec)
    except ValueError as error:
        return _broken("ChangeWindow", raw, scope, Timeline.fixed(()), problem or explain(error))
    return _hold("ChangeWindow", raw, spec, timeline)


def _hold(kind: str, raw: KubeObject, spec: FreezeSpec | WindowSpec, timeline: Timeline) -> Hold:
    zone, zone_name = _zone(spec.schedule, spec.expires_at if isinstance(spec, FreezeSpec) else None)
    return Hold(
        kind=kind,
        name=objects.name(raw),
        reason=spec.reason or "",
        ticket=spec.change_ticket or "",
        tiers=frozenset(spec.scope.tiers),
        scope=Scope.compile(spec.scope),
        timeline=timeline,
        allow=frozenset(allowed.value for allowed in spec.allow),
        generation=objects.generation(raw),
        created=_created(raw) or BEGINNING,
        uid=objects.uid(raw),
        zone=zone,
        zone_name=zone_name,
    )


def _zone(schedule: Schedule | None, written: datetime | None) -> tuple[tzinfo | None, str]:
    """The zone of the schedule, or the offset in which the end was written; none where that is UTC."""
    if schedule is not None:
        name = schedule.time_zone
        return (None, "") if name in ("UTC", "Etc/UTC") else (ZoneInfo(name), name)
    if written is None or not written.utcoffset():
        return None, ""
    return written.tzinfo, f"UTC{written.strftime('%z')[:3]}:{written.strftime('%z')[3:5]}"


def compile_policy(raw: KubeObject) -> Policy:
    """The policy stored as `raw`. Never fails: one that cannot be read still classifies, with tier 0 if need be."""
    raw = _readable_part(raw)
    scope, problem = _scope(raw, WorkloadScope)
    name, generation = objects.name(raw), objects.generation(raw)
    try:
        spec = PolicySpec.model_validate(raw.get("spec"))
        _means_something(spec)
    except ValueError as error:
        tier = objects.value(raw, "spec", "tier")
        known = tier if type(tier) is int and tier in ALL_TIERS else 0  # True is an int too, and no tier
        return Policy(name, known, Scope.compile(scope), None, generation, problem or explain(error))
    return Policy(name, spec.tier, Scope.compile(spec.scope), spec, generation, created=_created(raw))


def _freeze_timeline(spec: FreezeSpec, raw: KubeObject) -> Timeline:
    if spec.schedule is not None:
        return Timeline.recurring(Recurrence.compile(spec.schedule))
    if spec.expires_at is None and not spec.until_lifted:
        problem = "a freeze needs an end: set expiresAt, schedule, or untilLifted: true"
        raise ScheduleError(_EXPIRES, problem)
    start = spec.starts_at or _created(raw)
    if start is None:  # not stored yet: it begins when it is created, which is before anything that it can hold
        start = BEGINNING
    end = spec.expires_at or FOREVER
    if start >= end:
        problem = f"is not after the freeze's start, {start.isoformat()}"
        raise ScheduleError(_EXPIRES, problem)
    return Timeline.fixed((Interval(start, end),))


def _created(raw: KubeObject) -> datetime | None:
    return objects.instant(objects.value(raw, "metadata", "creationTimestamp"))


def _scope(raw: KubeObject, model: type[WorkloadScope]) -> tuple[WorkloadScope, str | None]:
    """The scope of `raw`, or the widest one when it cannot be read."""
    try:
        scope = model.model_validate(objects.value(raw, "spec", "scope") or {})
        Scope.compile(scope)
    except ValidationError as error:
        return WorkloadScope(), explain(error, "spec.scope")
    except ValueError as error:  # a selector that means nothing: In without values
        return WorkloadScope(), explain(error, "spec.scope")
    return scope, None


def _broken(kind: str, raw: KubeObject, scope: WorkloadScope, timeline: Timeline, problem: str) -> Hold:
    tiers = frozenset(scope.tiers) if isinstance(scope, TieredScope) else ALL_TIERS
    return Hold(
        kind=kind,
        name=objects.name(raw),
        reason=_readable(objects.value(raw, "spec", "reason"), 256),
        ticket=_readable(objects.value(raw, "spec", "changeTicket"), 128),
        tiers=tiers,
        scope=Scope.compile(scope),
        timeline=timeline,
        allow=frozenset(),
        generation=objects.generation(raw),
        broken=problem,
        created=_created(raw) or BEGINNING,
        uid=objects.uid(raw),
    )


def _readable_part(raw: KubeObject) -> KubeObject:
    """`raw`, without its spec where that is endless: its errors would have all of it in their texts."""
    if objects.larger_than(raw.get("spec"), MOST_VALUES):
        return {**raw, "spec": f"more than {MOST_VALUES} values"}
    return raw


def _readable(written: object, limit: int) -> str:
    return objects.printable(written, limit) if isinstance(written, str) else ""


def _operations(raw: KubeObject) -> frozenset[str]:
    """The operations of a freeze that cannot be read: all of them, unless each that is written is known."""
    known = {operation.value for operation in Operation}
    written = objects.sequence(raw, "spec", "operations")
    found = {operation for operation in written if isinstance(operation, str)}
    return frozenset(found if found and found <= known and len(found) == len(written) else known)


def _providers(scope: WorkloadScope) -> frozenset[str] | None:
    """The providers of a freeze that cannot be read; None, which is every provider, where none can be read."""
    return (frozenset(scope.providers) if isinstance(scope, FreezeScope) else None) or None


def _means_something(spec: FreezeSpec | WindowSpec | PolicySpec) -> None:
    """Raise ValueError for what no model refuses and the CRD's own rules do: a file, or an older object, may have it."""
    Scope.compile(spec.scope)
    if isinstance(spec, FreezeSpec) and Operation.PROVIDER in spec.operations and not spec.scope.providers:
        where, problem = "spec.scope.providers", "is empty: the operation Provider needs to know which ones"
        raise ScheduleError(where, problem)


def explain(error: ValueError, root: str = "spec") -> str:
    """One line for a person: the field, what is wrong with it, and what was found."""
    if isinstance(error, ScheduleError):
        field = error.field if error.field.startswith("spec") else f"{root}.{error.field}"
        return objects.printable(f"{field}: {error.problem}", 300)
    if not isinstance(error, ValidationError):
        return objects.printable(f"{root}: {error}", 300)
    first = error.errors(include_url=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    found = "" if first["type"] in ("missing", "extra_forbidden") else f", found {shown(first['input'])}"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return objects.printable(f"{root}{path}: {first['msg']}{found}{more}", 300)


def validate(model: type[ApiModel], raw: KubeObject) -> str | None:
    """What is wrong with the `spec` in `raw`, beyond what one object can tell about itself in CEL; None if nothing is."""
    raw = _readable_part(raw)
    try:
        spec: Any = model.model_validate(raw.get("spec"))
        if isinstance(spec, FreezeSpec):
            _freeze_timeline(spec, raw)
            _leads(spec)
        if isinstance(spec, WindowSpec):
            Recurrence.compile(spec.schedule)
        _means_something(spec)
    except ValueError as error:
        return explain(error)
    return None
