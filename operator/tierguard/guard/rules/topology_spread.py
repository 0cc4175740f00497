"""Rule `topology-spread`: the pods of a workload are spread over the zones, by a constraint that binds the scheduler."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from tierguard.api.model import ApiModel
from tierguard.api.rules import RuleId, TopologySpreadRule, Unsatisfiable
from tierguard.guard import objects
from tierguard.guard.classify import Classified
from tierguard.guard.rules.rule import Situation, Violation
from tierguard.labels import LabelSelector

_FIELD = "spec.template.spec.topologySpreadConstraints"


class TopologySpread:
    """For each topology key there is a constraint that binds, is tight enough, and selects the workload's own pods.

    Why: without one the scheduler may put all pods of `payment-core` into one zone, and losing that zone loses payments.
    A constraint whose labelSelector matches other pods (or none: an absent selector selects nothing) spreads nothing;
    `ScheduleAnyway` is a wish. `matchLabelKeys` narrows the selector by the pod's own values, so it never excludes it.
    """

    id: ClassVar[RuleId] = RuleId.TOPOLOGY_SPREAD
    block: ClassVar[str] = "topology_spread"
    kinds: ClassVar[frozenset[str]] = frozenset({"Deployment", "StatefulSet"})

    def check(self, situation: Situation, settings: ApiModel) -> Iterator[Violation]:
        """Yield one violation a topology key at most, in the order of the policy's keys."""
        assert isinstance(settings, TopologySpreadRule)  # noqa: S101 - the registry pairs block and rule
        constraints = objects.sequence(situation.subject.workload.pod_spec, "topologySpreadConstraints")
        for key in settings.topology_keys:
            written = [c for c in constraints if isinstance(c, Mapping) and c.get("topologyKey") == key]
            problems = [_problem(constraint, key, settings, situation.subject) for constraint in written]
            if not written:
                detail = f"no constraint spreads the pods over {key}"
                yield Violation("NoConstraint", detail, _remedy(settings))
            elif None not in problems and problems[0] is not None:
                yield problems[0]


def _remedy(settings: TopologySpreadRule) -> str:
    unsatisfiable = settings.when_unsatisfiable.value
    return f"add one with maxSkew {settings.max_skew}, {unsatisfiable} and its own pods' labels to {_FIELD}"


def _problem(
    constraint: Mapping[str, Any], key: str, settings: TopologySpreadRule, subject: Classified
) -> Violation | None:
    unsatisfiable, skew = constraint.get("whenUnsatisfiable"), constraint.get("maxSkew")
    if settings.when_unsatisfiable is Unsatisfiable.DO_NOT_SCHEDULE and unsatisfiable != "DoNotSchedule":
        return Violation(
            "NotEnforced",
            f"the constraint on {key} is {unsatisfiable}, a wish that the scheduler may drop",
            f"set whenUnsatisfiable: DoNotSchedule in {_FIELD}",
        )
    if not isinstance(skew, int) or skew > settings.max_skew:
        return Violation(
            "MaxSkew",
            f"the constraint on {key} allows a skew of {skew}, {settings.max_skew} allowed",
            f"set maxSkew: {settings.max_skew} in {_FIELD}",
        )
    if not _selects_own_pods(constraint, subject):
        return Violation(
            "SelectsOtherPods",
            f"the constraint on {key} does not select the workload's own pods, so it spreads nothing",
            f"make its labelSelector in {_FIELD} match spec.template.metadata.labels",
        )
    domains = constraint.get("minDomains", 1)
    if settings.min_domains is not None and (not isinstance(domains, int) or domains < settings.min_domains):
        return Violation(
            "MinDomains",
            f"the constraint on {key} is content with {domains} of {settings.min_domains} domains",
            f"set minDomains: {settings.min_domains} in {_FIELD}",
        )
    return None


def _selects_own_pods(constraint: Mapping[str, Any], subject: Classified) -> bool:
    selector = constraint.get("labelSelector")
    try:
        compiled = LabelSelector.compile(selector if isinstance(selector, Mapping) else None)
    except ValueError:
        return False
    return compiled.matches(subject.workload.template_labels)
