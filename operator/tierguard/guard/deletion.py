"""Rule `deletion`: what is guarded is deleted only after it was announced.

Why: the first incident behind tierguard was a production database deleted by mistake. An announcement is an earlier,
separate change that names the object, so that one wrong command, or one wrong argument, deletes nothing.
"""

from tierguard.guard import objects
from tierguard.guard.finding import Finding
from tierguard.guard.objects import KubeObject
from tierguard.guard.scope import GUARDED_TIERS
from tierguard.guard.workload import WorkloadKind

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
        entry.get("manager") == _UNDO
        and f"f:{ALLOW_DELETION}" in objects.mapping(entry, "fieldsV1", "f:metadata", "f:annotations")
        for entry in objects.sequence(obj, "metadata", "managedFields")
    )


def unannounced(
    entry: WorkloadKind, old: KubeObject, tier: int | None, *, with_namespace: bool = False
) -> list[Finding]:
    """A finding when deleting `old` needs an announcement that neither it nor, `with_namespace`, its namespace carries."""
    if not entry.announced_deletion or tier not in GUARDED_TIERS or with_namespace or announced(old):
        return []
    return [not_announced(entry.resource, objects.namespace(old), objects.name(old), tier)]


def not_announced(resource: str, namespace: str, name: str, tier: int | None) -> Finding:
    """The finding itself, with the command that announces."""
    place = f"-n {namespace} " if namespace else ""
    return Finding(
        RULE,
        f"Tier/{tier}",
        "NotAnnounced",
        "it was not announced, and what is of tier 0 or 1 is not deleted in passing",
        f"to announce: kubectl annotate {resource} {place}{name} {ALLOW_DELETION}={name}",
    )
