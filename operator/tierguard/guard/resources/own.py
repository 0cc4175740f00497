"""Changes to tierguard's own kinds: whether the new one is readable, and whether it weakens what holds now or soon.

Making or strengthening a freeze takes effect at once: that is the safe direction. What is active, or begins within a day,
is not weakened by one person alone: it is lifted, or excepted from, by two (`signatures`). Loosening a policy or a window is
a change to the workloads that it selects: held by the freezes and closed windows that hold those.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from tierguard.api.freeze import FreezeSpec
from tierguard.api.kinds import FREEZE, KINDS, POLICY, WINDOW
from tierguard.api.model import GROUP, VERSION, ApiModel
from tierguard.api.policy import PolicySpec
from tierguard.api.scope import ChangeKind
from tierguard.api.window import WindowSpec
from tierguard.guard.freezes.blocking import NOTHING, Blocking, settle
from tierguard.guard.freezes.compiled import compile_freeze, compile_policy, compile_window, validate
from tierguard.guard.freezes.matching import FREEZE_RULE, WINDOW_RULE, Matching
from tierguard.guard.governance.loosening import Edit, Freed, Loosening, loosening
from tierguard.guard.governance.selection import anything_known, selects_anything
from tierguard.guard.governance.signatures import approved_by_another, unsigned
from tierguard.guard.governance.weakening import holding, near, weakened
from tierguard.guard.message import ALLOWED_AS_IS, compose
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, being_deleted, gains_owner
from tierguard.guard.model.decision import Decision, Effect, Finding
from tierguard.guard.model.hold import Hold
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.resources.resource import OWNERS, SPEC, Resource

SPECS: Mapping[str, type[ApiModel]] = {FREEZE.kind: FreezeSpec, WINDOW.kind: WindowSpec, POLICY.kind: PolicySpec}
_RULE = "resource"


def evaluate_resource(change: Change, state: State, now: datetime) -> Decision:
    """Decide a change to an OperationalFreeze, ChangeWindow or PaymentTierPolicy."""
    old, new = change.old, change.new
    if old is not None and being_deleted(old):
        return ALLOWED_AS_IS
    if old is not None and new is not None and _spec(old) == _spec(new) and not gains_owner(old, new):
        return ALLOWED_AS_IS
    kind = ChangeKind.CREATE if old is None else ChangeKind.DELETE if new is None else ChangeKind.SETTINGS
    if new is not None and (problem := validate(SPECS[change.kind], new)) is not None:
        invalid = Finding(_RULE, _source(change), "InvalidSpec", problem, "correct the field and apply again")
        return compose(change, (kind,), None, [invalid])
    trusted = change.user in state.identities.gitops
    found = [] if trusted or change.kind == WINDOW.kind else list(unsigned(change))
    blocking = NOTHING
    if change.kind == FREEZE.kind:
        found += _weakened(change, state, now, trusted=trusted)
        if not found and new is not None and _means_other(old, new):
            found += _selects_nothing(change, state, selects=selects_anything(compile_freeze(new), state))
    elif not found:
        loosened = loosening(_edit(change, now), state, now)
        blocking, found = _loosened(change, loosened, now, trusted=trusted)
        if not found and not blocking.findings and new is not None and _means_other(old, new):
            found = [*_selects_nothing(change, state, selects=loosened.selects), *_waits(change, loosened)]
    if not found and not blocking.findings:
        return Decision(ALLOWED_AS_IS.outcome, (kind,))
    everything = [*blocking.findings, *found]
    decision = compose(change, (kind,), None, everything, blocking.possible_from, holds=blocking.holds)
    return blocking.on(decision)


def _spec(obj: KubeObject) -> object:
    return objects.value(obj, "spec")


def _source(change: Change) -> str:
    return f"{change.kind}/{change.name}"


def _weakened(change: Change, state: State, now: datetime, *, trusted: bool) -> Iterator[Finding]:
    # Two names, and the review happened in Git; deleting an active one is never what a review meant.
    reviewed = trusted and change.new is not None and _two_names(change.new)
    if change.old is not None and not reviewed:
        yield from weakened(change.old, change.new, state, now)


def _two_names(obj: KubeObject | None) -> bool:
    return approved_by_another(objects.mapping(obj, "spec"))


def _loosened(change: Change, loosened: Loosening, now: datetime, *, trusted: bool) -> tuple[Blocking, list[Finding]]:
    """What holds loosening a policy or window, and the freezes that begin soon and would mean less."""
    found = list(loosened.freed)
    if trusted and _two_names(change.new if change.new is not None else change.old):
        found = [replace(each, windows=()) for each in found]
    frozen = next((each for each in found if each.freezes), None)
    shut = max((each for each in found if each.windows), key=lambda each: _opening(each, now), default=None)
    held = frozen or shut
    leaving = next(((each, freeze) for each in found for freeze in each.leaves), None)
    losses = [] if leaving is None else [_taken_out(change, *leaving, now)]
    if held is None:
        return NOTHING, losses
    matching = Matching(held.freezes, held.windows if held is shut else (), (ChangeKind.DECLASSIFY,))
    blocking = settle(change, [_finding(change, held, len(found))], matching, now)
    return blocking, losses


def _opening(each: Freed, now: datetime) -> tuple[bool, datetime]:
    opening = Matching((), each.windows, (ChangeKind.DECLASSIFY,)).possible_from(now)
    return opening is None, opening or now


def _edit(change: Change, now: datetime) -> Edit:
    """The two sides of the change. Who gains an owner may be collected as garbage: it counts as deleted."""
    old, new = change.old, change.new
    if old is not None and new is not None and gains_owner(old, new):
        new = None
    if change.kind == POLICY.kind:
        return Edit(old, None if old is None else compile_policy(old), None if new is None else compile_policy(new))
    window = None if new is None else compile_window(new)
    if old is None and window is not None:
        window = replace(window, created=now)
    moved = objects.value(old, "spec", "schedule") != objects.value(new, "spec", "schedule")
    return Edit(old, None if old is None else compile_window(old), window, reschedules=moved)


def _finding(change: Change, each: Freed, count: int) -> Finding:
    """Why the change is held: by the first of what holds it."""
    hold = (*each.freezes, *each.windows)[0]
    frozen = hold.kind == FREEZE.kind
    what = "be added" if change.old is None else "be deleted" if change.new is None else "be loosened"
    if change.kind == POLICY.kind and each.what and change.new is not None:
        what += f" ({each.what})"
    subject = f", which selects {each.name}" if each.name else ""
    more = f" and {count - 1} more" if each.name and count > 1 else ""
    reason = f": {hold.broken or hold.reason}" if hold.broken or hold.reason else ""
    remedy = "until then it can only be made stricter"
    if not frozen and change.old is None:
        remedy = "until then only a closed window that allows no more can be added"
    return Finding(
        FREEZE_RULE if frozen else WINDOW_RULE,
        hold.source,
        "ActiveFreeze" if frozen else "ClosedWindow",
        f"{change.kind} {change.name} cannot {what} while {hold.name} {'holds' if frozen else 'is closed'}"
        f"{subject}{more}{reason}",
        remedy,
    )


def _taken_out(change: Change, each: Freed, freeze: Hold, now: datetime) -> Finding:
    """That a freeze of the next day would no longer mean a workload."""
    return holding(
        freeze,
        near(freeze, now)[0],
        now,
        f"and {change.kind} {change.name} would take {each.name or 'what it selects'} out of it ({each.what})",
        "apply it after the freeze, or have two people lift the freeze: spec.lift",
    )


def _means_other(old: KubeObject | None, new: KubeObject) -> bool:
    """Whether the change says anew what the resource means: then its author should know at once what comes of it."""
    parts = ("scope", "operations", "tier")
    return old is None or any(objects.value(old, "spec", part) != objects.value(new, "spec", part) for part in parts)


def _selects_nothing(change: Change, state: State, *, selects: bool) -> Iterator[Finding]:
    if selects or not anything_known(state):
        return
    detail = "it selects nothing that is there now: look at spec.scope for a mistake"
    yield Finding(_RULE, _source(change), "SelectsNothing", detail, "", Effect.WARN)


def _waits(change: Change, loosened: Loosening) -> Iterator[Finding]:
    """That a new window does not count yet."""
    if loosened.waits is None:
        return
    name, older = loosened.waits
    detail = f"for {name} it counts once an older window was open: {', '.join(older)}"
    yield Finding(_RULE, _source(change), "CountsLater", detail, "", Effect.WARN)


OWN = tuple(
    Resource(
        kind=kind.kind,
        group=GROUP,
        version=VERSION,
        resource=kind.plural,
        evaluate=evaluate_resource,
        held=(SPEC, OWNERS),
        ties=frozenset(),
        namespaced=False,
    )
    for kind in KINDS
)
