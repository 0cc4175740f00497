"""tierguard's own CustomResourceDefinitions.

Deleting one deletes every freeze, without admission of each. Changing one changes how every freeze is read: with a default
for `spec.lift` in the schema all of them read as lifted. What only adds is no exception, as that default only adds.
"""

from datetime import datetime

from tierguard.api.kinds import KINDS
from tierguard.api.model import GROUP, VERSION
from tierguard.api.scope import ChangeKind
from tierguard.guard.governance.weakening import WEAKENING_RULE
from tierguard.guard.message import ALLOWED_AS_IS, compose
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, being_deleted, gains_owner
from tierguard.guard.model.decision import Decision, Effect, Finding
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.resources.resource import ANNOUNCEMENT, CHANGES, OWNERS, SPEC, STATUS, UPDATE, Resource
from tierguard.guard.tiers.deletion import announced, announces, not_announced

DEFINITIONS = frozenset(f"{kind.plural}.{GROUP}" for kind in KINDS)


def evaluate_definition(change: Change, state: State, now: datetime) -> Decision:
    """Refuse what would take the three kinds away: not announced, while any freeze is active, or by no longer serving.

    Whatever else changes their spec or status takes the right to bypass freezes. Raises Unanswered while RBAC must be asked.
    """
    old, new = change.old, change.new
    if change.name not in DEFINITIONS or old is None or being_deleted(old):
        return ALLOWED_AS_IS
    source = f"CustomResourceDefinition/{change.name}"
    if new is not None and not _serves(new):
        problem = f"{change.name} would no longer serve and store {VERSION}, and every freeze would be out of reach"
        found = [Finding("deletion", source, "NotServed", problem, f"keep {VERSION} served and stored")]
        return compose(change, (ChangeKind.DELETE,), None, found)
    if new is not None and _rewrites(old, new) and not change.may("bypass"):
        problem = f"{change.name} says how every resource of its kind is read, and you may not bypass freezes"
        remedy = (
            "who changes it, by helm upgrade too, needs the verb bypass on operationalfreezes, as cluster-admin has"
        )
        refused = Finding(WEAKENING_RULE, source, "NotAuthorized", problem, remedy)
        return compose(change, (ChangeKind.SETTINGS,), None, [refused])
    announcing = new is not None and announces(old, new)
    if new is not None and not announcing and not gains_owner(old, new):
        return ALLOWED_AS_IS
    found = []
    active = [freeze for freeze in state.freezes if freeze.timeline.covering(now) is not None]
    if active:
        problem = f"it would delete every resource of its kind, and {active[0].name} holds"
        found.append(Finding("deletion", source, "ActiveFreeze", problem, f"wait for the end of {active[0].name}"))
    elif not announcing and not announced(old):
        found.append(not_announced("crd", "", change.name, Effect.DENY, "Tier/0"))
    return compose(change, (ChangeKind.DELETE,), None, found)


def _rewrites(old: KubeObject, new: KubeObject) -> bool:
    return any(objects.value(old, part) != objects.value(new, part) for part in ("spec", "status"))


def _serves(definition: KubeObject) -> bool:
    return any(
        objects.value(version, "name") == VERSION and version.get("served") is True and version.get("storage") is True
        for version in objects.sequence(definition, "spec", "versions")
    )


DEFINITION = Resource(
    kind="CustomResourceDefinition",
    group="apiextensions.k8s.io",
    version="v1",
    resource="customresourcedefinitions",
    evaluate=evaluate_definition,
    held=(SPEC, STATUS, OWNERS, ANNOUNCEMENT),
    ties=frozenset(),
    operations=CHANGES,
    subresources={"status": (UPDATE,)},
    namespaced=False,
    announced=True,
)
