"""What holds a change, and whether broken glass lets it pass: the same for workloads, namespaces, claims and settings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tierguard.guard.freezes.break_glass import Mark, judge_mark
from tierguard.guard.freezes.matching import Matching, findings
from tierguard.guard.freezes.object_clock import believable, carried
from tierguard.guard.model.change import Change
from tierguard.guard.model.decision import Bypass, Decision, Effect, Finding, Stretch
from tierguard.guard.model.hold import Hold
from tierguard.schedule import FOREVER


@dataclass(frozen=True, slots=True)
class Blocking:
    """The findings of all that holds a change, and the first instant at which nothing does.

    With a `bypass` the findings only warn. `holds` are those that the findings come from.
    """

    findings: tuple[Finding, ...] = ()
    possible_from: datetime | None = None
    blocked_by: tuple[Stretch, ...] = ()
    bypass: Bypass | None = None
    holds: tuple[Hold, ...] = ()

    def together_with(self, other: "Blocking") -> "Blocking":
        """Both: possible when neither holds, passed by only where both are."""
        if not self.findings:
            return other
        if not other.findings:
            return self
        ends = [self.possible_from, other.possible_from]
        known = [end for end in ends if end is not None]
        bypasses = [self.bypass, other.bypass]
        first = None if None in bypasses else self.bypass
        past = tuple(stretch for bypass in bypasses if bypass is not None for stretch in bypass.past)
        return Blocking(
            (*self.findings, *other.findings),
            max(known, default=None) if len(known) == len(ends) else None,
            (*self.blocked_by, *other.blocked_by),
            None if first is None else replace(first, past=past),
            (*self.holds, *other.holds),
        )

    def on(self, decision: Decision) -> Decision:
        """`decision` with the evidence of what held it."""
        if self.bypass is None and not self.blocked_by:
            return decision
        return replace(decision, blocked_by=self.blocked_by, bypass=self.bypass)


NOTHING = Blocking()


def block(change: Change, matching: Matching, now: datetime, note: str = "") -> Blocking:
    """What of `matching` holds `change` at `now`. Raises Unanswered while RBAC must be asked about a break-glass mark."""
    if matching.quiet(now):
        return NOTHING  # nearly always
    found = tuple(findings(matching, now, change, note))
    # What the object says is looked at only where it can make a difference: that is seldom, and takes time.
    near = not found and matching.freezes and matching.freezes_between(*believable(now))
    if near and (other := carried(change, now)) is not None:
        now = other  # this process' clock says that nothing holds: the API server's may know better
        found = tuple(findings(replace(matching, windows=()), now, change, note))
    if not found:
        return NOTHING
    return settle(change, found, matching, now)


def settle(change: Change, found: Sequence[Finding], matching: Matching, now: datetime) -> Blocking:
    """The same, for findings that were worded by the caller."""
    frozen = tuple(matching.frozen_by(now))
    shut = matching.shut_out_by(now)
    stretches = tuple(Stretch(freeze.source, freeze.uid, interval.start) for freeze, interval in frozen)
    for window in shut:
        opening = window.timeline.next_after(now)
        stretches += (Stretch(window.source, window.uid, opening.start if opening else FOREVER),)
    holds = (*(freeze for freeze, _ in frozen), *shut)
    mark = judge_mark(change, now)
    if isinstance(mark, Mark):
        passed = tuple(_passed(finding, mark) for finding in found)
        return Blocking(passed, None, (), Bypass(mark.ticket, mark.reason, stretches), holds)
    void = () if mark is None else (mark,)
    return Blocking((*found, *void), matching.possible_from(now), stretches, None, holds)


def _passed(finding: Finding, mark: Mark) -> Finding:
    return replace(
        finding,
        detail=f"{finding.source} is bypassed under {mark.ticket}; a review is owed",
        remedy="add the review to spec.reviews of the freeze",
        effect=Effect.WARN,
    )
