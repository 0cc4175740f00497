"""docs/chaos.md: what was broken, what was tried, what happened; from a run."""

from collections.abc import Iterable
from pathlib import Path

from tests.chaos.clients import CLIENTS
from tests.chaos.table import Row, markdown

TEXT = Path(__file__).with_name("chaos.md")


def document(rows: Iterable[Row], said: str) -> str:
    """The document."""
    return TEXT.read_text(encoding="utf-8").format(clients=CLIENTS, table=markdown(rows), said=said)
