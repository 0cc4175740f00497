"""The coming stretches of freezes as CEL: the API server tells inside from outside, by a clock that objects carry. Pure.

CEL in `matchConditions` has no clock. But on CREATE `metadata.creationTimestamp` is *now* when validating admission runs,
and on UPDATE the time of the writer's entry in `metadata.managedFields` is. *Fresh* entries are those with no equal
(manager, operation, apiVersion, subresource, time) in oldObject. A change is outside only if exactly one entry is fresh, it
is not the one into which the API server folds old ones, and its time is in no stretch. Whatever else may be, including
removed or reordered entries and two writes of one manager in a second, counts as inside: the webhook then decides.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TypeVar

from tierguard.guard.model.hold import Hold
from tierguard.schedule import FOREVER, Interval, merge

HORIZON = timedelta(days=60)
"""How far ahead stretches are laid out: for so long a freeze holds although nobody runs the operator."""
MOST_INTERVALS = 400
"""Stretches in one expression; with more of them those with the smallest gaps between them are joined. The API server takes
600, and refuses everything under failurePolicy Fail when an expression costs too much."""
MOST_GROUPS = 50
"""Scopes with stretches of their own; with more of them every guarded workload counts as in scope of all."""
MOST_ENTRIES = 40
"""Entries of managedFields that are compared; an object with more counts as inside."""
FOLDED = "ancient-changes"
"""The entry into which the API server folds the oldest ones (apimachinery, managedfields): its time is nobody's."""

_END_OF_TIME = 2**53

K = TypeVar("K")


Spans = tuple[tuple[int, int], ...]
"""Half-open, in whole seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Group:
    """Freezes that select the same: one of them stands for their scope and tiers; None where scopes were widened to all."""

    like: Hold | None
    spans: Spans


@dataclass(frozen=True, slots=True)
class Stretches:
    """The coming stretches of freezes, by what those select.

    `coarsened` says whether some were joined, or scopes widened, to stay within bounds; `until` is how far ahead they are
    laid out; `epoch` the last instant until now at which one began or ended (0 for none), by which what carries no clock is
    judged; `freezes` are those that were looked at, by name and generation.
    """

    groups: tuple[Group, ...]
    coarsened: bool
    until: datetime
    epoch: int = 0
    freezes: frozenset[tuple[str, int]] = frozenset()

    @property
    def intervals(self) -> int:
        """How many there are."""
        return sum(len(group.spans) for group in self.groups)

    def everywhere(self) -> "Stretches":
        """The same, as if each were for everything: the way out where the text would grow too long."""
        joined = _joined([group.spans for group in self.groups])
        return replace(self, groups=(Group(None, joined),) if joined else (), coarsened=True)


def stretches(freezes: Iterable[Hold], now: datetime) -> Stretches:
    """The stretches of `freezes` from `now` on."""
    until = now + HORIZON
    like: dict[tuple[frozenset[int], str], Hold] = {}
    found: dict[tuple[frozenset[int], str], list[Interval]] = {}
    coarsened = False
    known = []
    for freeze in freezes:
        if not freeze.deploys:
            continue
        known.append((freeze.name, freeze.generation))
        intervals, whole = _stretches(freeze, now, until)
        coarsened = coarsened or not whole
        if intervals:
            key = (freeze.tiers, freeze.scope.source.model_dump_json(exclude_none=True))
            like.setdefault(key, freeze)
            found.setdefault(key, []).extend(intervals)
    spans = {
        key: _spans(each) for key, each in sorted(found.items(), key=lambda item: (sorted(item[0][0]), item[0][1]))
    }
    if sum(map(len, spans.values())) > MOST_INTERVALS:
        coarsened = True
        spans = _coarser(spans, MOST_INTERVALS)
    groups = tuple(Group(like[key], each) for key, each in spans.items())
    second = int(now.timestamp())
    edges = (edge for group in groups for span in group.spans for edge in span if edge <= second)
    made = Stretches(groups, coarsened, until, max(edges, default=0), frozenset(known))
    return made.everywhere() if len(groups) > MOST_GROUPS else made


def _stretches(freeze: Hold, now: datetime, until: datetime) -> tuple[list[Interval], bool]:
    """The stretches of one freeze, and whether these are all: one that is on and off every minute counts as on."""
    found: list[Interval] = []
    following = freeze.timeline.covering(now) or freeze.timeline.next_after(now)
    while following is not None and following.start < until:
        if len(found) == MOST_INTERVALS:
            return [*found, Interval(following.start, max(following.end, until))], False
        found.append(following)
        following = freeze.timeline.next_after(following.start)
    return found, True


def _spans(intervals: Iterable[Interval]) -> Spans:
    return tuple((_floor(interval.start), _ceiling(interval.end)) for interval in merge(intervals))


def _floor(instant: datetime) -> int:
    """Whole seconds at or before: what objects carry has no parts of seconds, and is rounded down."""
    return max(0, int(instant.astimezone(UTC).timestamp() // 1))


def _ceiling(instant: datetime) -> int:
    if instant >= FOREVER:
        return _END_OF_TIME
    # An object written in the second in which a stretch ends carries that second's start, which may be inside.
    return -int(-instant.astimezone(UTC).timestamp() // 1)


def _coarser(spans: dict[K, Spans], most: int) -> dict[K, Spans]:
    """`spans` with the smallest gaps closed until `most` are left, or one for each group."""
    gaps = [
        (following[0] - before[1], number, index)
        for number, found in enumerate(spans.values())
        for index, (before, following) in enumerate(pairwise(found))
    ]
    surplus = sum(map(len, spans.values())) - most
    closing = {(number, index) for _, number, index in sorted(gaps)[: max(0, surplus)]}
    joined: dict[K, Spans] = {}
    for number, (key, found) in enumerate(spans.items()):
        kept: list[tuple[int, int]] = []
        for index, span in enumerate(found):
            if kept and (number, index - 1) in closing:
                kept[-1] = (kept[-1][0], span[1])
            else:
                kept.append(span)
        joined[key] = tuple(kept)
    return joined


def _joined(spans: Iterable[Spans]) -> Spans:
    """All spans as one list, those that overlap or touch made one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(span for each in spans for span in each):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return tuple(found)


def covers(spans: Sequence[tuple[int, int]]) -> str:
    """Whether the instant `t` is in any of `spans`; an instant that is not known is in each."""
    listed = ", ".join(f"[{start}, {end}]" for start, end in spans)
    return f"t < 0 || [{listed}].exists(i, t >= i[0] && t < i[1])"


def to_come(made: Stretches, now: datetime) -> Stretches:
    """Those that begin after `now`. The webhook configuration has the others (`Stretches.epoch`)."""
    second = int(now.timestamp())
    left = (Group(g.like, tuple(span for span in g.spans if span[0] > second)) for g in made.groups)
    return replace(made, groups=tuple(group for group in left if group.spans))


def inside(made: Stretches, meant: Callable[[Group], str], unknown: str = "false", time: str = "") -> str:
    """Whether the request is made inside a stretch of a group that it is `meant` by, by the clock that it carries.

    `unknown` is true of what lives where nobody knows yet what selects it: for that all stretches count. `time` is another
    clock: a CEL list of one instant, or of none where nobody can tell.
    """
    terms = [f"(({selects}) && ({covers(g.spans)}))" for g in made.groups if (selects := meant(g)) != "false"]
    if unknown != "false" and made.groups:
        terms.append(f"(({unknown}) && ({covers(_joined([group.spans for group in made.groups]))}))")
    if not terms:
        return "false"
    return f"{time or clock(made.epoch)}.exists(t, {' || '.join(terms)})"


_SAME = " && ".join(
    f"m.?{key}.orValue('') == f.?{key}.orValue('')"
    for key in ("time", "manager", "operation", "apiVersion", "subresource")
)
_OLD, _NEW = (f"{which}.?metadata.?managedFields.orValue([])" for which in ("oldObject", "object"))
_FRESH = f"{_NEW}.filter(m, !{_OLD}.exists(f, {_SAME}))"
_ONE = f"size(fresh) == 1 && fresh[0].?manager.orValue('') != '{FOLDED}' && has(fresh[0].time)"
BY_LEASE = "(has(params.spec.renewTime) ? [int(timestamp(params.spec.renewTime))] : [])"
"""The clock of a ValidatingAdmissionPolicy whose parameter is a Lease that somebody renews."""
SCALE = "has(request.subResource) && request.subResource == 'scale'"


def clock(epoch: int) -> str:
    """A list of one: when the request is made, in seconds since 1970, or -1 when that is not known.

    A deletion and a Scale carry no clock. What the operator knew counts there: which stretches were on at `epoch`, the
    last edge of one that it has seen. Size guards come first: a cost overrun under failurePolicy Fail refuses everything.
    """
    return (
        f"(request.operation == 'DELETE' || ({SCALE}) ? [{epoch}]"
        " : request.operation == 'CREATE'"
        " ? [int(timestamp(object.?metadata.?creationTimestamp.orValue('1969-12-31T23:59:59Z')))]"
        f" : size({_NEW}) == 0 || size({_NEW}) > {MOST_ENTRIES} || size({_OLD}) > {MOST_ENTRIES} ? [-1]"
        f" : [{_FRESH}].map(fresh, {_ONE} ? int(timestamp(fresh[0].time)) : -1))"
    )
