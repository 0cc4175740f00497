"""`tierguard check`: the decision engine on files."""

from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from tierguard.api.model import rfc3339
from tierguard.cli import report
from tierguard.cli.deciding import (
    OUR_KINDS,
    Checked,
    change_of,
    count_rules,
    is_decided,
    require_readable,
    require_shape,
    reviewed,
    state_of,
)
from tierguard.cli.difference import decide_difference
from tierguard.cli.manifests import Manifest, read_all
from tierguard.guard.decide import evaluate
from tierguard.guard.model.decision import Outcome


def check(
    paths: Sequence[str],
    policies: Sequence[str],
    now: datetime,
    output: str,
    before: Sequence[str] | None = None,
    *,
    prune: bool = False,
) -> int:
    """Decide about everything in `paths` and print it; returns the exit code. Raises InputError.

    `before` is what is there now, with `prune` less what is not in `paths`; None where everything is new.
    """
    manifests, deciding = read_all(paths), read_all(policies)
    there = [] if before is None else read_all(before)
    if before is None:
        checked = decide_all(manifests, deciding, now)
    else:
        checked = decide_difference(manifests, there, deciding, now, prune=prune)
    if output == "json":
        report.print_json([_as_json(each) for each in checked])
    else:
        _print(checked, now, count_rules([*manifests, *deciding, *there]))
    outcomes = {each.decision.outcome for each in checked}
    return 1 if Outcome.DENIED in outcomes else 2 if Outcome.UNDECIDED in outcomes else 0


def decide_all(manifests: Sequence[Manifest], deciding: Sequence[Manifest], now: datetime) -> list[Checked]:
    """Decide about creating `manifests`, by the policies, freezes and windows in them and in `deciding`. Raises InputError.

    Workloads and our own kinds are decided about: what a new budget, say, makes of a new workload is among the findings
    about that workload.
    """
    require_shape([*manifests, *deciding])
    require_readable(deciding)
    state = state_of([*manifests, *deciding], now)
    own = reviewed(state)
    checked = []
    for manifest in filter(is_decided, manifests):
        change = change_of(None, manifest.raw)
        checked.append(Checked(manifest, change, evaluate(change, own if manifest.kind in OUR_KINDS else state, now)))
    return checked


def _as_json(checked: Checked) -> dict[str, object]:
    where = {"source": checked.manifest.source, "document": checked.manifest.document}
    return {**where, **report.decision_as_json(checked.change.subject, checked.decision)}


def _print(checked: Sequence[Checked], now: datetime, rules: int) -> None:
    console = report.console()
    console.print(report.decision_table((each.change.subject, each.decision) for each in checked))
    found = [each.decision.outcome for each in checked]
    counts = ", ".join(f"{found.count(outcome)} {outcome.value.lower()}" for outcome in Outcome)
    console.print(Text(f"\n{counts}; decided as of {rfc3339(now)} by {rules} policies, freezes or windows"))
