"""What the API server asks itself before it asks the webhook, as CEL text. Pure.

The text may select too much (the webhook then says "not ours"), never too little. Which webhook is asked is decided by two
questions: does the change touch what a freeze may hold (`touches`), and is it inside a stretch that may mean it (`held`)?
"""

import json
from collections.abc import Iterable, Sequence

from tierguard.api.model import VERSION
from tierguard.controller.webhooks.about import LONGEST_LIST, about, labelled, scope, unnamed
from tierguard.controller.webhooks.stretches import SCALE, Group, Stretches, inside
from tierguard.guard.freezes.break_glass import BREAK_GLASS
from tierguard.guard.freezes.operations import OPERATION_LABEL, PROVIDER_LABEL, operation_freezes
from tierguard.guard.model.hold import Hold
from tierguard.guard.model.identities import COLLECTOR, KUBELET
from tierguard.guard.model.state import State
from tierguard.guard.resources import cel
from tierguard.guard.resources.cel import conjunction, disjunction
from tierguard.guard.resources.definitions import DEFINITIONS
from tierguard.guard.resources.registry import AROUND, OF_MEMBERS
from tierguard.guard.resources.resource import ABSENT, FINALIZERS, SPEC, STATUS, Path, Resource
from tierguard.guard.survey import Selection, Surroundings
from tierguard.guard.tiers.deletion import ALLOW_DELETION

LONGEST = 90_000
"""Characters of an expression: the API server takes 100,000. What would be longer asks about everything instead."""
NEW_JOB = f"{cel.RESOURCE} == 'jobs' && request.operation == 'CREATE'"
_NAME = "oldObject.?metadata.?name.orValue('?')"
_OWNERS = "metadata.?ownerReferences.orValue([])"
_ANNOTATIONS = "metadata.?annotations.orValue({})"
_MAY_BYPASS = "authorizer.group('tierguard.io').resource('operationalfreezes').check('bypass').allowed()"


# Who asks.


def person(state: State) -> str:
    """Whether the request is neither a kubelet's nor a controller's: the first and cheapest question."""
    name = "request.userInfo.username"
    return f"!({name}.startsWith({cel.text(KUBELET)}) || {cel.one_of(name, state.identities.controllers)})"


def person_or_job(state: State) -> str:
    """As `person`; but while operations may be frozen, new Jobs go to the webhook, also those of controllers."""
    return disjunction(person(state), NEW_JOB) if operation_freezes(state.freezes) else person(state)


def collected() -> str:
    """Whether the garbage collector deletes what a freeze holds, for an owner that is gone (`decide.collects`)."""
    kinds = [resource.resource for resource in AROUND if resource.collected]
    of_members = f"oldObject.?{_OWNERS}.exists(r, {cel.one_of('r.kind', OF_MEMBERS)})"
    return conjunction(
        "request.operation == 'DELETE'",
        f"request.userInfo.username == {cel.text(COLLECTOR)}",
        cel.one_of(cel.RESOURCE, kinds),
        f"!({cel.RESOURCE} == 'persistentvolumeclaims' && {of_members})",
    )


def broken_glass() -> str:
    """Whether the object carries a break-glass mark, and the user may bypass: that is for the lenient webhook to record.

    With no webhook it passes, and a policy of the chart puts it into the audit log: of the kinds that policy looks at.
    """
    marked = f"o != null && {cel.text(BREAK_GLASS)} in o.?{_ANNOTATIONS}"
    carrier = "[request.operation == 'DELETE' ? oldObject : object]"
    audited = cel.one_of(cel.RESOURCE, [resource.resource for resource in AROUND if resource.announced])
    return f"({audited}) && {carrier}.exists(o, {marked}) && {_MAY_BYPASS}"


# What the request does.


def touches(resources: Sequence[Resource]) -> str:
    """Whether the request changes anything that a freeze may hold: what the engine compares, and nothing else.

    Of a Scale, only less: more pods never wait for a webhook.
    """
    by_fields: dict[tuple[Path, ...], list[str]] = {}
    for resource in resources:
        held = tuple(path for path in resource.held if path != STATUS)
        by_fields.setdefault(held, []).append(resource.resource)
    differing = "false"
    for held, names in by_fields.items():
        differing = f"{cel.one_of(cel.RESOURCE, names)} ? ({disjunction(*map(_differ, held))}) : ({differing})"
    changes = disjunction(differing, conjunction(_made_again(resources), _GAINS_FINALIZER))
    replaced = conjunction("request.operation == 'DELETE'", _made_again(resources), _CONTROLLED)
    whole = f"request.operation == 'UPDATE' ? ({changes}) : !({replaced})"
    return f"({SCALE}) ? ({_SCALES_DOWN}) : ({whole})"


def _made_again(resources: Iterable[Resource]) -> str:
    return cel.one_of(cel.RESOURCE, [resource.resource for resource in resources if resource.made_again])


_SCALES_DOWN = "object.?spec.?replicas.orValue(0) < oldObject.?spec.?replicas.orValue(0)"
_CONTROLLED = f"oldObject.?{_OWNERS}.exists(r, r.?controller.orValue(false))"
_GAINS_FINALIZER = (
    "object.?metadata.?finalizers.orValue([]).exists(f, !(f in oldObject.?metadata.?finalizers.orValue([])))"
)
DELETED = "oldObject.?metadata.?deletionTimestamp.orValue('') != ''"
"""Whether the object is on its way out."""


def _differ(path: Path, empty: str = "") -> str:
    """Whether the field at `path` is another one. Finalizers count once the object is on its way out."""
    steps = "".join(f".?{step}" if step.isidentifier() else f"[?{cel.text(step)}]" for step in path)
    parent, last = path[:-1], path[-1]
    if not last.isidentifier():  # an annotation
        parents = "".join(f".?{step}" for step in parent)
        either = [f"{side}{parents}.orValue({{}})[?{cel.text(last)}].orValue('')" for side in ("object", "oldObject")]
        return f"{either[0]} != {either[1]}"
    default = empty or _EMPTY.get(last, "{}")
    differs = f"object{steps}.orValue({default}) != oldObject{steps}.orValue({default})"
    return f"({DELETED}) && {differs}" if path == FINALIZERS else differs


_EMPTY = {
    **{field: json.dumps(value) for field, value in ABSENT.items()},
    "finalizers": "[]",
    "imagePullSecrets": "[]",
    "ownerReferences": "[]",
    "revision": "0",
    "secrets": "[]",
    "type": "''",
}
"""What stands for a field that is not there, where that is no empty map: the two sides must be of one type."""


def touches_metadata() -> str:
    """The same of `status` and `finalize`: what is held of the metadata, and a status that only controllers report."""
    paths = {path: None for resource in AROUND for path in resource.held if path[0] == "metadata"}
    finalized = conjunction("request.subResource == 'finalize'", _differ(("spec", "finalizers"), empty="[]"))
    annotations = ("metadata", "annotations")  # of a ServiceAccount, which has no status
    reported = [resource.resource for resource in AROUND if STATUS in resource.held]
    by_hand = conjunction("request.subResource == 'status'", cel.one_of(cel.RESOURCE, reported), _differ(STATUS))
    blocked = conjunction(_made_again(AROUND), _GAINS_FINALIZER)
    return disjunction(*(_differ(path) for path in paths if path != annotations), blocked, finalized, by_hand)


def deletes() -> str:
    """Whether the request deletes, or leads to it: an owner with which the object may be collected, or volumes that go."""
    retention = "spec.?persistentVolumeClaimRetentionPolicy.orValue({})"
    return disjunction(
        "request.operation == 'DELETE'",
        conjunction(
            "request.operation == 'UPDATE'",
            disjunction(f"object.?{_OWNERS} != oldObject.?{_OWNERS}", f"object.?{retention} != oldObject.?{retention}"),
        ),
    )


def announced() -> str:
    """Whether the object carries the announcement of its deletion, by its own name.

    The object's, as the request has none when a whole collection is deleted: nothing would be announced by nothing.
    """
    key = cel.text(ALLOW_DELETION)
    return f"oldObject.?{_ANNOTATIONS}[?{key}].orValue('') == {_NAME}"


def of_definitions() -> str:
    """Whether it takes one of our CustomResourceDefinitions away, leads to it, or changes how our resources are read.

    The last does not concern users who may bypass freezes: a new version of the chart must install while no webhook answers.
    """
    version = f"v.?name.orValue('') == {cel.text(VERSION)} && v.?served.orValue(false) && v.?storage.orValue(false)"
    rewrites = disjunction(_differ(SPEC), _differ(STATUS))
    takes = disjunction(
        deletes(),
        _differ(("metadata", "annotations", ALLOW_DELETION)),
        f"!object.?spec.?versions.orValue([]).exists(v, {version})",
        conjunction("request.operation == 'UPDATE'", rewrites, f"!{_MAY_BYPASS}"),
    )
    return conjunction(cel.one_of(_NAME, DEFINITIONS), takes)


# What the request is about (`about`).


def guarded(state: State, around: Surroundings, unknown: str) -> str:
    """Whether any freeze, window or policy can mean what the request is about.

    It names no tier and no freeze: what is declared while no operator is alive is sent to the webhook too.
    """
    terms = [labelled(state, None), *(scope(policy.scope, state) for policy in state.policies)]
    if operation_freezes(state.freezes):
        terms.append(cel.on_labels([f"{cel.text(label)} in l" for label in (OPERATION_LABEL, PROVIDER_LABEL)]))
    workloads = disjunction(*terms)
    found = disjunction(unknown, about(workloads, around))
    if len(found) > LONGEST_LIST:
        found = disjunction(unknown, cel.one_of("request.namespace", around.namespaces), unnamed(workloads))
    return found if len(found) <= LONGEST else "true"


def held(made: Stretches, selection: Selection, unknown: str, time: str = "") -> tuple[str, bool]:
    """Whether a request is made inside a stretch that may mean it, by `time` or the clock that it carries.

    And whether that had to be widened.

    First to all that is in the namespaces of what a freeze selects, then to everything.
    """
    state = selection.state

    def workloads(freeze: Hold) -> str:
        return conjunction(labelled(state, freeze.tiers), scope(freeze.scope, state))

    def precise(group: Group) -> str:
        freeze = group.like
        return "true" if freeze is None else about(workloads(freeze), selection.around_those_of(freeze))

    def by_place(group: Group) -> str:
        freeze = group.like
        if freeze is None:
            return "true"
        namespaces = selection.around_those_of(freeze).namespaces
        return disjunction(cel.one_of("request.namespace", namespaces), unnamed(workloads(freeze)))

    for meant, whole in ((precise, False), (by_place, True)):
        found = inside(made, meant, unknown, time)
        if len(found) <= LONGEST_LIST:
            return found, whole
    return inside(made.everywhere(), lambda _: "true", time=time), True


def scaled_by_autoscaler(state: State) -> str:
    """Whether an autoscaler scales, and not below what any policy asks for, or gives a running pod other resources."""
    autoscaler = cel.one_of("request.userInfo.username", state.identities.autoscalers)
    minima = (policy.spec.rules.replicas for policy in state.policies if policy.spec is not None)
    least = max((rule.minimum for rule in minima if rule is not None), default=0)
    scales = conjunction(SCALE, f"object.?spec.?replicas.orValue(0) >= {least}")
    return conjunction(autoscaler, disjunction(scales, "has(request.subResource) && request.subResource == 'resize'"))


def rotated(state: State) -> str:
    """Whether who renews certificates and secrets writes them."""
    resources = [resource.resource for resource in AROUND if resource.exempt_rotators]
    return conjunction(
        cel.one_of(cel.RESOURCE, resources), cel.one_of("request.userInfo.username", state.identities.rotators)
    )


def harmless_scaling(state: State) -> str:
    """Whether it is a Scale to more pods, which every freeze and window lets pass."""
    strict = any(hold.deploys and "ScaleUp" not in hold.allow for hold in (*state.freezes, *state.windows))
    return "false" if strict else conjunction(SCALE, f"!({_SCALES_DOWN})")
