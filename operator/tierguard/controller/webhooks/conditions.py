"""What the API server asks itself before it asks the webhook, as CEL text. Pure.

The text may select too much (the webhook then says "not ours"), never too little. Which webhook is asked is decided by two
questions: does the change touch what a freeze keeps as it is (`touches`), and is it inside a stretch (`closed`)?
"""

from collections.abc import Iterable

from tierguard.api.model import VERSION
from tierguard.guard.freezes.break_glass import BREAK_GLASS
from tierguard.guard.freezes.operations import OPERATION_LABEL, PROVIDER_LABEL, operation_freezes
from tierguard.guard.model.hold import Hold
from tierguard.guard.model.scope import GUARDED_TIERS, Scope, tier_of_label
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import WORKLOAD_KINDS
from tierguard.guard.resources import cel as celtext
from tierguard.guard.resources.definitions import DEFINITIONS
from tierguard.guard.survey import Surroundings
from tierguard.guard.tiers.deletion import ALLOW_DELETION

LONGEST = 90_000
"""Characters of an expression: the API server takes 100,000. What would be longer asks about everything instead."""
LONGEST_LIST = 60_000
"""Characters in which the known namespaces are listed: room for a thousand and more."""
MOST_SERVICES = 100
"""Services of guarded workloads whose selectors are compiled."""

NEW_JOB = "request.resource.resource == 'jobs' && request.operation == 'CREATE'"
_RESOURCE = "request.resource.resource"
_NAME = "oldObject.?metadata.?name.orValue('?')"
_OWNERS = "metadata.?ownerReferences.orValue([])"
_ANNOTATIONS = "metadata.?annotations.orValue({})"
_MAY_BYPASS = "authorizer.group('tierguard.io').resource('operationalfreezes').check('bypass').allowed()"


def conjunction(*terms: str) -> str:
    """All of `terms`; none of them is evaluated once one is false."""
    if "false" in terms:
        return "false"
    return " && ".join(f"({term})" for term in terms if term != "true") or "true"


def disjunction(*terms: str) -> str:
    """Any of `terms`."""
    return " || ".join(f"({term})" for term in dict.fromkeys(terms) if term != "false") or "false"


# Who asks.


def person(state: State) -> str:
    """Whether the request is not one of Kubernetes' own controllers'."""
    return f"!({celtext.one_of('request.userInfo.username', state.identities.controllers)})"


def person_or_job(state: State) -> str:
    """As `person`; but while operations may be frozen, new Jobs are asked about whoever makes them."""
    return disjunction(person(state), NEW_JOB) if operation_freezes(state.freezes) else person(state)


def broken_glass() -> str:
    """Whether the object carries a break-glass mark, and the user may bypass: that is for the lenient webhook to record."""
    marked = f"o != null && {celtext.text(BREAK_GLASS)} in o.?{_ANNOTATIONS}"
    carrier = "[request.operation == 'DELETE' ? oldObject : object]"
    return f"{carrier}.exists(o, {marked}) && {_MAY_BYPASS}"


# What the request does.


def touches() -> str:
    """Whether a CREATE or UPDATE touches what a freeze keeps as it is: the pod template, labels, the announcement."""
    differs = [
        _differ("spec.?template"),
        _differ("spec.?jobTemplate"),
        _differ("metadata.?labels.orValue({})", plain=True),
        _differ(f"{_ANNOTATIONS}[?{celtext.text(ALLOW_DELETION)}].orValue('')", plain=True),
    ]
    return disjunction("request.operation == 'CREATE'", *differs)


def _differ(path: str, *, plain: bool = False) -> str:
    end = "" if plain else ".orValue({})"
    return f"object.?{path}{end} != oldObject.?{path}{end}"


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
    key = celtext.text(ALLOW_DELETION)
    return f"oldObject.?{_ANNOTATIONS}[?{key}].orValue('') == {_NAME}"


def of_definitions() -> str:
    """Whether it takes one of our CustomResourceDefinitions away, leads to it, or changes how our resources are read.

    The last is not asked about for who may bypass freezes: a new version of the chart must install while no webhook answers.
    """
    version = f"v.?name.orValue('') == {celtext.text(VERSION)} && v.?served.orValue(false) && v.?storage.orValue(false)"
    rewrites = disjunction(_differ("spec"), _differ("status"))
    takes = disjunction(
        deletes(),
        _differ(f"{_ANNOTATIONS}[?{celtext.text(ALLOW_DELETION)}].orValue('')", plain=True),
        f"!object.?spec.?versions.orValue([]).exists(v, {version})",
        conjunction("request.operation == 'UPDATE'", rewrites, f"!{_MAY_BYPASS}"),
    )
    return conjunction(celtext.one_of(_NAME, DEFINITIONS), takes)


# What the request is about.


def guarded_tiers(state: State) -> frozenset[int]:
    """The tiers about which anybody cares."""
    return GUARDED_TIERS | {tier for hold in (*state.freezes, *state.windows) for tier in hold.tiers}


def can_be(tiers: Iterable[int], state: State, around: Surroundings) -> str:
    """Whether anything can give the object one of `tiers`, in a known namespace. Too much is fine, too little is not."""
    wanted = frozenset(tiers)
    namespaces = [name for name, labels in state.namespaces.items() if tier_of_label(labels) in wanted]
    terms = [
        celtext.one_of("request.namespace", namespaces),
        owned(),
        celtext.on_labels([celtext.tier_label(wanted)]),
        *(scope(policy.scope, state) for policy in state.policies if policy.tier in wanted),
    ]
    if wanted & GUARDED_TIERS:
        terms += behind_services(around)
    return disjunction(*terms)


def can_be_guarded(state: State, around: Surroundings, *, crowded: str = "false") -> str:
    """Whether any freeze, window or policy can mean the object, or any tier that it is of matters.

    `crowded` counts for new namespaces where there are too many to tell them from known ones, and "true" for everything
    where the text would grow too long for the API server.
    """
    terms = [unknown_namespace(state, crowded), can_be(guarded_tiers(state), state, around)]
    terms += [scope(policy.scope, state) for policy in state.policies]
    if operation_freezes(state.freezes):
        terms.append(celtext.on_labels([f"{celtext.text(label)} in l" for label in (OPERATION_LABEL, PROVIDER_LABEL)]))
    found = disjunction(*terms)
    return found if len(found) <= LONGEST else "true"


def meant_by(freeze: Hold, state: State) -> str:
    """Whether `freeze` can mean an object of its tiers in a namespace that is known; "false" if it cannot."""
    return scope(freeze.scope, state)


def scope(selected: Scope, state: State) -> str:
    """Whether a scope can select the object: its namespaces by name, as there is no namespaceObject here."""
    source = selected.source.namespace_selector
    labels = celtext.selector(selected.source.workload_selector)
    workload = celtext.on_labels([labels]) if labels != "true" else "true"
    if source is None or not (source.match_labels or source.match_expressions):
        return workload
    names = [name for name, found in state.namespaces.items() if selected.namespaces.matches(found)]
    return conjunction(celtext.one_of("request.namespace", names), workload)


def unknown_namespace(state: State, crowded: str = "false") -> str:
    """A namespace that was made a moment ago, whose labels this configuration does not reflect yet.

    `crowded` where there are too many to list the known ones.
    """
    known = celtext.one_of("request.namespace", state.namespaces)
    if len(known) > LONGEST_LIST:
        return crowded
    return f"has(request.namespace) && request.namespace != '' && !({known})"


def owned() -> str:
    """What somebody made in a controller's name is as guarded as the owner, whose labels need not be on it."""
    made = (entry.resource for entry in WORKLOAD_KINDS.values() if entry.made_by_controllers)
    return (
        f"{celtext.one_of(_RESOURCE, made)}"
        " && [object, oldObject].exists(o, o != null && size(o.?metadata.?ownerReferences.orValue([])) > 0)"
    )


def behind_services(around: Surroundings) -> list[str]:
    """What a Service of a guarded workload selects besides it; by namespace where Services are too many."""
    if len(around.services) > MOST_SERVICES:
        return [celtext.one_of("request.namespace", {namespace for namespace, _ in around.services})]
    return [
        conjunction(
            celtext.one_of("request.namespace", [namespace]),
            celtext.on_labels([celtext.labels(dict(selector))]),
        )
        for namespace, selector in sorted(around.services)
    ]


def read(state: State, around: Surroundings) -> str:
    """Configuration by name, unless who renews certificates and secrets writes it; by namespace where names are too many."""
    asked = f"!({celtext.one_of('request.userInfo.username', state.identities.rotators)})"
    place = f"{_RESOURCE} + '/' + request.namespace + '/' + o.?metadata.?name.orValue('')"
    names = [f"{kind.lower()}s/{namespace}/{name}" for kind, namespace, name in around.read]
    named = f"[object, oldObject].exists(o, o != null && {celtext.one_of(f'({place})', names)})"
    if len(named) > LONGEST_LIST:
        named = celtext.one_of("request.namespace", {namespace for _, namespace, _ in around.read})
    return conjunction(asked, named if len(named) <= LONGEST_LIST else "true")


def scaling(state: State) -> str:
    """Scaling by anybody but autoscalers, and theirs below what any policy asks for."""
    autoscaler = celtext.one_of("request.userInfo.username", state.identities.autoscalers)
    minima = (policy.spec.rules.replicas for policy in state.policies if policy.spec is not None)
    least = max((rule.minimum for rule in minima if rule is not None), default=0)
    return disjunction(f"!({autoscaler})", f"object.?spec.?replicas.orValue(0) < {least}")
