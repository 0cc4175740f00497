"""Thousands of watched workloads: what is kept of each is small, also after everybody has read it, and says what it said."""

import copy
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scale import site
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api
from tierguard.cluster.known import Form, Known, pack_workload
from tierguard.controller.unreviewed.snapshot import decode, encode, packed, summary
from tierguard.guard.model import objects
from tierguard.guard.model.identities import Identities
from tierguard.guard.model.packed import Packed, encoded
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import MOST_OPENED, Workload
from tierguard.guard.tiers.neighbours import neighbours

NUMBER = 300
MOST_OF_ONE = 4 * 1024
"""Bytes of memory for a workload of 9 KiB in a webhook; its index, and what was worked out, included: 6 KiB."""
Document = dict[str, Any]


def stored(number: int) -> Document:
    made = site.deployment("team-000", f"service-{number:04}", 45)
    made["metadata"] |= {"uid": f"{number:032x}", "creationTimestamp": "2026-11-01T00:00:00Z", "generation": 1}
    owned: Document = {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {f"f:{n}": {} for n in range(200)}}}}
    entry = {"manager": "kubectl", "operation": "Update", "time": "2026-11-01T00:00:00Z", "fieldsV1": owned}
    made["metadata"]["managedFields"] = [entry, {**entry, "manager": "helm"}]
    return made


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
def test_a_stored_workload_takes_little_memory_also_after_it_was_read() -> None:
    cache = ClusterCache(Api.__new__(Api), "tierguard-system", Identities())
    cache.state.namespaces["team-000"] = {}
    (deployments,) = (each for each in cache._reflectors if each.collection.kind == "Deployment")
    before, _ = tracemalloc.get_traced_memory()
    for number in range(NUMBER):
        deployments._keep(json.loads(json.dumps(stored(number))))
    kept = (tracemalloc.get_traced_memory()[0] - before) / NUMBER
    there = neighbours("team-000", cache.state.namespaces["team-000"], cache.state)
    for subject in there.members:
        workload = subject.workload
        assert len(workload.pod.containers[0].env) == 45
        assert workload.images
        assert workload.selector.matches(workload.template_labels)
    read = (tracemalloc.get_traced_memory()[0] - before) / NUMBER
    print(f"a workload: {kept:.0f} bytes, after it was read {read:.0f}")
    assert kept < MOST_OF_ONE
    opened = sum("pods" in subject.workload.__dict__ for subject in there.members)
    assert opened <= MOST_OPENED
    assert read < 1.5 * MOST_OF_ONE + 15_000 * MOST_OPENED / NUMBER


def test_what_is_packed_reads_as_what_it_was_and_stays_packed() -> None:
    plain = stored(1)
    kept = pack_workload(copy.deepcopy(plain))
    assert isinstance(kept["spec"], Packed)
    assert (
        objects.value(kept, "spec", "template", "spec", "containers") == plain["spec"]["template"]["spec"]["containers"]
    )
    assert objects.annotations(kept) == plain["metadata"]["annotations"]
    assert objects.decoded(kept["spec"]) == plain["spec"]
    assert objects.same(kept["spec"], plain["spec"])
    assert not objects.same(kept["spec"], {**plain["spec"], "replicas": 9})
    assert encoded(kept) == encoded(plain)
    assert isinstance(kept["spec"], Packed)
    one, other = Workload.of(kept), Workload.of(plain)
    assert one is not None
    assert other is not None
    assert one.same_template(other)
    assert one.settled_as(other)
    assert one.template_hash == other.template_hash
    assert one.template_labels is one.labels, "nobody needs them twice"


def test_a_snapshot_says_the_same_of_what_is_packed() -> None:
    plain, kept = Workload.of(stored(1)), Workload.of(pack_workload(stored(1)))
    assert plain is not None
    assert kept is not None
    assert isinstance(kept.raw["metadata"]["managedFields"], Packed)
    assert packed({"a": summary(kept)}) == packed({"a": summary(plain)})
    assert decode(encode(packed({"a": summary(kept)})) or "") == {"a": json.loads(encoded(summary(plain)))}


def test_a_workload_whose_parts_were_dropped_works_them_out_again() -> None:
    state = State()
    first = Workload.of(pack_workload(stored(0)))
    assert first is not None
    pod = first.pod
    for number in range(1, MOST_OPENED + 2):
        other = Workload.of(pack_workload(stored(number)))
        assert other is not None
        assert other.pod.containers
    assert "pods" not in first.__dict__
    assert first.pod == pod
    assert state.workload("Deployment", "team-000", "service-0000") is None


@pytest.mark.parametrize("form", Form)
def test_what_is_known_tells_changes_and_what_was_before(form: Form) -> None:
    known = Known(form, "Service")
    first = {"kind": "Service", "metadata": {"namespace": "a", "name": "s"}, "spec": {"selector": {"app": "x"}}}
    second = {**first, "spec": {"selector": {"app": "y"}}}
    said = {"kind": "Service", "metadata": {"namespace": "a", "name": "s"}} if form is Form.DIGEST else first
    assert known.put(("a", "s"), first) == (True, None)
    assert known.put(("a", "s"), copy.deepcopy(first)) == (False, None)
    assert known.put(("a", "s"), second) == (True, said)
    assert known.places() == {("a", "s")}
    assert [each["metadata"]["name"] for each in known.everything()] == ["s"]
    assert known.pop(("a", "s")) is not None
    assert known.pop(("a", "s")) is None
    assert known.namespaces() == ()
