"""Is the result sound? The tier rules of every policy that selects a workload, judged on what the change leaves behind."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice

from tierguard.api.rule_values import Enforcement, RuleId
from tierguard.api.rules import RuleBlock
from tierguard.api.scope import ChangeKind
from tierguard.guard.model.decision import Effect, Finding
from tierguard.guard.model.hold import Policy
from tierguard.guard.model.memory import Memory
from tierguard.guard.model.state import State
from tierguard.guard.rules import RULES, Rule, Violation
from tierguard.guard.rules.rule import Reads, Situation
from tierguard.guard.tiers.classify import Classified

MOST_VIOLATIONS = 500
"""Violations of one rule that are looked at, in the order of the rule."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules found; `rests_on_absence` when a refusal would vanish if something not yet seen existed."""

    findings: tuple[Finding, ...] = ()
    rests_on_absence: bool = False


def judge(
    after: Classified,
    before: Classified | None,
    state: State,
    now: datetime,
    limit: Effect = Effect.DENY,
    kinds: tuple[ChangeKind, ...] = (),
    earlier_state: State | None = None,
) -> Judgement:
    """Judge `after` by all policies that select it; no finding does more than `limit`.

    What `before` already broke in the same way is not the doing of this change, and only warns, and so does what comes
    nearer to the rule: people must be able to mend an imperfect workload one step at a time. Where several policies find
    the same, the strictest of them speaks. `earlier_state` is what was around `before`, where that is what changes.
    """
    if not after.policies:
        return Judgement()
    found = tuple(_violations(Situation(after, state, now, before, kinds)))
    # The state before is judged only by the rules that found something now, and that forgive what was there already.
    broken = frozenset([rule.id for _, rule, violation, _ in found if violation.inherited])
    earlier: Iterable[_Found] = ()
    if broken and before is not None:
        earlier = tuple(_violations(Situation(before, earlier_state or state, now), broken))
    said = {(rule.id, v.reason, v.detail) for _, rule, v, _ in earlier}
    gaps = {(policy.name, rule.id, v.reason, v.about): v.gap for policy, rule, v, _ in earlier if v.gap > 0}
    strictest: dict[tuple[str, str, str], tuple[Effect, float, Finding]] = {}
    absent = False
    for policy, rule, violation, enforcement in found:
        effect = min(policy.effect(enforcement, now), violation.effect, limit)
        no_worse = violation.gap <= gaps.get((policy.name, rule.id, violation.reason, violation.about), -1.0)
        if violation.inherited and (no_worse or (rule.id, violation.reason, violation.detail) in said):
            effect = min(effect, Effect.WARN)
        exempt = policy.exempts(after.workload, rule.id, now)
        if exempt is not None:
            effect = Effect.AUDIT
        finding = Finding(
            rule.id.value, policy.source, violation.reason, violation.detail, violation.remedy, effect, exempt
        )
        key = (rule.id.value, violation.reason, violation.about or violation.detail)
        known = strictest.get(key)
        if known is None or (effect, violation.gap, known[2].source) > (*known[:2], finding.source):
            strictest[key] = (effect, violation.gap, finding)
        absent = absent or (effect is Effect.DENY and violation.rests_on_absence)
    return Judgement(tuple(finding for _, _, finding in strictest.values()), absent)


@lru_cache(maxsize=256)  # by identity: a changed policy is another one
def _asked(policy: Policy, kind: str) -> tuple[tuple[Rule, RuleBlock], ...]:
    """The rules that `policy` asks for of workloads of `kind`, with their settings."""
    if policy.spec is None:
        return ()
    blocks = ((rule, getattr(policy.spec.rules, rule.block)) for rule in RULES if kind in rule.kinds)
    return tuple((rule, settings) for rule, settings in blocks if settings is not None)


_Found = tuple[Policy, Rule, Violation, Enforcement | None]


def _violations(situation: Situation, only: frozenset[RuleId] | None = None) -> Iterator[_Found]:
    subject = situation.subject
    kind = subject.workload.kind
    for policy in subject.policies:
        asked = _asked(policy, kind)
        if not asked:
            continue
        framed = _by_frame(policy, asked, situation)
        for rule, settings in asked:
            if only is not None and rule.id not in only:
                continue
            found = framed.get(rule.id)
            for violation in _check(rule, settings, situation) if found is None else found:
                yield policy, rule, violation, settings.enforcement


def _check(rule: Rule, settings: RuleBlock, situation: Situation) -> Iterable[Violation]:
    # A pod may have thousands of containers, and nobody reads thousands of findings.
    return islice(rule.check(situation, settings), MOST_VIOLATIONS)


_Verdicts = Mapping[RuleId, tuple[Violation, ...]]
_Asked = tuple[Policy, str, bytes, int | None, bool]
_FRAMES: Memory[dict[_Asked, _Verdicts]] = Memory("frame", 1024 * 1024)
_MOST_VERDICTS = 64
"""Verdicts of the pods of one frame that are remembered."""
_NONE: _Verdicts = {}


def _by_frame(policy: Policy, asked: tuple[tuple[Rule, RuleBlock], ...], situation: Situation) -> _Verdicts:
    """What those rules say that go by the frame alone: of the same frame, the same policy says the same."""
    workload, state, before = situation.subject.workload, situation.state, situation.before
    frame = workload.pods.frame if before is None else workload.pods.frame_beside(before.workload.pods)
    if frame is None or (around := workload.around) is None:
        return _NONE
    key = (policy, workload.kind, around, state.least_replicas(workload), bool(state.nodes))
    known = _FRAMES.get(frame)
    if known is None or len(known) >= _MOST_VERDICTS:
        known = {}
        _FRAMES.put(frame, known)
    found = known.get(key)
    if found is None:
        remembered = {Reads.FRAME} if state.nodes else {Reads.FRAME, Reads.FRAME_AND_NODES}
        framed = ((rule, settings) for rule, settings in asked if rule.reads in remembered)
        found = known[key] = {rule.id: tuple(_check(rule, settings, situation)) for rule, settings in framed}
    return found
