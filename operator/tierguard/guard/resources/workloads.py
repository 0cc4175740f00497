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
    restarts_unpinned,
)
from tierguard.guard.model.decision import Decision, Effect, Undecidable
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
)
from tierguard.guard.resources.surroundings import gone_already
from tierguard.guard.resources.workload_change import only_template, selected_alike, template_alone, what_it_does
from tierguard.guard.rules.evaluate import judge
from tierguard.guard.tiers.classify import Classified, stand
from tierguard.guard.tiers.deletion import unannounced
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
    namespace_labels = state.namespaces.get(change.namespace)
    if namespace_labels is None:
        message = f"namespace {change.namespace} is not known yet"
        raise Undecidable(message)
    before, earlier = (None, ()) if old is None else stand(old, change.namespace, namespace_labels, state)
    plain = old is not None and new is not None and only_template(change, old, new)
    if new is not None and before is not None and (plain or selected_alike(before.workload, new)):
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
    what = template_alone(old, new, state, available_since) if plain and old and new else None
    what = what or what_it_does(change, before, after, state, available_since, gained=gained)
    kinds = what.kinds
    if kinds == (ChangeKind.NONE,) and not (what.announcing or what.besides or operation.findings):
        return compose(change, kinds, tier, invalid) if invalid else Decision(ALLOWED_AS_IS.outcome, kinds, tier)
    by_autoscaler = change.user in state.identities.autoscalers and not invalid
    if by_autoscaler and _scales(change, kinds) and not _below_minimum(after):
        return Decision(ALLOWED_AS_IS.outcome, kinds, tier)
    # In a freeze nothing is announced: what is deleted after it, people say after it.
    deploying = Deploying(
        sides,
        tied,
        (ChangeKind.DELETE, *kinds) if what.announcing else kinds,
        what.besides,
        available_since,
        _note(old, new, state, announcing=what.announcing, tied=tied if tier is None else ()),
    )
    blocking = operation.together_with(_deploy(change, old, new, deploying, state, now))
    found = [*blocking.findings, *invalid, *what.by_hand]
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
    windows = () if _replaces(change, new) else state.windows
    sides, tied = deploying.sides, deploying.tied

    def match() -> Matching:
        return Matching.of(
            sides,
            state.freezes,
            windows,
            deploying.kinds,
            deploying.available_since,
            lambda freeze: excepted_until(freeze, change, old, new, kinds) if freeze.exceptions else None,
            tied,
            deploying.frozen_kinds,
        )

    if len(sides) > 1 or tied or any(freeze.exceptions for freeze in sides[0].selected(state.freezes)):
        matching = match()
    else:
        question = (deploying.kinds, deploying.frozen_kinds, deploying.available_since)
        matching = sides[0].once_for(question, (state.freezes, windows), match)
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


def _available_since(change: Change, old: Workload | None, new: Workload | None, state: State) -> datetime | None:
    if old is None or new is None or change.operation is not Operation.UPDATE:
        return None
    recorded = state.available.get(objects.uid(old.raw))
    if not recorded or (old.paused == new.paused and old.same_template(new)):
        return None
    return recorded.get(new.template_hash)


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
