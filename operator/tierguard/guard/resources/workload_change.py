"""What a change of a workload does: its kinds, and everything else that freezes and windows ask about it."""

from datetime import datetime

from msgspec import Struct

from tierguard.api.scope import ChangeKind
from tierguard.guard.model import objects
from tierguard.guard.model.change import (
    Change,
    Operation,
    gains_owner,
    gravest_first,
    kinds_of_template,
    kinds_of_update,
)
from tierguard.guard.model.decision import Finding
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.model.workload_kinds import TEMPLATE
from tierguard.guard.resources.resource import gains_finalizer, sheds_finalizer
from tierguard.guard.tiers.classify import Classified
from tierguard.guard.tiers.declassify import joins, leaves
from tierguard.guard.tiers.deletion import ALLOW_DELETION, announces


class What(Struct, frozen=True):
    """What a change does: its kinds, whether it announces a deletion, and the further kinds that freezes hold it as."""

    kinds: tuple[ChangeKind, ...]
    announcing: bool = False
    besides: tuple[ChangeKind, ...] = ()
    by_hand: tuple[Finding, ...] = ()


def what_it_does(
    change: Change,
    before: Classified | None,
    after: Classified | None,
    state: State,
    available_since: datetime | None,
    *,
    gained: bool,
) -> What:
    """What `change` does; `gained` says that it makes the workload act for one more guarded one."""
    kinds = _kinds(before, after, state, available_since)
    if before is None or after is None:
        return What(kinds, besides=(ChangeKind.CREATE,) if gained else ())
    old, new = before.workload.raw, after.workload.raw
    # Of a pod too a finalizer that it gains: deleted then, it stays, and no other is made of its name.
    ends = (gains_finalizer if change.kind == "Pod" else sheds_finalizer)(old, new)
    by_hand = tuple(_status_by_hand(change, before, state))
    besides = (
        *((ChangeKind.DELETE,) if ends else ()),
        *((ChangeKind.CREATE,) if gained or joins(before, after, state) else ()),
        *((ChangeKind.ROLLOUT,) if by_hand else ()),
    )
    return What(kinds, announces(old, new) and before.guarded(state), besides, by_hand)


def template_alone(old: Workload, new: Workload, state: State, available_since: datetime | None) -> What:
    """What a change does that changes nothing but the pod template: no other question is asked."""
    return What(kinds_of_template(old, new, lambda: available_since is not None, state.immutable_tags))


def selected_alike(old: Workload, new: Workload) -> bool:
    """Whether everything that classifies, selects and ties is the same on both sides."""
    return (
        old.labels == new.labels
        and old.template_labels == new.template_labels
        and old.pods.same_claims(new.pods)
        and objects.owners(old.raw) == objects.owners(new.raw)
    )


def only_template(change: Change, old: Workload, new: Workload) -> bool:
    """Whether the update plainly changes nothing but the pod template, and annotations that say nothing of a deletion.

    So do nearly all rollouts. False proves nothing.
    """
    if change.operation is not Operation.UPDATE or change.subresource or old.entry is not new.entry:
        return False
    if old.entry.template != TEMPLATE or old.raw.keys() != new.raw.keys():
        return False
    return selected_alike(old, new) and _same_metadata(old, new) and _same_around(old, new)


def _same_metadata(old: Workload, new: Workload) -> bool:
    before, after = old.raw.get("metadata"), new.raw.get("metadata")
    if before.__class__ is not dict or after.__class__ is not dict or before.get("deletionTimestamp"):
        return False
    if "deletionTimestamp" in after or before.get("finalizers") != after.get("finalizers"):
        return False
    return old.annotations.get(ALLOW_DELETION) == new.annotations.get(ALLOW_DELETION)


def _same_around(old: Workload, new: Workload) -> bool:
    mine, others = old.spec, new.spec
    return mine.keys() == others.keys() and all(
        found == others[key] for key, found in mine.items() if key != TEMPLATE[1]
    )


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
