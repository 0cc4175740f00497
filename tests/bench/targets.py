"""What is measured: running servers, and the load on them in rounds that take turns."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from tests.bench.load import Outcome, Plan, write_bodies
from tests.bench.machine import cores, cpu_seconds, family, pin
from tests.bench.picture import ACCEPTED, CASES, REFUSED, Size, bodies, fill
from tests.cluster.ports import free_port
from tests.cluster.processes import poll
from tests.fakes.apiserver import FakeApiServer
from tests.fakes.webhook import PATH, webhook

LOAD_SECONDS = 300
CORES = tuple(cores())
"""Before anybody was pinned."""
EMPTY = "the empty handler"
OURS = "tierguard"
EXPECTED = {ACCEPTED: "allowed", REFUSED: "refused"}


@dataclass(frozen=True)
class Target:
    """A running webhook: its address, its processes, and the certificates to trust ("" for anybody's)."""

    name: str
    url: str
    pid: int
    authority: str = ""

    @property
    def pids(self) -> list[int]:
        """All its processes, as they are now."""
        return family(self.pid)


@dataclass
class Cost:
    """What a case cost a target in each round: microseconds of CPU a review, and the latencies of all rounds."""

    microseconds: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    @property
    def middle(self) -> float:
        """The median of the rounds."""
        return median(self.microseconds)

    @property
    def spread(self) -> tuple[float, float]:
        """The cheapest and the dearest round."""
        return min(self.microseconds), max(self.microseconds)


@contextmanager
def ours(directory: Path, size: Size) -> Iterator[Target]:
    """The real webhook process, which has learnt a cluster of `size` from an API server that is none."""
    directory.mkdir(parents=True, exist_ok=True)
    with FakeApiServer() as api:
        fill(api, size)
        with webhook(directory, api) as hook:
            authority = directory / "authority.crt"
            authority.write_text(hook.authority, encoding="ascii")
            yield Target(OURS, f"https://127.0.0.1:{hook.port}{PATH}", hook.process.pid, str(authority))


@contextmanager
def empty(directory: Path) -> Iterator[Target]:
    """The empty handler, with the certificate that a webhook left in `directory`."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.empty", str(port)]
    process = subprocess.Popen([*command, str(directory / "tls.crt"), str(directory / "tls.key")])
    try:
        target = Target(EMPTY, f"https://127.0.0.1:{port}/", process.pid, str(directory / "authority.crt"))
        if not poll(lambda: _answers(target, directory), 30):
            message = "the empty handler does not answer"
            raise RuntimeError(message)
        yield target
    finally:
        process.terminate()
        process.wait(15)


def _answers(target: Target, directory: Path) -> bool:
    probe = directory / "probe"
    write_bodies(probe, [b"{}"])
    try:
        return loaded(Plan(target.url, str(probe), 1, 1, target.authority)).answers == {"allowed": 1}
    except subprocess.CalledProcessError:
        return False


def loaded(plan: Plan) -> Outcome:
    """The outcome of `plan`, which another process carries out, on the last core if there are several."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    pin_client(process.pid)
    answered, complaints = process.communicate(json.dumps(asdict(plan)).encode(), LOAD_SECONDS)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args, answered, complaints)
    return Outcome(**json.loads(answered))


def pin_client(pid: int) -> None:
    """Keep the load off the servers' core."""
    if len(CORES) > 1:
        pin([pid], CORES[-1])


def pin_server(target: Target) -> None:
    """Keep a server on the first core."""
    if len(CORES) > 1:
        pin(target.pids, CORES[0])


def take_turns(
    targets: list[Target], directory: Path, rounds: int, reviews: int, connections: int, cases: tuple[str, ...] = CASES
) -> dict[str, dict[str, Cost]]:
    """Costs by target and case: in each round every target answers every case once. The first round warms up.

    Raises RuntimeError for an answer that is not the case's: a wrong one may be cheap.
    """
    files = {case: directory / f"bodies-{number}" for number, case in enumerate(cases)}
    for case, file in files.items():
        write_bodies(file, bodies(case))
    found = {target.name: {case: Cost() for case in cases} for target in targets}
    for turn in range(rounds + 1):
        for case in cases:
            for target in targets:
                pin_server(target)
                before = cpu_seconds(target.pids)
                outcome = loaded(Plan(target.url, str(files[case]), reviews, connections, target.authority))
                spent = cpu_seconds(target.pids) - before
                _check(target, case, outcome)
                if turn:
                    cost = found[target.name][case]
                    cost.microseconds.append(spent / len(outcome.latencies) * 1e6)
                    cost.latencies += outcome.latencies
    return found


def _check(target: Target, case: str, outcome: Outcome) -> None:
    wanted = EXPECTED.get(case, "allowed") if target.name.startswith(OURS) else None
    if wanted is not None and set(outcome.answers) != {wanted}:
        message = f"{target.name} answered {outcome.answers} to: {case}"
        raise RuntimeError(message)
