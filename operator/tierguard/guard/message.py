"""From findings to a decision, and from a decision to the few words that a person reads."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from tierguard.api.kinds import POLICY
from tierguard.api.model import rfc3339
from tierguard.api.scope import ChangeKind
from tierguard.guard.freezes.matching import FREEZE_RULE, WINDOW_RULE
from tierguard.guard.model.change import NOT_CHECKED, Change, Operation
from tierguard.guard.model.decision import MESSAGE_LIMIT, WARNING_LIMIT, Decision, Effect, Finding, Outcome
from tierguard.guard.model.hold import Hold
from tierguard.guard.model.objects import printable

ALLOWED_AS_IS = Decision(Outcome.ALLOWED, (ChangeKind.NONE,))

_HOLDS = (FREEZE_RULE, WINDOW_RULE)
_ORDER = {FREEZE_RULE: 0, WINDOW_RULE: 1, "deletion": 2, "tier": 3}
_TAIL_LIMIT = MESSAGE_LIMIT * 2 // 3
_DETAIL_ROOM = 60
"""Characters of what is wrong that a refusal has room for, whatever the names in it."""
_NAME_LIMIT = 63
"""Characters of a name that a refusal has room for: our own kinds' names are no longer."""
_SHORT = {"OperationalFreeze": "ofz", "ChangeWindow": "cw", "PaymentTierPolicy": "ptp"}


def compose(
    change: Change,
    kinds: tuple[ChangeKind, ...],
    tier: int | None,
    found: Collection[Finding],
    possible_from: datetime | None = None,
    *,
    holds: Iterable[Hold] = (),
    hinges_on_absence: bool = False,
) -> Decision:
    """The decision that `found` adds up to, with findings in a stable order and the message for a refusal.

    `holds` are the freezes and windows among the findings' sources: people read the time in their zone too.
    """
    if not found:
        return Decision(Outcome.ALLOWED, kinds, tier)
    findings = tuple(sorted(found, key=_in_order))
    denying = [finding for finding in findings if finding.effect is Effect.DENY]
    if not denying:
        warnings = tuple(text for f in findings if f.effect is Effect.WARN for text in warnings_of(f))
        return Decision(Outcome.ALLOWED, kinds, tier, findings, warnings=warnings)
    return Decision(
        Outcome.DENIED,
        kinds,
        tier,
        findings,
        message=refusal(change, denying, possible_from, holds),
        # `helm uninstall` prints warnings but not the refusal of a deletion: there the first finding is told in both.
        warnings=tuple(
            text
            for f in findings
            if f.effect is not Effect.AUDIT and (f is not denying[0] or change.operation is Operation.DELETE)
            for text in warnings_of(f)
        ),
        possible_from=possible_from,
        hinges_on_absence=hinges_on_absence,
    )


def _in_order(finding: Finding) -> tuple[int, int, str, str, str, str, str]:
    said = (finding.rule, finding.source, finding.reason, finding.detail, finding.remedy)
    return (-finding.effect, _ORDER.get(finding.rule, len(_ORDER)), *said)


def undecided(change: Change, missing: str) -> Decision:
    """The third outcome."""
    message = printable(f"tierguard cannot decide about {change.subject}: {missing}", MESSAGE_LIMIT)
    return Decision(Outcome.UNDECIDED, (ChangeKind.NONE,), message=message)


def unchecked(decision: Decision, change: Change) -> Decision:
    """`decision`, which says in its message that a right of the user could not be checked, if it is a refusal."""
    if decision.outcome is not Outcome.DENIED or NOT_CHECKED in decision.message:
        return decision
    verbs = " or ".join(sorted({question.verb for question in change.unchecked}))
    note = f" Whether you may {verbs} {NOT_CHECKED}: try again."
    return replace(decision, message=printable(decision.message, MESSAGE_LIMIT - len(note)) + note)


def refusal(change: Change, denying: list[Finding], possible_from: datetime | None, holds: Iterable[Hold] = ()) -> str:
    """What the person who is refused reads: what holds it and why, until when, and the way forward.

    The same from try to try: nothing in it ticks. The end of the sentence is never cut, its reason is if need be.
    """
    first = denying[0]
    kind, _, name = first.source.partition("/")
    if first.rule in _HOLDS:
        zone = next((hold for hold in holds if hold.source == first.source), None)
        open_ended = "no end is set, two people can lift it" if zone and zone.until_lifted else "no end is known"
        when = f"possible from {_instant(possible_from, zone)}" if possible_from else open_ended
        see = f". See: kubectl describe {_SHORT[kind]} {printable(name, _NAME_LIMIT)}"
        tail = _tail(f"; {when}, ", first.remedy, denying, see, _TAIL_LIMIT)
        return printable(first.detail, MESSAGE_LIMIT - len(tail)) + tail
    subject = printable(change.subject, _NAME_LIMIT)
    policy = printable(f"{kind} {name}", len(kind) + 1 + _NAME_LIMIT)
    breaks = f" breaks {policy}, rule {first.rule}" if kind == POLICY.kind != change.kind else ""
    limit = MESSAGE_LIMIT - len(subject) - len(breaks) - _DETAIL_ROOM
    tail = _tail("; ", first.remedy, denying, ".", min(limit, _TAIL_LIMIT))
    room = MESSAGE_LIMIT - len(tail)
    whole = f"{change.subject}{breaks}: {first.detail}"
    return printable(whole if len(whole) <= room else f"{subject}{breaks}: {first.detail}", room) + tail


def _tail(before: str, remedy: str, denying: list[Finding], after: str, limit: int) -> str:
    """The end of a refusal. Of what does not fit the other findings' rules give way first, then the remedy."""
    others = list(dict.fromkeys(finding.rule for finding in denying[1:]))
    more = f" (+{len(denying) - 1} more)" if others else ""
    room = limit - len(before) - len(after)
    remedy = printable(remedy, room - len(more))
    named = f" (+{len(denying) - 1} more: {', '.join(others)})" if others else ""
    return before + remedy + (named if len(remedy) + len(named) <= room else more) + after


def _instant(instant: datetime, hold: Hold | None) -> str:
    """`instant` in UTC, and in the zone of the freeze or window where that is another one."""
    if hold is None or hold.zone is None:
        return rfc3339(instant)
    try:
        local = instant.astimezone(hold.zone)
    except OverflowError:  # the end of the calendar is nobody's local time
        return rfc3339(instant)
    return f"{rfc3339(instant)} ({local:%Y-%m-%d %H:%M} {hold.zone_name})"


def warnings_of(finding: Finding) -> list[str]:
    """One finding as Kubernetes warnings: what is wrong and, where it is a command, what to do about it."""
    texts = [finding.detail]
    whole = finding.sentence()
    if len(whole) <= WARNING_LIMIT:
        return [printable(whole, WARNING_LIMIT)]
    if finding.remedy.startswith("kubectl "):
        texts.append(finding.remedy)
    return [printable(f"{finding.rule}: {text}", WARNING_LIMIT) for text in texts]
