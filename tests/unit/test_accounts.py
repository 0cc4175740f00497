"""The account over restarts: when a snapshot is written, and when it is read."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
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
from tierguard.controller.status.scan import Scan
from tierguard.controller.unreviewed.account_keeper import CHANGED, CONFIRMED, PATIENCE, AccountKeeper
from tierguard.controller.unreviewed.accountant import Accountant, lines
from tierguard.controller.unreviewed.shards import SHARDS, config_map, name_of, read, take
from tierguard.controller.unreviewed.snapshot import decode, encode, packed, place
from tierguard.guard.model.state import Revision
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


def test_a_large_snapshot_is_in_several_config_maps_and_a_change_writes_one() -> None:
    def named(number: int) -> Document:
        noise = random.Random(number).randbytes(2000).hex()  # noqa: S311 - no secret
        made = core()
        made["metadata"] |= {"namespace": f"n{number % 40}", "name": f"w{number}", "uid": f"u{number}"}
        made["metadata"]["annotations"] = {"tierguard.io/note": noise}
        return made

    places = [{**NAMESPACE, "metadata": {"name": f"n{number}"}} for number in range(40)]
    state = picture([*places, *map(named, range(80)), freeze()])
    cache = Cache()
    scan, versions = Scan(), {"n7": 1}
    first = take(cache, state, scan.survey(state, versions, NOW), NOW)
    assert len(first.shards) == SHARDS
    written = {name_of(n): config_map("tierguard-system", n, first, NOW) for n in range(SHARDS)}
    account = read(written)
    assert account is not None
    assert account.digest == first.digest
    assert len(account.seen) == 81
    key = ("Deployment", "n7", "w7")
    state.workloads_in["n7"][key] = {**named(7), "spec": {**named(7)["spec"], "replicas": 9}}
    assert state.revisions is not None
    state.revisions.setdefault("n7", Revision()).note(key)
    second = take(cache, state, scan.survey(state, {"n7": 2}, NOW), NOW)
    assert sum(one != other for one, other in zip(first.shards, second.shards, strict=True)) == 1
    assert second.digest != first.digest


def test_the_next_leader_looks_back_from_when_the_lease_says_that_nothing_had_changed() -> None:
    cache = Cache(core(), freeze(), account=account(core(), autoscaler(3)))
    there = read(cache.notes.accounts)
    assert there is not None
    for remark, since in (
        (f"{there.digest} {at(NOW)}", NOW),
        (f"another {at(NOW)}", SINCE),
        (f"{there.digest} nonsense", SINCE),
        ("", SINCE),
    ):
        remarks: Callable[[], dict[str, str]] = partial(dict, [(CONFIRMED, remark)])
        keeping = AccountKeeper(Recorder(), cache, Accountant(), "tierguard-system", (), remarks)
        assert keeping._confirmed(there) == since
