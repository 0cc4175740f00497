"""Workloads: Deployments and their kin, what they make, and Pods.

1. What kind of change is it?  2. Does a freeze or a window hold it (`freezes.blocking`)?  3. Is the result sound (`rules`)?
"""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from tierguard.api.scope import ChangeKind
from tierguard.guard.freezes.blocking import Blocking, block
from tierguard.guard.freezes.exceptions import excepted_until
from tierguard.guard.freezes.matching import Matching
from tierguard.guard.freezes.operations import frozen_operation
from tierguard.guard.message import ALLOWED_AS_IS, compose
from tierguard.guard.model import objects
from tierguard.guard.model.change import (
    SCALING,
    Change,
    Operation,
    gains_owner,
    gravest_first,
    kinds_of_update,
    restarts_unpinned,
)
from tierguard.guard.model.decision import Decision, Effect, Finding, Undecidable
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.guard.resources.resource import (
    ANNOUNCEMENT,
    FINALIZERS,
    LABELS,
    OWNERS,
    SPEC,
    STATUS,
    UPDATE,
    Resource,
    Tie,
    gains_finalizer,
    sheds_finalizer,
)
from tierguard.guard.resources.surroundings import gone_already
from tierguard.guard.rules.evaluate import judge
from tierguard.guard.tiers.classify import Classified, stand
from tierguard.guard.tiers.declassify import joins, leaves
from tierguard.guard.tiers.deletion import announces, unannounced
from tierguard.guard.tiers.invalid import invalid_tier

_SERVICE_ACCOUNT = "system:serviceaccount:"

# A person who rolls back or scales in the middle of the night must not be stopped by a rule about the rest of the spec.
_LENIENT = SCALING | {ChangeKind.ROLLBACK, ChangeKind.RESTART, ChangeKind.PAUSE, ChangeKind.RESUME}


def evaluate_workload(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to a workload: any of `WORKLOADS`."""
    old = None if change.old is None else Workload.of(change.old)
    new = None if change.new is None else Workload.of(change.new)
    if (old is None and new is None) or gone_already(change):
        return ALLOWED_AS_IS
    announcing = old is not None and new is not None and announces(old.raw, new.raw)
    namespace_labels = state.namespaces.get(change.namespace)
    if namespace_labels is None:
        message = f"namespace {change.namespace} is not known yet"
        raise Undecidable(message)
    before, earlier = (None, ()) if old is None else stand(old, change.namespace, namespace_labels, state)
    if new is not None and before is not None and _selected_alike(before.workload, new):
        after: Classified | None = before.alike(new)
        later = earlier
        sides: tuple[Classified, ...] = (before,)  # what selects the one selects the other
    else:
        after, later = (None, ()) if new is None else stand(new, change.namespace, namespace_labels, state)
        sides = tuple(side for side in (before, after) if side is not None)
    tier = min((side.tier for side in sides if side.tier is not None), default=None)
    tied, gained = _tied(earlier, later, state)
    operation = frozen_operation(change, old, new, state, now)
    invalid = invalid_tier(change.old, change.new, new)
    if tier is None and not (tied or operation.findings or invalid):
        return ALLOWED_AS_IS
    available_since = _available_since(change, old, new, state)
    kinds = _kinds(before, after, state, available_since)
    announcing = announcing and before is not None and before.guarded(state)
    # Of a pod too a finalizer that it gains: deleted then, it stays, and no other is made of its name.
    ending = gains_finalizer if change.kind == "Pod" else sheds_finalizer
    ends = old is not None and new is not None and ending(old.raw, new.raw)
    joins_freeze = gained or (before is not None and after is not None and joins(before, after, state))
    by_hand = _status_by_hand(change, before, state)
    if kinds == (ChangeKind.NONE,) and not (announcing or ends or joins_freeze or operation.findings or by_hand):
        return compose(change, kinds, tier, invalid) if invalid else Decision(ALLOWED_AS_IS.outcome, kinds, tier)
    by_autoscaler = change.user in state.identities.autoscalers and not invalid
    if by_autoscaler and _scales(change, kinds) and not _below_minimum(after):
        return Decision(ALLOWED_AS_IS.outcome, kinds, tier)
    # In a freeze nothing is announced: what is deleted after it, people say after it.
    deploying = Deploying(
        sides,
        tied,
        (ChangeKind.DELETE, *kinds) if announcing else kinds,
        # To a freeze these count as more than they are at any other time.
        (
            *((ChangeKind.DELETE,) if ends else ()),
            *((ChangeKind.CREATE,) if joins_freeze else ()),
            *((ChangeKind.ROLLOUT,) if by_hand else ()),
        ),
        available_since,
        _note(old, new, state, announcing=announcing, tied=tied if tier is None else ()),
    )
    blocking = operation.together_with(_deploy(change, old, new, deploying, state, now))
    found = [*blocking.findings, *invalid, *by_hand]
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


def _status_by_hand(change: Change, before: Classified | None, state: State) -> list[Finding]:
    """A finding when somebody writes what only a controller knows.

    A StatefulSet makes pods from the revision that its status names, and the rollback record goes by how many are available.
    """
    if change.subresource != "status" or before is None or change.old is None or change.new is None:
        return []
    if objects.same(change.old.get("status"), change.new.get("status")) or not before.guarded(state):
        return []
    source = f"{change.kind}/{change.name}"
    detail = f"the status of {change.subject} is what its controller reports, and pods and rollbacks go by it"
    return [Finding("status", source, "WrittenByHand", detail, "leave it to the controller")]


class Deploying(Struct, frozen=True):
    """A change of a workload, as freezes and windows look at it.

    The `sides` and the `tied` workloads that it acts for, what it is (`frozen_kinds`: besides, to freezes alone), since when
    the template that it goes back to was available, and a note for the message.
    """

    sides: tuple[Classified, ...]
    tied: tuple[Classified, ...]
    kinds: tuple[ChangeKind, ...]
    frozen_kinds: tuple[ChangeKind, ...]
    available_since: datetime | None
    note: str


def _tied(
    earlier: tuple[Classified, ...], later: tuple[Classified, ...], state: State
) -> tuple[tuple[Classified, ...], bool]:
    """The guarded workloads that either side acts for, and whether the change makes it act for one more."""
    if not (earlier or later) or not any(freeze.deploys for freeze in state.freezes):
        return (), False
    known = {id(each.workload.raw) for each in earlier}
    more = tuple(each for each in later if id(each.workload.raw) not in known)
    return (*earlier, *more), bool(more)


def _scales(change: Change, kinds: tuple[ChangeKind, ...]) -> bool:
    """Whether the change only sets a number of replicas, or what a running pod may use.

    Suspending a Job counts as scaling, but no autoscaler does so.
    """
    return (set(kinds) <= SCALING and change.kind != "Job") or change.subresource == "resize"


def _below_minimum(after: Classified | None) -> bool:
    """Whether fewer replicas are left than a policy asks for: then an autoscaler's scaling is like anybody's."""
    if after is None or after.workload.replicas is None:
        return False
    minima = (p.spec.rules.replicas for p in after.policies if p.spec is not None)
    return any(rule is not None and after.workload.replicas < rule.minimum for rule in minima)


def _deploy(
    change: Change, old: Workload | None, new: Workload | None, deploying: Deploying, state: State, now: datetime
) -> Blocking:
    """What freezes and windows hold of the change, its exceptions taken into account."""
    kinds = (*deploying.kinds, *deploying.frozen_kinds)
    matching = Matching.of(
        deploying.sides,
        state.freezes,
        () if _replaces(change, new) else state.windows,
        deploying.kinds,
        deploying.available_since,
        lambda freeze: excepted_until(freeze, change, old, new, kinds) if freeze.exceptions else None,
        deploying.tied,
        deploying.frozen_kinds,
    )
    return block(change, matching, now, deploying.note)


def _replaces(change: Change, new: Workload | None) -> bool:
    """Whether a controller that is not Kubernetes' own makes what it controls: a database operator replaces a dead pod.

    A closed window is no reason to leave that undone. A person makes no pod for somebody else's controller, and what a
    workload of Kubernetes' own kinds controls is made by Kubernetes.
    """
    if new is None or change.operation is not Operation.CREATE or not new.entry.made_by_controllers:
        return False
    owner = objects.controller_of(new.raw)
    return owner is not None and change.user.startswith(_SERVICE_ACCOUNT) and owner.get("kind") not in WORKLOAD_KINDS


def _note(
    old: Workload | None, new: Workload | None, state: State, *, announcing: bool, tied: tuple[Classified, ...]
) -> str:
    if announcing:
        return "announcing it"
    if tied:
        return f"as part of {tied[0].workload}"
    if new is not None and old is not None and new.kind == "Job" and new.paused and not old.paused:
        return "suspending a Job deletes its pods"
    unpinned = old is not None and new is not None and restarts_unpinned(old, new, state.immutable_tags)
    return "a restart, but of images without digests" if unpinned else ""


def _selected_alike(old: Workload, new: Workload) -> bool:
    """Whether everything that classifies, selects and ties is the same on both sides."""
    return (
        old.labels == new.labels
        and old.template_labels == new.template_labels
        and old.pods.same_claims(new.pods)
        and objects.owners(old.raw) == objects.owners(new.raw)
    )


def _available_since(change: Change, old: Workload | None, new: Workload | None, state: State) -> datetime | None:
    if old is None or new is None or change.operation is not Operation.UPDATE:
        return None
    recorded = state.available.get(objects.uid(old.raw))
    if not recorded or (old.paused == new.paused and old.same_template(new)):
        return None
    return recorded.get(new.template_hash)


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
    kinds = kinds_of_update(old, new, lambda: available_since is not None, state.immutable_tags)
    if leaves(before, after, state):
        kinds.add(ChangeKind.DECLASSIFY)
    if before.tier is not None and (gains_owner(old.raw, new.raw) or _volumes_go(old) < _volumes_go(new)):
        kinds.add(ChangeKind.DELETE)
    return gravest_first(kinds)


def _volumes_go(workload: Workload) -> bool:
    """Whether a StatefulSet's claims, and with them its data, are deleted with it or when it shrinks."""
    policy = objects.mapping(workload.spec, "persistentVolumeClaimRetentionPolicy")
    return "Delete" in policy.values()


_HELD = (SPEC, LABELS, OWNERS, ANNOUNCEMENT, FINALIZERS)
# A finalizer may be taken off a pod, as pods are deleted freely: queues and operators of databases do that.
_HELD_OF = {"Pod": (SPEC, LABELS, OWNERS, ANNOUNCEMENT)}


def _resource(kind: str, more: Iterable[str] = ()) -> Resource:
    entry = WORKLOAD_KINDS[kind]
    adopted = {Tie.ADOPTION} if kind in ("Pod", "ReplicaSet") else set()
    return Resource(
        kind=kind,
        group=entry.group,
        version=entry.version,
        resource=entry.resource,
        evaluate=evaluate_workload,
        held=_HELD_OF.get(kind, (*_HELD, STATUS)),
        ties=frozenset({Tie.LABELS, Tie.POD, *adopted}),
        subresources=dict.fromkeys(("status", *more), (UPDATE,)),
        scaled=entry.replicas is not None,
        announced=entry.announced_deletion,
        collected=not entry.made_by_controllers,
        made_again=kind == "Pod",
    )


WORKLOADS = (
    *(_resource(kind) for kind in ("Deployment", "StatefulSet", "DaemonSet", "CronJob", "ReplicationController")),
    _resource("ReplicaSet"),
    _resource("Job"),
    # A pod is deleted by drains, by autoscalers, and by people who restart it: its controller makes it again.
    _resource("Pod", ("resize", "ephemeralcontainers")),
)
