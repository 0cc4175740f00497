"""What `make bench` measures on the webhook alone: what a review costs, how soon it is answered, what has no say in it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.load import Plan, write_bodies
from tests.bench.picture import ACCEPTED, FULL, Size, bodies
from tests.bench.targets import Cost, Target, empty, loaded, ours, pin_server, take_turns

CONNECTIONS = 8
RATE = 1_000.0
LATE_SECONDS = 0.010
CURVE = (
    Size(namespaces=50, budgets=200, holds=1, policies=1),
    Size(namespaces=500, budgets=2_000, holds=10, policies=5),
    FULL,
)
"""1, 10 and 100 times what does not concern the workload."""


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int = 7
    reviews: int = 6_000
    """A round and case."""
    seconds: float = 20.0
    """Of the open loop."""


@dataclass(frozen=True)
class Latency:
    """Seconds from when a review was due to its answer, of `reviews` at `rate` a second."""

    rate: float
    reviews: int
    median: float
    p99: float
    p999: float
    most: float
    late: int
    """How many took more than LATE_SECONDS."""


def quantile(ordered: list[float], part: float) -> float:
    """The value that `part` of the `ordered` ones do not exceed. Raises ValueError where there are none."""
    if not ordered:
        message = "no values"
        raise ValueError(message)
    return ordered[min(len(ordered) - 1, max(0, -(-int(len(ordered) * part * 1000) // 1000) - 1))]


def reviews(directory: Path, effort: Effort, peers: list[Target]) -> dict[str, dict[str, Cost]]:
    """What each case costs us, the empty handler and the peers, in rounds that take turns."""
    with _both(directory, FULL) as targets:
        return take_turns([*targets, *peers], directory, effort.rounds, effort.reviews, CONNECTIONS)


def open_loop(directory: Path, effort: Effort) -> dict[str, Latency]:
    """How soon a review is answered at a steady rate, nobody waiting for the answer before, by target."""
    file = directory / "open-loop"
    found = {}
    with _both(directory, FULL) as targets:
        write_bodies(file, bodies(ACCEPTED))
        for target in targets:
            pin_server(target)
            loaded(Plan(target.url, str(file), 1_000, 32, target.authority))  # warm up
            count = int(RATE * effort.seconds)
            done = loaded(Plan(target.url, str(file), count, 32, target.authority, RATE))
            found[target.name] = latency(done.latencies)
    return found


def latency(ordered: list[float]) -> Latency:
    """The figures of `ordered` latencies at RATE."""
    late = sum(seconds > LATE_SECONDS for seconds in ordered)
    middle, p99, p999 = (quantile(ordered, part) for part in (0.5, 0.99, 0.999))
    return Latency(RATE, len(ordered), middle, p99, p999, ordered[-1], late)


def curve(directory: Path, effort: Effort) -> list[tuple[Size, Cost]]:
    """What an accepted review costs among more and more that does not concern it, in rounds that take turns."""
    with ExitStack() as stack:
        targets = []
        for number, size in enumerate(CURVE):
            target = stack.enter_context(ours(directory / str(number), size))
            targets.append(Target(f"{target.name}-{number}", target.url, target.pid, target.authority))
        found = take_turns(targets, directory, effort.rounds, effort.reviews, CONNECTIONS, (ACCEPTED,))
    return [(size, found[target.name][ACCEPTED]) for size, target in zip(CURVE, targets, strict=True)]


@contextmanager
def _both(directory: Path, size: Size) -> Iterator[list[Target]]:
    with ours(directory, size) as mine, empty(directory) as base:
        yield [mine, base]
