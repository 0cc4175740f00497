"""Which way is stricter: for each field of each rule block, so that a rule can be tightened while it cannot be loosened.

What is not plainly the same or stricter counts as loosening: in that direction a mistake costs a wait, and no payment.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from tierguard.api.model import ApiModel
from tierguard.api.policy import PolicySpec
from tierguard.api.rule_values import (
    BudgetMode,
    EnvironmentSecrets,
    Pinning,
    Presence,
    UnhealthyPodEviction,
    Unsatisfiable,
)
from tierguard.api.rules import RuleBlock
from tierguard.guard.model.hold import approved
from tierguard.guard.model.objects import printable

NoLooser = Callable[[Any, Any], bool]
"""Whether the second value asks at least as much as the first."""

_ENFORCEMENT = ("Audit", "Warn", "Deny")
_SHOWN = 40


def _same(old: Any, new: Any) -> bool:
    """For what cannot be compared."""
    return bool(old == new)


def _higher(old: Any, new: Any) -> bool:
    """For a least number, which is not checked where it is absent."""
    return old is None or (new is not None and new >= old)


def _lower(old: Any, new: Any) -> bool:
    """For a greatest number."""
    return bool(new <= old)


def _lower_share(old: Any, new: Any) -> bool:
    """For a number or a percentage: of how many pods, nobody knows here, so the two do not compare with each other."""
    if isinstance(old, str) != isinstance(new, str):
        return False
    return int(str(new).rstrip("%")) <= int(str(old).rstrip("%"))


def _more(old: Any, new: Any) -> bool:
    """For a list of what is asked for, or forbidden."""
    return set(old) <= set(new)


def _fewer(old: Any, new: Any) -> bool:
    """For a list of what is allowed."""
    return set(new) <= set(old)


def _fewer_or_any(old: Any, new: Any) -> bool:
    """For a list of what is allowed, which allows everything where it is empty."""
    return not old or (bool(new) and set(new) <= set(old))


def _stays(strict: Any) -> NoLooser:
    """For a choice of two, the strict one of which must not be left."""
    return lambda old, new: old != strict or new == strict


def _fresher(old: Any, new: Any) -> bool:
    """For proofs: each is still asked for, and may not be older than before."""
    ages = {proof.annotation: proof.max_age_days for proof in new}
    return all(proof.annotation in ages and ages[proof.annotation] <= proof.max_age_days for proof in old)


def _firmer_mode(old: Any, new: Any) -> bool:
    """A suggestion asks least. Maintain and Require each ask for something that the other does not."""
    return old == new or old is BudgetMode.SUGGEST


DIRECTIONS: Mapping[str, Mapping[str, NoLooser]] = {
    "replicas": {"minimum": _higher},
    "rollout": {"max_unavailable": _lower, "min_ready_seconds": _higher, "revision_history_limit": _higher},
    "disruption_budget": {
        "mode": _firmer_mode,
        "max_unavailable": _lower_share,
        "unhealthy_pod_eviction_policy": _stays(UnhealthyPodEviction.ALWAYS_ALLOW),
    },
    "topology_spread": {
        "topology_keys": _more,
        "max_skew": _lower,
        "when_unsatisfiable": _stays(Unsatisfiable.DO_NOT_SCHEDULE),
        "min_domains": _higher,
    },
    "probes": {
        "readiness": _stays(Presence.REQUIRED),
        "liveness": _stays(Presence.REQUIRED),
        "distinct": _stays(strict=True),
        "liveness_tolerance_seconds": _higher,
        "forbidden_paths": _more,
    },
    "termination": {"grace_period_seconds": _higher},
    "resources": {"requests": _more, "limits": _more},
    "secrets": {"environment": _stays(EnvironmentSecrets.FORBIDDEN)},
    "images": {"pinning": _stays(Pinning.DIGEST), "registries": _fewer_or_any},
    "priority": {"class_names": _fewer},
    "isolation": {"network_policy": _stays(Presence.REQUIRED)},
    "dependencies": {"lowest_tier": _lower},
    "evidence": {"annotations": _more, "proofs": _fresher},
    "deletion": {"mode": _same},
}
"""By block and field. A field that is not here may stay as it is, and every change of it counts as loosening."""


def looser_rules(before: PolicySpec, after: PolicySpec, now: datetime) -> Iterator[str]:
    """What `after` asks less of than `before`, one field each, as the person who wrote it would name it."""
    if after.effective_from is not None and after.effective_from > now:
        was = before.effective_from
        if was is None or after.effective_from > was:
            yield f"effectiveFrom becomes {after.effective_from.isoformat()}"
    for block in type(before.rules).model_fields:
        old, new = getattr(before.rules, block), getattr(after.rules, block)
        if old is None:
            continue
        path = f"rules.{_written(type(before.rules), block)}"
        if new is None:
            yield f"{path} is removed"
            continue
        firmness = [_ENFORCEMENT.index(o.enforcement or s.enforcement) for s, o in ((before, old), (after, new))]
        if firmness[1] < firmness[0]:
            yield f"{path} is enforced as {_ENFORCEMENT[firmness[1]]} instead of {_ENFORCEMENT[firmness[0]]}"
        yield from _looser_fields(block, path, old, new)


def _looser_fields(block: str, path: str, old: RuleBlock, new: RuleBlock) -> Iterator[str]:
    known = DIRECTIONS.get(block, {})
    for field in type(old).model_fields:
        if field in RuleBlock.model_fields:
            continue
        was, is_ = getattr(old, field), getattr(new, field)
        if was != is_ and not known.get(field, _same)(was, is_):
            yield f"{path}.{_written(type(old), field)} becomes {_shown(is_)} instead of {_shown(was)}"


def newly_exempted(before: PolicySpec, after: PolicySpec, now: datetime) -> frozenset[tuple[str, str, str]]:
    """(Kind, namespace, name) of the workloads that `after` exempts from more than `before`, or for longer."""
    was = _exempted(before, now)
    return frozenset(
        place for (place, rule), until in _exempted(after, now).items() if until > was.get((place, rule), now)
    )


def _exempted(spec: PolicySpec, now: datetime) -> dict[tuple[tuple[str, str, str], str], datetime]:
    """Until when each workload is exempt from each rule, as far as the exemptions count."""
    found: dict[tuple[tuple[str, str, str], str], datetime] = {}
    for exemption in spec.exemptions:
        if approved(exemption):
            place = (exemption.workload.kind, exemption.workload.namespace, exemption.workload.name)
            for rule in exemption.rules:
                found[place, rule] = max(found.get((place, rule), now), exemption.expires_at)
    return found


def _written(model: type[ApiModel], field: str) -> str:
    return model.model_fields[field].alias or field


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return printable(f"[{', '.join(map(_shown, value))}]", _SHOWN)
    return printable("absent" if value is None else str(value), _SHOWN)
