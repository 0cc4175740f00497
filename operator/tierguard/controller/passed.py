"""What was let through: changes that the webhook would have refused, and that are there all the same.

With the webhook out of reach the API server lets pass what its failurePolicy says. The operator sees each change of a
workload afterwards, old and new, and decides about it as the webhook would have. Not marked is what the webhook rightly
lets pass: what break-glass, an exception or an exemption covers, autoscaling, and what came before the policy or freeze.
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tierguard.api.model import rfc3339
from tierguard.controller import announce
from tierguard.guard import objects
from tierguard.guard.change import SCALING, Change, Operation
from tierguard.guard.decide import evaluate
from tierguard.guard.finding import Effect, Finding, Outcome
from tierguard.guard.objects import KubeObject
from tierguard.guard.state import State
from tierguard.guard.workload import WORKLOAD_KINDS

MOST_KEPT = 500
SETTLED = timedelta(seconds=5)
"""A freeze or policy that this process has known for less may have come after the change: two watches have no order."""
MOST_SOURCES = 5000


@dataclass(frozen=True, slots=True)
class Passed:
    """A workload as a change left it, when that was, and the findings for which it should have been refused."""

    workload: KubeObject
    at: datetime
    findings: tuple[Finding, ...]

    @property
    def place(self) -> str:
        """`namespace/Kind/name`."""
        return f"{objects.namespace(self.workload)}/{self.workload.get('kind')}/{objects.name(self.workload)}"


class Accountant:
    """Collects what was let through. `saw` is called from the reflectors' threads, `kept` from the operator's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Passed] = deque(maxlen=MOST_KEPT)
        self._since: dict[str, datetime] = {}
        self.total = 0
        """How many changes were let through since the process began."""

    def knows(self, source: str, now: datetime) -> None:
        """Take note that the freeze, window or policy `source` (`Kind/name`) was made or changed."""
        if len(self._since) >= MOST_SOURCES:
            self._since.clear()
        self._since[source] = now

    def saw(self, before: KubeObject | None, after: KubeObject, state: State, now: datetime) -> None:
        """Decide about the change from `before` (None: it is new) to `after` as the webhook would have."""
        kind = str(after.get("kind"))
        entry = WORKLOAD_KINDS.get(kind)
        if entry is None or entry.made_by_controllers:
            return  # who made them is not known here, and controllers may
        if before is not None and objects.value(before, "spec") == objects.value(after, "spec"):
            return
        operation = Operation.CREATE if before is None else Operation.UPDATE
        namespace, name = objects.namespace(after), objects.name(after)
        change = Change(operation, kind, namespace, name, before, after)
        decision = evaluate(change, state, now)
        if decision.outcome is not Outcome.DENIED or set(decision.kinds) <= SCALING:
            return
        # What began a moment ago may not have held yet when the change was made.
        earlier = set(evaluate(change, state, now - SETTLED).findings)
        found = tuple(
            finding
            for finding in decision.findings
            if finding.effect is Effect.DENY and finding in earlier and self._known_for(finding.source, now) >= SETTLED
        )
        if found:
            with self._lock:
                self._kept.append(Passed(after, _written(after) or now, found))
                self.total += 1

    def _known_for(self, source: str, now: datetime) -> timedelta:
        since = self._since.get(source)
        return timedelta.max if since is None else now - since

    def kept(self) -> tuple[Passed, ...]:
        """What was let through, oldest first, at most MOST_KEPT."""
        with self._lock:
            return tuple(self._kept)


def _written(workload: KubeObject) -> datetime | None:
    """When its fields were last written, as the API server says: the same whichever operator looks."""
    times = (str(entry.get("time") or "") for entry in objects.sequence(workload, "metadata", "managedFields"))
    try:
        return datetime.fromisoformat(max(times, default=""))
    except ValueError:
        return None


def lines(passed: Iterable[Passed], source: str) -> list[str]:
    """How the status of `source` (`Kind/name`) tells of what was let through, oldest first."""
    return [
        objects.printable(f"{p.place}: {finding.rule}/{finding.reason} at {rfc3339(p.at)}", 512)
        for p in passed
        for finding in p.findings
        if finding.source == source
    ]


def passed_events(passed: Iterable[Passed], now: datetime) -> Iterator[tuple[str, KubeObject]]:
    """(name, event) for each change that was let through."""
    for each in passed:
        first = each.findings[0]
        more = f" (+{len(each.findings) - 1} more)" if len(each.findings) > 1 else ""
        event = announce.event(
            each.workload,
            reason="PassedUnjudged",
            note=f"was let through while the webhook could not be asked, against {first.source}: {first.sentence()}{more}",
            action="Scan",
            at=each.at,
            now=now,
            warning=True,
            distinct=str(objects.generation(each.workload)),
        )
        yield objects.name(event), event
