"""Is the result sound? The tier rules of every policy that selects a workload, judged on what the change leaves behind."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tierguard.api.policy import Enforcement
from tierguard.guard.classify import Classified
from tierguard.guard.finding import Effect, Finding
from tierguard.guard.holds import Policy
from tierguard.guard.rules import RULES, Rule, Violation
from tierguard.guard.state import State

_EFFECTS = {Enforcement.DENY: Effect.DENY, Enforcement.WARN: Effect.WARN, Enforcement.AUDIT: Effect.AUDIT}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules found; `rests_on_absence` when a refusal would vanish if something not yet seen existed."""

    findings: tuple[Finding, ...] = ()
    rests_on_absence: bool = False


def judge(
    after: Classified, before: Classified | None, state: State, now: datetime, limit: Effect = Effect.DENY
) -> Judgement:
    """Judge `after` by all policies that select it; no finding does more than `limit`.

    What `before` already broke in the same way is not the doing of this change, and only warns: people must be able to
    mend an imperfect workload one step at a time. Where several policies find the same, the strictest of them speaks.
    """
    if not after.policies:
        return Judgement()
    strictest: dict[tuple[str, str, str], Finding] = {}
    absent = False
    found = tuple(_violations(after, state))
    old = {(rule.id, v.reason, v.detail) for _, rule, v, _ in _violations(before, state)} if found and before else set()
    for policy, rule, violation, enforcement in found:
        key = (rule.id, violation.reason, violation.detail)
        effect = min(_EFFECTS[enforcement], violation.effect, limit)
        if key in old:
            effect = min(effect, Effect.WARN)
        if not policy.in_effect(now):
            effect = Effect.AUDIT
        finding = Finding(rule.id, policy.source, violation.reason, violation.detail, violation.remedy, effect)
        known = strictest.get(key)
        if known is None or (finding.effect, known.source) > (known.effect, finding.source):
            strictest[key] = finding
        absent = absent or (effect is Effect.DENY and violation.rests_on_absence)
    return Judgement(tuple(strictest.values()), absent)


def _violations(subject: Classified, state: State) -> Iterator[tuple[Policy, Rule, Violation, Enforcement]]:
    for policy in subject.policies:
        if policy.spec is None:
            continue
        for rule in RULES:
            settings = getattr(policy.spec.rules, rule.block)
            if settings is None or subject.workload.kind not in rule.kinds:
                continue
            enforcement = settings.enforcement or policy.spec.enforcement
            for violation in rule.check(subject, settings, state):
                yield policy, rule, violation, enforcement
