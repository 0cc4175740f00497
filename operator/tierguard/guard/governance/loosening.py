"""Which workloads a change to a window or a policy frees from what holds them now, compared one by one.

Both are as frozen as what they select. A window must not let a workload in earlier than the windows that are there would.
A policy must not ask less of a workload that is held, nor take it out of what holds it. Where nothing is selected yet,
examples of what would be stand for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from tierguard.api.scope import ChangeKind
from tierguard.guard.freezes.matching import Matching, counting_since
from tierguard.guard.governance.selection import corrects, examples, selects, with_policy, with_window, workloads
from tierguard.guard.governance.strictness import looser_rules, newly_exempted
from tierguard.guard.governance.weakening import day_after
from tierguard.guard.model.hold import Hold, Policy
from tierguard.guard.model.objects import KubeObject, Labels
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.tiers.classify import Classified, classify
from tierguard.schedule import FOREVER

_NEVER_ALLOWED = (ChangeKind.DECLASSIFY,)
"""A kind that no `allow` can name."""


@dataclass(frozen=True, slots=True)
class Freed:
    """A workload (nobody has made yet, where `name` is empty) that a change frees, what of it, and what holds that.

    `freezes` are active. `leaves` are those of the next 24 hours that would no longer mean the workload.
    """

    name: str
    what: str
    freezes: tuple[Hold, ...] = ()
    windows: tuple[Hold, ...] = ()
    leaves: tuple[Hold, ...] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """A window or policy before and after a change; `old` None: it is made, `new` None: it is taken away."""

    stored: KubeObject | None
    old: Hold | Policy | None
    new: Hold | Policy | None
    reschedules: bool = False
    """Whether the periods of a window change."""

    @property
    def name(self) -> str:
        """The resource's name."""
        found = self.old or self.new
        return "" if found is None else found.name

    @property
    def moves_tiers(self) -> bool:
        """Whether any workload may be of another tier afterwards, or meant by another policy."""
        if not isinstance(self.old, Policy) or not isinstance(self.new, Policy):
            return isinstance(self.old or self.new, Policy)
        return self.old.tier != self.new.tier or self.old.scope.source != self.new.scope.source

    def applied(self, state: State, side: Hold | Policy | None) -> State:
        """`state` with the resource as it is on one `side`."""
        if isinstance(self.old or self.new, Policy):
            return with_policy(state, self.name, side if isinstance(side, Policy) else None)
        return with_window(state, self.name, side if isinstance(side, Hold) else None)


@dataclass(frozen=True, slots=True)
class Loosening:
    """What an edit does to the workloads that are there: those that it frees, in the order of their names.

    `selects` says whether the new form selects any. `waits` is one for which a new window does not count yet, with the
    names of the older windows that have to open first.
    """

    freed: tuple[Freed, ...] = ()
    selects: bool = True
    waits: tuple[str, tuple[str, ...]] | None = None


def loosening(edit: Edit, state: State, now: datetime) -> Loosening:
    """What `edit` frees: one pass over all that it could mean."""
    if edit.old is not None and edit.old.broken is not None and edit.new is not None:
        return Loosening()  # mending what cannot be read is how it stops holding everything; `new` was validated before
    comparison = _Comparison.of(edit, state, now)
    sides = [side for side in (edit.old, edit.new) if side is not None]
    found: list[Freed] = []
    was = is_ = False
    waits: tuple[str, tuple[str, ...]] | None = None
    for workload, labels in workloads(state, *(side.scope for side in sides), beside=edit.moves_tiers):
        before, after = comparison.places(workload, labels)
        was = was or (edit.old is not None and selects(edit.old, before))
        if edit.new is not None and selects(edit.new, after):
            is_ = True
            waits = waits or comparison.waits(after)
        found += comparison.freed(before, after)
    if not was and not is_ and not comparison.corrected():
        for workload, labels in examples(sides, state):
            found += comparison.freed(*comparison.places(workload, labels))
    return Loosening(tuple(sorted(found, key=lambda each: (each.name, each.what))), is_, waits)


@dataclass(slots=True)
class _Comparison:
    """Two states, before and after an edit, and what of them is the same for all workloads."""

    edit: Edit
    state: State
    later: State
    now: datetime
    active: tuple[Hold, ...]
    coming: tuple[Hold, ...]
    rules: str
    exempted: frozenset[tuple[str, str, str]]
    _openings: dict[tuple[Hold, ...], tuple[datetime, frozenset[str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, edit: Edit, state: State, now: datetime) -> "_Comparison":
        freezes = [freeze for freeze in state.freezes if freeze.deploys]
        rules, exempted = "", frozenset[tuple[str, str, str]]()
        if isinstance(edit.old, Policy) and isinstance(edit.new, Policy) and edit.old.spec and edit.new.spec:
            rules = "; ".join(looser_rules(edit.old.spec, edit.new.spec, now))
            exempted = newly_exempted(edit.old.spec, edit.new.spec, now)
        return cls(
            edit,
            edit.applied(state, edit.old),
            edit.applied(state, edit.new),
            now,
            tuple(freeze for freeze in freezes if freeze.timeline.covering(now) is not None),
            tuple(freeze for freeze in freezes if freeze.timeline.touches(now, day_after(now))),
            rules,
            exempted,
        )

    def corrected(self) -> bool:
        """Whether the edit corrects a scope that selects nothing."""
        stored, old, new = self.edit.stored, self.edit.old, self.edit.new
        return stored is not None and old is not None and new is not None and corrects(stored, old, new, self.state)

    def places(self, workload: Workload, labels: Labels) -> tuple[Classified, Classified]:
        """`workload`, in a namespace with `labels`, classified before and after: once where nothing can move."""
        before = classify(workload, workload.namespace, labels, self.state)
        if not self.edit.moves_tiers:
            return before, before
        return before, classify(workload, workload.namespace, labels, self.later)

    def waits(self, subject: Classified) -> tuple[str, tuple[str, ...]] | None:
        """The name of `subject`, and of the windows that select it, if a window that is made does not count for it yet."""
        if self.edit.old is not None or not isinstance(self.edit.new, Hold):
            return None
        beside = _selecting(self.state, subject)
        if not beside or counting_since((*beside, self.edit.new))[-1] <= self.now:
            return None
        return _name(subject), tuple(window.name for window in beside)

    def freed(self, before: Classified, after: Classified) -> Iterator[Freed]:
        """What the edit frees of one workload."""
        if before.tier is None:
            return  # nothing holds it
        if isinstance(self.edit.old or self.edit.new, Policy):
            yield from self._by_policy(before, after)
        else:
            yield from self._by_window(before, after)

    def _by_window(self, before: Classified, after: Classified) -> Iterator[Freed]:
        old, new = self.edit.old, self.edit.new
        was = isinstance(old, Hold) and before.selected_by(old)
        is_ = isinstance(new, Hold) and after.selected_by(new)
        if not was and not is_:
            return
        ahead, behind = _selecting(self.state, before), _selecting(self.later, after)
        frozen = tuple(freeze for freeze in self.active if before.selected_by(freeze))
        # One more window is no way out of a freeze: freezes beat windows, so they need not hold it.
        if old is not None and frozen and self._makes_room(ahead, was=was, is_=is_):
            yield Freed(_name(before), "", freezes=frozen)
        elif self._lets_in(ahead, behind) or (old is None and self._opens_now(ahead)):
            yield Freed(_name(before), "", windows=ahead)

    def _by_policy(self, before: Classified, after: Classified) -> Iterator[Freed]:
        leaves = tuple(f for f in self.coming if before.selected_by(f) and not after.selected_by(f))
        ahead, behind = _selecting(self.state, before), _selecting(self.later, after)
        lets_in = ahead != behind and self._lets_in(ahead, behind)
        what = self._asks_less(before, after)
        frozen = tuple(f for f in self.active if before.selected_by(f) and (what or f in leaves))
        windows = ahead if lets_in or (what and self._opening(ahead)[0] > self.now) else ()
        later = tuple(freeze for freeze in leaves if freeze not in frozen)
        if frozen or windows or later:
            yield Freed(_name(before), what or _tiers(before, after), frozen, windows, later)

    def _asks_less(self, before: Classified, after: Classified) -> str:
        """What the policy no longer asks of the workload; nothing where it asks as much as before, or never did."""
        old, new = self.edit.old, self.edit.new
        if before.tier is not None and (after.tier is None or after.tier > before.tier):
            return _tiers(before, after)
        if not isinstance(old, Policy) or not selects(old, before):
            return ""
        if new is None or not selects(new, after):
            return "the policy no longer selects it"
        workload = before.workload
        if (workload.kind, workload.namespace, workload.name) in self.exempted:
            return "an exemption"
        return self.rules

    def _makes_room(self, ahead: tuple[Hold, ...], *, was: bool, is_: bool) -> bool:
        """Whether the window lets in more than before at any time, now or later."""
        old, new = self.edit.old, self.edit.new
        if not (isinstance(old, Hold) and isinstance(new, Hold)):
            return was and len(ahead) == 1  # of several windows, one less is less room
        if was and is_:
            return self.edit.reschedules or bool(new.allow - old.allow)
        return len(ahead) == 1 if was else bool(ahead)

    def _lets_in(self, ahead: tuple[Hold, ...], behind: tuple[Hold, ...]) -> bool:
        """Whether any kind of change becomes possible earlier than before."""
        opens, allowed = self._opening(ahead)
        if opens <= self.now:
            return False  # it is open: people may do what they like
        sooner, more = self._opening(behind)
        return sooner < opens or bool(more - allowed)

    def _opens_now(self, ahead: tuple[Hold, ...]) -> bool:
        """Whether a window that is made lets in now what is shut out. It would not count yet; but it was meant to."""
        new = self.edit.new
        opens, allowed = self._opening(ahead)
        if not isinstance(new, Hold) or opens <= self.now:
            return False
        return new.timeline.covering(self.now) is not None or bool(new.allow - allowed)

    def _opening(self, windows: tuple[Hold, ...]) -> tuple[datetime, frozenset[str]]:
        """When `windows`, which select one workload, let in every kind of change, and which kinds they let in before."""
        known = self._openings.get(windows)
        if known is None:
            found = Matching((), windows, _NEVER_ALLOWED).possible_from(self.now)
            counting = zip(windows, counting_since(windows), strict=True)
            allowed = frozenset[str]().union(*(window.allow for window, since in counting if since <= self.now))
            known = self._openings[windows] = (FOREVER if found is None else found, allowed)
        return known


def _name(subject: Classified) -> str:
    return str(subject.workload) if subject.workload.name else ""


def _selecting(state: State, subject: Classified) -> tuple[Hold, ...]:
    return tuple(window for window in state.windows if subject.selected_by(window))


def _tiers(before: Classified, after: Classified) -> str:
    tier = "none" if after.tier is None else str(after.tier)
    return f"its tier becomes {tier} instead of {before.tier}"
