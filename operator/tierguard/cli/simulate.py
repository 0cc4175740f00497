"""`tierguard simulate`: what would happen to a cluster, from what is in it now. Reads, and changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.text import Text

from tierguard.api.kinds import POLICY
from tierguard.api.model import rfc3339
from tierguard.api.scope import ChangeKind
from tierguard.cli import report
from tierguard.cli.deciding import change_of, require_readable, require_shape
from tierguard.cli.errors import InputError
from tierguard.cli.listing import FOR_PLACEMENT, FOR_RULES, Listed, connect, listed
from tierguard.cli.manifests import read_all
from tierguard.cli.simulation import BAD, Loss, Placement, Verdict, told_by
from tierguard.guard.freezes.compiled import compile_policy
from tierguard.guard.message import compose
from tierguard.guard.model import objects
from tierguard.guard.model.change import being_deleted
from tierguard.guard.model.decision import Decision, Effect, Outcome
from tierguard.guard.model.hold import Policy
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.rules.evaluate import judge
from tierguard.guard.tiers.classify import classify

_STYLES = {Verdict.WAITS: "yellow", **dict.fromkeys(BAD, "bold red")}
_NAMED = 3
_LONGEST = 63


@dataclass(frozen=True, slots=True)
class Source:
    """Which cluster."""

    kubeconfig: Path | None
    context: str | None

    def read(self, kinds: Sequence[str]) -> Listed:
        """What is in it. Raises InputError."""
        return listed(connect(self.kubeconfig, self.context), kinds)


def simulate_policy(
    source: Source, paths: Sequence[str], now: datetime, output: str, *, everything: bool = False
) -> int:
    """Say which workloads the policies in `paths` would refuse; returns the exit code. Raises InputError."""
    manifests = [manifest for manifest in read_all(paths) if manifest.kind == POLICY.kind]
    if not manifests:
        message = f"no {POLICY.kind} in {', '.join(paths)}"
        raise InputError(message)
    require_shape(manifests)
    require_readable(manifests)
    raw = [manifest.raw for manifest in manifests]
    later = {name: when for policy in map(compile_policy, raw) for name, when in _later(policy, now)}
    policies = tuple(_in_effect(compile_policy(each)) for each in raw)
    decided = judge_by(policies, source.read(FOR_RULES).state, now)
    shown = [each for each in decided if everything or each[1].findings]
    counts = _counted(decided)
    if output == "json":
        report.print_json(
            {
                "policies": [policy.name for policy in policies],
                "simulatedAsInEffect": {name: rfc3339(when) for name, when in sorted(later.items())},
                "summary": {"selected": len(decided), **counts},
                "workloads": [report.decision_as_json(subject, decision) for subject, decision in shown],
            }
        )
    else:
        _print_policy(policies, later, shown, counts, len(decided))
    return 1 if counts["refused"] else 0


def judge_by(policies: Sequence[Policy], state: State, now: datetime) -> list[tuple[str, Decision]]:
    """The workloads that `policies` select, and what these would say if each were created now.

    The cluster's other policies are there too: they give workloads tiers. One of the same name is replaced.
    """
    names = {policy.name for policy in policies}
    state = replace(state, policies=(*(known for known in state.policies if known.name not in names), *policies))
    found = []
    for workload in sorted(state.everything(), key=lambda w: (w.namespace, w.kind, w.name)):
        if being_deleted(workload.raw):
            continue
        classified = classify(workload, workload.namespace, state.namespaces.get(workload.namespace, {}), state)
        mine = tuple(policy for policy in classified.policies if policy.name in names)
        if not mine:
            continue
        change = change_of(None, _new(workload))
        anew = replace(classified, workload=Workload(workload.entry, change.new or {}), policies=mine)
        kinds = (ChangeKind.CREATE,)
        findings = judge(anew, None, state, now, Effect.DENY, kinds).findings
        found.append((change.subject, compose(change, kinds, classified.tier, findings)))
    return found


def simulate_drain(
    source: Source, nodes: Sequence[str], output: str, *, one_by_one: bool = False, all_tiers: bool = False
) -> int:
    """Say what draining `nodes` does to guarded workloads; returns the exit code. Raises InputError."""
    placement = _placement(source.read(FOR_PLACEMENT))
    for node in nodes:
        if node not in placement.state.nodes:
            message = f"there is no node {objects.printable(node, _LONGEST)}; {_there_are(placement.state.nodes)}"
            raise InputError(message)
    names = list(dict.fromkeys(nodes))
    if one_by_one:
        found = [(node, loss) for node in names for loss in placement.drain(frozenset({node}), all_tiers=all_tiers)]
    else:
        found = [("", loss) for loss in placement.drain(frozenset(names), all_tiers=all_tiers)]
    what = f"draining {_list(names)}" + (" one by one" if one_by_one else "")
    return _tell(found, output, {"drained": names, "oneByOne": one_by_one}, what)


def simulate_zone_loss(source: Source, zone: str, key: str, output: str, *, all_tiers: bool = False) -> int:
    """Say what losing all nodes whose label `key` is `zone` leaves of guarded workloads; returns the exit code.

    Raises InputError.
    """
    placement = _placement(source.read(FOR_PLACEMENT))
    nodes = placement.state.nodes.values()
    lost = frozenset(node.name for node in nodes if node.labels.get(key) == zone)
    if not lost:
        known = {node.labels[key] for node in nodes if key in node.labels}
        label = f"{objects.printable(key, 80)}={objects.printable(zone, _LONGEST)}"
        message = f"no node has the label {label}; {_there_are(known)}"
        raise InputError(message)
    found = [("", loss) for loss in placement.loss(lost, all_tiers=all_tiers)]
    what = f"losing {zone} with {len(lost)} node{'' if len(lost) == 1 else 's'}"
    return _tell(found, output, {"zone": zone, "topologyKey": key, "nodes": sorted(lost)}, what)


def _later(policy: Policy, now: datetime) -> list[tuple[str, datetime]]:
    begins = None if policy.spec is None else policy.spec.effective_from
    return [(policy.name, begins)] if begins is not None and begins > now else []


def _in_effect(policy: Policy) -> Policy:
    assert policy.spec is not None  # noqa: S101 - what cannot be read was refused
    return replace(policy, spec=policy.spec.model_copy(update={"effective_from": None}))


def _new(workload: Workload) -> dict[str, Any]:
    """The workload as if it were not stored yet: nothing made for it can be late."""
    metadata = dict(objects.mapping(workload.raw, "metadata"))
    metadata.pop("creationTimestamp", None)
    return {**workload.raw, "metadata": metadata}


def _counted(decided: Sequence[tuple[str, Decision]]) -> dict[str, int]:
    refused = sum(decision.outcome is Outcome.DENIED for _, decision in decided)
    warned = sum(decision.outcome is not Outcome.DENIED and bool(decision.warnings) for _, decision in decided)
    return {"refused": refused, "warned": warned, "passed": len(decided) - refused - warned}


def _print_policy(
    policies: Sequence[Policy],
    later: dict[str, datetime],
    shown: Sequence[tuple[str, Decision]],
    counts: dict[str, int],
    selected: int,
) -> None:
    console = report.console()
    if shown:
        console.print(report.decision_table(shown))
        console.print()
    names = sorted({policy.name for policy in policies})
    told = ", ".join(names) if len(names) <= _NAMED else f"{len(names)} policies"
    verb = "selects" if len(names) == 1 else "select"
    console.print(
        Text(
            f"{counts['refused']} of {selected} workloads that {told} {verb} would be refused,"
            f" {counts['warned']} warned, {counts['passed']} pass"
        )
    )
    for name, when in sorted(later.items()):
        console.print(Text(f"{name} takes effect {rfc3339(when)}; simulated as if it did now"))


def _placement(found: Listed) -> Placement:
    told = {(objects.namespace(raw), objects.name(raw)): told_by(raw) for raw in found.budgets}
    return Placement(found.state, {key: wanted for key, wanted in told.items() if wanted is not None})


def _tell(found: Sequence[tuple[str, Loss]], output: str, about: dict[str, Any], what: str) -> int:
    bad = sum(loss.verdict in BAD for _, loss in found)
    if output == "json":
        report.print_json({**about, "workloads": [_loss_as_json(node, loss) for node, loss in found]})
    else:
        console = report.console()
        if found:
            made = report.table(("WORKLOAD", "TIER", "ON NODE", "READY", "AFTER", "BUDGET", "VERDICT"))
            for node, loss in found:
                made.add_row(*_cells(node, loss))
            console.print(made)
            console.print()
        counts = ", ".join(
            f"{verdict.value} {count}"
            for verdict in Verdict
            if (count := sum(loss.verdict is verdict for _, loss in found))
        )
        console.print(Text(f"{what}: {counts or 'no guarded workload has pods there'}"))
    return 1 if bad else 0


def _cells(node: str, loss: Loss) -> tuple[Text | str, ...]:
    verdict = Text(f"{loss.verdict.value}: {loss.says}", style=_STYLES.get(loss.verdict, "green"))
    return (
        Text(str(loss.subject.workload)),
        report.shown_tier(loss.subject.tier),
        Text(f"{loss.gone} on {node}" if node else str(loss.gone)),
        str(loss.ready),
        str(loss.after),
        Text("\n".join(_budgets(loss)) or "-"),
        verdict,
    )


def _budgets(loss: Loss) -> list[str]:
    return [
        f"{objects.printable(standing.budget.name, _LONGEST)}: "
        + (f"{standing.expected.desired_healthy} of {standing.whole}" if standing.expected.reason is None else "?")
        for standing in loss.standings
    ]


def _loss_as_json(node: str, loss: Loss) -> dict[str, Any]:
    workload = loss.subject.workload
    return {
        "workload": {"kind": workload.kind, "namespace": workload.namespace, "name": workload.name},
        "tier": loss.subject.tier,
        **({"node": node} if node else {}),
        "pods": loss.gone,
        "ready": loss.ready,
        "readyAfter": loss.after,
        "budgets": [
            {
                "name": standing.budget.name,
                "desiredHealthy": standing.expected.desired_healthy,
                "expectedPods": standing.whole,
                "ready": standing.left(frozenset()),
                "problem": standing.expected.reason,
            }
            for standing in loss.standings
        ],
        "verdict": loss.verdict.value,
        "says": loss.says,
    }


def _there_are(names: Any) -> str:
    return f"there are {_list(sorted(names))}" if names else "there are none"


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(objects.printable(name, _LONGEST) for name in names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"  # noqa: PLR2004
