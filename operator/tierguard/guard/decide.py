"""`evaluate(change, state, now) -> Decision`: the one function that the webhook, the scan and the command line call.

It only finds the description of the changed kind (`resources.registry`), which decides.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from msgspec import structs

from tierguard.api.scope import ChangeKind
from tierguard.guard.freezes.matching import FREEZE_RULE
from tierguard.guard.freezes.operations import frozen_operation
from tierguard.guard.message import ALLOWED_AS_IS, compose, unchecked, undecided
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, Operation, Question, Unanswered
from tierguard.guard.model.decision import Decision, Undecidable
from tierguard.guard.model.identities import COLLECTOR
from tierguard.guard.model.references import CLAIM
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.resources.registry import AROUND, OF_MEMBERS, REGISTRY
from tierguard.guard.resources.resource import Resource

_MOST_QUESTIONS = 4
"""Questions to RBAC about one change."""


def evaluate(change: Change, state: State, now: datetime) -> Decision:
    """Decide `change` by what `state` knows, at the instant `now` (aware). Pure, and the same for the same arguments.

    What cannot be decided comes back as the outcome `Undecided`, with the reason as its message.
    """
    try:
        if state.identities.controls(change.user):
            return _collected(change, state, now) if collects(change) else _by_controller(change, state, now)
        resource = REGISTRY.get(change.kind)
        if resource is None:
            return ALLOWED_AS_IS
        # Nearly every request: status, annotations, a GitOps sync that changes nothing.
        return resource.evaluate(change, state, now) if _concerns(resource, change) else ALLOWED_AS_IS
    except (Undecidable, objects.Unreadable) as missing:
        return undecided(change, str(missing))
    except Unanswered as open_question:
        return replace(undecided(change, str(open_question)), question=open_question.question)


def _concerns(resource: Resource, change: Change) -> bool:
    """Whether it changes anything that may be held. What its controller makes again may be deleted."""
    old, new = change.old, change.new
    if old is None:
        return True
    if new is None:
        return not resource.made_again or objects.controller_of(old) is None
    return resource.touched(old, new)


def collects(change: Change) -> bool:
    """Whether it is the garbage collector's end of something that freezes hold."""
    if change.user != COLLECTOR or change.operation is not Operation.DELETE or change.old is None:
        return False
    if change.kind not in _COLLECTED:
        return False
    owners = objects.owners(change.old)
    return change.kind != CLAIM or not any(objects.value(owner, "kind") in OF_MEMBERS for owner in owners)


_COLLECTED = frozenset(resource.kind for resource in AROUND if resource.collected)


def _collected(change: Change, state: State, now: datetime) -> Decision:
    """Only freezes hold it: the collector tries again, and succeeds once they are over."""
    decision = REGISTRY[change.kind].evaluate(change, replace(state, windows=()), now)
    return decision if any(finding.rule == FREEZE_RULE for finding in decision.findings) else ALLOWED_AS_IS


def evaluate_asking(
    change: Change, state: State, now: datetime, ask: Callable[[Question], bool | None]
) -> tuple[Decision, Change]:
    """Decide `change`, asking RBAC through `ask` for the rights that the decision hangs on.

    A question comes up only where something holds. So where `ask` has no answer (None), the answer is "no": with "undecided"
    the failure policy would decide, and a user who keeps RBAC from being asked would get what they have no right to.
    """
    decision = evaluate(change, state, now)
    for asked in range(2 * _MOST_QUESTIONS):
        question = decision.question
        if question is None:
            break
        answer = ask(question) if asked < _MOST_QUESTIONS else None
        change = structs.replace(
            change,
            answers={**change.answers, question: answer is True},
            unchecked=change.unchecked if answer is not None else change.unchecked | {question},
        )
        decision = evaluate(change, state, now)
    return (unchecked(decision, change) if change.unchecked else decision), change


def _by_controller(change: Change, state: State, now: datetime) -> Decision:
    """What controllers do follows from a change that was decided; only new Jobs of a frozen operation do not."""
    if change.kind != "Job" or change.operation is not Operation.CREATE or change.new is None:
        return ALLOWED_AS_IS
    blocking = frozen_operation(change, None, Workload.of(change.new), state, now)
    kinds = (ChangeKind.CREATE,)
    if not blocking.findings:
        return ALLOWED_AS_IS
    composed = compose(change, kinds, None, blocking.findings, blocking.possible_from, holds=blocking.holds)
    return blocking.on(composed)
