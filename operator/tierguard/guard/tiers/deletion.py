"""Rule `deletion`: what is guarded is deleted only after it was announced.

Why: the first incident behind tierguard was a production database deleted by mistake. An announcement is an earlier,
separate change that names the object, so that one wrong command, or one wrong argument, deletes nothing.
"""

from collections.abc import Iterable
from datetime import datetime

from tierguard.guard.model import objects
from tierguard.guard.model.decision import Effect, Finding
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.scope import GUARDED_TIERS
from tierguard.guard.tiers.classify import Classified

ALLOW_DELETION = "tierguard.io/allow-deletion"
RULE = "deletion"
_UNDO = "kubectl-rollout"
"""The field manager of `kubectl rollout undo`."""


def announced(obj: KubeObject) -> bool:
    """Whether the deletion of `obj`, as stored, was announced: by its own name, so that copying the mark helps nobody.

    `kubectl rollout undo` copies the old ReplicaSet's annotations back onto the Deployment, an old announcement with them:
    one that came that way does not count. Whoever claims that manager's name only makes a mark that does not count.
    """
    name = objects.name(obj)
    return bool(name) and objects.annotations(obj).get(ALLOW_DELETION) == name and not _undone(obj)


def announces(old: KubeObject, new: KubeObject) -> bool:
    """Whether turning `old` into `new` is what announces the deletion."""
    written = objects.annotations(new).get(ALLOW_DELETION)
    if written is None or written == objects.annotations(old).get(ALLOW_DELETION):
        return False  # nearly always
    return announced(new)


def _undone(obj: KubeObject) -> bool:
    return any(
        objects.value(entry, "manager") == _UNDO
        and f"f:{ALLOW_DELETION}" in objects.mapping(entry, "fieldsV1", "f:metadata", "f:annotations")
        for entry in objects.managed_fields(obj)
    )


def asks_for_announcement(sides: Iterable[Classified], now: datetime) -> tuple[Effect, str] | None:
    """How firmly, and by what (`Kind/name`), deleting any of `sides` must be announced; None where it need not be.

    Tiers 0 and 1 always, others where a policy of theirs says so.
    """
    found = []
    for side in sides:
        if side.tier in GUARDED_TIERS:
            found.append((Effect.DENY, f"Tier/{side.tier}"))
        for policy in side.policies:
            if policy.broken is not None:  # whether it has the block is not known
                found.append((Effect.DENY, policy.source))
            block = None if policy.spec is None else policy.spec.rules.deletion
            if block is not None:
                found.append((policy.effect(block.enforcement, now), policy.source))
    return max(found, key=lambda each: (each[0], each[1].startswith("Tier/")), default=None)


def unannounced(side: Classified, now: datetime, *, with_namespace: bool = False) -> list[Finding]:
    """A finding when deleting `side` needs an announcement that neither it nor, `with_namespace`, its namespace carries."""
    workload = side.workload
    if not workload.entry.announced_deletion or with_namespace or announced(workload.raw):
        return []
    asked = asks_for_announcement((side,), now)
    if asked is None:
        return []
    return [not_announced(workload.entry.resource, workload.namespace, workload.name, *asked)]


def not_announced(resource: str, namespace: str, name: str, effect: Effect, source: str) -> Finding:
    """The finding itself, with the command that announces."""
    place = f"-n {namespace} " if namespace else ""
    guarded = source.startswith("Tier/")
    return Finding(
        RULE,
        source,
        "NotAnnounced",
        "it was not announced, and what is of tier 0 or 1 is not deleted in passing"
        if guarded
        else "it was not announced, and is not deleted in passing",
        f"to announce: kubectl annotate {resource} {place}{name} {ALLOW_DELETION}={name}",
        effect,
    )
