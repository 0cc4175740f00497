"""The tier rules, one file each, and their registry, which refuses a set that makes no sense when it is loaded."""

from collections.abc import Iterable

from tierguard.api.rule_values import RuleId
from tierguard.api.rules import Rules
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.guard.rules.dependencies import Dependencies
from tierguard.guard.rules.disruption_budget import DisruptionBudget
from tierguard.guard.rules.evidence import Evidence
from tierguard.guard.rules.images import Images
from tierguard.guard.rules.isolation import Isolation
from tierguard.guard.rules.priority import Priority
from tierguard.guard.rules.probes import Probes
from tierguard.guard.rules.replicas import Replicas
from tierguard.guard.rules.resources import Resources
from tierguard.guard.rules.rollout import Rollout
from tierguard.guard.rules.rule import Rule, Violation
from tierguard.guard.rules.secrets import Secrets
from tierguard.guard.rules.termination import Termination
from tierguard.guard.rules.topology_spread import TopologySpread

__all__ = ["RULES", "DisruptionBudget", "Rule", "Violation", "checked"]

ELSEWHERE = frozenset({"deletion"})
"""Blocks that are no rule about what a workload looks like: `guard.deletion` reads this one."""


def checked(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """`rules` in the order of their ids. Raises ValueError for what would silently never or wrongly fire."""
    ordered = tuple(sorted(rules, key=lambda rule: rule.id))
    ids = [rule.id for rule in ordered]
    if len(set(ids)) != len(ids):
        message = f"rule ids are not unique: {ids}"
        raise ValueError(message)
    if missing := set(RuleId) - set(ids):
        message = f"the API names rules that are not there: {sorted(missing)}"
        raise ValueError(message)
    for rule in ordered:
        if rule.block not in Rules.model_fields:
            message = f"rule {rule.id}: PaymentTierPolicy has no block {rule.block!r} that would switch it on"
            raise ValueError(message)
        if unknown := rule.kinds - WORKLOAD_KINDS.keys():
            message = f"rule {rule.id}: no such kinds: {sorted(unknown)}"
            raise ValueError(message)
        if not type(rule).__doc__:
            message = f"rule {rule.id}: the docstring must say what it wants and why"
            raise ValueError(message)
    if without := Rules.model_fields.keys() - {rule.block for rule in ordered} - ELSEWHERE:
        message = f"blocks of PaymentTierPolicy that no rule reads: {sorted(without)}"
        raise ValueError(message)
    return ordered


RULES: tuple[Rule, ...] = checked(
    (
        Dependencies(),
        DisruptionBudget(),
        Evidence(),
        Images(),
        Isolation(),
        Priority(),
        Probes(),
        Replicas(),
        Resources(),
        Rollout(),
        Secrets(),
        Termination(),
        TopologySpread(),
    )
)
