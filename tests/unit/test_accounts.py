"""The account over restarts: when a snapshot is written, and when it is read."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.unit.test_passed import autoscaler, core
from tests.unit.test_recovery import SINCE, at, freeze, image, kept, wrote
from tierguard.cli.picture import picture
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.changes import Changes
from tierguard.cluster.client import Api
from tierguard.cluster.known import Known
from tierguard.cluster.notes import Notes
from tierguard.cluster.reflector import PARTIAL
from tierguard.controller.unreviewed.account_keeper import CHANGED, CONFIRMED, PATIENCE, AccountKeeper
from tierguard.controller.unreviewed.accountant import Accountant, lines
from tierguard.controller.unreviewed.snapshot import decode, encode, packed, place
from tierguard.guard.survey import survey

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SOURCE = "OperationalFreeze/promotion"
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"}}
Document = dict[str, Any]


class Cache(ClusterCache):
    """What was watched, as told."""

    def __init__(self, *there: Document, account: Document | None = None, listed: bool = True) -> None:
        self.state = picture([NAMESPACE, *there])
        self.raw = {"OperationalFreeze": {}, "ChangeWindow": {}}
        self.notes = Notes()
        self.notes.accounts = {} if account is None else {"tierguard-account": account}
        self.changes = Changes()
        self.leaving = set()
        self.listed = listed
        self.there = there

    def known(self, kind: str) -> Known:
        found = Known()
        for each in self.there:
            if each.get("kind") == kind:
                found.put(("payments", place(each)), each)
        return found

    def knows_configuration(self) -> bool:
        return self.listed


class Recorder(Api):
    """Takes down what would be written."""

    def __init__(self) -> None:
        self.written: list[Any] = []

    def apply(self, path: str, body: Any, manager: str) -> Any:
        assert manager
        assert path.endswith("/configmaps/tierguard-account")
        self.written.append(body)
        return body


def keeper(cache: Cache) -> tuple[AccountKeeper, Recorder, Accountant]:
    api, accountant = Recorder(), Accountant()
    return AccountKeeper(api, cache, accountant, "tierguard-system", ("kube-system",)), api, accountant


def account(*before: Document) -> Document:
    return {"data": {"until": at(SINCE)}, "binaryData": {"snapshot": encode(packed(kept(*before)))}}


def test_the_next_leader_lists_what_passed_but_not_what_the_status_has() -> None:
    after = wrote(image(core()), NOW - timedelta(minutes=5), "f:template")
    cache = Cache(after, freeze(), account=account(core(), autoscaler(3)))
    keeping, _, accountant = keeper(cache)

    assert not keeping.look_back(NOW)
    found = lines(accountant.kept(), SOURCE)
    assert len(found) == 2
    assert not keeping.look_back(NOW)
    assert accountant.total == 2  # once

    cache.raw["OperationalFreeze"]["promotion"] = {"status": {"passedUnjudged": found}}
    keeping, _, accountant = keeper(cache)
    keeping.look_back(NOW + timedelta(minutes=10))
    assert accountant.total == 0


def test_without_a_snapshot_nothing_is_made_up() -> None:
    for missing in (None, {"data": {"until": "x"}}, {"data": {"until": at(SINCE)}, "binaryData": {"snapshot": "x"}}):
        keeping, _, accountant = keeper(Cache(core(), freeze(), account=missing))
        assert not keeping.look_back(NOW)
        assert accountant.total == 0


def test_config_maps_are_waited_for_but_not_for_ever() -> None:
    gone: Document = {"kind": PARTIAL, "metadata": {"name": "limits", "namespace": "payments", "uid": "limits"}}
    keeping, _, accountant = keeper(Cache(core(), freeze(), account=account(core(), gone), listed=False))

    assert keeping.look_back(NOW)
    assert not keeping.look_back(NOW + PATIENCE)
    assert accountant.total == 0  # what nobody listed is not gone


def test_a_namespace_that_is_leaving_takes_all_along() -> None:
    cache = Cache(freeze(), core(), account=account(core(), autoscaler(3)))
    cache.leaving.add("payments")
    keeping, _, accountant = keeper(cache)
    keeping.look_back(NOW)

    assert accountant.total == 0


def test_a_snapshot_is_written_after_looking_back_and_not_too_often() -> None:
    cache = Cache(core(), autoscaler(3), freeze())
    keeping, api, _ = keeper(cache)

    def passes(now: datetime) -> int:
        keeping.take(cache.state, survey(cache.state, now), now)
        keeping.keep()
        return len(api.written)

    assert passes(NOW) == 0  # nobody has looked back yet
    keeping.look_back(NOW)
    assert passes(NOW) == 1
    assert keeping.take(cache.state, survey(cache.state, NOW), NOW + CHANGED / 2) == CHANGED / 2
    assert passes(NOW + CHANGED) == 1  # nothing changed
    cache.there = (core(replicas=5), autoscaler(3))
    cache.state = picture([NAMESPACE, *cache.there, freeze()])
    assert passes(NOW + 2 * CHANGED) == 2
    assert passes(NOW + timedelta(minutes=10)) == 2, "nothing changed, so nothing is written"
    digest, _, confirmed = keeping.remarks()[CONFIRMED].partition(" ")
    assert (digest, confirmed) != ("", at(NOW)), "but the Lease says until when that was so"
    assert confirmed == at(NOW + timedelta(minutes=10))
    written = decode(api.written[-1]["binaryData"]["snapshot"])
    assert written.keys() == {"", "payments/Deployment/payment-core", "payments/HorizontalPodAutoscaler/core"}
    assert written[""] == {"known": [SOURCE], "covering": [SOURCE]}


def test_a_deletion_that_is_not_decided_about_is_in_no_snapshot() -> None:
    cache = Cache(core(), freeze())
    keeping, api, accountant = keeper(cache)
    keeping.look_back(NOW)
    accountant.saw(autoscaler(3), None, cache.state, NOW)
    keeping.take(cache.state, survey(cache.state, NOW), NOW)
    keeping.keep()

    assert api.written == []


def test_who_leads_again_looks_back_again() -> None:
    cache = Cache(core(), freeze(), account=account(core(), autoscaler(3)))
    keeping, _, accountant = keeper(cache)
    cache.state = picture([NAMESPACE, core()])
    keeping.look_back(NOW)
    cache.state = picture([NAMESPACE, core(), freeze()])
    keeping.start_over()
    keeping.look_back(NOW)

    assert accountant.total == 1
