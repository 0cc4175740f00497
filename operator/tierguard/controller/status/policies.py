"""What the status of a PaymentTierPolicy says, and what is told of workloads that break one. Pure; nothing in it ticks."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tierguard.api.model import rfc3339
from tierguard.api.rule_values import RuleId
from tierguard.controller.events import event as announce
from tierguard.controller.status.holds import Status, condition, valid
from tierguard.controller.unreviewed.accountant import merged
from tierguard.guard.model import objects
from tierguard.guard.model.decision import Effect, Finding
from tierguard.guard.model.hold import Policy
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.guard.survey import Part, Survey, Surveyed

MOST_VIOLATIONS = 20
MOST_PASSED = 20
_LINE = 512


def policy_status(
    stored: KubeObject, policy: Policy, surveyed: Iterable[Surveyed], passed: Sequence[str], now: datetime
) -> Status:
    """The status of a PaymentTierPolicy; `passed` are lines about what was let through, oldest first."""
    found = [_of_part(part, policy) for part in Survey.of(surveyed).parts]
    guarded, exempted = sum(each.guarded for each in found), sum(each.exempted for each in found)
    violating = [each for part in found for each in part.violating]
    violating.sort(key=lambda each: (-max(f.effect for f in each[1]), -len(each[1]), place(each[0])))
    lines = [f"{place(s)}: {finding.sentence()}" for s, broken_ in violating for finding in broken_]
    counts = Counter(rule for _, broken_ in violating for rule in {finding.rule for finding in broken_})
    status: Status = {
        "observedGeneration": policy.generation,
        "conditions": [
            _in_effect(stored, policy, now),
            condition(
                stored,
                "Compliant",
                holds=not violating,
                reason="ViolationsFound" if violating else "NoViolations",
                message=f"{len(violating)} of {guarded} workloads break a rule",
                generation=policy.generation,
                now=now,
            ),
            valid(stored, policy, now),
        ],
        "guardedWorkloads": guarded,
        "violatingWorkloads": len(violating),
        "exemptedWorkloads": exempted,
        # The API server writes rules that are gone as they were, so the list has an order of its own.
        "rules": [{"rule": rule.value, "workloads": counts[rule.value]} for rule in RuleId if counts[rule.value]],
        "violations": [objects.printable(line, _LINE) for line in lines[:MOST_VIOLATIONS]],
    }
    known = [str(line) for line in objects.sequence(stored, "status", "passedUnjudged")]
    listed = [line for line in merged(known, passed) if _unmended(line, violating)]
    status["passedUnjudged"] = listed[-MOST_PASSED:]
    return status


@dataclass(frozen=True, slots=True)
class _Counted:
    """What there is of one policy in one namespace."""

    guarded: int
    exempted: int
    violating: tuple[tuple[Surveyed, tuple[Finding, ...]], ...]


def _of_part(part: Part, policy: Policy) -> _Counted:
    def count() -> _Counted:
        mine = [s for s in part.surveyed if policy in s.classified.policies]
        exempted = sum(
            any(finding.exempt_until is not None for finding in s.breaks(policy)) for s in mine if s.findings
        )
        violating = ((s, broken(s, policy)) for s in mine if s.findings)
        return _Counted(len(mine), exempted, tuple(each for each in violating if each[1]))

    return part.memo.kept(policy.source, policy, count)


def _unmended(line: str, violating: Iterable[tuple[Surveyed, object]]) -> bool:
    """Whether the workload that `line` is about, or of what is around workloads any in its namespace, breaks the policy."""
    namespace, kind, _ = (*_subject(line).split("/"), "", "")[:3]
    places = {place(s) if kind in WORKLOAD_KINDS else s.classified.workload.namespace for s, _ in violating}
    return (_subject(line) if kind in WORKLOAD_KINDS else namespace) in places


def _in_effect(stored: KubeObject, policy: Policy, now: datetime) -> Status:
    in_effect = policy.in_effect(now)
    starts = None if policy.spec is None else policy.spec.effective_from
    waiting = policy.broken or f"every finding is Audit until {rfc3339(starts) if starts else 'it can be read'}"
    return condition(
        stored,
        "InEffect",
        holds=in_effect,
        reason="InEffect" if in_effect else "Unreadable" if policy.broken else "NotYet",
        message="findings count as the policy says" if in_effect else waiting,
        generation=policy.generation,
        now=now,
    )


def broken(surveyed: Surveyed, policy: Policy) -> tuple[Finding, ...]:
    """The findings that come from `policy` and from which the workload is not exempt."""
    return tuple(finding for finding in surveyed.breaks(policy) if finding.exempt_until is None)


def place(surveyed: Surveyed) -> str:
    """`namespace/Kind/name`, as statuses name a workload."""
    workload = surveyed.classified.workload
    return f"{workload.namespace}/{workload.kind}/{workload.name}"


def _subject(line: str) -> str:
    return line.partition(": ")[0]


def violation_events(
    policies: Iterable[Policy], surveyed: Sequence[Surveyed], now: datetime
) -> Iterator[tuple[str, KubeObject]]:
    """(name, event) for each workload and policy that it breaks: the same as long as it breaks the same rules.

    What is only recorded (Audit) is no news to the workload's owners.
    """
    parts = Survey.of(surveyed).parts
    for policy in policies:
        for subject, findings in (each for part in parts for each in _of_part(part, policy).violating):
            found = [finding for finding in findings if finding.effect > Effect.AUDIT]
            if found:
                event = _event(policy, subject, found, now)
                yield objects.name(event), event


def _event(policy: Policy, subject: Surveyed, found: Sequence[Finding], now: datetime) -> KubeObject:
    raw = subject.classified.workload.raw
    regarding = {
        **raw,
        "kind": subject.classified.workload.kind,
        "apiVersion": subject.classified.workload.entry.api_version,
    }
    what = ",".join(sorted(f"{finding.rule}/{finding.reason}" for finding in found))
    first = max(found, key=lambda finding: finding.effect)
    more = f" (+{len(found) - 1} more)" if len(found) > 1 else ""
    return announce.event(
        regarding,
        reason="PolicyViolated",
        note=f"breaks PaymentTierPolicy {policy.name}, rule {first.sentence()}{more}",
        action="Scan",
        at=_created(raw),
        now=now,
        warning=True,
        distinct=f"{policy.name}/{hashlib.sha256(what.encode()).hexdigest()[:16]}",
    )


def _created(raw: KubeObject) -> datetime:
    """When the workload was made: an instant that stays the same, for the event's name."""
    written = objects.value(raw, "metadata", "creationTimestamp")
    try:
        return datetime.fromisoformat(str(written))
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
