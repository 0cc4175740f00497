"""What came of a fault, as a row of the table, and whether it is what was promised."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from tests.chaos.clients import Fate, Write
from tests.chaos.mix import Kind

HELD, FREE, EITHER, NEW = "held", "free", "either", "new"

Due = Callable[[Write], str]
"""What a write should come to: HELD, FREE, or EITHER where the instant is too near a freeze's edge.

NEW is what the version that runs does not hold yet."""


@dataclass
class Row:
    """The result of one fault in one phase."""

    fault: str
    phase: str
    writes: Sequence[Write]
    due: Due
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for title, count in (("wrongly admitted", self.admitted), ("wrongly refused", self.refused)):
            if count:
                self.failures.append(f"{title}: {count}, such as {self._example(title)}")
        if len(self.answered) < 100:
            self.failures.append(f"only {len(self.answered)} writes were answered")

    @property
    def answered(self) -> list[Write]:
        return [write for write in self.writes if write.fate is not Fate.UNANSWERED]

    @property
    def held(self) -> list[Write]:
        """Those that must not pass."""
        return [w for w in self.answered if self.due(w) == HELD]

    @property
    def admitted(self) -> int:
        return sum(w.fate is Fate.ADMITTED for w in self.held)

    @property
    def refused(self) -> int:
        return sum(w.fate is Fate.REFUSED for w in self.answered if self.due(w) == FREE)

    @property
    def free(self) -> int:
        return sum(self.due(w) == FREE for w in self.answered)

    @property
    def let_through(self) -> int:
        """How many of those passed that the version that runs does not hold yet."""
        return sum(w.fate is Fate.ADMITTED for w in self.new)

    @property
    def new(self) -> list[Write]:
        """Those that the version that runs does not hold yet."""
        return [w for w in self.answered if self.due(w) == NEW]

    def latency(self, share: float) -> float:
        """The latency in seconds that this share of the answered writes did not exceed."""
        found = sorted(write.seconds for write in self.answered)
        return found[min(len(found) - 1, int(len(found) * share))] if found else 0.0

    def kinds(self) -> Counter[Kind]:
        """How many of each kind were answered."""
        return Counter(write.kind for write in self.answered)

    def _example(self, title: str) -> str:
        fate = Fate.ADMITTED if title.endswith("admitted") else Fate.REFUSED
        among = self.held if fate is Fate.ADMITTED else [w for w in self.answered if self.due(w) == FREE]
        write = next(w for w in among if w.fate is fate)
        return f"{write.kind.value} after {write.seconds:.2f} s: {write.said[:200]}"


COLUMNS = (
    "fault",
    "phase",
    "writes",
    "to be held",
    "wrongly admitted",
    "to pass",
    "wrongly refused",
    "let through",
    "unanswered",
    "p50 ms",
    "p99 ms",
    "seen",
)


def cells(row: Row) -> list[str]:
    """The row, in the order of COLUMNS."""
    lost = len(row.writes) - len(row.answered)
    return [
        row.fault,
        row.phase,
        str(len(row.answered)),
        str(len(row.held)),
        str(row.admitted),
        str(row.free),
        str(row.refused),
        f"{row.let_through} of {len(row.new)}" if row.new else "0",
        str(lost or ""),
        f"{row.latency(0.5) * 1000:.0f}",
        f"{row.latency(0.99) * 1000:.0f}",
        "; ".join(row.notes),
    ]


def show(rows: Iterable[Row]) -> None:
    """Print the table."""
    table = Table(title="Faults, and what became of the writes during them")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("fault", "phase", "seen") else "right")
    for row in rows:
        table.add_row(*cells(row), style="red" if row.failures else None)
    Console(width=200).print(table)


def markdown(rows: Iterable[Row]) -> str:
    """The same for the docs."""
    lines = [COLUMNS, ["---" if c in ("fault", "phase", "seen") else "---:" for c in COLUMNS], *map(cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
