"""What is kept: statuses with their events, disruption budgets, rollback records. Thin: the pure modules say what."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from tierguard.api.kinds import FREEZE, POLICY, WINDOW, Kind
from tierguard.api.model import API_VERSION
from tierguard.cluster import record
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api, ApiError
from tierguard.controller import announce
from tierguard.controller.clockwork import Reading
from tierguard.controller.closed import Closed
from tierguard.controller.ledgers import Told, events, together
from tierguard.controller.maintained import wanted_budgets
from tierguard.controller.options import FIELD_MANAGER
from tierguard.controller.passed import Accountant, Passed, lines, passed_events
from tierguard.controller.policies import policy_status, violation_events
from tierguard.controller.rollback import RECORDED_KINDS, complete, wanted_entries
from tierguard.controller.status import Seen, freeze_status, window_status
from tierguard.controller.telling import Teller
from tierguard.controller.transitions import announcement, transition
from tierguard.guard import objects
from tierguard.guard.holds import Hold, Policy
from tierguard.guard.objects import KubeObject
from tierguard.guard.survey import Surveyed
from tierguard.guard.workload import Workload, template_hash

log = logging.getLogger(__name__)


MOST_KNOWN = 10_000
"""Events that are remembered as told."""


class StatusKeeper:
    """Keeps the status of our own resources, and tells of transitions before it writes them down."""

    def __init__(self, api: Api, cache: ClusterCache, accountant: Accountant, teller: Teller) -> None:
        self._api = api
        self._cache = cache
        self._teller = teller
        self._accountant = accountant
        self._known: set[str] = set()
        """What was told already, so that it is not posted again and again only to be refused as a duplicate."""

    def keep(self, surveyed: tuple[Surveyed, ...], stretches: Closed | None, clock: Reading, now: datetime) -> None:
        """Write what changed. Raises the first ApiError after all were tried; the next pass writes the rest."""
        state = self._cache.state
        told = together(tuple(self._cache.journals.values()))
        passed = self._accountant.kept()
        seen = Seen(surveyed, told, state, tuple(self._cache.jobs.values()), passed, stretches, clock)
        work: list[Callable[[], None]] = [
            *(partial(self._hold, FREEZE, freeze, freeze_status, seen, now) for freeze in state.freezes),
            *(partial(self._hold, WINDOW, window, window_status, seen, now) for window in state.windows),
            partial(self._tell, told, now),
            *(partial(self._policy, policy, surveyed, passed, now) for policy in state.policies),
            partial(self._tell_of_workloads, surveyed, passed, now),
        ]
        failures: list[ApiError] = []
        for act in work:
            try:
                act()
            except ApiError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _policy(
        self, policy: Policy, surveyed: tuple[Surveyed, ...], passed: tuple[Passed, ...], now: datetime
    ) -> None:
        stored = self._cache.raw[POLICY.kind].get(policy.name)
        if stored is not None:
            self._write(POLICY, stored, policy_status(stored, policy, surveyed, lines(passed, policy.source), now))

    def _tell_of_workloads(self, surveyed: tuple[Surveyed, ...], passed: tuple[Passed, ...], now: datetime) -> None:
        """Post what is new about workloads, as far as there is room: a later pass goes on."""
        news = (*passed_events(passed, now), *violation_events(self._cache.state.policies, surveyed, now))
        for key, event in news:
            if key not in self._known and self._teller.tell(event):
                self._known.add(key)

    def _hold(
        self,
        kind: Kind,
        hold: Hold,
        status_of: Callable[[KubeObject, Hold, Seen, datetime], dict[str, Any]],
        seen: Seen,
        now: datetime,
    ) -> None:
        stored = self._cache.raw[kind.kind].get(hold.name)
        if stored is None:
            return
        status = status_of(stored, hold, seen, now)
        event = transition(kind, stored, hold, status, now)
        if event is not None:
            self._teller.urgent(event)
        coming = announcement(stored, hold, now) if kind is FREEZE else None
        if coming is not None and objects.name(coming) not in self._known:
            self._teller.urgent(coming)
            self._known.add(objects.name(coming))
        self._write(kind, stored, status)

    def _tell(self, told: Told, now: datetime) -> None:
        """Post what the journals tell, each thing once. After a restart the API server refuses it as a duplicate."""
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        for key, event in events(self._cache.state, told, self._known, now):
            if self._teller.tell(event):
                self._known.add(key)

    def _write(self, kind: Kind, stored: KubeObject, status: dict[str, Any]) -> None:
        if objects.mapping(stored, "status") == status:
            return
        name = objects.name(stored)
        body = {"apiVersion": API_VERSION, "kind": kind.kind, "metadata": {"name": name}, "status": status}
        try:
            self._api.apply(f"/apis/{API_VERSION}/{kind.plural}/{quote(name)}/status", body, FIELD_MANAGER)
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:  # deleted a moment ago
                raise


class BudgetKeeper:
    """Keeps one disruption budget for each workload whose policy wants it and that has no other."""

    def __init__(self, api: Api, cache: ClusterCache, teller: Teller) -> None:
        self._api = api
        self._cache = cache
        self._teller = teller

    def keep(self, surveyed: tuple[Surveyed, ...], now: datetime) -> None:
        """Remove first, then make: never two budgets on one pod. Raises ApiError."""
        wanted = {_place(budget): budget for budget in wanted_budgets(surveyed, self._cache.state, now)}
        for place, stored in sorted(self._cache.managed_budgets.items()):
            if place not in wanted and objects.value(stored, "metadata", "deletionTimestamp") is None:
                self._api.delete(_budget_path(*place), objects.uid(stored))
                log.info("removed a disruption budget", extra={"budget": "/".join(place)})
        for place, budget in wanted.items():
            known = self._cache.managed_budgets.get(place)
            if known is not None and _same(known, budget):
                continue
            if known is not None and objects.value(known, "spec", "minAvailable") is not None:
                # Somebody turned it around. The API refuses both fields in one budget, so applying ours would fail for ever.
                self._api.delete(_budget_path(*place), objects.uid(known))
            self._api.apply(_budget_path(*place), budget, FIELD_MANAGER)
            log.info("applied a disruption budget", extra={"budget": "/".join(place)})
            if known is None:
                self._tell(budget, now)

    def _tell(self, budget: KubeObject, now: datetime) -> None:
        owner = objects.sequence(budget, "metadata", "ownerReferences")[0]
        regarding = {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "metadata": {"name": owner["name"], "namespace": objects.namespace(budget), "uid": owner["uid"]},
        }
        note = (
            f"PodDisruptionBudget {objects.name(budget)} with maxUnavailable"
            f" {objects.value(budget, 'spec', 'maxUnavailable')} protects the pods; it goes when you bring your own"
        )
        # Where there is no room it is not told: the budget says itself whose it is.
        self._teller.tell(
            announce.event(regarding, reason="BudgetCreated", note=note, action="Maintain", at=now, now=now)
        )


def _place(budget: KubeObject) -> tuple[str, str]:
    return objects.namespace(budget), objects.name(budget)


def _budget_path(namespace: str, name: str) -> str:
    return f"/apis/policy/v1/namespaces/{quote(namespace)}/poddisruptionbudgets/{quote(name)}"


def _same(stored: KubeObject, wanted: KubeObject) -> bool:
    spec = objects.mapping(stored, "spec")
    owners = [owner.get("uid") for owner in objects.sequence(stored, "metadata", "ownerReferences")]
    ours = [owner.get("uid") for owner in objects.sequence(wanted, "metadata", "ownerReferences")]
    return all(spec.get(key) == value for key, value in wanted["spec"].items()) and owners == ours


class RecordKeeper:
    """Keeps the rollback record."""

    def __init__(self, api: Api, cache: ClusterCache, namespace: str) -> None:
        self._api = api
        self._cache = cache
        self._namespace = namespace
        self._written: dict[str, dict[str, datetime]] = {}
        """What was written and may not have come back by the watch yet: the first instant must not be moved."""
        self._seen: dict[str, dict[str, datetime]] = {}
        """What was seen available since the last pass, by uid: it may be gone again when the pass comes."""

    def start_over(self) -> None:
        """Forget what was written, and what was seen while another operator kept the record."""
        self._written.clear()
        self._seen.clear()

    def observe(self, kind: str, obj: KubeObject, now: datetime) -> None:
        """Take note of a workload as it is at this moment. Called for every change, on a reflector's thread."""
        workload = Workload.of(obj) if kind in RECORDED_KINDS else None
        if workload is not None and complete(workload):
            self._seen.setdefault(objects.uid(obj), {}).setdefault(template_hash(workload.template), now)

    def keep(self, surveyed: tuple[Surveyed, ...], installed: datetime, now: datetime) -> None:
        """Write what changed and delete what speaks of workloads that are gone. Raises ApiError."""
        for subject in surveyed:
            workload = subject.classified.workload
            uid = objects.uid(workload.raw)
            if workload.kind not in RECORDED_KINDS or not uid:
                continue
            known = self._cache.records.get(uid)
            written = self._written.get(uid)
            if known is not None and written is not None and written.keys() <= known.keys():
                written = self._written.pop(uid, None)
            merged = None if known is None and written is None else {**(known or {}), **(written or {})}
            revisions = self._revisions(workload) if merged is None else ()
            wanted = wanted_entries(workload, merged, revisions, installed, now)
            entries = record.newest({**self._seen.get(uid, {}), **wanted})
            if entries == known or (merged is not None and entries == merged):
                continue
            body = record.write(self._namespace, workload.raw, entries)
            self._api.apply(self._path(uid), body, FIELD_MANAGER)
            self._written[uid] = entries
        self._forget()
        recorded = {objects.uid(subject.classified.workload.raw) for subject in surveyed}
        for uid in tuple(self._seen):
            if (
                uid not in recorded
                or self._seen[uid].keys() <= self._written.get(uid, self._cache.records.get(uid, {})).keys()
            ):
                del self._seen[uid]

    def _forget(self) -> None:
        state = self._cache.state
        alive = {
            objects.uid(raw) for namespace in tuple(state.workloads_in.values()) for raw in tuple(namespace.values())
        }
        for uid in self._cache.records.keys() - alive:
            self._api.delete(self._path(uid))
            self._written.pop(uid, None)

    def _revisions(self, workload: Workload) -> Iterable[KubeObject]:
        if workload.kind == "Deployment":
            found = self._cache.state.workloads_in.get(workload.namespace, {})
            return [raw for (kind, _, _), raw in tuple(found.items()) if kind == "ReplicaSet"]
        listed = self._api.get(f"/apis/apps/v1/namespaces/{quote(workload.namespace)}/controllerrevisions")
        return [{**item, "kind": "ControllerRevision"} for item in listed.get("items") or ()]

    def _path(self, uid: str) -> str:
        return f"/api/v1/namespaces/{self._namespace}/configmaps/{record.record_name(uid)}"
