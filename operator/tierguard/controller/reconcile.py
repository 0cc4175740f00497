"""One pass over the whole picture: what should be there, what is, and the difference made good.

Each step stands for itself: a step that fails is logged and tried again on the next pass, and keeps no other from its work.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlparse

import urllib3

from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api, ApiError
from tierguard.controller.budgets.budget_keeper import BudgetKeeper
from tierguard.controller.certificates import trust as identity
from tierguard.controller.events.rate_limit import Teller
from tierguard.controller.options import FIELD_MANAGER, Endpoint, Options
from tierguard.controller.rollback.record_keeper import RecordKeeper
from tierguard.controller.status.journals import JournalKeeper
from tierguard.controller.status.scan import Scan
from tierguard.controller.status.status_keeper import StatusKeeper
from tierguard.controller.status.transitions import next_announcement
from tierguard.controller.suspension.suspension_keeper import SuspensionKeeper
from tierguard.controller.unreviewed.account_keeper import AccountKeeper
from tierguard.controller.unreviewed.accountant import SETTLED, Accountant
from tierguard.controller.webhooks.clock_probe import ClockKeeper
from tierguard.controller.webhooks.clockless import ClocklessKeeper
from tierguard.controller.webhooks.configuration import EXEMPT_NAMESPACES, compiled, configuration
from tierguard.controller.webhooks.stretches import Stretches
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.survey import Selection, Surveyed

log = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
"""Seconds after which everything is checked again, even if nothing changed."""
RETRY_PAUSE = 2.0
"""Seconds after which a failed step is tried again."""

TELL_PAUSE = 15.0
"""Seconds after which Events that were rate-limited in this pass are posted."""


@dataclass(slots=True)
class Outcome:
    """What a pass left to do: seconds until the next one, and whether a step failed."""

    pause: float = LONGEST_PAUSE
    failed: bool = False
    retry_after: float = 0.0
    """For so many seconds the API server wants to be left alone."""


class Reconciler:
    """Makes the cluster what it should be. `once` is a pass; it blocks, so it is called on a thread."""

    def __init__(
        self,
        api: Api,
        cache: ClusterCache,
        options: Options,
        leads: Callable[[], bool] = lambda: True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.leads = leads
        """Whether this process is the one that writes."""
        self._api = api
        self._cache = cache
        self._options = options
        self._clock = clock
        self.trust: identity.Trust | None = None
        """The certificates as they were last seen."""
        self._certificates_checked: datetime | None = None
        self.stretches: Stretches | None = None
        """The coming stretches of freezes as they are compiled into the webhook configuration."""
        self._installed: datetime | None = None
        self._configured: KubeObject | None = None
        self._configured_at: datetime | None = None
        self._scan = Scan()
        self.accountant = Accountant()
        self.teller = Teller(api)
        self._suspensions = SuspensionKeeper(api, cache, options.namespace)
        self._statuses = StatusKeeper(api, cache, self.accountant, self.teller, self._suspensions.recorded)
        self._budgets = BudgetKeeper(api, cache, self.teller)
        self._journals = JournalKeeper(api, cache, options.namespace)
        self._records = RecordKeeper(api, cache, options.namespace)
        self.clockwork = ClockKeeper(api, options)
        self._clockless = ClocklessKeeper(api, options)
        self._account = AccountKeeper(api, cache, self.accountant, options.namespace, EXEMPT_NAMESPACES)

    def observe(self, kind: str, obj: KubeObject) -> None:
        """Take note of what may be gone again when the next pass comes. Called from the reflectors' threads."""
        self._records.observe(kind, obj, self._clock())

    def compare(self, before: KubeObject | None, after: KubeObject | None) -> bool:
        """Take note of a change, None for what is new or gone. Called from the reflectors' threads.

        Returns whether there is news.
        """
        namespace = objects.namespace(after if after is not None else before or {})
        if namespace in (*EXEMPT_NAMESPACES, self._options.namespace):
            return False
        return self.accountant.saw(before, after, self._cache.state, self._clock())

    def learn(self, source: str) -> None:
        """Take note that a freeze, window or policy is new, or another one. Called from the reflectors' threads."""
        self.accountant.knows(source, self._clock())

    def start_over(self) -> None:
        """Forget what was written: while another operator led, it may have become something else."""
        self._configured = None
        self.clockwork.start_over()
        self._clockless.start_over()
        self._certificates_checked = None
        self._records.start_over()
        self._suspensions.start_over()
        self._account.start_over()

    def once(self) -> Outcome:
        """Look at everything and mend what is not as it should be."""
        outcome = Outcome()
        now = self._clock()
        self._step(outcome, "deletions", lambda: self._deletions(outcome, now))
        if not self.leads():
            if not self._cache.unsynced():
                self._records.look_on()
            return outcome  # the standby only looks on, with everything in memory for when its turn comes
        self._step(outcome, "certificates", lambda: self._certificates(now))
        if self._cache.unsynced():
            # Half a picture is no ground to act on: budgets and records would look superfluous.
            outcome.pause = min(outcome.pause, RETRY_PAUSE)
            return outcome
        self.teller.begin()
        # A freeze that is declared from here on waits for the next pass: this one's survey may be older than it.
        state = self._cache.state.with_these_declarations()
        surveyed = self._scan.survey(state, self._cache.versions, now)
        selection = Selection(surveyed, state)
        # The clock first: one of the past would refuse what is honest.
        self._step(outcome, "clock", lambda: self.clockwork.look(now))
        self._step(outcome, "clock policy", lambda: self.clockwork.write(selection, now))
        self._step(outcome, "webhook configuration", lambda: self._configure(selection, now))
        # After the configuration, which by then holds what has begun: the policy drops that.
        self._step(outcome, "clockless policy", lambda: self._clockless.keep(selection, self._owner, now))
        self._step(outcome, "rollback record", lambda: self._record(outcome, surveyed, now))
        self._step(outcome, "disruption budgets", lambda: self._budgets.keep(state, surveyed, now))
        self._step(outcome, "account", lambda: self._look_back(outcome, state, surveyed, now))
        clock = self.clockwork.reading
        if self._step(outcome, "status", lambda: self._statuses.keep(state, surveyed, self.stretches, clock, now)):
            self._step(outcome, "snapshot", self._account.keep)
        # After the status, which reports each CronJob as it was before.
        self._step(outcome, "suspensions", lambda: self._suspensions.keep(now))
        self._step(outcome, "journals", lambda: self._journals.keep(now))
        if outcome.failed:
            outcome.pause = max(RETRY_PAUSE, outcome.retry_after)
        else:
            outcome.pause = min(outcome.pause, self._until_transition(now), self.clockwork.until_due(now))
            if self.teller.waiting:
                outcome.pause = min(outcome.pause, TELL_PAUSE)
        return outcome

    def _deletions(self, outcome: Outcome, now: datetime) -> None:
        if self.accountant.look_back(self._cache.state, self._cache.leaving, now):
            outcome.pause = SETTLED.total_seconds()

    def _record(self, outcome: Outcome, surveyed: tuple[Surveyed, ...], now: datetime) -> None:
        if (wait := self._records.keep(surveyed, self._installation(), now)) is not None:
            outcome.pause = min(outcome.pause, wait.total_seconds())

    def _look_back(self, outcome: Outcome, state: State, surveyed: tuple[Surveyed, ...], now: datetime) -> None:
        if self._account.look_back(now):
            outcome.pause = RETRY_PAUSE
        if (wait := self._account.take(state, surveyed, now)) is not None:
            outcome.pause = min(outcome.pause, wait.total_seconds())

    def _step(self, outcome: Outcome, name: str, act: Callable[[], None]) -> bool:
        """Do one step; returns whether it succeeded."""
        try:
            act()
        except ApiError as error:
            outcome.failed = True
            outcome.retry_after = max(outcome.retry_after, error.retry_after)
            log.warning("%s: %s", name, error)
        except Exception:
            outcome.failed = True
            log.exception("%s failed", name)
        else:
            return True
        return False

    def _certificates(self, now: datetime) -> None:
        checked = self._certificates_checked
        due = self.trust is None or now >= self.trust.next_step
        if checked is None or due or now - checked > timedelta(seconds=LONGEST_PAUSE):
            self.trust = identity.ensure_certificates(self._api, self._options, now)
            self._certificates_checked = now

    def _installation(self) -> datetime:
        if self._installed is None:
            self._installed = identity.installed_at(self._api, self._options.namespace)
        return self._installed

    def _configure(self, selection: Selection, now: datetime) -> None:
        """Keep the ValidatingWebhookConfiguration; anybody's change to it is undone within a minute."""
        if self.trust is None:
            return
        name = self._options.configuration_name
        path = f"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{name}"
        asked = compiled(selection, now)
        endpoint = replace(self._options.endpoint, path=self.trust.path)
        wanted = configuration(name, endpoint, self.trust.bundle, asked, self._owner())
        recent = self._configured_at is not None and now - self._configured_at < timedelta(seconds=LONGEST_PAUSE)
        if wanted == self._configured and recent:
            self.stretches = asked.stretches
            return
        if (
            self._configured is None
            and self._api.find(path) is None
            and (problem := _problem(endpoint, self.trust.bundle))
        ):
            # On a new installation nobody shall wait for a webhook that is only starting.
            raise ApiError(0, "GET", "webhook", f"the webhook is not ready, so it is not asked yet: {problem}")
        self._api.apply(path, wanted, FIELD_MANAGER)
        if wanted != self._configured:
            log.info("wrote the webhook configuration")
        self._configured, self._configured_at, self.stretches = wanted, now, asked.stretches

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

    def _until_transition(self, now: datetime) -> float:
        """Seconds until the next start or end of any freeze or window."""
        state = self._cache.state
        instants = [None if self.trust is None else self.trust.next_step]
        instants += [policy.spec.effective_from for policy in state.policies if policy.spec is not None]
        for policy in state.policies:
            instants += (
                [exemption.expires_at for exemption in policy.spec.exemptions] if policy.spec is not None else []
            )
        for hold in (*state.freezes, *state.windows):
            current, following = hold.timeline.covering(now), hold.timeline.next_after(now)
            instants += [current.end if current else None, following.start if following else None]
            instants.append(next_announcement(hold, now))
            instants += [exception.expires_at for exception in hold.exceptions]
        ahead = [(instant - now).total_seconds() for instant in instants if instant is not None and instant > now]
        return min([LONGEST_PAUSE, *ahead])


def _problem(endpoint: Endpoint, trusted: bytes) -> str:
    """Why the webhook does not answer where the API server will ask it; empty when it does. Never with the path in it."""
    pool = urllib3.PoolManager(ca_cert_data=trusted.decode(), retries=False, timeout=urllib3.Timeout(2.0))
    try:
        answer = pool.request("GET", endpoint.address)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        said = str(error)
    else:
        if answer.status == 200:  # noqa: PLR2004 - HTTP
            return ""
        said = answer.data.decode(errors="replace")
    said = objects.printable(said.replace(endpoint.path, ""), 200)
    return f"{urlparse(endpoint.address).netloc}: {said}"
