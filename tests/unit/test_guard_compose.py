"""Refusals and warnings: short and on one line whatever is in them, and true however much is left out."""

import random
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e import manifests
from tierguard.api.rule_values import RuleId
from tierguard.api.scope import ChangeKind
from tierguard.guard.freezes.compiled import compile_freeze, compile_window
from tierguard.guard.message import compose, undecided
from tierguard.guard.model.change import Change, Operation
from tierguard.guard.model.decision import MESSAGE_LIMIT, WARNING_LIMIT, Effect, Finding, Outcome
from tierguard.guard.model.hold import Hold

LATER = datetime(2026, 11, 21, 6, 24, 32, tzinfo=UTC)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=63)
TEXTS = st.one_of(st.text(max_size=30), st.sampled_from(["x" * 600, "a\nb\x1b[0m\u202e\u2028" * 30, " " * 300, ""]))
EFFECTS = st.sampled_from(list(Effect))
BOUNDED = settings(max_examples=150, deadline=None)


def change(name: str = "payment-core", operation: Operation = Operation.UPDATE, kind: str = "Deployment") -> Change:
    return Change(operation, kind, "payments", name, {}, {}, "dana")


ABOUT_POLICIES = st.builds(
    Finding,
    st.sampled_from([rule.value for rule in RuleId]),
    NAMES.map("PaymentTierPolicy/{}".format),
    st.just("Reason"),
    TEXTS,
    TEXTS,
    EFFECTS,
)
ABOUT_HOLDS = st.one_of(
    st.builds(
        Finding, st.just("freeze"), NAMES.map("OperationalFreeze/{}".format), st.just("X"), TEXTS, TEXTS, EFFECTS
    ),
    st.builds(Finding, st.just("window"), NAMES.map("ChangeWindow/{}".format), st.just("X"), TEXTS, TEXTS, EFFECTS),
)
FOUND = st.lists(st.one_of(ABOUT_POLICIES, ABOUT_HOLDS), max_size=8)
CHANGES = st.builds(change, st.one_of(NAMES, TEXTS), st.sampled_from(list(Operation)))
INSTANTS = st.one_of(st.none(), st.just(LATER), st.just(datetime.max.replace(tzinfo=UTC)))
ROLLOUT = (ChangeKind.ROLLOUT,)


@BOUNDED
@given(CHANGES, FOUND, INSTANTS)
def test_whatever_is_found_is_told_briefly_on_one_line(
    change: Change, found: list[Finding], at: datetime | None
) -> None:
    decision = compose(change, ROLLOUT, 1, found, at)

    assert decision.message.isprintable()
    assert len(decision.message) <= MESSAGE_LIMIT
    for warning in decision.warnings:
        assert warning.isprintable()
        assert 0 < len(warning) <= WARNING_LIMIT


@BOUNDED
@given(CHANGES, FOUND, INSTANTS)
def test_it_is_denied_exactly_when_a_finding_denies(change: Change, found: list[Finding], at: datetime | None) -> None:
    decision = compose(change, ROLLOUT, 1, found, at)
    denies = any(finding.effect is Effect.DENY for finding in found)

    assert (decision.outcome is Outcome.DENIED) is denies is bool(decision.message)
    assert sorted(decision.findings) == sorted(found)


@BOUNDED
@given(CHANGES, FOUND.filter(lambda found: any(f.effect is Effect.DENY for f in found)), INSTANTS)
def test_a_refusal_names_what_refuses_first_and_counts_the_rest(
    change: Change, found: list[Finding], at: datetime | None
) -> None:
    decision = compose(change, ROLLOUT, 1, found, at)
    denying = [finding for finding in decision.findings if finding.effect is Effect.DENY]
    first, message = denying[0], decision.message
    name = first.source.partition("/")[2]

    if first.rule in ("freeze", "window"):
        short = {"freeze": "ofz", "window": "cw"}[first.rule]
        assert message.endswith(f". See: kubectl describe {short} {name}")
        assert f"possible from {at:%Y-%m-%dT%H:%M:%SZ}, " in message if at else "no end is known, " in message
    else:
        assert f"breaks PaymentTierPolicy {name}, rule {first.rule}:" in message
    told = re.search(r" \(\+(\d+) more(?:: ([a-z, -]+))?\)(?:\.$|\. See: )", message)
    assert (int(told[1]) if told else 0) == len(denying) - 1
    if told and told[2]:
        assert told[2].split(", ") == list(dict.fromkeys(finding.rule for finding in denying[1:]))


@BOUNDED
@given(CHANGES, FOUND, st.randoms(use_true_random=False))
def test_the_order_in_which_things_are_found_says_nothing(
    change: Change, found: list[Finding], order: random.Random
) -> None:
    shuffled = list(found)
    order.shuffle(shuffled)

    one, other = compose(change, ROLLOUT, 1, found), compose(change, ROLLOUT, 1, shuffled)
    assert (one.message, one.warnings) == (other.message, other.warnings)


@pytest.mark.parametrize("rule", ["freeze", "window", "deletion", "tier", "replicas"])
def test_what_holds_is_told_before_what_is_wrong(rule: str) -> None:
    order = ["freeze", "window", "deletion", "tier", "replicas"]
    kinds = {"freeze": "OperationalFreeze", "window": "ChangeWindow"}
    found = [
        Finding(r, f"{kinds.get(r, 'PaymentTierPolicy')}/p", "R", f"detail {r}", "do")
        for r in order[order.index(rule) :]
    ]

    assert f"detail {rule}" in compose(change(), ROLLOUT, 1, found[::-1]).message


def test_a_warning_never_goes_before_a_refusal() -> None:
    freeze = Finding("freeze", "OperationalFreeze/f", "R", "held", "wait", Effect.WARN)
    rule = Finding("replicas", "PaymentTierPolicy/p", "R", "too few", "add some")

    decision = compose(change(), ROLLOUT, 1, [freeze, rule])
    assert "too few" in decision.message
    assert "more" not in decision.message
    assert decision.warnings == ("freeze: held; wait",)


@pytest.mark.parametrize("operation", list(Operation))
def test_every_finding_but_an_audit_is_a_warning_and_the_refusal_only_where_helm_swallows_it(
    operation: Operation,
) -> None:
    first = Finding("replicas", "PaymentTierPolicy/a", "R", "first", "do")
    rest = [replace(first, source=f"PaymentTierPolicy/{e.name}", detail=e.name, effect=e) for e in Effect]

    told = " ".join(compose(change(operation=operation), ROLLOUT, 1, [first, *rest]).warnings)
    assert ("DENY" in told) is (operation is Operation.DELETE)
    assert "first" in told
    assert "WARN" in told
    assert "AUDIT" not in told


def longest(compiled: Hold) -> str:
    """The refusal of a change by `compiled`, with all that can be long as long as it can be."""
    held = Finding(
        {"OperationalFreeze": "freeze", "ChangeWindow": "window"}[compiled.kind],
        compiled.source,
        "R",
        f"Rollout of Deployment {'n' * 63}/{'d' * 253} is frozen: {'reason ' * 36}",
        "until then only Create, Delete, Pause, Restart, Resume, Rollback, ScaleDown, ScaleUp",
    )
    others = [Finding(rule.value, "PaymentTierPolicy/p", "R", "wrong", "do") for rule in RuleId]
    return compose(change("d" * 253), ROLLOUT, 1, [held, *others], LATER, holds=[compiled]).message


def test_the_command_at_the_end_is_whole_however_long_everything_is() -> None:
    name, zone = "w" * 63, "America/Argentina/ComodRivadavia"
    made = manifests.window(name, {"weekdays": ["Monday"]})
    made["spec"]["schedule"]["timeZone"] = zone
    message = longest(compile_window(made))

    assert len(message) <= MESSAGE_LIMIT
    assert message.endswith(f" (+{len(RuleId)} more). See: kubectl describe cw {name}")
    assert f"; possible from 2026-11-21T06:24:32Z (2026-11-21 03:24 {zone}), until then only" in message


def test_a_freeze_that_two_people_can_lift_says_so() -> None:
    made = manifests.freeze("incident", untilLifted=True)
    del made["spec"]["expiresAt"]
    freeze = compile_freeze(made)
    held = Finding("freeze", freeze.source, "R", "frozen", "until then nothing passes")

    message = compose(change(), ROLLOUT, 1, [held], None, holds=[freeze]).message
    assert message == (
        "frozen; no end is set, two people can lift it, until then nothing passes. See: kubectl describe ofz incident"
    )


@BOUNDED
@given(CHANGES, TEXTS)
def test_what_cannot_be_decided_says_why_briefly(change: Change, missing: str) -> None:
    decision = undecided(change, missing)

    assert decision.outcome is Outcome.UNDECIDED
    assert decision.message.isprintable()
    assert len(decision.message) <= MESSAGE_LIMIT
