"""Keeps the disruption budgets that policies ask the operator to maintain. Thin: `wanted` says which."""

import logging
from collections.abc import Callable, Container, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from urllib.parse import quote

from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api
from tierguard.controller.budgets.wanted import wanted_in
from tierguard.controller.events import event as announce
from tierguard.controller.events.rate_limit import Teller
from tierguard.controller.options import FIELD_MANAGER
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.survey import Part, Survey, Surveyed

log = logging.getLogger(__name__)

_SETTLED = "budgets"
MOST_AT_ONCE = 4
"""Budgets of one namespace that are applied at the same time."""


class BudgetKeeper:
    """Keeps one disruption budget for each workload whose policy wants it and that has no other."""

    def __init__(self, api: Api, cache: ClusterCache, teller: Teller) -> None:
        self._api = api
        self._cache = cache
        self._teller = teller
        self._leadership = 0

    def keep(self, state: State, surveyed: Iterable[Surveyed], now: datetime) -> None:
        """Remove first, then make: never two budgets on one pod. Raises ApiError.

        A namespace in which all is as it should be is looked at again when it is surveyed again.
        """
        parts = Survey.of(surveyed).parts
        for namespace in set(self._cache.managed_budgets.namespaces()) - {part.namespace for part in parts}:
            self._remove(namespace, {})
        for part in parts:
            if not part.memo.noted(_SETTLED, self._leadership):
                self._settle(part, state, now)

    def start_over(self) -> None:
        """Look at all namespaces again: while another operator led, budgets may have become something else."""
        self._leadership += 1

    def _settle(self, part: Part, state: State, now: datetime) -> None:
        wanted = {objects.name(budget): budget for budget in wanted_in(part, state, now)}
        removed = self._remove(part.namespace, wanted)
        known = {name: self._cache.managed_budgets.get((part.namespace, name)) for name in wanted}
        other = [budget for name, budget in wanted.items() if not _same(known[name], budget)]
        _several_at_once(lambda budget: self._apply(known[objects.name(budget)], budget), other)
        for budget in other:
            if known[objects.name(budget)] is None:
                self._tell(budget, now)
        if not (removed or other):
            part.memo.note(_SETTLED, self._leadership)

    def _apply(self, known: KubeObject | None, budget: KubeObject) -> None:
        place = (objects.namespace(budget), objects.name(budget))
        if known is not None and objects.value(known, "spec", "minAvailable") is not None:
            # Somebody turned it around. The API refuses both fields in one budget, so applying ours would fail for ever.
            self._api.delete(_budget_path(*place), objects.uid(known))
        self._api.apply(_budget_path(*place), budget, FIELD_MANAGER)
        log.info("applied a disruption budget", extra={"budget": "/".join(place)})

    def _remove(self, namespace: str, wanted: Container[str]) -> bool:
        """Delete those that nobody wants; returns whether there were any."""
        removed = False
        for name in sorted(self._cache.managed_budgets.names(namespace)):
            stored = None if name in wanted else self._cache.managed_budgets.get((namespace, name))
            if stored is not None and objects.value(stored, "metadata", "deletionTimestamp") is None:
                self._api.delete(_budget_path(namespace, name), objects.uid(stored))
                log.info("removed a disruption budget", extra={"budget": f"{namespace}/{name}"})
                removed = True
        return removed

    def _tell(self, budget: KubeObject, now: datetime) -> None:
        owner = objects.owners(budget)[0]
        regarding = {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "metadata": {"name": owner["name"], "namespace": objects.namespace(budget), "uid": owner["uid"]},
        }
        note = (
            f"PodDisruptionBudget {objects.name(budget)} with maxUnavailable"
            f" {objects.value(budget, 'spec', 'maxUnavailable')} protects the pods; it goes when you bring your own"
        )
        # A rate-limited Event is dropped: the budget itself names its owner.
        self._teller.tell(
            announce.event(regarding, reason="BudgetCreated", note=note, action="Maintain", at=now, now=now)
        )


def _several_at_once(act: Callable[[KubeObject], None], each: Sequence[KubeObject]) -> None:
    """Call `act` with each: an API server that has to write thousands is waited for, not we for one after the other.

    Raises the first error, and then begins with no further one.
    """
    if len(each) <= 1:
        for only in each:
            act(only)
        return
    with ThreadPoolExecutor(MOST_AT_ONCE) as threads:
        try:
            for done in threads.map(act, each):
                del done
        except BaseException:
            threads.shutdown(wait=True, cancel_futures=True)
            raise


def _budget_path(namespace: str, name: str) -> str:
    return f"/apis/policy/v1/namespaces/{quote(namespace)}/poddisruptionbudgets/{quote(name)}"


def _same(stored: KubeObject | None, wanted: KubeObject) -> bool:
    if stored is None:
        return False
    spec = objects.mapping(stored, "spec")
    owners = [owner.get("uid") for owner in objects.owners(stored)]
    ours = [owner.get("uid") for owner in objects.owners(wanted)]
    return all(spec.get(key) == value for key, value in wanted["spec"].items()) and owners == ours
