"""Keeps the disruption budgets that policies ask the operator to maintain. Thin: `wanted` says which."""

import logging
from datetime import datetime
from urllib.parse import quote

from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api
from tierguard.controller.budgets.wanted import wanted_budgets
from tierguard.controller.events import event as announce
from tierguard.controller.events.rate_limit import Teller
from tierguard.controller.options import FIELD_MANAGER
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.survey import Surveyed

log = logging.getLogger(__name__)


class BudgetKeeper:
    """Keeps one disruption budget for each workload whose policy wants it and that has no other."""

    def __init__(self, api: Api, cache: ClusterCache, teller: Teller) -> None:
        self._api = api
        self._cache = cache
        self._teller = teller

    def keep(self, state: State, surveyed: tuple[Surveyed, ...], now: datetime) -> None:
        """Remove first, then make: never two budgets on one pod. Raises ApiError."""
        wanted = {_place(budget): budget for budget in wanted_budgets(surveyed, state, now)}
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


def _place(budget: KubeObject) -> tuple[str, str]:
    return objects.namespace(budget), objects.name(budget)


def _budget_path(namespace: str, name: str) -> str:
    return f"/apis/policy/v1/namespaces/{quote(namespace)}/poddisruptionbudgets/{quote(name)}"


def _same(stored: KubeObject, wanted: KubeObject) -> bool:
    spec = objects.mapping(stored, "spec")
    owners = [owner.get("uid") for owner in objects.owners(stored)]
    ours = [owner.get("uid") for owner in objects.owners(wanted)]
    return all(spec.get(key) == value for key, value in wanted["spec"].items()) and owners == ours
