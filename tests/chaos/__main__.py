"""`make chaos`: break everything that can be broken, under load, and show what became of the writes.

Each fault is met twice: in a freeze (what must not pass?) and outside of one, with one to come (what must not be refused?);
then a scheduled freeze begins and ends while nobody of tierguard is there. Exit code 1 when a promise is broken.
"""

import argparse
import os
import platform
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.broken import Note
from tests.chaos.clients import Fate, Write
from tests.chaos.document import document
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.mix import ALWAYS_HELD, CLOCKLESS, HELD_IN_A_FREEZE, Kind
from tests.chaos.site import NAMESPACE, Site
from tests.chaos.table import EITHER, FREE, HELD, NEW, Due, Row, show
from tests.cluster.controlplane import ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.install import OPERATORS, WEBHOOKS
from tests.cluster.toolchain import ensure_binaries
from tests.e2e import manifests
from tests.e2e.outage import compiled
from tests.e2e.world import DANA, only_in

REPOSITORY = Path(__file__).resolve().parents[2]
MOST_SECONDS = 75.0
"""For the load of one row."""
EDGE_SECONDS = 1.0
"""Around a freeze's first and last instant: a write is sent and judged at two different ones."""
LEASE_SECONDS = 6.0
"""The same for what carries no clock: the controller manager renews its Lease every two seconds."""
SOON_SECONDS, SHORT_SECONDS = 20, 20
FROZEN, OUTSIDE, SCHEDULED = "in a freeze", "outside", "across a freeze"


def due_in(phase: str, new: frozenset[Kind] = frozenset()) -> Due:
    """What must become of a write in this phase, where the version that runs does not hold the `new` kinds yet."""
    held = HELD_IN_A_FREEZE if phase == FROZEN else ALWAYS_HELD
    return lambda write: FREE if write.kind not in held else NEW if write.kind in new else HELD


def due_across(start: float, end: float) -> Due:
    """What must become of a write while a freeze begins and ends: by the instants of its question and its answer.

    No operator is there to tell the API server of either edge. What carries no clock is judged by the controller manager's
    Lease, which is a few seconds behind.
    """
    frozen, outside = due_in(FROZEN), due_in(OUTSIDE)

    def due(write: Write) -> str:
        late = LEASE_SECONDS if write.kind in CLOCKLESS else EDGE_SECONDS
        if start + late <= write.sent and write.answered < end - EDGE_SECONDS:
            return frozen(write)
        if write.answered < start - EDGE_SECONDS or write.sent >= end + late:
            return outside(write)
        return frozen(write) if frozen(write) == outside(write) else EITHER

    return due


def endure(site: Site, fault: Fault, phase: str, seed: int) -> Row:
    """Break something, write all the while, and mend it."""
    notes: list[str] = []
    failures: list[str] = []
    writes: list[Write] = []
    try:
        with fault.broken(site, seed) as note:
            writes = site.load.run(seed, DANA, fault.enough, fault.seconds, MOST_SECONDS)
            notes += filter(None, [_told(note, failures)])
    except (AssertionError, ClusterError) as error:
        failures.append(str(error))
    try:
        recovery = site.well(phase == FROZEN)
        if recovery >= 1:
            notes.append(f"well after {recovery:.0f} s")
    except (AssertionError, ClusterError) as error:
        failures.append(str(error))
    return Row(fault.name, phase, writes, due_in(phase, fault.new), notes, failures)


def _told(note: Note, failures: list[str]) -> str:
    try:
        return note()
    except AssertionError as error:
        failures.append(str(error))
        return ""


def across(site: Site, name: str, dead: Sequence[str], seed: int) -> Row:
    """A scheduled freeze begins and ends while these processes are dead."""
    start = int(time.time()) + SOON_SECONDS
    end = start + SHORT_SECONDS
    freeze = f"scheduled-{seed % 100000}"
    made = manifests.freeze(freeze, startsAt=_rfc(start), expiresAt=_rfc(end), scope={"tiers": [0, 1]})
    failures: list[str] = []
    writes: list[Write] = []
    with site.world.in_force(only_in(NAMESPACE, made)):
        try:
            site.world.until("the API server knows the freeze", lambda: compiled(site.world, freeze))
            for each in dead:
                site.cluster.processes.signal(each, signal.SIGKILL)
            least = end + 5 - time.time()
            writes = site.load.run(seed, DANA, 100, least, least + 10)
            if set(dead) >= set(WEBHOOKS):
                for each in WEBHOOKS:  # or nobody could withdraw the freeze
                    site.tierguard.start_webhook(each)
            site.well(frozen=False)
        except (AssertionError, ClusterError) as error:
            failures.append(str(error))
        row = Row(name, SCHEDULED, writes, due_across(start, end), [], failures)
        row.notes.append(_clockless(row))
    return row


def _clockless(row: Row) -> str:
    """How many of the writes that carry no clock were refused in the freeze."""
    sent = [write for write in row.held if write.kind in CLOCKLESS]
    refused = Counter(write.kind for write in sent if write.fate is Fate.REFUSED)
    among = Counter(write.kind for write in sent)
    counts = (f"{kind.value} {refused[kind]} of {among[kind]}" for kind in sorted(among, key=lambda kind: kind.value))
    return f"without a clock refused: {', '.join(counts)}"


def _rfc(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def run(
    site: Site, seed: int, only: Sequence[str], phases: Sequence[str], kept: Callable[[list[Row]], None]
) -> list[Row]:
    """All rows; `kept` is given those that there are after each."""
    rows: list[Row] = []
    faults = [fault for fault in FAULTS if any(part in fault.name for part in only)]

    def done(row: Row) -> None:
        rows.append(row)
        kept(rows)
        problem = f" FAILED: {'; '.join(row.failures)}" if row.failures else ""
        print(f"  {row.phase}: {row.fault}: {len(row.answered)} writes{problem}", file=sys.stderr, flush=True)

    def each_seed(name: str) -> int:
        return random.Random(f"{seed}/{name}").randrange(2**31)  # noqa: S311 - it shall be repeatable

    if FROZEN in phases:
        with site.frozen():
            for fault in faults:
                done(endure(site, fault, FROZEN, each_seed(f"frozen/{fault.name}")))
    if SCHEDULED in phases:
        for name, dead in (
            ("operators dead", OPERATORS),
            ("operators and webhooks dead", (*OPERATORS, *WEBHOOKS)),
        ):
            if any(part in name for part in only):
                done(across(site, name, dead, each_seed(name)))
    if OUTSIDE in phases:
        for fault in faults:
            done(endure(site, fault, OUTSIDE, each_seed(f"outside/{fault.name}")))
    return rows


def unanswered(rows: Sequence[Row]) -> list[Kind]:
    """The kinds of write that were answered in no row, such as those that RBAC does not let a developer make."""
    return [kind for kind in Kind if not any(row.kinds()[kind] for row in rows)]


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--only", action="append", help="only faults whose name has this in it")
    parser.add_argument("--phase", action="append", choices=(FROZEN, OUTSIDE, SCHEDULED))
    parser.add_argument("--document", type=Path, help="write docs/chaos.md there")
    options = parser.parse_args()
    began = time.monotonic()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"Seed {options.seed}; {machine}", file=sys.stderr, flush=True)

    def summary(rows: list[Row]) -> str:
        minutes = (time.monotonic() - began) / 60
        return f"Seed {options.seed}, {sum(len(r.answered) for r in rows):,} writes, {minutes:.1f} min; {machine}."

    def keep(rows: list[Row]) -> None:
        # After each row: a run that is interrupted leaves what it has seen.
        if options.document:
            options.document.write_text(document(rows, summary(rows)), encoding="utf-8")

    with tempfile.TemporaryDirectory(prefix="tierguard-chaos-") as directory:
        cluster = ControlPlane(Path(directory), ensure_binaries(REPOSITORY))
        with cluster:
            site = Site(cluster)
            try:
                site.build()
                phases = options.phase or (FROZEN, OUTSIDE, SCHEDULED)
                rows = run(site, options.seed, options.only or [""], phases, keep)
            finally:
                site.close()
    show(rows)
    print(summary(rows))
    broken = [f"{row.phase}, {row.fault}: {failure}" for row in rows for failure in row.failures]
    broken += [f"never answered, so nothing was shown: {kind.value}" for kind in unanswered(rows)]
    print("\n".join(broken) if broken else "Every promise held.")
    return 1 if broken or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
