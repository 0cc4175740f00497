"""One pass over the whole picture: what should be there, what is, and the difference made good.

Each step stands for itself: a step that fails is logged and tried again on the next pass, and keeps no other from its work.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlparse

import urllib3

from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api, ApiError
from tierguard.controller import identity
from tierguard.controller.configuration import configuration
from tierguard.controller.journals import JournalKeeper
from tierguard.controller.keepers import BudgetKeeper, RecordKeeper, StatusKeeper
from tierguard.controller.options import FIELD_MANAGER, Options
from tierguard.controller.suspending import SuspensionKeeper
from tierguard.controller.transitions import next_announcement
from tierguard.guard import objects
from tierguard.guard.objects import KubeObject
from tierguard.guard.survey import Surveyed, surroundings, survey

log = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
"""Seconds after which everything is looked at again although nothing was heard of."""
RETRY_PAUSE = 2.0
"""Seconds after which a failed step is tried again."""


@dataclass(slots=True)
class Outcome:
    """What a pass left to do: seconds until the next one, and whether a step failed."""

    pause: float = LONGEST_PAUSE
    failed: bool = False


class Reconciler:
    """Makes the cluster what it should be. `once` is a pass; it blocks, so it is called on a thread."""

    def __init__(
        self, api: Api, cache: ClusterCache, options: Options, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._api = api
        self._cache = cache
        self._options = options
        self._clock = clock
        self._authority = b""
        self._authority_checked: datetime | None = None
        self._installed: datetime | None = None
        self._configured: KubeObject | None = None
        self._configured_at: datetime | None = None
        self._statuses = StatusKeeper(api, cache)
        self._budgets = BudgetKeeper(api, cache)
        self._suspensions = SuspensionKeeper(api, cache)
        self._journals = JournalKeeper(api, cache, options.namespace)
        self._records = RecordKeeper(api, cache, options.namespace)

    def observe(self, kind: str, obj: KubeObject) -> None:
        """Take note of what may be gone again when the next pass comes. Called from the reflectors' threads."""
        self._records.observe(kind, obj, self._clock())

    def once(self) -> Outcome:
        """Look at everything and mend what is not as it should be."""
        outcome = Outcome()
        now = self._clock()
        self._step(outcome, "certificates", lambda: self._certificates(now))
        if self._cache.unsynced():
            # Half a picture is no ground to act on: budgets and records would look superfluous.
            outcome.pause = min(outcome.pause, RETRY_PAUSE)
            return outcome
        surveyed = survey(self._cache.state, now)
        self._step(outcome, "webhook configuration", lambda: self._configure(surveyed, now))
        self._step(outcome, "rollback record", lambda: self._records.keep(surveyed, self._installation(), now))
        self._step(outcome, "disruption budgets", lambda: self._budgets.keep(surveyed, now))
        self._step(outcome, "status", lambda: self._statuses.keep(surveyed, now))
        # After the status, which so tells of each CronJob what it was before.
        self._step(outcome, "suspensions", lambda: self._suspensions.keep(now))
        self._step(outcome, "journals", lambda: self._journals.keep(now))
        if outcome.failed:
            outcome.pause = RETRY_PAUSE
        else:
            outcome.pause = min(outcome.pause, self._until_transition(now))
        return outcome

    def _step(self, outcome: Outcome, name: str, act: Callable[[], None]) -> None:
        try:
            act()
        except ApiError as error:
            outcome.failed = True
            log.warning("%s: %s", name, error)
        except Exception:
            outcome.failed = True
            log.exception("%s failed", name)

    def _certificates(self, now: datetime) -> None:
        checked = self._authority_checked
        if checked is None or now - checked > timedelta(seconds=LONGEST_PAUSE):
            self._authority = identity.ensure_certificates(self._api, self._options, now)
            self._authority_checked = now

    def _installation(self) -> datetime:
        if self._installed is None:
            self._installed = identity.installed_at(self._api, self._options.namespace)
        return self._installed

    def _configure(self, surveyed: tuple[Surveyed, ...], now: datetime) -> None:
        """Keep the ValidatingWebhookConfiguration; anybody's change to it is undone within a minute."""
        if not self._authority:
            return
        name = self._options.configuration_name
        path = f"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{name}"
        state = self._cache.state
        around = surroundings(surveyed, state)
        wanted = configuration(name, self._options.endpoint, self._authority, state, around, self._owner())
        recent = self._configured_at is not None and now - self._configured_at < timedelta(seconds=LONGEST_PAUSE)
        if wanted == self._configured and recent:
            return
        if self._configured is None and self._api.find(path) is None and (problem := self._webhook_problem()):
            # On a new installation nobody shall wait for a webhook that is only starting.
            raise ApiError(0, "GET", "/readyz", f"the webhook is not ready, so it is not asked yet: {problem}")
        self._api.apply(path, wanted, FIELD_MANAGER)
        if wanted != self._configured:
            log.info("wrote the webhook configuration")
        self._configured, self._configured_at = wanted, now

    def _owner(self) -> KubeObject | None:
        name = self._options.owner_cluster_role
        if not name:
            return None
        found = self._api.get(f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}")
        return {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "name": name,
            "uid": objects.uid(found),
        }

    def _webhook_problem(self) -> str:
        """Why the webhook does not answer; empty when it does, with the certificate that the API server will see."""
        endpoint = self._options.endpoint
        base = endpoint.url or f"https://{endpoint.service}.{endpoint.namespace}.svc:{endpoint.port}"
        pool = urllib3.PoolManager(ca_cert_data=self._authority.decode(), retries=False, timeout=urllib3.Timeout(2.0))
        try:
            answer = pool.request("GET", f"{base.rstrip('/')}/readyz")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return f"{urlparse(base).netloc}: {objects.printable(str(error), 200)}"
        ready = answer.status == 200  # noqa: PLR2004 - HTTP
        return (
            "" if ready else f"{urlparse(base).netloc}: {objects.printable(answer.data.decode(errors='replace'), 200)}"
        )

    def _until_transition(self, now: datetime) -> float:
        """Seconds until the next start or end of any freeze or window."""
        state = self._cache.state
        instants = [policy.spec.effective_from for policy in state.policies if policy.spec is not None]
        for hold in (*state.freezes, *state.windows):
            current, following = hold.timeline.covering(now), hold.timeline.next_after(now)
            instants += [current.end if current else None, following.start if following else None]
            instants.append(next_announcement(hold, now))
            instants += [exception.expires_at for exception in hold.exceptions]
        ahead = [(instant - now).total_seconds() for instant in instants if instant is not None and instant > now]
        return min([LONGEST_PAUSE, *ahead])
