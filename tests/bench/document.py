"""What was measured, as Markdown and as JSON, with the targets of the project and whether they are met. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.bench.picture import ACCEPTED, CASES, REFUSED, UNCHANGED, Size
from tests.bench.sections import CONNECTIONS, LATE_SECONDS, Latency
from tests.bench.targets import EMPTY, OURS, Cost
from tests.bench.through import Taken, Through

LIMITS = {ACCEPTED: 110.0, REFUSED: 200.0, UNCHANGED: 50.0}
"""Microseconds of CPU a review that the project wants to stay below."""
TIMES_EMPTY = 4.0
TIMES_CHEAPER = {
    "kube-freeze-operator": {ACCEPTED: 7.0, REFUSED: 4.0, UNCHANGED: 15.0},
    "Gatekeeper": {ACCEPTED: 16.0, REFUSED: 9.0, UNCHANGED: 35.0},
}
"""How many times as much as ours a review is to cost peers of that name."""
P99_SECONDS = 0.005
FLAT = 1.15
"""How much dearer a review may be among a hundred times as much that does not concern it: what two runs differ by."""
_COMMAND = 'make bench BENCH="--document docs/performance.md"'


@dataclass
class Run:
    """All that one run measured; None and empty for what was left out."""

    machine: Mapping[str, str]
    reviews: Mapping[str, Mapping[str, Cost]] = field(default_factory=dict)
    rounds: int = 0
    reviews_a_round: int = 0
    latency: Mapping[str, Latency] = field(default_factory=dict)
    curve: list[tuple[Size, Cost]] = field(default_factory=list)
    through: Through | None = None


def as_json(run: Run) -> dict[str, Any]:
    """The same for programs: costs in microseconds, all else in seconds."""
    costs = {
        target: {case: {"median": cost.middle, "rounds": cost.microseconds} for case, cost in by_case.items()}
        for target, by_case in run.reviews.items()
    }
    return {
        "machine": dict(run.machine),
        "reviews": costs,
        "openLoop": {name: asdict(found) for name, found in run.latency.items()},
        "curve": [
            {"size": asdict(size), "median": cost.middle, "rounds": cost.microseconds} for size, cost in run.curve
        ],
        "apiServer": None if run.through is None else asdict(run.through),
    }


_HEAD = """\
# What a review costs

Written by `{command}` on {date}:
{processor}, {cores} cores, {system}, Python {python}.
Everything below is from that one run. When it began, {load} processes were waiting for a core on average.
"""
_REVIEWS = """
## CPU time of a review

An update of a Deployment, about 20 KiB with both objects, under all thirteen rules, over TLS on {connections}
connections. The cache has 200 freezes and windows, 50 policies, 20,000 budgets and 5,000 namespaces. The server has
a core to itself, and the load another. All targets take turns: {rounds} rounds of {reviews} reviews of each case,
after one that warms up. The figures are the CPU time of the server's processes in µs a review, as the kernel counts
it: the median of the rounds, and the least and the most. The empty handler is the same web server with the same
settings, which reads the body and allows.
"""
_LATENCY = """
## Latency at {rate:.0f} reviews a second

{reviews} accepted rollouts, evenly spaced over 32 connections, the server on one core. A latency counts from the
instant at which the review was due, so that a pause is counted by every review that it delays. Beside it what the
empty handler takes: what the machine and the load's own process do to everybody.
"""
_CURVE = """
## Among what does not concern the workload

An accepted rollout among 1, 10 and 100 times as much that has nothing to do with it, in rounds that take turns.
"""
_THROUGH = """
## Through the API server

The median of {updates} updates of each kind, taking turns, by one client on an embedded control plane that shares
the cores with everything else: a Deployment that nothing guards, one that tierguard reviews, and one that a
ValidatingAdmissionPolicy in CEL looks at for replicas, probes, resources, registries and digests.
"""
_VERDICTS = ("", "| | measured | wanted | |", "|---|---|---|---|")


def markdown(run: Run) -> str:
    """The document."""
    head = _HEAD.format(command=_COMMAND, **run.machine)
    parts = (_reviews(run), _latency(run), _curve(run), _through(run))
    return head + "".join("\n".join(found) + "\n" for part in parts if (found := list(part)))


def _reviews(run: Run) -> Iterator[str]:
    if not run.reviews:
        return
    yield _REVIEWS.format(connections=CONNECTIONS, rounds=run.rounds, reviews=run.reviews_a_round)
    names = [EMPTY, *(name for name in run.reviews if name != EMPTY)]
    yield "| CPU µs a review | " + " | ".join(CASES) + " |"
    yield "|---" * (len(CASES) + 1) + "|"
    for name in names:
        yield f"| {name} | " + " | ".join(_cell(run.reviews[name][case]) for case in CASES) + " |"
    yield from _VERDICTS
    mine, base = run.reviews[OURS], run.reviews[EMPTY]
    for case, limit in LIMITS.items():
        yield _verdict(case, f"{mine[case].middle:.0f} µs", f"≤ {limit:.0f} µs", met=mine[case].middle <= limit)
    times = mine[ACCEPTED].middle / base[ACCEPTED].middle
    yield _verdict(f"{ACCEPTED}, times {EMPTY}", f"{times:.1f}", f"≤ {TIMES_EMPTY:.0f}", met=times <= TIMES_EMPTY)
    for peer in names:
        for case in CASES if peer not in (OURS, EMPTY) else ():
            yield _against(peer, case, run.reviews[peer][case].middle / mine[case].middle)


def _against(peer: str, case: str, times: float) -> str:
    wanted = TIMES_CHEAPER.get(peer, {}).get(case)
    what, measured = f"{case}: {peer} costs", f"{times:.1f} times as much"
    if wanted is None:
        return f"| {what} | {measured} | | |"
    return _verdict(what, measured, f"≥ {wanted:.0f} times", met=times >= wanted)


def _cell(cost: Cost) -> str:
    least, most = cost.spread
    return f"{cost.middle:.0f} ({least:.0f} to {most:.0f})"


def _verdict(what: str, measured: str, wanted: str, *, met: bool) -> str:
    return f"| {what} | {measured} | {wanted} | {'met' if met else '**not met**'} |"


def _latency(run: Run) -> Iterator[str]:
    if not run.latency:
        return
    mine, base = run.latency[OURS], run.latency[EMPTY]
    yield _LATENCY.format(rate=mine.rate, reviews=mine.reviews)
    yield f"| | {OURS} | {EMPTY} | wanted | |"
    yield "|---|---|---|---|---|"
    for what, one, other in (("median", mine.median, base.median), ("p99.9", mine.p999, base.p999)):
        yield f"| {what} | {_ms(one)} | {_ms(other)} | | |"
    fast, steady = mine.p99 <= P99_SECONDS, not mine.late
    yield _beside("p99", _ms(mine.p99), _ms(base.p99), f"≤ {_ms(P99_SECONDS)}", met=fast)
    yield _beside("the slowest", _ms(mine.most), _ms(base.most), f"≤ {_ms(LATE_SECONDS)}", met=steady)
    yield f"| slower than {_ms(LATE_SECONDS)} | {mine.late} reviews | {base.late} reviews | none | |"


def _beside(what: str, mine: str, base: str, wanted: str, *, met: bool) -> str:
    return f"| {what} | {mine} | {base} | {wanted} | {'met' if met else '**not met**'} |"


def _curve(run: Run) -> Iterator[str]:
    if not run.curve:
        return
    yield _CURVE
    yield "| namespaces | budgets | freezes and windows of other scopes | policies of other workloads | CPU µs a review |"
    yield "|---|---|---|---|---|"
    for size, cost in run.curve:
        yield f"| {size.namespaces} | {size.budgets} | {2 * size.holds} | {size.policies} | {_cell(cost)} |"
    yield from _VERDICTS
    growth = run.curve[-1][1].middle / run.curve[0][1].middle
    yield _verdict("the last line, times the first", f"{growth:.2f}", f"≤ {FLAT}", met=growth <= FLAT)


def _through(run: Run) -> Iterator[str]:
    found = run.through
    if found is None:
        return
    yield _THROUGH.format(updates=found.updates)
    yield "| | p50 | half of them between | added |"
    yield "|---|---|---|---|"
    yield f"| nobody looks at it | {_ms(found.plain.median)} | {_half(found.plain)} | |"
    yield f"| tierguard | {_ms(found.guarded.median)} | {_half(found.guarded)} | {_ms(found.added)} |"
    yield f"| CEL in the API server | {_ms(found.cel.median)} | {_half(found.cel)} | {_ms(found.added_by_cel)} |"
    yield from _VERDICTS
    yield _verdict("added by tierguard", _ms(found.added), "≤ what CEL adds", met=found.added <= found.added_by_cel)
    calls = f"{found.calls_of_plain:.0f} of {found.updates}"
    yield _verdict("calls for what nothing guards", calls, "0", met=not found.calls_of_plain)
    yield f"| calls for what is guarded | {found.calls_of_guarded:.0f} of {found.updates} | | |"


def _half(taken: Taken) -> str:
    return f"{_ms(taken.lower)} and {_ms(taken.upper)}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"
