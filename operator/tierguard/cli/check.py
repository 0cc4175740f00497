"""`tierguard check`: the decision engine on files."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tierguard.api.kinds import FREEZE, KINDS
from tierguard.api.model import API_VERSION, GROUP, rfc3339
from tierguard.cli.errors import InputError
from tierguard.cli.manifests import Manifest, read_all
from tierguard.guard import objects
from tierguard.guard.change import Change, Operation
from tierguard.guard.decide import evaluate
from tierguard.guard.finding import Decision, Effect, Outcome
from tierguard.guard.holds import validate
from tierguard.guard.misshapen import misshapen
from tierguard.guard.picture import picture, placed
from tierguard.guard.resources import SPECS
from tierguard.guard.state import State
from tierguard.guard.workload import WORKLOAD_KINDS, Workload

OUR_KINDS = frozenset(kind.kind for kind in KINDS)
_STYLES = {Outcome.ALLOWED: "green", Outcome.DENIED: "bold red", Outcome.UNDECIDED: "bold yellow"}


@dataclass(frozen=True, slots=True)
class Checked:
    """A manifest and what was decided about it."""

    manifest: Manifest
    decision: Decision

    @property
    def subject(self) -> str:
        """`Kind namespace/name`."""
        return _change(self.manifest).subject


def check(paths: Sequence[str], policies: Sequence[str], now: datetime, output: str) -> int:
    """Decide about everything in `paths` and print it; returns the exit code. Raises InputError."""
    manifests = read_all(paths)
    deciding = read_all(policies)
    checked = decide_all(manifests, deciding, now)
    if output == "json":
        json.dump([_as_json(c) for c in checked], sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        _print(checked, now, sum(m.kind in OUR_KINDS for m in (*manifests, *deciding)))
    outcomes = {c.decision.outcome for c in checked}
    return 1 if Outcome.DENIED in outcomes else 2 if Outcome.UNDECIDED in outcomes else 0


def decide_all(manifests: Sequence[Manifest], deciding: Sequence[Manifest], now: datetime) -> list[Checked]:
    """Decide about `manifests`, with the policies, freezes and windows in them and in `deciding`. Raises InputError."""
    for manifest in (*manifests, *deciding):
        if (problem := misshapen(manifest.raw)) is not None:
            message = f"{manifest.where}: {manifest.kind} {objects.name(manifest.raw)}: {problem}"
            raise InputError(message)
    for manifest in deciding:
        _require_readable(manifest)
    state = _state([*manifests, *deciding], now)
    # What is in Git was reviewed there; whether it may be applied at this hour is for the cluster to say.
    reviewed = replace(state, freezes=(), windows=(), identities=replace(state.identities, gitops=frozenset({""})))
    return [
        Checked(m, evaluate(_change(m), reviewed if m.kind in OUR_KINDS else state, now))
        for m in manifests
        if _judged(m)
    ]


def _judged(manifest: Manifest) -> bool:
    """Whether there is something to decide about. Raises InputError for a version that the API server no longer takes."""
    group, _, version = str(manifest.raw.get("apiVersion") or "").rpartition("/")
    if manifest.kind in OUR_KINDS:
        return group == GROUP
    entry = WORKLOAD_KINDS.get(manifest.kind)
    if entry is None:
        return False
    if group in (entry.group, "extensions") and (group, version) != (entry.group, entry.version):
        found = objects.printable(str(manifest.raw.get("apiVersion")), 80)
        message = f"{manifest.where}: {manifest.kind} {objects.name(manifest.raw)}: apiVersion"
        message += f": expected {entry.api_version}, found {found}"
        raise InputError(message)
    return group == entry.group  # else another project's kind of the same name


def _require_readable(manifest: Manifest) -> None:
    """What to decide by must be readable: in a cluster the safe direction is to hold, in a pipeline it is to say so."""
    model = SPECS.get(manifest.kind)
    if model is None:
        return
    problem = validate(model, manifest.raw)
    if manifest.raw.get("apiVersion") != API_VERSION:
        problem = f"apiVersion is {manifest.raw.get('apiVersion')}, not {API_VERSION}"
    if problem is not None:
        message = f"{manifest.where}: {manifest.kind} {objects.name(manifest.raw)}: {problem}"
        raise InputError(message)


def _change(manifest: Manifest) -> Change:
    raw = manifest.raw
    here = placed(raw)
    workload = Workload.of(here)
    name = workload.name if workload is not None else objects.name(raw)
    namespace = "" if manifest.kind in OUR_KINDS else objects.namespace(here)
    return Change(Operation.CREATE, manifest.kind, namespace, name, None, here)


def _state(manifests: Iterable[Manifest], now: datetime) -> State:
    """The cluster as the files describe it."""
    return picture(_created(m.raw, now) if m.kind == FREEZE.kind else m.raw for m in manifests)


def _created(raw: Any, now: datetime) -> Any:
    """A freeze without startsAt begins when it is created; one that is only a file is taken as created before `now`."""
    if objects.value(raw, "metadata", "creationTimestamp") is not None:
        return raw
    return {**raw, "metadata": {**raw["metadata"], "creationTimestamp": rfc3339(now)}}


def _as_json(checked: Checked) -> dict[str, Any]:
    decision = checked.decision
    return {
        "source": checked.manifest.source,
        "document": checked.manifest.document,
        "subject": checked.subject,
        "outcome": decision.outcome.value,
        "change": [kind.value for kind in decision.kinds],
        "tier": decision.tier,
        "message": decision.message,
        "possibleFrom": rfc3339(decision.possible_from) if decision.possible_from else None,
        "findings": [
            {
                "rule": f.rule,
                "source": f.source,
                "effect": f.effect.name.capitalize(),
                "reason": f.reason,
                "detail": f.detail,
                "remedy": f.remedy,
            }
            for f in decision.findings
        ],
    }


def _print(checked: Sequence[Checked], now: datetime, rules: int) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("SUBJECT", "TIER", "OUTCOME", "FINDINGS"):
        table.add_column(heading, overflow="fold")
    for c in checked:
        tier = "-" if c.decision.tier is None else str(c.decision.tier)
        outcome = Text(c.decision.outcome.value, style=_STYLES[c.decision.outcome])
        table.add_row(Text(c.subject), tier, outcome, Text("\n".join(_lines(c.decision)) or "-"))
    console.print(table)
    counts = ", ".join(f"{_count(checked, outcome)} {outcome.value.lower()}" for outcome in Outcome)
    console.print(Text(f"\n{counts}; decided as of {rfc3339(now)} by {rules} policies, freezes or windows"))


def _lines(decision: Decision) -> Iterator[str]:
    for finding in decision.findings:
        mark = {Effect.DENY: "deny", Effect.WARN: "warn", Effect.AUDIT: "audit"}[finding.effect]
        yield f"{mark}  {finding.sentence()}  [{finding.source}]"
    if decision.possible_from is not None:
        yield f"      possible from {rfc3339(decision.possible_from)}"
    if decision.outcome is Outcome.UNDECIDED:
        yield decision.message


def _count(checked: Iterable[Checked], outcome: Outcome) -> int:
    return sum(c.decision.outcome is outcome for c in checked)
