"""What kind of change is it? Read from the old and the new object, never from what the caller says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct

from tierguard.api.scope import ChangeKind
from tierguard.guard.model import objects
from tierguard.guard.model.images import images_cannot_move
from tierguard.guard.model.jobs import ends_pods
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.template import HASH_LABELS, RESTARTED_AT
from tierguard.guard.model.workload import Workload


class Operation(StrEnum):
    """What the API server is asked to do."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class Question:
    """Whether who makes the change may do `verb` on OperationalFreezes (on the one called `name`, where there is a name).

    RBAC answers it, through a SubjectAccessReview; the verbs are `bypass`, `approve` and `lift`.
    """

    verb: str
    name: str = ""


NOT_CHECKED = "could not be checked"
"""What messages say about a right for which RBAC had no answer."""


class Unanswered(Exception):  # noqa: N818 - it is no error: somebody has to ask RBAC, and then decide again
    """The decision hangs on a `Question` to which the change brings no answer."""

    def __init__(self, question: Question) -> None:
        super().__init__(f"whether the user may {question.verb} is not known")
        self.question = question


class Change(Struct, frozen=True):
    """One request: who wants to make `new` out of `old`.

    `old` is None on CREATE, `new` on DELETE. `kind` is the object's kind; a request to `/scale` is told as a change of the
    workload itself, with other replicas.
    """

    operation: Operation
    kind: str
    namespace: str
    name: str
    old: KubeObject | None
    new: KubeObject | None
    user: str = ""
    answers: Mapping[Question, bool] = {}
    """What RBAC said about `user`, as far as it was asked."""
    subresource: str = ""
    """`status`, `resize`, `ephemeralcontainers` or `finalize`, where the change comes that way. A `/scale` is an update."""
    unchecked: frozenset[Question] = frozenset()
    """Those of `answers` that are "no" because RBAC did not answer."""

    def may(self, verb: str, name: str = "") -> bool:
        """Whether the user may do `verb`. Raises Unanswered when nobody has asked yet."""
        question = Question(verb, name)
        if question not in self.answers:
            raise Unanswered(question)
        return self.answers[question]

    def lacks(self, verb: str, name: str, who: str) -> tuple[str, str, str]:
        """Reason, detail and remedy of the refusal of a user who may not do `verb`; `who` is who needs it."""
        if Question(verb, name) in self.unchecked:
            return "NotChecked", f"whether you may {verb} {NOT_CHECKED}", "try again"
        return "NotAuthorized", f"{who} needs the verb {verb} on operationalfreezes", "ask who has it"

    @property
    def subject(self) -> str:
        """`Kind namespace/name`, or `Kind name` for what has no namespace."""
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return objects.printable(f"{self.kind} {place}", 160)


# From the gravest to the most harmless: the first one names the change where a message has room for one.
SEVERITY = (
    ChangeKind.DELETE,
    ChangeKind.DECLASSIFY,
    ChangeKind.SCALE_TO_ZERO,
    ChangeKind.CREATE,
    ChangeKind.ROLLOUT,
    ChangeKind.TRAFFIC,
    ChangeKind.CONFIGURATION,
    ChangeKind.SETTINGS,
    ChangeKind.SCALE_DOWN,
    ChangeKind.RESUME,
    ChangeKind.RESTART,
    ChangeKind.ROLLBACK,
    ChangeKind.SCALE_UP,
    ChangeKind.PAUSE,
    ChangeKind.NONE,
)

SCALING = frozenset({ChangeKind.SCALE_UP, ChangeKind.SCALE_DOWN, ChangeKind.SCALE_TO_ZERO})
HARMLESS = frozenset({ChangeKind.NONE, ChangeKind.PAUSE})

WasAvailable = Callable[[], bool]
"""Whether the new template is in the workload's rollback record."""


def gravest_first(kinds: set[ChangeKind]) -> tuple[ChangeKind, ...]:
    """`kinds` in order of severity; `None` when there are none, and only then."""
    if len(kinds) == 1:
        return tuple(kinds)  # nearly always
    found = kinds - {ChangeKind.NONE} or {ChangeKind.NONE}
    return tuple(kind for kind in SEVERITY if kind in found)


def kinds_of_update(
    old: Workload, new: Workload, was_available: WasAvailable, immutable_tags: tuple[str, ...] = ()
) -> set[ChangeKind]:
    """All that turning `old` into `new` does to the pods; empty for a no-op, for status and for metadata.

    `immutable_tags` are prefixes of images whose tags the registry never moves.
    A change can be several things at once (a rollback that also scales to zero): whoever holds it must allow each.
    """
    if old.raw.get("spec") == new.raw.get("spec"):
        return set()  # status and metadata; what only differs in how it is written is found out below
    kinds = _scaling(old, new) | _template(old, new, was_available, immutable_tags)
    if not old.settled_as(new):
        kinds.add(ChangeKind.SETTINGS)
    if old.paused != new.paused:
        kinds.add(_pause(old) if new.paused else _resume(new, was_available, alone=not kinds))
    if new.kind == "Job" and not old.paused:
        kinds |= ends_pods(old, new)
    return kinds


def kinds_of_template(
    old: Workload, new: Workload, was_available: WasAvailable, immutable_tags: tuple[str, ...] = ()
) -> tuple[ChangeKind, ...]:
    """The same for two workloads that differ in nothing but the pod template."""
    return tuple(_template(old, new, was_available, immutable_tags)) or (ChangeKind.NONE,)


def _pause(old: Workload) -> ChangeKind:
    """Suspending a Job deletes its pods (the Job controller does so at once); all others only stop what is to come."""
    return ChangeKind.SCALE_TO_ZERO if old.kind == "Job" else ChangeKind.PAUSE


def _resume(new: Workload, was_available: WasAvailable, *, alone: bool) -> ChangeKind:
    """Resuming is harmless when it starts nothing new: `kubectl` cannot roll back a paused Deployment.

    A CronJob whose schedule goes on, and of which nothing else changes, runs what it is there to run.
    """
    if new.kind == "CronJob" and alone:
        return ChangeKind.PAUSE
    known = new.kind == "Deployment" and was_available()
    return ChangeKind.ROLLBACK if known else ChangeKind.RESUME


def _scaling(old: Workload, new: Workload) -> set[ChangeKind]:
    field = old.entry.replicas
    if field is not None and old.entry is new.entry and old.spec.get(field[-1]) == new.spec.get(field[-1]):
        return set()  # nearly always
    before, after = old.replicas, new.replicas
    if before is None or after is None or before == after:
        return set()
    if after == 0:
        return {ChangeKind.SCALE_TO_ZERO}
    return {ChangeKind.SCALE_UP if after > before else ChangeKind.SCALE_DOWN}


def _template(
    old: Workload, new: Workload, was_available: WasAvailable, immutable_tags: tuple[str, ...]
) -> set[ChangeKind]:
    if old.same_template(new):
        return set()
    if old.same_essence(new):
        if not _moves_pods(old, new):
            return set()
        # Without digests the "same" template may run other code than what is running now.
        return {ChangeKind.RESTART if images_cannot_move(new.images, immutable_tags) else ChangeKind.ROLLOUT}
    return {ChangeKind.ROLLBACK if was_available() else ChangeKind.ROLLOUT}


def _moves_pods(old: Workload, new: Workload) -> bool:
    """Whether templates of one essence differ in what the controller replaces pods for.

    The Deployment controller compares whole templates without `pod-template-hash` (EqualIgnoreHash in its
    deployment_util.go); those of StatefulSets and DaemonSets make a new revision of any difference.
    """
    ignored = "pod-template-hash" if old.kind in ("Deployment", "ReplicaSet") else None
    moving = [key for key in HASH_LABELS if key != ignored]
    labels = [[workload.template_labels.get(key) for key in moving] for workload in (old, new)]
    restarted = [objects.annotations(workload.template).get(RESTARTED_AT) for workload in (old, new)]
    return labels[0] != labels[1] or restarted[0] != restarted[1]


def restarts_unpinned(old: Workload, new: Workload, immutable_tags: tuple[str, ...] = ()) -> bool:
    """Whether it is a restart that counts as a rollout, because the images may have moved under their tags."""
    return (
        not old.same_template(new)
        and old.same_essence(new)
        and _moves_pods(old, new)
        and not images_cannot_move(new.images, immutable_tags)
    )


def gains_owner(old: KubeObject, new: KubeObject) -> bool:
    """Whether `new` has an owner that `old` had not: a dangling owner makes the garbage collector delete the object."""
    return bool(objects.owners(new)) and not objects.owner_uids(new) <= objects.owner_uids(old)


def being_deleted(obj: KubeObject) -> bool:
    """Whether deletion was already decided: such objects may lose their finalizers, whatever holds."""
    return objects.value(obj, "metadata", "deletionTimestamp") is not None
