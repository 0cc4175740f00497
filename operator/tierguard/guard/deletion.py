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


def announced(obj: KubeObject) -> bool:
    """Whether the deletion of `obj`, as stored, was announced: by its own name, so that copying the mark helps nobody."""
    return bool(objects.name(obj)) and objects.annotations(obj).get(ALLOW_DELETION) == objects.name(obj)


def unannounced(entry: WorkloadKind, old: KubeObject, tier: int | None) -> list[Finding]:
    """A finding when deleting `old` needs an announcement that it does not carry."""
    if not entry.announced_deletion or tier not in GUARDED_TIERS or announced(old):
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
