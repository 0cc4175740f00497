"""What a request is about, as CEL text: which objects anything can give a tier, and what is around workloads. Pure.

The text may select too much (the webhook then says "not ours"), never too little.
"""

from collections.abc import Iterable

from tierguard.controller.webhooks.stretches import SCALE
from tierguard.guard.model.references import EVERYTHING
from tierguard.guard.model.scope import TIER_LABEL, Scope, tier_of_label
from tierguard.guard.model.state import State
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.guard.resources import cel
from tierguard.guard.resources.cel import conjunction, disjunction
from tierguard.guard.resources.registry import AROUND
from tierguard.guard.resources.resource import Tie
from tierguard.guard.survey import Labelled, Surroundings

LONGEST_LIST = 60_000
"""Characters in which the known namespaces are listed: room for a thousand and more."""
_TOO_LONG = " " * (LONGEST_LIST + 1)
_SHORTEST = len("'', ")
"""Characters that each name and each selector takes, at least."""
_NAME = "o.?metadata.?name.orValue('')"


def labelled(state: State, tiers: Iterable[int] | None) -> str:
    """Whether anything can give the object one of `tiers` (None: any), in a known namespace.

    Too much is fine, too little is not.
    """
    wanted = frozenset(range(5) if tiers is None else tiers)
    label = f"{cel.text(TIER_LABEL)} in l" if tiers is None else cel.tier_label(wanted)
    namespaces = [name for name, labels in state.namespaces.items() if tier_of_label(labels) in wanted]
    return disjunction(
        cel.one_of("request.namespace", namespaces),
        owned(),
        cel.on_labels([label]),
        *(scope(policy.scope, state) for policy in state.policies if policy.tier in wanted),
    )


def scope(selected: Scope, state: State) -> str:
    """Whether a scope can select the object: its namespaces by name, as there is no namespaceObject here."""
    source = selected.source.namespace_selector
    labels = cel.selector(selected.source.workload_selector)
    workload = cel.on_labels([labels]) if labels != "true" else "true"
    if source is None or not (source.match_labels or source.match_expressions):
        return workload
    names = [name for name, found in state.namespaces.items() if selected.namespaces.matches(found)]
    return conjunction(cel.one_of("request.namespace", names), workload)


def unknown_namespace(names: Iterable[str], crowded: str) -> str:
    """A namespace that is none of `names`: made or relabelled a moment ago, so that this configuration is behind.

    `crowded` where there are too many to list.
    """
    known = cel.one_of("request.namespace", names)
    if len(known) > LONGEST_LIST:
        return crowded
    return f"has(request.namespace) && request.namespace != '' && !({known})"


def owned() -> str:
    """What somebody made in a controller's name is as guarded as the owner, whose labels need not be on it."""
    made = (entry.resource for entry in WORKLOAD_KINDS.values() if entry.made_by_controllers)
    return (
        f"{cel.one_of(cel.RESOURCE, made)}"
        " && [object, oldObject].exists(o, o != null && size(o.?metadata.?ownerReferences.orValue([])) > 0)"
    )


def about(workloads: str, around: Surroundings) -> str:
    """Whether a request is about what is `around`, or about an object that `workloads` is true of.

    What is around is one map: a namespace, and what in it is named. Its first entry is empty, so that a namespace with
    nothing but itself is told from one that is not there. Where there is so much that the text would surely be longer than
    LONGEST_LIST, it is not written out: spaces stand for it, and whoever asked takes something coarser.
    """
    named = (around.read, around.scaled, around.members, around.claims, around.services, around.selectors)
    if sum(map(len, named)) * _SHORTEST > LONGEST_LIST:
        return _TOO_LONG
    if not around.namespaces:
        return conjunction(f"!({SCALE})", f"!({cel.one_of(cel.RESOURCE, _BY_PLACE)})", workloads)
    return f"[{_names(around)}[?request.namespace].orValue([])].exists(n, {_tied(around)}) || ({unnamed(workloads)})"


def unnamed(workloads: str) -> str:
    """`workloads`, for what has labels of its own: no Scale, and nothing that is guarded by name or place alone."""
    return conjunction(f"!({SCALE})", f"!({cel.one_of(cel.RESOURCE, [*_BY_NAME, *_BY_PLACE])})", workloads)


_BY_NAME = [resource.resource for resource in AROUND if resource.ties == {Tie.NAME}]
_BY_PLACE = [resource.resource for resource in AROUND if resource.ties == {Tie.PLACE}]
_ADOPTED = [resource.resource for resource in AROUND if Tie.ADOPTION in resource.ties]
_LIVED_IN = ["persistentvolumeclaims", "namespaces"]
"""What is as guarded as the workloads that live by it, which its own labels need not tell."""


def _names(around: Surroundings) -> str:
    found: dict[str, list[str]] = {namespace: [""] for namespace in sorted(around.namespaces)}
    for kind, namespace, name in sorted(around.read):
        found[namespace].append(f"{kind.lower()}s/{name}")
    for prefix, entries in (("scale", around.scaled), ("pods", around.members), ("claim", around.claims)):
        for entry in sorted(entries):
            # `resource/namespace/name` of what is scaled, `namespace/name` of the others.
            *resource, namespace, name = entry.split("/")
            found[namespace].append("/".join((prefix, *resource, name)))
    return _map({namespace: f"[{', '.join(map(cel.text, names))}]" for namespace, names in found.items()})


def _map(entries: dict[str, str]) -> str:
    return f"{{{', '.join(f'{cel.text(key)}: {value}' for key, value in entries.items())}}}"


def _tied(around: Surroundings) -> str:
    """What is tied to a workload of the namespace with the names `n`: as `tiers.classify.ties`, and what is around it."""
    either = "[object, oldObject].exists(o, o != null && {})".format
    begins = "n.exists(p, p != '' && ({}).startsWith(p))".format
    claim = "v.?persistentVolumeClaim.?claimName.orValue('')"
    named = either(f"({cel.RESOURCE} + '/' + {_NAME}) in n || ({cel.RESOURCE} + '/{EVERYTHING}') in n")
    member = conjunction(f"{cel.RESOURCE} == 'pods'", either(begins(f"'pods/' + {_NAME}")))
    named_claim = f"{claim} != '' && " + begins(f"'claim/' + {claim}")
    mounts = either(f"{cel.VOLUMES}.exists(v, {named_claim})")
    ties = disjunction(
        member if around.members else "false",
        mounts if around.claims else "false",
        _having(around.services),
        conjunction(cel.one_of(cel.RESOURCE, _ADOPTED), _having(around.selectors)),
    )
    return (
        f"size(n) > 0 && (({SCALE})"
        f" ? ({cel.RESOURCE} == 'replicasets' || ('scale/' + {cel.RESOURCE} + '/' + request.name) in n)"
        f" : {cel.one_of(cel.RESOURCE, _BY_NAME)} ? ({named})"
        f" : {cel.one_of(cel.RESOURCE, [*_BY_PLACE, *_LIVED_IN])} || ({ties}))"
    )


def _having(selectors: Iterable[Labelled]) -> str:
    """Whether the object has the labels that a controller or Service among `selectors` asks for."""
    found: dict[str, list[str]] = {}
    for namespace, labels in sorted(selectors):
        found.setdefault(namespace, []).append(_map({key: cel.text(value) for key, value in labels}))
    if not found:
        return "false"
    chosen = _map({namespace: f"[{', '.join(maps)}]" for namespace, maps in found.items()})
    return f"{chosen}[?request.namespace].orValue([]).exists(s, {cel.on_labels(['s.all(k, k in l && l[k] == s[k])'])})"
