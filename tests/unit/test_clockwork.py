"""The clock inside the API server: what the operator makes of what its probes are told."""

import logging
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest

from tests.e2e import manifests
from tierguard.cluster.client import ApiError
from tierguard.controller.options import Endpoint, Options
from tierguard.controller.status.holds import Seen, freeze_status
from tierguard.controller.webhooks.clock_probe import HONEST, REMEMBERED, ClockKeeper, Reading, read, together
from tierguard.controller.webhooks.stretches import Group, Stretches
from tierguard.guard.freezes.compiled import compile_freeze
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.survey import Selection

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
EVERY = 20
REFUSAL = "ValidatingAdmissionPolicy 'guard-clock-probe' with binding 'guard-clock-probe' denied request: not now"
OTHER = "ValidatingAdmissionPolicy 'quota' with binding 'quota' denied request: no more ConfigMaps"
FREEZE = manifests.freeze("coming", startsAt="2026-11-20T00:00:00Z")
FREEZE["metadata"] |= {"generation": 1, "uid": "u"}


class Server:
    """An API server with the two policies; `honest` and `planted` are what it says to a probe, empty when that passes."""

    def __init__(self) -> None:
        self.honest, self.planted = "", REFUSAL
        self.probes = 0
        self.applied: list[KubeObject] = []
        self.installed = True

    def find(self, path: str) -> KubeObject | None:
        assert path.endswith("/guard-clock")
        return {} if self.installed else None

    def apply(self, path: str, body: KubeObject, manager: str) -> KubeObject:
        assert path.endswith("/guard-clock"), manager
        self.applied.append(body)
        return body

    def rehearse(self, path: str, body: KubeObject, timeout: float) -> None:
        assert path == "/api/v1/namespaces/system/configmaps"
        assert body["metadata"]["name"] == "guard-clock-probe"
        assert timeout <= 3
        self.probes += 1
        said = self.honest if body["data"]["off"] == HONEST else self.planted
        if said:
            raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "POST", path, said)

    @property
    def guarded(self) -> str:
        """What the policy is told to look at."""
        return str(self.applied[-1]["spec"]["matchConditions"][0]["expression"])


class Kept:
    """A keeper, and time that the test moves."""

    def __init__(self, seconds: int = EVERY) -> None:
        self.server, self.now = Server(), NOW
        options = Options("system", Endpoint("system", "w", 443), "guard", "", "", 0, clock_probe_seconds=seconds)
        self.keeper = ClockKeeper(self.server, options)
        self.state = State(freezes=(compile_freeze(FREEZE),))

    def passes(self, count: int = 1) -> Reading:
        for _ in range(count):
            self.keeper.look(self.now)
            self.keeper.write(Selection((), self.state), self.now)
            self.now += timedelta(seconds=EVERY)
        return self.keeper.reading

    @property
    def armed(self) -> bool:
        return self.server.guarded != "false"


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.mark.parametrize(
    ("honest", "planted", "reading"),
    [
        (True, False, Reading.WORKING),
        (False, False, Reading.STALE),
        (False, True, Reading.STALE),
        (False, None, Reading.STALE),
        (True, True, Reading.BLIND),
        (True, None, Reading.UNKNOWN),
        (None, False, Reading.UNKNOWN),
    ],
)
def test_two_answers_make_a_reading(honest: bool | None, planted: bool | None, reading: Reading) -> None:
    assert read(honest, planted) is reading


def test_the_worst_of_several_api_servers_counts() -> None:
    assert together([Reading.WORKING, Reading.BLIND, Reading.STALE, Reading.UNKNOWN]) is Reading.STALE
    assert together([Reading.WORKING, Reading.BLIND, Reading.UNKNOWN]) is Reading.BLIND
    assert together([Reading.UNKNOWN, Reading.WORKING]) is Reading.WORKING
    assert together([]) is Reading.UNKNOWN


def test_while_the_clock_goes_the_policy_is_armed(kept: Kept) -> None:
    assert kept.passes() is Reading.WORKING
    assert kept.armed


def test_a_clock_that_stands_still_disarms_the_policy_in_the_same_pass(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    kept.passes()
    kept.server.honest = REFUSAL
    with caplog.at_level(logging.INFO):
        assert kept.passes(3) is Reading.STALE
    assert not kept.armed
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_it_is_armed_again_when_all_that_is_remembered_is_well(kept: Kept) -> None:
    kept.passes(3)
    kept.server.honest = REFUSAL
    kept.passes()
    kept.server.honest = ""
    assert kept.passes(REMEMBERED - 1) is Reading.STALE
    assert not kept.armed
    assert kept.passes() is Reading.WORKING
    assert kept.armed


def test_an_api_server_that_says_nothing_of_it_changes_no_mind(kept: Kept) -> None:
    kept.server.honest = REFUSAL
    kept.passes()
    kept.server.honest = OTHER
    assert kept.passes(REMEMBERED) is Reading.UNKNOWN
    assert not kept.armed
    kept.server.honest = ""
    assert kept.passes() is Reading.WORKING
    assert kept.armed


def test_what_was_blind_only_until_its_first_answer_was_never_blind(kept: Kept) -> None:
    kept.server.planted = ""
    assert kept.passes(3) is Reading.BLIND
    assert kept.armed
    kept.server.planted = REFUSAL
    assert kept.passes() is Reading.WORKING
    kept.server.planted = ""
    kept.passes()
    kept.server.planted = REFUSAL
    assert kept.passes() is Reading.BLIND


def test_the_clock_is_probed_no_oftener_than_it_should_be_and_the_next_pass_is_in_time() -> None:
    kept = Kept(3 * EVERY)
    kept.passes(3)
    assert kept.server.probes == 2
    assert kept.keeper.until_due(kept.now) == 0
    kept.passes()
    assert kept.keeper.until_due(kept.now) == 2 * EVERY


def test_where_the_policies_are_not_installed_nothing_is_probed_or_written() -> None:
    kept = Kept(0)
    kept.server.installed = False
    assert kept.passes(5) is Reading.UNKNOWN
    assert kept.server.probes == 0
    assert not kept.server.applied


def test_a_new_leader_begins_with_what_it_sees_itself(kept: Kept) -> None:
    kept.server.honest = REFUSAL
    kept.passes()
    kept.keeper.start_over()
    kept.now -= timedelta(seconds=EVERY - 1)
    assert kept.passes() is Reading.STALE
    assert not kept.armed
    kept.keeper.start_over()
    kept.server.honest = ""
    assert kept.passes() is Reading.WORKING
    assert kept.armed


def compiled(clock: Reading, stretches: Stretches | None) -> dict[str, Any]:
    conditions = freeze_status(FREEZE, compile_freeze(FREEZE), Seen(stretches=stretches, clock=clock), NOW)[
        "conditions"
    ]
    (found,) = (each for each in conditions if each["type"] == "Compiled")
    return dict(found)


@pytest.mark.parametrize("clock", [Reading.STALE, Reading.BLIND])
def test_a_freeze_says_when_planted_times_cannot_be_told_and_holds_all_the_same(clock: Reading) -> None:
    stretches = Stretches((Group(None, ((0, 1),)),), coarsened=False, until=NOW, freezes=frozenset({("coming", 1)}))
    well, ill = compiled(Reading.WORKING, stretches), compiled(clock, stretches)
    assert "planted times" in ill["message"]
    assert ill["message"].startswith(well["message"])
    assert {**well, "message": ""} == {**ill, "message": ""}
    assert compiled(clock, None) == compiled(Reading.WORKING, None)


def test_the_same_answers_are_written_once_a_minute(kept: Kept) -> None:
    kept.passes(6)
    assert len(kept.server.applied) == 2
