"""What was let through: changes that the webhook would have refused, and that are there all the same.

With the webhook out of reach the API server lets pass what its failurePolicy says. The operator sees each change afterwards,
old and new, and decides about it as the webhook would have. Not marked is what the webhook rightly lets pass: what
break-glass, an exception or an exemption covers, autoscaling, and what came before the policy or freeze.
"""

import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tierguard.api.model import rfc3339
from tierguard.controller.events import event as announce
from tierguard.controller.unreviewed.changes import change_of, note, written
from tierguard.guard.decide import evaluate
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change
from tierguard.guard.model.decision import Effect, Finding, Outcome
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State

MOST_KEPT = 500
SETTLED = timedelta(seconds=5)
"""A freeze or policy that this process has known for less may have come after the change: two watches have no order."""
MOST_SOURCES = 5000
TOLD_BY_BOTH = timedelta(minutes=2)
"""When something was deleted, each operator only knows by when it heard of it."""
_DELETED = ": deleted, "


@dataclass(frozen=True, slots=True)
class Passed:
    """An object as a change left it (or was, where it is gone), when that was, and for what it should have been refused.

    `note` is what the line says beside that: by which tool, or that it is gone.
    """

    subject: KubeObject
    at: datetime
    findings: tuple[Finding, ...]
    note: str = ""
    gone: bool = False

    @classmethod
    def of(cls, change: Change, at: datetime, findings: Iterable[Finding]) -> "Passed":
        """The account of `change`."""
        subject = change.new if change.new is not None else change.old
        return cls(subject or {}, at, tuple(findings), note(change), change.new is None)

    @property
    def place(self) -> str:
        """`namespace/Kind/name`."""
        return f"{objects.namespace(self.subject)}/{self.subject.get('kind')}/{objects.name(self.subject)}"

    def line(self, finding: Finding) -> str:
        """The line that a status has for it."""
        return objects.printable(f"{self.place}: {self.note}{finding.rule}/{finding.reason} at {rfc3339(self.at)}", 512)


class Accountant:
    """Collects what was let through. `saw` is called from the reflectors' threads, the others from the operator's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Passed] = deque(maxlen=MOST_KEPT)
        self._since: dict[str, datetime] = {}
        self._deleted: deque[tuple[Change, datetime]] = deque(maxlen=MOST_KEPT)
        self.total = 0
        """How many changes were let through since the process began."""
        self.news = 0
        """Another number whenever there is something to tell, or a deletion to be looked at."""

    def knows(self, source: str, now: datetime) -> None:
        """Take note that the freeze, window or policy `source` (`Kind/name`) was made or changed."""
        if len(self._since) >= MOST_SOURCES:
            self._since.clear()
        self._since[source] = now

    def saw(self, before: KubeObject | None, after: KubeObject | None, state: State, now: datetime) -> bool:
        """Decide about the change from `before` (None: it is new) to `after` (None: it is gone) as the webhook would have.

        Returns whether there is news: something that was let through, or a deletion to be looked at by `look_back`.
        """
        change = change_of(before, after, state.identities)
        if change is None:
            return False
        if change.new is None:
            # A namespace takes all that is in it along, and its own watch may be behind.
            with self._lock:
                self._deleted.append((change, now))
                self.news += 1
            return True
        return self._judge(change, state, now)

    @property
    def waits(self) -> bool:
        """Whether a deletion is not judged yet."""
        with self._lock:
            return bool(self._deleted)

    def look_back(self, state: State, leaving: Collection[str], now: datetime) -> bool:
        """Judge the deletions seen, except in namespaces that are `leaving`. Returns whether some must wait."""
        while True:
            with self._lock:
                if not self._deleted:
                    return False
                change, at = self._deleted[0]
                if now - at < SETTLED:
                    return True
                self._deleted.popleft()
            if change.namespace not in leaving:
                self._judge(change, state, at)

    def _judge(self, change: Change, state: State, now: datetime) -> bool:
        found = refused(change, state, now)
        # What began a moment ago may not have held yet when the change was made.
        earlier = set(refused(change, state, now - SETTLED)) if found else set()
        return self.add(
            change,
            (f for f in found if f in earlier and self._known_for(f.source, now) >= SETTLED),
            now if change.new is None else written(change.new) or now,
        )

    def add(self, change: Change, findings: Iterable[Finding], at: datetime) -> bool:
        """Put `change` on the account, if there are any `findings`, but not twice."""
        passed = Passed.of(change, at, findings)
        if not passed.findings:
            return False
        with self._lock:
            if any(
                known.place == passed.place and known.at == at and known.gone == passed.gone for known in self._kept
            ):
                return False
            self._kept.append(passed)
            self.total += 1
            self.news += 1
        return True

    def _known_for(self, source: str, now: datetime) -> timedelta:
        since = self._since.get(source)
        return timedelta.max if since is None else now - since

    def kept(self) -> tuple[Passed, ...]:
        """What was let through, oldest first, at most MOST_KEPT."""
        with self._lock:
            return tuple(self._kept)


def refused(change: Change, state: State, now: datetime) -> tuple[Finding, ...]:
    """For what the webhook would have refused `change` at `now`; nothing where it would have let it pass."""
    decision = evaluate(change, state, now)
    if decision.outcome is not Outcome.DENIED:
        return ()
    return tuple(finding for finding in decision.findings if finding.effect is Effect.DENY)


def lines(passed: Iterable[Passed], source: str) -> list[str]:
    """How the status of `source` (`Kind/name`) tells of what was let through, oldest first."""
    return [p.line(finding) for p in passed for finding in p.findings if finding.source == source]


def merged(known: Iterable[str], fresh: Iterable[str]) -> list[str]:
    """The lines of a status and new ones, each once, in the order of their times."""
    found = dict.fromkeys(known)
    for line in fresh:
        if not any(_same(line, other) for other in found):
            found[line] = None
    return sorted(found, key=lambda line: line.rpartition(" at ")[2])


def _same(line: str, other: str) -> bool:
    (head, _, at), (other_head, _, other_at) = line.rpartition(" at "), other.rpartition(" at ")
    if head != other_head or at == other_at or _DELETED not in line:
        return line == other
    ends = objects.instant(at), objects.instant(other_at)
    return ends[0] is not None and ends[1] is not None and abs(ends[0] - ends[1]) <= TOLD_BY_BOTH


def passed_events(passed: Iterable[Passed], now: datetime) -> Iterator[tuple[str, KubeObject]]:
    """(name, event) for each change that was let through.

    Whichever operator tells it, the name is the same: of a deletion neither knows when it was, so it has no time.
    """
    for each in passed:
        first = each.findings[0]
        more = f" (+{len(each.findings) - 1} more)" if len(each.findings) > 1 else ""
        event = announce.event(
            each.subject,
            reason="PassedUnjudged",
            note=f"{'its deletion ' if each.gone else ''}was let through while the webhook could not be asked, against"
            f" {first.source}: {first.sentence()}{more}",
            action="Scan",
            at=_made(each.subject, now) if each.gone else each.at,
            now=now,
            warning=True,
            distinct="deleted" if each.gone else f"{first.source}/{first.reason}",
        )
        yield objects.name(event), event


def _made(subject: KubeObject, now: datetime) -> datetime:
    return objects.instant(objects.value(subject, "metadata", "creationTimestamp")) or now
