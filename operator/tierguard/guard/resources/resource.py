"""What a guarded kind of object is, for everybody who must agree about it.

From these descriptions come the webhook rules, the conditions by which the API server decides whom to ask, the policy
against planted times, the watches, and the table in docs/architecture.md. Python compares the fields that the conditions
compare, so the two cannot disagree about what a freeze may hold.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, being_deleted
from tierguard.guard.model.decision import Decision
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.tiers.deletion import ALLOW_DELETION

CREATE, UPDATE, DELETE = "CREATE", "UPDATE", "DELETE"
ALL = (CREATE, UPDATE, DELETE)
CHANGES = (UPDATE, DELETE)

Evaluate = Callable[[Change, State, datetime], Decision]
Path = tuple[str, ...]

SPEC: Path = ("spec",)
STATUS: Path = ("status",)
"""Changed through a subresource alone: nowhere else does the API server take it."""
LABELS: Path = ("metadata", "labels")
OWNERS: Path = ("metadata", "ownerReferences")
FINALIZERS: Path = ("metadata", "finalizers")
ANNOTATIONS: Path = ("metadata", "annotations")
ANNOUNCEMENT: Path = (*ANNOTATIONS, ALLOW_DELETION)

STATUS_ONLY = frozenset({"status", "finalize"})
"""Subresources through which nobody but a controller has business. What they can change of an object's metadata (the API
server keeps some of it for some kinds: registry/*/strategy.go) has no honest reason to be changed there."""


class Tie(Enum):
    """How an object becomes guarded."""

    LABELS = "its labels, its pods', its namespace's, a policy, or its owner"
    ADOPTION = "a selector of a guarded controller"
    POD = "a guarded claim that it mounts, or the name of a StatefulSet's member"
    NAME = "a guarded workload names it"
    PLACE = "its namespace has guarded workloads"


@dataclass(frozen=True, slots=True)
class Resource:
    """A guarded kind.

    `held` are the fields that a freeze may hold, as paths; a change of anything else of it passes. `subresources` maps each
    further path by which it can be changed to the operations there; `/scale` is not among them, as a Scale is another kind
    (`scaled`). `announced` says that its deletion is announced, in a freeze or not. `exempt_rotators` says that what renews
    certificates and secrets does not change it. `collected` says that a freeze holds its garbage collection:
    who gave it an owner before deletes that in the freeze, whatever it is. Of what has guarded owners alone, none is held.
    `made_again` says that its controller makes it again: its deletion is judged only where it has none, and a finalizer that
    it gains is held, as with that it would stay after its deletion and keep its name.
    """

    kind: str
    group: str
    version: str
    resource: str
    evaluate: Evaluate
    held: tuple[Path, ...]
    ties: frozenset[Tie]
    operations: tuple[str, ...] = ALL
    subresources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scaled: bool = False
    namespaced: bool = True
    announced: bool = False
    exempt_rotators: bool = False
    collected: bool = True
    made_again: bool = False

    @property
    def full_name(self) -> str:
        """`resource.group`, as documents name it."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    def touched(self, old: KubeObject, new: KubeObject) -> bool:
        """Whether anything differs that a freeze may hold. Finalizers count once the object is on its way out."""
        if self.made_again and gains_finalizer(old, new):
            return True
        for path in self.held:
            if path is FINALIZERS and not being_deleted(old):
                continue
            if path is SPEC or path is STATUS:
                before, after = old.get(path[0]), new.get(path[0])
                # Undecoded both, nearly always. What differs only in how it is written is found out when it is judged.
                if before != after and (before or after):
                    return True
            elif not _alike(old, new, path) and _said(old, path) != _said(new, path):
                return True
        return False


def _alike(old: KubeObject, new: KubeObject, path: Path) -> bool:
    """Whether what `path` begins with is the same on both sides, so that its end is too. Cheap; False proves nothing."""
    before, after = old.get(path[0]), new.get(path[0])
    if len(path) == 1:
        return bool(before == after)
    if before.__class__ is dict and after.__class__ is dict:
        return bool(before.get(path[1]) == after.get(path[1]))
    return False


ABSENT: Mapping[str, bool] = {"automountServiceAccountToken": True}
"""What a field means that is not there, where that is not the same as an empty one."""


def _said(obj: KubeObject, path: Path) -> object:
    """What the field at `path` says. An empty list, map or text says nothing; `false` is a word."""
    found = objects.value(obj, *path)
    if found is None:
        return ABSENT.get(path[-1])
    return found if found or found is False else None


def gains_finalizer(old: KubeObject, new: KubeObject) -> bool:
    """Whether `new` has a finalizer that `old` has not."""
    before, after = (set(map(str, objects.sequence(side, *FINALIZERS))) for side in (old, new))
    return bool(after - before)


def sheds_finalizer(old: KubeObject, new: KubeObject, path: Path = FINALIZERS) -> bool:
    """Whether an object on its way out loses a finalizer at `path`: who takes the last deletes it, and chooses when."""
    if not being_deleted(old):
        return False
    before, after = (set(map(str, objects.sequence(side, *path))) for side in (old, new))
    return bool(before - after)
