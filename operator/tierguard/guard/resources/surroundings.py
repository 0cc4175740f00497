"""What changes to objects around workloads have in common: they are judged as changes of the workloads that they concern."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from tierguard.api.scope import ChangeKind
from tierguard.guard.freezes.blocking import block
from tierguard.guard.freezes.matching import Matching
from tierguard.guard.message import ALLOWED_AS_IS, compose
from tierguard.guard.model.change import Change, Operation, being_deleted, gains_owner
from tierguard.guard.model.decision import Decision, Effect, Finding, Undecidable
from tierguard.guard.model.state import State
from tierguard.guard.resources.resource import sheds_finalizer
from tierguard.guard.rules.evaluate import judge
from tierguard.guard.tiers.classify import Classified
from tierguard.guard.tiers.neighbours import Neighbours, neighbours


def there(change: Change, state: State) -> Neighbours:
    """The workloads of the change's namespace. Raises Undecidable for a namespace that is not known yet."""
    labels = state.namespaces.get(change.namespace)
    if labels is None:
        message = f"namespace {change.namespace} is not known yet"
        raise Undecidable(message)
    return neighbours(change.namespace, labels, state)


def leads_to_deletion(change: Change) -> bool:
    """Whether an update is as good as a deletion: an owner that the object had not, or the last step of a deletion."""
    old, new = change.old, change.new
    if old is None or new is None:
        return False
    return gains_owner(old, new) or sheds_finalizer(old, new)


def gone_already(change: Change) -> bool:
    """Whether it deletes once more what is being deleted."""
    return change.operation is Operation.DELETE and change.old is not None and being_deleted(change.old)


def united(*groups: Iterable[Classified]) -> list[Classified]:
    """All of `groups`, each workload once."""
    return list({id(each.workload.raw): each for group in groups for each in group}.values())


def blocked_by_workloads(
    change: Change,
    affected: Sequence[Classified],
    state: State,
    now: datetime,
    found: tuple[Finding, ...] = (),
    *,
    kind: ChangeKind = ChangeKind.CONFIGURATION,
    windows: bool = True,
) -> Decision:
    """The decision about a change that is one of `kind` to the workloads in `affected`, with more findings.

    What is as good as a deletion counts as one, to freezes. Without `windows` only freezes hold it.
    """
    kinds = (kind,)
    ends = leads_to_deletion(change)
    tier = min((c.tier for c in affected if c.tier is not None), default=None)
    matching = Matching.of(affected, state.freezes, state.windows if windows else (), kinds)
    if ends:
        kinds = (ChangeKind.DELETE,)
        matching = replace(matching, frozen_kinds=kinds, kinds=(ChangeKind.NONE,))
    blocking = block(change, matching, now, _of(affected))
    if not blocking.findings and not found:
        return Decision(ALLOWED_AS_IS.outcome, kinds, tier)
    decision = compose(change, kinds, tier, [*blocking.findings, *found], blocking.possible_from, holds=blocking.holds)
    return blocking.on(decision)


def _of(affected: Sequence[Classified]) -> str:
    return f"of {affected[0].workload}" if affected else ""


def consequences(
    workloads: Iterable[Classified], earlier: State, later: State, now: datetime, rules: frozenset[str]
) -> Iterator[Finding]:
    """What of `rules` the workloads break in `later`; what they broke in the same way in `earlier` only warns."""
    for subject in workloads:
        was = {(f.rule, f.reason, f.detail) for f in judge(subject, None, earlier, now).findings}
        for finding in judge(subject, None, later, now).findings:
            if finding.rule in rules:
                before = (finding.rule, finding.reason, finding.detail) in was
                effect = min(finding.effect, Effect.WARN) if before else finding.effect
                yield replace(finding, detail=f"{subject.workload}: {finding.detail}", effect=effect)
