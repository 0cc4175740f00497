"""When is a held change possible? `Matching` against an oracle that walks minute by minute, and dates that are tricky."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.e2e import manifests
from tierguard.api.model import rfc3339
from tierguard.api.scope import DEFAULT_ALLOWED, AllowedKind, ChangeKind
from tierguard.guard.freezes.compiled import compile_freeze, compile_window
from tierguard.guard.freezes.matching import Matching
from tierguard.guard.freezes.object_clock import believable
from tierguard.guard.model.hold import Hold
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.tiers.classify import Classified, classify

Document = dict[str, Any]
Stretch = tuple[int, int]
"""First minute, and the first one after it, counted from the clock's first."""

MINUTE = timedelta(minutes=1)
DAY = 1440
LOOK_BACK, LOOK_AHEAD = 5 * DAY, 4 * DAY
TRUSTED = 3 * DAY
"""What began before the first minute that the oracle knows may reach this far into it, and no further."""
LENGTH = LOOK_BACK + LOOK_AHEAD

ZONES = ["Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Bangkok", "UTC"]
ANCHORS = [
    date(2026, 3, 29),  # Berlin springs forward at 02:00
    date(2026, 10, 25),  # Berlin falls back at 03:00
    date(2018, 11, 4),  # São Paulo has no midnight
    date(2018, 2, 18),  # São Paulo has 23:00 twice on the 17th
    date(2026, 10, 4),  # Lord Howe springs forward by half an hour
    date(2026, 4, 5),  # Lord Howe falls back by half an hour
    date(2028, 2, 29),
    date(2027, 2, 28),
    date(2026, 12, 31),
]
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
CRON_WEEKDAYS = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
ALL_KINDS = [kind.value for kind in AllowedKind]
HARMLESS = {ChangeKind.NONE, ChangeKind.PAUSE}


class Clock(NamedTuple):
    """What a zone's wall clocks show: minutes since 1970 in local time, and when each is shown first and last."""

    walls: range
    firsts: dict[int, int]
    lasts: dict[int, int]

    def first(self, wall: int) -> int:
        """The minute at which the clock shows `wall` for the first time, or skips it."""
        while wall not in self.firsts:
            if wall not in self.walls:
                return 0 if wall < self.walls.start else LENGTH
            wall += 1
        return self.firsts[wall]

    def last(self, wall: int) -> int:
        """The minute after the last one at which the clock shows what is before `wall`."""
        wall -= 1
        while wall not in self.lasts:
            if wall not in self.walls:
                return 0 if wall < self.walls.start else LENGTH
            wall -= 1
        return self.lasts[wall] + 1

    def each(self, wall: int) -> set[int]:
        """The minutes at which the clock shows `wall`; the one at which it skips it."""
        return {self.first(wall), self.lasts.get(wall, self.first(wall))}


def beginning(anchor: date) -> datetime:
    return datetime(anchor.year, anchor.month, anchor.day, tzinfo=UTC) - LOOK_BACK * MINUTE


@cache
def clock(zone: str, anchor: date) -> Clock:
    walls: list[int] = []
    info, quarter = ZoneInfo(zone), 15
    for minute in range(0, LENGTH, quarter):  # clocks are changed at quarters of an hour only
        at = (beginning(anchor) + minute * MINUTE).astimezone(info).replace(tzinfo=UTC)
        shows = int(at.timestamp()) // 60
        walls.extend(range(shows, shows + quarter))
    lasts = dict(zip(walls, range(LENGTH), strict=True))
    firsts = dict(zip(reversed(walls), reversed(range(LENGTH)), strict=True))
    return Clock(range(walls[0], walls[-1] + 1), firsts, lasts)


class Blocking(NamedTuple):
    """A freeze or window as it is stored, and what the oracle knows of it."""

    raw: Document
    covered: bytearray
    allow: frozenset[str]
    selects: bool
    made: int = -1
    """The minute at which a freeze was made."""

    @property
    def name(self) -> str:
        return str(self.raw["metadata"]["name"])

    def since(self, minute: int) -> int:
        """When the stretch that covers `minute` began, and everybody could know of it."""
        return max(self.covered.rfind(b"\0", 0, minute) + 1, self.made)


def local(day: date, minute: int) -> int:
    return (day - date(1970, 1, 1)).days * DAY + minute


def near(anchor: date) -> list[date]:
    return [anchor + timedelta(days=n) for n in range(-LOOK_BACK // DAY - 2, LOOK_AHEAD // DAY + 2)]


def length_of_month(day: date) -> int:
    return ((day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)).day


times = st.sampled_from([0, 60, 90, 120, 135, 150, 180, 240, 720, 1380, 1410]) | st.integers(0, DAY - 1)


def written(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@st.composite
def calendar(draw: st.DrawFn, zone: str, anchor: date) -> tuple[Document, list[Stretch]]:
    """A period of weekdays, month days or dates, and hours; across midnight, too."""
    period: Document = {}
    start, end = 0, DAY
    if draw(st.booleans()):
        start, end = draw(times), draw(times | st.just(DAY))
        period |= {"from": written(start), "to": written(end)}
        end += 0 if end > start else DAY
    days = near(anchor)
    which = draw(st.sampled_from(["weekdays", "monthDays", "dates", "both"] + ["none"] * bool(period)))
    if which in ("weekdays", "both"):
        weekdays = draw(st.sets(st.sampled_from(WEEKDAYS), min_size=1))
        period["weekdays"] = sorted(weekdays)
        days = [day for day in days if WEEKDAYS[day.weekday()] in weekdays]
    if which in ("monthDays", "both"):
        around = st.sampled_from([anchor.day, 1, 28, -1, -2, -28])
        month_days = draw(st.sets(around | st.integers(1, 28) | st.integers(-28, -1), min_size=1, max_size=20))
        period["monthDays"] = sorted(month_days)
        days = [d for d in days if {d.day, d.day - length_of_month(d) - 1} & month_days]
    if which == "dates":
        named = draw(st.sets(st.sampled_from(days), min_size=1, max_size=4))
        yearly = draw(st.booleans())
        period["dates"] = sorted(day.isoformat()[5 if yearly else 0 :] for day in named)
        days = sorted(named)
    hands = clock(zone, anchor)
    return period, [(hands.first(local(day, start)), hands.last(local(day, end))) for day in days]


@st.composite
def cron(draw: st.DrawFn, zone: str, anchor: date) -> tuple[Document, list[Stretch]]:
    """A start by the clock, at most once an hour, and how long it lasts, across whatever the clocks do."""
    minute = draw(st.sampled_from([0, 15, 30, 45, 59]))
    every_hour = draw(st.booleans())
    hours = set(range(24)) if every_hour else draw(st.sets(st.integers(0, 23), min_size=1, max_size=3))
    weekdays = draw(st.just(set(CRON_WEEKDAYS)) | st.sets(st.sampled_from(CRON_WEEKDAYS), min_size=1))
    lasts = draw(st.sampled_from([1, 20, 45, 60, 61, 90, 300, 1500]))
    hour = "*" if every_hour else ",".join(map(str, sorted(hours)))
    day_of_week = "*" if len(weekdays) == len(CRON_WEEKDAYS) else ",".join(sorted(weekdays))
    hands = clock(zone, anchor)
    starts: set[int] = set()
    for day in near(anchor):
        if CRON_WEEKDAYS[day.weekday()] not in weekdays:
            continue
        for wall in (local(day, hour * 60 + minute) for hour in hours):
            if wall in hands.walls:
                starts |= hands.each(wall) if every_hour else {hands.first(wall)}
    period = {"cron": f"{minute} {hour} * * {day_of_week}", "duration": f"{lasts // 60}h{lasts % 60}m"}
    return period, [(start, start + lasts) for start in sorted(starts)]


def cover(stretches: Sequence[Stretch]) -> bytearray:
    covered = bytearray(LENGTH)
    for start, end in stretches:
        first, last = max(start, 0), min(end, LENGTH)
        if first < last:
            covered[first:last] = b"\1" * (last - first)
    return covered


@st.composite
def schedule(draw: st.DrawFn, anchor: date) -> tuple[Document, bytearray]:
    zone = draw(st.sampled_from(ZONES))
    periods = draw(st.lists(calendar(zone, anchor) | cron(zone, anchor), min_size=1, max_size=2))
    written_as = {"timeZone": zone, "periods": [period for period, _ in periods]}
    return written_as, cover([stretch for _, stretches in periods for stretch in stretches])


@st.composite
def shared(draw: st.DrawFn) -> tuple[Document, frozenset[str], bool]:
    """What freezes and windows have in common: the kinds that pass, and whom they mean."""
    spec: Document = {}
    allow = draw(st.none() | st.just(set(ALL_KINDS)) | st.sets(st.sampled_from(ALL_KINDS)))
    if allow is not None:
        spec["allow"] = sorted(allow)
    tiers = draw(st.sampled_from([None, [0, 1], [1], [2, 3], [0]]))
    if tiers is not None:
        spec["scope"] = {"tiers": tiers}
    allowed = {kind.value for kind in DEFAULT_ALLOWED} if allow is None else allow
    return spec, frozenset(allowed), tiers is None or 1 in tiers


@st.composite
def freezes(draw: st.DrawFn, anchor: date, name: str) -> Blocking:
    spec, allow, selects = draw(shared())
    made = draw(st.integers(0, LENGTH - DAY))
    if draw(st.booleans()):
        spec["schedule"], covered = draw(schedule(anchor))
    else:
        start = draw(st.none() | st.integers(-DAY, LENGTH))
        first = made if start is None else start
        end = first + draw(st.integers(1, 3 * DAY) | st.sampled_from([60, DAY, LENGTH]))
        spec["expiresAt"] = rfc3339(beginning(anchor) + end * MINUTE)
        if start is not None:
            spec["startsAt"] = rfc3339(beginning(anchor) + start * MINUTE)
        covered = cover([(first, end)])
    raw = manifests.freeze(name, **spec)
    if "schedule" in spec:
        del raw["spec"]["expiresAt"]
    raw["metadata"]["creationTimestamp"] = rfc3339(beginning(anchor) + made * MINUTE)
    return Blocking(raw, covered, allow, selects, made)


@st.composite
def windows(draw: st.DrawFn, anchor: date, name: str) -> Blocking:
    spec, allow, selects = draw(shared())
    spec["schedule"], covered = draw(schedule(anchor))
    return Blocking(manifests.window(name, **spec), covered, allow, selects)


# What leaves a freeze is held from a day before it begins, too: that has tests of its own.
_AT_ITS_TIME = [kind for kind in ChangeKind if kind is not ChangeKind.DECLASSIFY]
kinds_of_change = st.lists(st.sampled_from(_AT_ITS_TIME), min_size=1, max_size=3, unique=True).map(tuple)


class Case(NamedTuple):
    """A change of a tier 1 workload, all that may hold it, and the minute at which it is tried."""

    anchor: date
    frozen: list[Blocking]
    windows: list[Blocking]
    kinds: tuple[ChangeKind, ...]
    available: int | None
    now: int

    def refuses(self, hold: Blocking, minute: int | None) -> bool:
        """Whether `hold` holds any of the kinds; a freeze does so at `minute`, which it covers."""
        return any(not self._passes(kind, hold, minute) for kind in self.kinds)

    def _passes(self, kind: ChangeKind, hold: Blocking, minute: int | None) -> bool:
        if kind in HARMLESS:
            return True
        if kind is ChangeKind.ROLLBACK and minute is not None and kind.value in hold.allow:
            return self.available is not None and self.available < hold.since(minute)
        return kind.value in hold.allow

    def frozen_by(self, minute: int) -> list[str]:
        return [h.name for h in self.frozen if h.selects and h.covered[minute] and self.refuses(h, minute)]

    def shut_out_by(self, minute: int) -> list[str]:
        having_a_say = [window for window in self.windows if window.selects]
        if any(window.covered[minute] or not self.refuses(window, None) for window in having_a_say):
            return []
        return [window.name for window in having_a_say]

    def free(self, minute: int) -> bool:
        return not self.frozen_by(minute) and not self.shut_out_by(minute)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    anchor = draw(st.sampled_from(ANCHORS))
    frozen = [draw(freezes(anchor, f"freeze-{n}")) for n in range(draw(st.integers(0, 4)))]
    minutes = st.integers(TRUSTED, LENGTH - 2 * DAY)
    began = {hold.since(minute) for hold in frozen for minute in range(TRUSTED, LENGTH, 360) if hold.covered[minute]}
    telling = st.sampled_from(
        sorted({minute + n for minute in began for n in (-1, 0) if minute > TRUSTED} or {TRUSTED})
    )
    return Case(
        anchor,
        frozen,
        [draw(windows(anchor, f"window-{n}")) for n in range(draw(st.integers(0, 4)))],
        draw(st.just((ChangeKind.ROLLOUT,)) | st.just((ChangeKind.ROLLBACK,)) | kinds_of_change),
        draw(st.none() | telling | minutes),
        draw(telling | minutes),
    )


@cache
def subject() -> Classified:
    workload = Workload.of(manifests.deployment("payments"))
    assert workload is not None
    return classify(workload, "payments", {}, State())


def matching_of(case: Case) -> Matching:
    frozen = tuple(compile_freeze(hold.raw) for hold in case.frozen)
    opened = tuple(compile_window(hold.raw) for hold in case.windows)
    # Dates that fall into skipped hours are refused as never occurring; that is for the schedule's own tests.
    assume(all(hold.broken is None for hold in (*frozen, *opened)))
    available = None if case.available is None else beginning(case.anchor) + case.available * MINUTE
    return Matching.of((subject(),), frozen, opened, case.kinds, available)


@settings(deadline=None, max_examples=60)
@given(cases(), st.integers(0, 59))
def test_a_change_is_possible_from_the_first_minute_at_which_nothing_holds_it(case: Case, second: int) -> None:
    start = beginning(case.anchor)
    now = start + case.now * MINUTE + timedelta(seconds=second)
    found = matching_of(case).possible_from(now)

    first = next((minute for minute in range(case.now, LENGTH) if case.free(minute)), None)
    if first == case.now:
        assert found == now
    elif first is not None:
        assert found == start + first * MINUTE
    else:
        assert found is None or found >= start + LENGTH * MINUTE


@settings(deadline=None, max_examples=40)
@given(cases(), st.lists(st.integers(TRUSTED, LENGTH - 1), min_size=1, max_size=20))
def test_what_holds_a_change_is_what_covers_the_minute_and_does_not_let_it_pass(case: Case, minutes: list[int]) -> None:
    matching = matching_of(case)
    for minute in minutes:
        now = beginning(case.anchor) + minute * MINUTE
        assert [hold.name for hold, _ in matching.frozen_by(now)] == case.frozen_by(minute)
        assert [hold.name for hold in matching.shut_out_by(now)] == case.shut_out_by(minute)
        for hold, interval in matching.frozen_by(now):
            assert interval.covers(now)
            assert hold.timeline.covering(now) == interval


@settings(deadline=None, max_examples=40)
@given(cases(), st.lists(st.integers(TRUSTED, LENGTH - 1), min_size=5, max_size=30))
def test_a_quiet_instant_is_one_at_which_nothing_holds_by_any_clock_that_is_believed(
    case: Case, minutes: list[int]
) -> None:
    matching = matching_of(case)
    quiet = 0
    for minute in (*minutes, *sorted(minutes)):  # in any order: what was found out at one instant is used at another
        now = beginning(case.anchor) + minute * MINUTE
        if matching.quiet(now):
            quiet += 1
            assert not list(matching.frozen_by(now))
            assert not matching.shut_out_by(now)
            assert not matching.freezes_between(*believable(now))
        elif (
            not list(matching.frozen_by(now))
            and not matching.shut_out_by(now)
            and ChangeKind.DECLASSIFY not in case.kinds
        ):
            assert matching.freezes_between(*believable(now)), "what is not quiet, is so for a freeze that is near"
    assert quiet or case.frozen or case.windows or ChangeKind.DECLASSIFY in case.kinds


@settings(deadline=None, max_examples=20)
@given(cases())
def test_nothing_holds_at_the_instant_that_was_promised(case: Case) -> None:
    matching = matching_of(case)
    now = beginning(case.anchor) + case.now * MINUTE
    promised = matching.possible_from(now)
    assume(promised is not None)
    assert promised is not None

    assert promised >= now
    assert not list(matching.frozen_by(promised))
    assert not matching.shut_out_by(promised)
    assert matching.possible_from(promised) == promised
    between = now + (promised - now) / 2
    assert between == now or matching.possible_from(between) in (promised, between)


@settings(deadline=None, max_examples=15)
@given(cases())
def test_the_order_of_freezes_windows_and_kinds_does_not_matter(case: Case) -> None:
    now = beginning(case.anchor) + case.now * MINUTE
    turned = case._replace(frozen=case.frozen[::-1], windows=case.windows[::-1], kinds=case.kinds[::-1])

    assert matching_of(case).possible_from(now) == matching_of(turned).possible_from(now)


@settings(deadline=None, max_examples=10)
@given(cases())
def test_harmless_changes_are_never_held(case: Case) -> None:
    now = beginning(case.anchor) + case.now * MINUTE
    matching = matching_of(case._replace(kinds=(ChangeKind.NONE, ChangeKind.PAUSE)))

    assert matching.possible_from(now) == now


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def freeze(name: str, start: str, end: str, **spec: Any) -> Hold:
    return compile_freeze(manifests.freeze(name, startsAt=start, expiresAt=end, **spec))


def recurring_freeze(zone: str, *periods: Document, **spec: Any) -> Hold:
    raw = manifests.freeze("recurring", schedule={"timeZone": zone, "periods": list(periods)}, **spec)
    del raw["spec"]["expiresAt"]
    return compile_freeze(raw)


def window(zone: str, *periods: Document, name: str = "window", **spec: Any) -> Hold:
    schedule = {"timeZone": zone, "periods": list(periods)}
    return compile_window(manifests.window(name, **{"schedule": schedule, **spec}))


def possible_from(
    now: str,
    *holds: Hold,
    kinds: tuple[ChangeKind, ...] = (ChangeKind.ROLLOUT,),
    available: str | None = None,
) -> datetime | None:
    frozen = tuple(hold for hold in holds if hold.kind == "OperationalFreeze")
    opened = tuple(hold for hold in holds if hold.kind == "ChangeWindow")
    since = None if available is None else at(available)
    return Matching.of((subject(),), frozen, opened, kinds, since).possible_from(at(now))


def test_without_freezes_and_windows_a_change_is_possible_now() -> None:
    assert possible_from("2026-11-11T12:00:00Z") == at("2026-11-11T12:00:00Z")


def test_two_freezes_back_to_back_are_waited_for_together() -> None:
    first = freeze("first", "2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z")
    second = freeze("second", "2026-11-12T00:00:00Z", "2026-11-14T06:00:00Z")

    assert possible_from("2026-11-11T12:00:00Z", first, second) == at("2026-11-14T06:00:00Z")
    assert possible_from("2026-11-11T12:00:00Z", second, first) == at("2026-11-14T06:00:00Z")


def test_a_change_fits_between_two_freezes_with_a_second_between_them() -> None:
    first = freeze("first", "2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z")
    second = freeze("second", "2026-11-12T00:00:01Z", "2026-11-14T06:00:00Z")

    assert possible_from("2026-11-11T12:00:00Z", first, second) == at("2026-11-12T00:00:00Z")


def test_a_freeze_that_ends_while_the_window_is_closed_leaves_the_wait_for_the_window() -> None:
    frozen = freeze("peak", "2026-11-10T00:00:00Z", "2026-11-11T10:00:00Z")
    nights = window("UTC", {"from": "22:00", "to": "02:00"})

    assert possible_from("2026-11-10T23:00:00Z", frozen, nights) == at("2026-11-11T22:00:00Z")


def test_a_freeze_that_ends_while_the_window_is_open_leaves_no_wait() -> None:
    frozen = freeze("peak", "2026-11-10T00:00:00Z", "2026-11-11T23:10:00Z")
    nights = window("UTC", {"from": "22:00", "to": "02:00"})

    assert possible_from("2026-11-10T12:00:00Z", frozen, nights) == at("2026-11-11T23:10:00Z")


def test_an_opening_that_is_frozen_does_not_count() -> None:
    frozen = freeze("tonight", "2026-11-11T21:00:00Z", "2026-11-12T03:00:00Z")
    nights = window("UTC", {"from": "22:00", "to": "02:00"})

    assert possible_from("2026-11-11T12:00:00Z", frozen, nights) == at("2026-11-12T22:00:00Z")


def test_the_first_of_several_windows_is_enough() -> None:
    nights = window("UTC", {"from": "22:00", "to": "02:00"}, name="nights")
    noon = window("Asia/Bangkok", {"from": "12:00", "to": "13:00"}, name="noon")

    assert possible_from("2026-11-11T12:00:00Z", nights, noon) == at("2026-11-11T22:00:00Z")
    assert possible_from("2026-11-12T02:00:00Z", nights, noon) == at("2026-11-12T05:00:00Z")


def test_a_closed_window_that_lets_the_kind_pass_is_as_good_as_open() -> None:
    strict = window("UTC", {"from": "22:00", "to": "02:00"}, name="strict", allow=[])
    lenient = window("UTC", {"from": "22:00", "to": "02:00"}, name="lenient", allow=["Rollout"])

    assert possible_from("2026-11-11T12:00:00Z", strict, lenient) == at("2026-11-11T12:00:00Z")


def test_a_change_of_two_kinds_waits_until_both_are_possible() -> None:
    frozen = freeze("peak", "2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z", allow=["ScaleUp"])

    now = "2026-11-11T00:00:00Z"
    assert possible_from(now, frozen, kinds=(ChangeKind.SCALE_UP,)) == at(now)
    both = (ChangeKind.SETTINGS, ChangeKind.SCALE_UP)
    assert possible_from(now, frozen, kinds=both) == at("2026-11-12T00:00:00Z")


@pytest.mark.parametrize(
    ("available", "possible"),
    [
        ("2026-11-09T23:59:59Z", "2026-11-11T00:00:00Z"),
        ("2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z"),
        (None, "2026-11-12T00:00:00Z"),
    ],
)
def test_a_rollback_passes_only_to_what_was_available_before_the_freeze_began(
    available: str | None, possible: str
) -> None:
    frozen = freeze("peak", "2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z")

    rollback = (ChangeKind.ROLLBACK,)
    assert possible_from("2026-11-11T00:00:00Z", frozen, kinds=rollback, available=available) == at(possible)


def test_what_ran_before_a_backdated_freeze_was_made_is_something_to_go_back_to() -> None:
    raw = manifests.freeze("peak", startsAt="2026-11-01T00:00:00Z", expiresAt="2026-11-12T00:00:00Z")
    raw["metadata"]["creationTimestamp"] = "2026-11-10T00:00:00Z"
    frozen, now = compile_freeze(raw), "2026-11-11T00:00:00Z"

    rollback = (ChangeKind.ROLLBACK,)
    assert possible_from(now, frozen, kinds=rollback, available="2026-11-09T00:00:00Z") == at(now)
    assert possible_from(now, frozen, kinds=rollback, available="2026-11-10T00:00:00Z") == at("2026-11-12T00:00:00Z")


def test_a_freeze_until_it_is_lifted_promises_nothing() -> None:
    raw = manifests.freeze("incident", untilLifted=True, startsAt="2026-11-10T00:00:00Z")
    del raw["spec"]["expiresAt"]
    short = freeze("short", "2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z")

    assert possible_from("2026-11-11T00:00:00Z", compile_freeze(raw)) is None
    assert possible_from("2026-11-11T00:00:00Z", short, compile_freeze(raw)) is None
    assert possible_from("2026-11-09T00:00:00Z", compile_freeze(raw)) == at("2026-11-09T00:00:00Z")


def test_a_freeze_until_the_end_of_the_calendar_promises_nothing() -> None:
    frozen = freeze("forever", "2026-11-10T00:00:00Z", "9999-12-31T23:59:59Z")

    assert possible_from("2026-11-11T00:00:00Z", frozen) is None


def test_a_freeze_of_every_day_promises_nothing() -> None:
    assert possible_from("2026-11-11T00:00:00Z", recurring_freeze("UTC", {"weekdays": WEEKDAYS})) is None


def test_a_freeze_that_cannot_be_read_holds_and_promises_nothing() -> None:
    nowhere = recurring_freeze("Mars/Olympus", {"from": "00:00", "to": "01:00"})
    short = freeze("short", "2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z")

    assert nowhere.broken is not None
    for kind in set(ChangeKind) - HARMLESS:
        assert possible_from("2026-11-11T12:00:00Z", nowhere, short, kinds=(kind,)) is None
    assert possible_from("2026-11-11T12:00:00Z", nowhere, kinds=(ChangeKind.PAUSE,)) == at("2026-11-11T12:00:00Z")


def test_a_window_that_cannot_be_read_is_closed_and_another_one_counts() -> None:
    nowhere = window("Mars/Olympus", {"from": "00:00", "to": "24:00"}, name="nowhere")
    nights = window("UTC", {"from": "22:00", "to": "02:00"}, name="nights")

    assert nowhere.broken is not None
    assert possible_from("2026-11-11T12:00:00Z", nowhere) is None
    assert possible_from("2026-11-11T12:00:00Z", nowhere, nights) == at("2026-11-11T22:00:00Z")


def test_windows_that_are_only_ever_open_while_frozen_promise_nothing() -> None:
    frozen = recurring_freeze("UTC", {"from": "21:00", "to": "03:00"})
    nights = window("UTC", {"from": "22:00", "to": "02:00"})

    assert possible_from("2026-11-11T12:00:00Z", frozen, nights) is None


def test_a_window_whose_dates_are_past_promises_nothing() -> None:
    past = window("UTC", {"dates": ["2026-11-10"]})

    assert possible_from("2026-11-11T00:00:00Z", past) is None


def test_february_29_is_waited_for_through_the_years_without_one() -> None:
    leap = window("Europe/Berlin", {"dates": ["02-29"]})
    by_month_days = window("Europe/Berlin", {"monthDays": [29], "months": [2]})

    for each in (leap, by_month_days):
        assert possible_from("2025-06-01T00:00:00Z", each) == at("2028-02-28T23:00:00Z")


def test_a_freeze_of_february_29_ends_with_it() -> None:
    frozen = recurring_freeze("UTC", {"dates": ["02-29"]})

    assert possible_from("2028-02-29T12:00:00Z", frozen) == at("2028-03-01T00:00:00Z")
    assert possible_from("2027-02-28T23:59:00Z", frozen) == at("2027-02-28T23:59:00Z")


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-02-27T12:00:00Z", "2026-03-01T17:00:00Z"),
        ("2028-02-28T12:00:00Z", "2028-03-01T17:00:00Z"),
        ("2026-04-29T20:00:00Z", "2026-05-01T17:00:00Z"),
    ],
)
def test_a_freeze_of_the_month_end_counts_back_from_each_months_own_end(now: str, end: str) -> None:
    """From the second to last day at noon, Bangkok time, to midnight after the first of the next month."""
    frozen = recurring_freeze(
        "Asia/Bangkok", {"monthDays": [-2], "from": "12:00", "to": "24:00"}, {"monthDays": [-1, 1]}
    )

    assert possible_from(now, frozen) == at(end)


def test_a_freeze_across_the_year_end_is_one_stretch() -> None:
    frozen = recurring_freeze(
        "Asia/Bangkok", {"dates": ["12-31"], "from": "18:00", "to": "06:00"}, {"dates": ["01-01"]}
    )

    assert possible_from("2026-12-31T11:00:00Z", frozen) == at("2027-01-01T17:00:00Z")
    assert possible_from("2026-12-31T10:59:00Z", frozen) == at("2026-12-31T10:59:00Z")


@pytest.mark.parametrize(
    ("zone", "day", "start", "before", "opens"),
    [
        ("Europe/Berlin", "2026-03-29", "02:30", "2026-03-28T23:00:00Z", "2026-03-29T01:00:00Z"),
        ("America/Sao_Paulo", "2018-11-04", "00:30", "2018-11-04T02:00:00Z", "2018-11-04T03:00:00Z"),
        ("America/Sao_Paulo", "2018-11-04", "00:00", "2018-11-04T02:00:00Z", "2018-11-04T03:00:00Z"),
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:00:00Z", "2026-10-03T15:30:00Z"),
    ],
)
def test_a_window_that_opens_at_a_skipped_time_opens_when_the_clocks_jump(
    zone: str, day: str, start: str, before: str, opens: str
) -> None:
    opened = window(zone, {"dates": [day], "from": start, "to": "06:00"})

    assert possible_from(before, opened) == at(opens)


@pytest.mark.parametrize(
    ("zone", "day", "end", "now", "over"),
    [
        ("Europe/Berlin", "2026-03-29", "02:30", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z"),
        ("America/Sao_Paulo", "2018-11-03", "00:30", "2018-11-04T02:30:00Z", "2018-11-04T03:00:00Z"),
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:00:00Z", "2026-10-03T15:30:00Z"),
        ("Europe/Berlin", "2026-10-25", "02:30", "2026-10-25T00:00:00Z", "2026-10-25T01:30:00Z"),
        ("Europe/Berlin", "2026-10-25", "02:30", "2026-10-25T00:45:00Z", "2026-10-25T01:30:00Z"),
        ("America/Sao_Paulo", "2018-02-17", "23:30", "2018-02-18T01:45:00Z", "2018-02-18T02:30:00Z"),
        ("America/Sao_Paulo", "2018-02-17", "24:00", "2018-02-18T01:45:00Z", "2018-02-18T03:00:00Z"),
        ("Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-04T14:30:00Z", "2026-04-04T15:15:00Z"),
        ("Asia/Bangkok", "2026-10-25", "02:30", "2026-10-24T19:00:00Z", "2026-10-24T19:30:00Z"),
    ],
)
def test_a_freeze_is_over_when_the_clocks_have_shown_its_end_for_the_last_time(
    zone: str, day: str, end: str, now: str, over: str
) -> None:
    """Ends that are skipped, ends that are shown twice, and one in a zone that leaves its clocks alone."""
    frozen = recurring_freeze(zone, {"dates": [day], "from": "01:00", "to": end})

    assert possible_from(now, frozen) == at(over)


def test_a_freeze_that_does_not_freeze_deployments_holds_none() -> None:
    payouts = freeze("payouts", "2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z", operations=["Payout"])

    assert possible_from("2026-11-11T00:00:00Z", payouts) == at("2026-11-11T00:00:00Z")


def test_a_freeze_of_other_tiers_holds_nothing_here() -> None:
    others = freeze("analytics", "2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z", scope={"tiers": [3, 4]})

    assert possible_from("2026-11-11T00:00:00Z", others) == at("2026-11-11T00:00:00Z")


@pytest.mark.parametrize(
    ("now", "possible"),
    [("2026-11-10T00:00:00Z", "2026-11-12T00:00:00Z"), ("2026-11-09T23:59:59Z", "2026-11-09T23:59:59Z")],
)
def test_what_leaves_a_freeze_is_held_from_a_day_before_it_begins(now: str, possible: str) -> None:
    coming = freeze("promotion", "2026-11-11T00:00:00Z", "2026-11-12T00:00:00Z")

    assert possible_from(now, coming, kinds=(ChangeKind.DECLASSIFY,)) == at(possible)
    assert possible_from(now, coming, kinds=(ChangeKind.ROLLOUT,)) == at(now)
