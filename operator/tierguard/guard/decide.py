"""`evaluate(change, state, now) -> Decision`: the one function that the webhook, the scan and the command line call.

1. What kind of change is it? (`change`)  2. Is it held? (`held`)  3. Is the result sound? (`rules`)
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from tierguard.api.kinds import FREEZE, POLICY, WINDOW
from tierguard.api.scope import ChangeKind
from tierguard.guard.freezes.blocking import Blocking, block
from tierguard.guard.freezes.exceptions import excepted_until
from tierguard.guard.freezes.matching import Matching
from tierguard.guard.freezes.operations import frozen_operation
from tierguard.guard.message import ALLOWED_AS_IS, compose, undecided
from tierguard.guard.model import objects
from tierguard.guard.model.change import (
    SCALING,
    Change,
    Operation,
    Question,
    Unanswered,
    being_deleted,
    gains_owner,
    gravest_first,
    kinds_of_update,
    restarts_unpinned,
)
from tierguard.guard.model.decision import Decision, Effect, Undecidable
from tierguard.guard.model.facts import AUTOSCALER_KINDS
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import WORKLOAD_KINDS, Workload
from tierguard.guard.resources.autoscalers import evaluate_autoscaler
from tierguard.guard.resources.budgets import evaluate_budget
from tierguard.guard.resources.claims import evaluate_claim
from tierguard.guard.resources.configuration import CONFIGURATION_KINDS, evaluate_configuration
from tierguard.guard.resources.definitions import evaluate_definition
from tierguard.guard.resources.namespaces import evaluate_namespace
from tierguard.guard.resources.own import evaluate_resource
from tierguard.guard.resources.surroundings import evaluate_network_policy
from tierguard.guard.rules.evaluate import judge
from tierguard.guard.tiers.classify import Classified, classify
from tierguard.guard.tiers.declassify import leaves
from tierguard.guard.tiers.deletion import announces, unannounced
from tierguard.guard.tiers.invalid import invalid_tier

_MOST_QUESTIONS = 4
"""Questions to RBAC about one change."""

# A person who rolls back or scales in the middle of the night must not be stopped by a rule about the rest of the spec.
_LENIENT = SCALING | {ChangeKind.ROLLBACK, ChangeKind.RESTART, ChangeKind.PAUSE, ChangeKind.RESUME}


def evaluate(change: Change, state: State, now: datetime) -> Decision:
    """Decide `change` by what `state` knows, at the instant `now` (aware). Pure, and the same for the same arguments.

    Whatever cannot be decided comes back as the outcome `Undecided`, with the reason as its message.
    """
    try:
        if change.user in state.identities.controllers:
            return _by_controller(change, state, now)
        return _EVALUATORS.get(change.kind, _not_ours)(change, state, now)
    except (Undecidable, objects.Unreadable) as missing:
        return undecided(change, str(missing))
    except Unanswered as open_question:
        return replace(undecided(change, str(open_question)), question=open_question.question)


def evaluate_asking(
    change: Change, state: State, now: datetime, ask: Callable[[Question], bool | None]
) -> tuple[Decision, Change]:
    """Decide `change`, asking RBAC through `ask` what the decision hangs on; None from it leaves it undecided."""
    decision = evaluate(change, state, now)
    for _ in range(_MOST_QUESTIONS):
        if decision.question is None:
            break
        answer = ask(decision.question)
        if answer is None:
            break
        change = replace(change, answers={**change.answers, decision.question: answer})
        decision = evaluate(change, state, now)
    return decision, change


def _by_controller(change: Change, state: State, now: datetime) -> Decision:
    """What Kubernetes' own controllers do follows from a change that was decided; but new Jobs of a frozen operation."""
    if change.kind != "Job" or change.operation is not Operation.CREATE or change.new is None:
        return ALLOWED_AS_IS
    blocking = frozen_operation(change, None, Workload.of(change.new), state, now)
    kinds = (ChangeKind.CREATE,)
    if not blocking.findings:
        return ALLOWED_AS_IS
    composed = compose(change, kinds, None, blocking.findings, blocking.possible_from, holds=blocking.holds)
    return blocking.on(composed)


def _not_ours(change: Change, state: State, now: datetime) -> Decision:  # noqa: ARG001 - the evaluators' signature
    return ALLOWED_AS_IS


def evaluate_workload(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to a Deployment, StatefulSet, DaemonSet, ReplicaSet, Pod, Job or CronJob."""
    old = None if change.old is None else Workload.of(change.old)
    new = None if change.new is None else Workload.of(change.new)
    if (old is None and new is None) or (old is not None and being_deleted(old.raw)):
        return ALLOWED_AS_IS
    announcing = old is not None and new is not None and announces(old.raw, new.raw)
    if old is not None and new is not None and not announcing and _same_for_all(old, new):
        return ALLOWED_AS_IS  # nearly every request: status, annotations, a GitOps sync that changes nothing
    namespace_labels = state.namespaces.get(change.namespace)
    if namespace_labels is None:
        message = f"namespace {change.namespace} is not known yet"
        raise Undecidable(message)
    before = None if old is None else classify(old, change.namespace, namespace_labels, state)
    if new is not None and before is not None and _selected_alike(before.workload, new):
        after: Classified | None = Classified(new, before.tier, namespace_labels, before.policies, before.owner)
        sides: tuple[Classified, ...] = (before,)  # what selects the one selects the other
    else:
        after = None if new is None else classify(new, change.namespace, namespace_labels, state)
        sides = tuple(side for side in (before, after) if side is not None)
    tier = min((side.tier for side in sides if side.tier is not None), default=None)
    operation = frozen_operation(change, old, new, state, now)
    invalid = invalid_tier(change.old, change.new)
    if tier is None and not operation.findings and not invalid:
        return ALLOWED_AS_IS
    available_since = _available_since(change, old, new, state)
    kinds = _kinds(before, after, state, available_since)
    announcing = announcing and before is not None and before.guarded
    if kinds == (ChangeKind.NONE,) and not announcing and not operation.findings:
        return compose(change, kinds, tier, invalid) if invalid else Decision(ALLOWED_AS_IS.outcome, kinds, tier)
    # Suspending a Job counts as scaling, but no autoscaler does so.
    by_autoscaler = change.user in state.identities.autoscalers and change.kind != "Job" and not invalid
    if by_autoscaler and set(kinds) <= SCALING and not _below_minimum(after):
        return Decision(ALLOWED_AS_IS.outcome, kinds, tier)
    # In a freeze nothing is announced: what will be deleted after it, people shall say after it.
    held_kinds = (ChangeKind.DELETE, *kinds) if announcing else kinds
    note = _note(old, new, state, announcing=announcing)
    blocking = operation.together_with(_deploy(change, old, new, sides, held_kinds, available_since, note, state, now))
    found = [*blocking.findings, *invalid]
    if ChangeKind.DELETE in kinds and before is not None:
        with_namespace = change.namespace in state.announced
        found += unannounced(before, now, with_namespace=with_namespace)
    absent = False
    if after is not None:
        limit = Effect.WARN if set(kinds) <= _LENIENT else Effect.DENY
        judged = judge(after, before, state, now, limit, kinds)
        found += judged.findings
        absent = judged.rests_on_absence
    decision = compose(
        change, kinds, tier, found, blocking.possible_from, holds=blocking.holds, hinges_on_absence=absent
    )
    return blocking.on(decision)


def _below_minimum(after: Classified | None) -> bool:
    """Whether fewer replicas are left than a policy asks for: then an autoscaler's scaling is like anybody's."""
    if after is None or after.workload.replicas is None:
        return False
    minima = (p.spec.rules.replicas for p in after.policies if p.spec is not None)
    return any(rule is not None and after.workload.replicas < rule.minimum for rule in minima)


def _deploy(
    change: Change,
    old: Workload | None,
    new: Workload | None,
    sides: tuple[Classified, ...],
    kinds: tuple[ChangeKind, ...],
    available_since: datetime | None,
    note: str,
    state: State,
    now: datetime,
) -> Blocking:
    """What freezes and windows hold of the change, its exceptions taken into account."""
    matching = Matching.of(
        sides,
        state.freezes,
        state.windows,
        kinds,
        available_since,
        lambda freeze: excepted_until(freeze, change, old, new, kinds) if freeze.exceptions else None,
    )
    return block(change, matching, now, note)


def _note(old: Workload | None, new: Workload | None, state: State, *, announcing: bool) -> str:
    if announcing:
        return "announcing it"
    if new is not None and old is not None and new.kind == "Job" and new.paused and not old.paused:
        return "suspending a Job deletes its pods"
    unpinned = old is not None and new is not None and restarts_unpinned(old, new, state.immutable_tags)
    return "a restart, but of images without digests" if unpinned else ""


def _selected_alike(old: Workload, new: Workload) -> bool:
    """Whether everything that classifies and selects is the same on both sides."""
    return (
        old.labels == new.labels
        and old.template_labels == new.template_labels
        and objects.sequence(old.raw, "metadata", "ownerReferences")
        == objects.sequence(new.raw, "metadata", "ownerReferences")
    )


def _same_for_all(old: Workload, new: Workload) -> bool:
    """Whether nothing changed that any decision reads."""
    if not old.entry.template:
        return False  # a Pod's labels are its template's: let the comparison of kinds look
    return objects.mapping(old.raw, "spec") == objects.mapping(new.raw, "spec") and _selected_alike(old, new)


def _available_since(change: Change, old: Workload | None, new: Workload | None, state: State) -> datetime | None:
    if old is None or new is None or old.template is new.template or not state.available:
        return None
    if change.operation is not Operation.UPDATE or (old.template == new.template and old.paused == new.paused):
        return None
    return state.available.get((objects.uid(old.raw), new.template_hash))


def _kinds(
    before: Classified | None,
    after: Classified | None,
    state: State,
    available_since: datetime | None,
) -> tuple[ChangeKind, ...]:
    if before is None:
        return (ChangeKind.CREATE,)
    if after is None:
        return (ChangeKind.DELETE,)
    old, new = before.workload, after.workload
    kinds = kinds_of_update(old, new, lambda _: available_since is not None, state.immutable_tags)
    if leaves(before, after, state):
        kinds.add(ChangeKind.DECLASSIFY)
    if before.guarded and (gains_owner(old.raw, new.raw) or _volumes_go(old) < _volumes_go(new)):
        kinds.add(ChangeKind.DELETE)
    return gravest_first(kinds)


def _volumes_go(workload: Workload) -> bool:
    """Whether a StatefulSet's claims, and with them its data, are deleted with it or when it shrinks."""
    policy = objects.mapping(workload.raw, "spec", "persistentVolumeClaimRetentionPolicy")
    return "Delete" in policy.values()


_EVALUATORS: Mapping[str, Callable[[Change, State, datetime], Decision]] = {
    **dict.fromkeys(WORKLOAD_KINDS, evaluate_workload),
    **dict.fromkeys((kind.kind for kind in (FREEZE, WINDOW, POLICY)), evaluate_resource),
    "PodDisruptionBudget": evaluate_budget,
    "Namespace": evaluate_namespace,
    "PersistentVolumeClaim": evaluate_claim,
    **dict.fromkeys(AUTOSCALER_KINDS, evaluate_autoscaler),
    "NetworkPolicy": evaluate_network_policy,
    "CustomResourceDefinition": evaluate_definition,
    **dict.fromkeys(CONFIGURATION_KINDS, evaluate_configuration),
}
