"""The coming stretches of freezes as CEL: the API server tells inside from outside, by a clock that objects carry. Pure.

CEL in `matchConditions` has no clock. But on CREATE `metadata.creationTimestamp` is *now* when validating admission runs,
and on UPDATE the time of the writer's entry in `metadata.managedFields` is. *Fresh* entries are those with no equal
(manager, operation, apiVersion, subresource, time) in oldObject. A change is outside only if exactly one entry is fresh, it
is not the one into which the API server folds old ones, and its time is in no stretch. Whatever else may be, including
removed or reordered entries and two writes of one manager in a second, counts as inside: the webhook then decides.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from tierguard.guard.model.hold import Hold
from tierguard.schedule import FOREVER, Interval, merge

HORIZON = timedelta(days=60)
"""How far ahead stretches are laid out: for so long a freeze holds although nobody runs the operator."""
MOST_INTERVALS = 400
"""Stretches in one expression; with more of them those with the smallest gaps between them are joined. The API server takes
600, and refuses everything under failurePolicy Fail when an expression costs too much."""
MOST_GROUPS = 50
"""Scopes with stretches of their own; with more of them every guarded workload counts as in scope of all."""
LONGEST = 60_000
"""Characters of the expression, of which another one has two; with more every guarded workload counts as in scope of all."""
MOST_ENTRIES = 40
"""Entries of managedFields that are compared; an object with more counts as inside."""
FOLDED = "ancient-changes"
"""The entry into which the API server folds the oldest ones (apimachinery, managedfields): its time is nobody's."""

_END_OF_TIME = 2**53


@dataclass(frozen=True, slots=True)
class Closed:
    """The coming stretches as CEL text, true for an object that is inside one by its own clock.

    `intervals` counts them; `coarsened` says whether some were joined, or scopes widened, to stay within bounds; `until` is
    how far ahead they are laid out; `freezes` are those that were looked at, by name and generation.
    """

    expression: str
    intervals: int
    coarsened: bool
    until: datetime
    freezes: frozenset[tuple[str, int]] = frozenset()


Group = tuple[frozenset[int], str]
"""The tiers of freezes, and their scope as CEL."""
Spans = tuple[tuple[int, int], ...]
"""Half-open, in whole seconds since 1970."""


def closed(
    freezes: Iterable[Hold],
    scope_of: Callable[[Hold], str],
    now: datetime,
    tiers_of: Callable[[frozenset[int]], str] = lambda _: "true",
    unknown: str = "false",
) -> Closed:
    """The stretches of `freezes` from `now` on.

    As CEL `scope_of` tells which objects a freeze may mean ("false" for none), `tiers_of` which may be of its tiers, and
    `unknown` which live where neither is known: for those all stretches count.
    """
    until = now + HORIZON
    groups: dict[Group, list[Interval]] = {}
    coarsened = False
    known = []
    for freeze in freezes:
        if not freeze.deploys:
            continue
        known.append((freeze.name, freeze.generation))
        scope = scope_of(freeze)
        stretches, whole = _stretches(freeze, now, until)
        coarsened = coarsened or not whole
        if stretches and scope != "false":
            groups.setdefault((freeze.tiers, scope), []).extend(stretches)
    if len(groups) > MOST_GROUPS:
        coarsened = True
        every = frozenset(tier for tiers, _ in groups for tier in tiers)
        groups = {(every, "true"): [interval for found in groups.values() for interval in found]}
    spans = {group: _spans(found) for group, found in sorted(groups.items(), key=lambda g: (sorted(g[0][0]), g[0][1]))}
    count = sum(map(len, spans.values()))
    if count > MOST_INTERVALS:
        coarsened = True
        spans = _coarser(spans, MOST_INTERVALS)
    expression = _inside(spans, tiers_of, unknown) if spans else "false"
    if len(expression) > LONGEST:
        coarsened = True
        expression = _inside({(frozenset(), "true"): _joined(spans)}, lambda _: "true", "false")
    return Closed(expression, sum(map(len, spans.values())), coarsened, until, frozenset(known))


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


def _coarser(spans: dict[Group, Spans], most: int) -> dict[Group, Spans]:
    """`spans` with the smallest gaps closed until `most` are left, or one for each group."""
    gaps = [
        (following[0] - before[1], number, index)
        for number, found in enumerate(spans.values())
        for index, (before, following) in enumerate(pairwise(found))
    ]
    surplus = sum(map(len, spans.values())) - most
    closing = {(number, index) for _, number, index in sorted(gaps)[: max(0, surplus)]}
    joined: dict[Group, Spans] = {}
    for number, (group, found) in enumerate(spans.items()):
        kept: list[tuple[int, int]] = []
        for index, span in enumerate(found):
            if kept and (number, index - 1) in closing:
                kept[-1] = (kept[-1][0], span[1])
            else:
                kept.append(span)
        joined[group] = tuple(kept)
    return joined


def _joined(spans: dict[Group, Spans]) -> Spans:
    """All spans as one list, those that overlap or touch made one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(span for each in spans.values() for span in each):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return tuple(found)


def _inside(spans: dict[Group, Spans], tiers_of: Callable[[frozenset[int]], str], unknown: str) -> str:
    terms = [] if unknown == "false" else [f"(({unknown}) && ({_covers(_joined(spans))}))"]
    for tiers in dict.fromkeys(tiers for tiers, _ in spans):
        scopes = (f"(({scope}) && ({_covers(found)}))" for (of, scope), found in spans.items() if of == tiers)
        terms.append(f"(({tiers_of(tiers)}) && ({' || '.join(scopes)}))")
    return f"{CLOCK}.exists(t, {' || '.join(terms)})"


def _covers(spans: Sequence[tuple[int, int]]) -> str:
    """Whether the instant `t` is in any of `spans`; an instant that is not known is in each."""
    listed = ", ".join(f"[{start}, {end}]" for start, end in spans)
    return f"t < 0 || [{listed}].exists(i, t >= i[0] && t < i[1])"


_FIELDS = "metadata.?managedFields.orValue([])"
_SAME = " && ".join(
    f"m.?{key}.orValue('') == f.?{key}.orValue('')"
    for key in ("time", "manager", "operation", "apiVersion", "subresource")
)
_OLD, _NEW = (f"{which}.?metadata.?managedFields.orValue([])" for which in ("oldObject", "object"))
_FRESH = f"{_NEW}.filter(m, !{_OLD}.exists(f, {_SAME}))"
_ONE = f"size(fresh) == 1 && fresh[0].?manager.orValue('') != '{FOLDED}' && has(fresh[0].time)"
CLOCK = (
    # Size guards first: a cost overrun under failurePolicy Fail refuses everything.
    "(request.operation == 'CREATE'"
    " ? [int(timestamp(object.?metadata.?creationTimestamp.orValue('1969-12-31T23:59:59Z')))]"
    f" : size({_NEW}) == 0 || size({_NEW}) > {MOST_ENTRIES} || size({_OLD}) > {MOST_ENTRIES} ? [-1]"
    f" : [{_FRESH}].map(fresh, {_ONE} ? int(timestamp(fresh[0].time)) : -1))"
)
"""A list of one: the instant at which the request is made, in seconds since 1970, or -1 when it is not known."""
