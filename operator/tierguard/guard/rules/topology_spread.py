"""Rule `topology-spread`: the pods of a workload are spread over the zones, by a constraint that binds the scheduler."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from tierguard.api.model import ApiModel
from tierguard.api.rule_values import RuleId, Unsatisfiable
from tierguard.api.rules import TopologySpreadRule
from tierguard.guard.model import objects
from tierguard.guard.model.decision import Effect
from tierguard.guard.model.workload import Workload
from tierguard.guard.rules import topology as placement
from tierguard.guard.rules.rule import Reads, Situation, Violation

_FIELD = f"spec.template.spec.{placement.CONSTRAINTS}"
_IGNORE, _HONOR = "Ignore", "Honor"
_SHOWN_DOMAIN = 24


class TopologySpread:
    """For each topology key there is a constraint that binds, is tight enough, and counts the workload's own pods.

    Why: without one the scheduler may put all pods of `payment-core` into one zone, and losing that zone loses payments.
    A cluster's default constraints do not help: they are `ScheduleAnyway`, a wish. A constraint whose labelSelector matches
    other pods spreads nothing, nor does one without a selector or with an empty one, and a nodeSelector that names a zone
    keeps every pod there whatever the constraint says. `matchLabelKeys` narrows the selector by the pod's own values, and
    keys that the pod has not are ignored, so it never excludes it; but by pod-index or pod-name each pod is alone with
    itself (pkg/scheduler/framework/plugins/podtopologyspread).

    Where nodes are watched, warnings say what the scheduler makes of it. It places pods and never moves them: how the
    ready ones are spread now is counted, over the domains that have a node for them, without those where no pod is and
    none may go. And a domain whose nodes are all tainted still counts as an empty one unless nodeTaintsPolicy is Honor
    (likewise with nodeAffinityPolicy Ignore one that the pods' own affinity excludes), so that pods wait for ever.
    """

    id: ClassVar[RuleId] = RuleId.TOPOLOGY_SPREAD
    block: ClassVar[str] = "topology_spread"
    kinds: ClassVar[frozenset[str]] = frozenset({"Deployment", "StatefulSet"})
    reads: ClassVar[Reads] = Reads.FRAME_AND_NODES

    def check(self, situation: Situation, settings: ApiModel) -> Iterator[Violation]:
        """Yield at most one violation of what is written for each key, in the policy's order, then what nodes make of it."""
        assert isinstance(settings, TopologySpreadRule)  # noqa: S101 - the registry pairs block and rule
        workload = situation.subject.workload
        constraints = workload.pod.topology_spread_constraints
        nodes = tuple(situation.state.nodes.values())
        pods = placement.pods_of(workload, situation.state) if nodes else ()
        for key in settings.topology_keys:
            written = [constraint for constraint in constraints if constraint.get("topologyKey") == key]
            found = _written(written, key, settings, workload)
            if found is not None:
                yield found
            if nodes:
                spread = placement.spread(key, workload.pod, nodes, pods)
                yield from _closed(spread, written, workload)
                yield from _skewed(spread, settings, workload)


def _written(
    constraints: Sequence[Mapping[str, Any]], key: str, settings: TopologySpreadRule, workload: Workload
) -> Violation | None:
    if not constraints:
        return Violation(
            "NoConstraint", f"no constraint spreads the pods over {_name(key)}", _remedy(settings), about=key
        )
    # What nearly binds says more about what to mend than a wish beside it.
    ordered = sorted(constraints, key=lambda constraint: constraint.get("whenUnsatisfiable") != placement.BINDING)
    problems = [_problem(constraint, key, settings, workload) for constraint in ordered]
    if None not in problems:
        return problems[0]
    domain = placement.confined_to(workload.pod, key)
    if domain is None:
        return None
    return Violation(
        "OneDomain",
        f"every pod is bound to {_short(domain)} by its own spec: no spread over {_name(key)}",
        f"take {_name(key)} out of nodeSelector and nodeAffinity in spec.template.spec",
        about=key,
    )


def _remedy(settings: TopologySpreadRule) -> str:
    unsatisfiable = settings.when_unsatisfiable.value
    return f"add one with maxSkew {settings.max_skew}, {unsatisfiable} and its own pods' labels to {_FIELD}"


def _problem(
    constraint: Mapping[str, Any], key: str, settings: TopologySpreadRule, workload: Workload
) -> Violation | None:
    unsatisfiable, skew = constraint.get("whenUnsatisfiable"), _number(constraint.get("maxSkew"))
    binding = settings.when_unsatisfiable is Unsatisfiable.DO_NOT_SCHEDULE
    if binding and unsatisfiable != placement.BINDING:
        return Violation(
            "NotEnforced",
            f"the constraint on {_name(key)} is {_short(unsatisfiable)}: a wish, which may be dropped",
            f"set whenUnsatisfiable: DoNotSchedule in {_FIELD}",
            about=key,
        )
    if skew is None or skew > settings.max_skew:
        return Violation(
            "MaxSkew",
            f"the constraint on {_name(key)} allows a skew of {_short(constraint.get('maxSkew'))},"
            f" {settings.max_skew} allowed",
            f"set maxSkew: {settings.max_skew} in {_FIELD}",
            about=key,
            gap=0 if skew is None else skew - settings.max_skew,
        )
    if not placement.spreads(constraint, workload):
        return Violation(
            "SelectsOtherPods",
            f"the constraint on {_name(key)} spreads nothing: it misses the workload's pods",
            f"make its labelSelector in {_FIELD} match spec.template.metadata.labels",
            about=key,
        )
    domains = _number(constraint.get("minDomains")) or 1
    if domains < (wanted := _least_domains(settings)):
        return Violation(
            "MinDomains",
            f"the constraint on {_name(key)} is content with {domains} of {wanted} domains",
            f"set minDomains: {wanted} in {_FIELD}",
            about=key,
            gap=wanted - domains,
        )
    return None


def _closed(
    spread: placement.Spread, constraints: Sequence[Mapping[str, Any]], workload: Workload
) -> Iterator[Violation]:
    """The domains that hold pods back because they count as empty ones, though none of the pods may go there."""
    binding = [
        constraint
        for constraint in constraints
        if constraint.get("whenUnsatisfiable") == placement.BINDING and placement.spreads(constraint, workload)
    ]
    closed = [domain for domain in spread.domains if not domain.open]
    for reason, field, otherwise, matched, because in (
        ("IgnoresTaints", "nodeTaintsPolicy", _IGNORE, True, "its taints keep"),
        ("IgnoresAffinity", "nodeAffinityPolicy", _HONOR, False, "their affinity keeps"),
    ):
        ignored = any((constraint.get(field) or otherwise) == _IGNORE for constraint in binding)
        domain = next((domain for domain in closed if domain.matched is matched), None)
        if ignored and domain is not None:
            yield Violation(
                reason,
                f"pods may wait for ever: {_short(domain.name)} counts as empty, and {because} them out",
                f"set {field}: Honor in {_FIELD}",
                Effect.WARN,
                about=spread.key,
            )


def _skewed(spread: placement.Spread, settings: TopologySpreadRule, workload: Workload) -> Iterator[Violation]:
    least = _least_domains(settings)
    skew = spread.skew(least)
    fullest, emptiest = spread.extremes()
    if skew <= settings.max_skew or fullest is None or emptiest is None:
        return
    there = f"{fullest.pods} pods in {_short(fullest.name)}"
    if skew == fullest.pods - emptiest.pods:
        there += f", {emptiest.pods} in {_short(emptiest.name)}"
    else:
        there += f", of fewer than {least} domains"
    apart = "restart it, with matchLabelKeys: [pod-template-hash] in its constraint"
    yield Violation(
        "ActualSkew",
        f"{there}: a skew of {skew} over {_name(spread.key)}, {settings.max_skew} allowed",
        apart if workload.kind == "Deployment" else f"delete pods in {_short(fullest.name)}, one by one",
        Effect.WARN,
        about=spread.key,
        gap=skew - settings.max_skew,
    )


def _least_domains(settings: TopologySpreadRule) -> int:
    # Kubernetes takes minDomains only beside DoNotSchedule.
    binding = settings.when_unsatisfiable is Unsatisfiable.DO_NOT_SCHEDULE
    return (settings.min_domains or 1) if binding else 1


def _number(found: object) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _name(key: str) -> str:
    return objects.printable(key, 63)


def _short(found: object) -> str:
    return objects.printable(str(found), _SHOWN_DOMAIN)
