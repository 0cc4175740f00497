"""Keeps the statuses, with their Events. Thin: the pure modules say what."""

import logging
from collections.abc import Callable, Container
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from tierguard.api.kinds import FREEZE, POLICY, WINDOW, Kind
from tierguard.api.model import API_VERSION
from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api, ApiError
from tierguard.controller.events.rate_limit import Teller
from tierguard.controller.options import FIELD_MANAGER
from tierguard.controller.status.holds import Seen, freeze_status, window_status
from tierguard.controller.status.ledgers import Told, events, together
from tierguard.controller.status.orphans import orphan_events
from tierguard.controller.status.policies import policy_status, violation_events
from tierguard.controller.status.transitions import announcement, transition
from tierguard.controller.unreviewed.accountant import Accountant, Passed, lines, passed_events
from tierguard.controller.webhooks.clock_probe import Reading
from tierguard.controller.webhooks.stretches import Stretches
from tierguard.guard.model import objects
from tierguard.guard.model.hold import Hold, Policy
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.survey import Surveyed

log = logging.getLogger(__name__)


MOST_KNOWN = 10_000
"""Posted Events that are remembered."""


class StatusKeeper:
    """Keeps the status of our own resources, and posts an Event for a transition before writing it."""

    def __init__(
        self,
        api: Api,
        cache: ClusterCache,
        accountant: Accountant,
        teller: Teller,
        recorded: Callable[[], Container[str]] = frozenset,
    ) -> None:
        self._api = api
        self._cache = cache
        self._teller = teller
        self._accountant = accountant
        self._recorded = recorded
        self._known: set[str] = set()
        """Events that were posted already. The API server would reject them as duplicates."""

    def keep(
        self,
        state: State,
        surveyed: tuple[Surveyed, ...],
        stretches: Stretches | None,
        clock: Reading,
        now: datetime,
    ) -> None:
        """Write what changed. Raises the first ApiError after all were tried; the next pass writes the rest.

        `state` has the declarations for which `surveyed` was made.
        """
        told = together(tuple(self._cache.notes.journals.values()))
        passed = self._accountant.kept()
        recorded = self._recorded()
        seen = Seen(surveyed, told, state, tuple(self._cache.jobs.values()), passed, stretches, clock, recorded)
        work: list[Callable[[], None]] = [
            *(partial(self._hold, FREEZE, freeze, freeze_status, seen, now) for freeze in state.freezes),
            *(partial(self._hold, WINDOW, window, window_status, seen, now) for window in state.windows),
            partial(self._tell, state, told, now),
            *(partial(self._policy, policy, surveyed, passed, now) for policy in state.policies),
            partial(self._tell_of_workloads, state, surveyed, passed, recorded, now),
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

    def _tell_of_workloads(
        self,
        state: State,
        surveyed: tuple[Surveyed, ...],
        passed: tuple[Passed, ...],
        recorded: Container[str],
        now: datetime,
    ) -> None:
        """Post what is new about workloads, as far as there is room: a later pass goes on."""
        news = (
            *passed_events(passed, now),
            *violation_events(state.policies, surveyed, now),
            *orphan_events(state, recorded, now),
        )
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

    def _tell(self, state: State, told: Told, now: datetime) -> None:
        """Post what the journals tell, each thing once. After a restart the API server refuses it as a duplicate."""
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        for key, event in events(state, told, self._known, now):
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
