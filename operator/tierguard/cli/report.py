"""What the commands print: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tierguard.api.model import rfc3339
from tierguard.guard.model.decision import Decision, Effect, Finding, Outcome

_STYLES = {Outcome.ALLOWED: "green", Outcome.DENIED: "bold red", Outcome.UNDECIDED: "bold yellow"}
_WIDTH = 160


def console() -> Console:
    """Standard output; wide where it is no terminal, as logs of pipelines are."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)


def table(headings: Sequence[str]) -> Table:
    """An empty table in the commands' style."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        made.add_column(heading, overflow="fold")
    return made


def print_json(found: Any) -> None:
    """`found` on standard output."""
    json.dump(found, sys.stdout, indent=2)
    sys.stdout.write("\n")


def decision_table(decided: Iterable[tuple[str, Decision]]) -> Table:
    """Subjects and what was decided about each."""
    made = table(("SUBJECT", "TIER", "OUTCOME", "FINDINGS"))
    for subject, decision in decided:
        outcome = Text(decision.outcome.value, style=_STYLES[decision.outcome])
        made.add_row(Text(subject), shown_tier(decision.tier), outcome, Text("\n".join(_lines(decision)) or "-"))
    return made


def shown_tier(tier: int | None) -> str:
    """A tier in a table."""
    return "-" if tier is None else str(tier)


def decision_as_json(subject: str, decision: Decision) -> dict[str, Any]:
    """The same for programs."""
    return {
        "subject": subject,
        "outcome": decision.outcome.value,
        "change": [kind.value for kind in decision.kinds],
        "tier": decision.tier,
        "message": decision.message,
        "possibleFrom": rfc3339(decision.possible_from) if decision.possible_from else None,
        "findings": [_finding_as_json(finding) for finding in decision.findings],
    }


def _finding_as_json(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "source": finding.source,
        "effect": finding.effect.name.capitalize(),
        "reason": finding.reason,
        "detail": finding.detail,
        "remedy": finding.remedy,
    }


def _lines(decision: Decision) -> Iterator[str]:
    for finding in decision.findings:
        mark = {Effect.DENY: "deny", Effect.WARN: "warn", Effect.AUDIT: "audit"}[finding.effect]
        yield f"{mark}  {finding.sentence()}  [{finding.source}]"
    if decision.possible_from is not None:
        yield f"      possible from {rfc3339(decision.possible_from)}"
    if decision.outcome is Outcome.UNDECIDED:
        yield decision.message
