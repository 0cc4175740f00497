"""The operator's pass without a cluster: a cache that a test fills, and an API that records what is written."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from tierguard.cluster.changes import Changes
from tierguard.cluster.known import Known, place
from tierguard.cluster.notes import Notes
from tierguard.controller.budgets.wanted import wanted_in
from tierguard.controller.options import Endpoint, Options
from tierguard.controller.reconcile import Reconciler
from tierguard.guard.model.state import State
from tierguard.guard.survey import Survey, Surveyed

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
Document = dict[str, Any]


def wanted_budgets(surveyed: Iterable[Surveyed], state: State, now: datetime = NOW) -> list[Document]:
    """The budgets that the operator would keep, of all namespaces."""
    parts = sorted(Survey.of(surveyed).parts, key=lambda part: part.namespace)
    return [dict(budget) for part in parts for budget in wanted_in(part, state, now)]


class Recorder:
    """The part of an `Api` that the keepers use: takes everything, counts it by verb and kind."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], int] = {}
        self.written: list[Document] = []
        """All that was applied or created, in its order."""
        self.meanwhile: Callable[[Document], object] = lambda _: None
        """What happens in the cluster while an object is being written."""

    def _count(self, verb: str, body: Document) -> Document:
        key = (verb, str(body.get("kind")))
        self.calls[key] = self.calls.get(key, 0) + 1
        self.written.append(body)
        self.meanwhile(body)
        return body

    def apply(self, _path: str, body: Document, _manager: str) -> Document:
        return self._count("apply", body)

    def merge(self, path: str, body: Document, _manager: str) -> Document:
        return self._count("merge", {"kind": path.split("/")[-2], **body})

    def create(self, _path: str, body: Document) -> Document:
        return self._count("create", body)

    def delete(self, path: str, uid: str = "") -> None:
        self._count("delete", {"kind": path, "uid": uid})

    def get(self, _path: str, _query: object = None) -> Document:
        return {"items": []}

    def find(self, _path: str) -> Document:
        return {"metadata": {"uid": "x", "creationTimestamp": "2026-10-01T00:00:00Z"}}


def known(there: list[Document]) -> Known:
    """The objects as they are known from a watch."""
    found = Known()
    for one in there:
        found.put(place(one), one)
    return found


def operator(state: State, there: list[Document]) -> tuple[Reconciler, Recorder, Any]:
    """The operator over `state`, which was made of `there`: with what records its writes, and its cache."""
    raw: Document = {kind: {} for kind in ("OperationalFreeze", "ChangeWindow", "PaymentTierPolicy")}
    for one in there:
        if one["kind"] in raw:
            raw[one["kind"]][one["metadata"]["name"]] = one
    notes = Notes()
    notes.history_read = True
    cache: Any = SimpleNamespace(
        state=state,
        raw=raw,
        notes=notes,
        jobs={},
        managed_budgets=Known(),
        changes=Changes(),
        unsynced=list,
        leaving=set(),
        knows_configuration=lambda: True,
        known=lambda kind: known([one for one in there if one["kind"] == kind]),
    )
    recorder = Recorder()
    api: Any = recorder
    options = Options("tierguard-system", Endpoint("tierguard-system", "webhook", 443, ""), "tierguard", "", "", 0)
    reconciler = Reconciler(api, cache, options, clock=lambda: NOW)
    reconciler._certificates_checked = NOW
    trust: Any = SimpleNamespace(bundle=b"", path="/validate/x", next_step=NOW + timedelta(days=1))
    reconciler.trust = trust
    return reconciler, recorder, cache
