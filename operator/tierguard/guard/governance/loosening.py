"""Does a change to a PaymentTierPolicy or ChangeWindow leave more room? Then it is a change to all that it covers.

Whatever is not plainly the same or stricter counts as loosening: the direction in which a mistake costs a wait.
"""

from typing import TypeVar

from pydantic import ValidationError

from tierguard.api.model import ApiModel
from tierguard.api.policy import PolicySpec
from tierguard.api.scope import WorkloadScope
from tierguard.api.window import WindowSpec
from tierguard.guard.model.hold import approved
from tierguard.guard.model.objects import KubeObject

_Model = TypeVar("_Model", bound=ApiModel)

_STRICTNESS = ("Audit", "Warn", "Deny")


def loosens_policy(old: KubeObject, new: KubeObject | None) -> bool:
    """Whether `new` asks less of anything than the policy `old` did."""
    before, after = _spec(PolicySpec, old), _spec(PolicySpec, new)
    if before is None:
        return new is None
    if after is None or after.tier > before.tier or not _covers(after.scope, before.scope):
        return True
    if _STRICTNESS.index(after.enforcement) < _STRICTNESS.index(before.enforcement):
        return True
    later = after.effective_from is not None and (
        before.effective_from is None or after.effective_from > before.effective_from
    )
    kept = before.rules.model_dump(exclude_none=True)
    asked = after.rules.model_dump(exclude_none=True)
    if _exempt(after) - _exempt(before):
        return True
    return later or any(asked.get(block) != value for block, value in kept.items())


def loosens_window(old: KubeObject, new: KubeObject | None) -> bool:
    """Whether `new` lets anything pass that the window `old` did not."""
    before, after = _spec(WindowSpec, old), _spec(WindowSpec, new)
    if before is None:
        return new is None
    if after is None or set(before.scope.tiers) - set(after.scope.tiers) or not _covers(after.scope, before.scope):
        return True
    return before.schedule != after.schedule or bool(set(after.allow) - set(before.allow))


def _exempt(spec: PolicySpec) -> frozenset[str]:
    """The exemptions that count, whoever approved them."""
    counting = (exemption for exemption in spec.exemptions if approved(exemption))
    return frozenset(exemption.model_dump_json(include={"workload", "rules", "expires_at"}) for exemption in counting)


def _spec(model: type[_Model], raw: KubeObject | None) -> _Model | None:
    try:
        return None if raw is None else model.model_validate(raw.get("spec"))
    except ValidationError:
        return None


def _covers(wide: WorkloadScope, narrow: WorkloadScope) -> bool:
    """Whether the selectors of `wide` are plainly no narrower than those of `narrow`."""
    pairs = (
        (wide.namespace_selector, narrow.namespace_selector),
        (wide.workload_selector, narrow.workload_selector),
    )
    return all(w == n or w is None or not (w.match_labels or w.match_expressions) for w, n in pairs)
