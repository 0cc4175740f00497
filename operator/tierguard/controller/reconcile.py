"""One pass over the whole picture: what should be there, what is, and the difference made good.

Each step stands for itself: a step that fails is logged and tried again on the next pass, and keeps no other from its work.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tierguard.cluster.cache import ClusterCache
from tierguard.cluster.client import Api, ApiError
from tierguard.controller.budgets.budget_keeper import BudgetKeeper
from tierguard.controller.certificates import trust as identity
from tierguard.controller.events.rate_limit import Teller
from tierguard.controller.options import Options
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
from tierguard.controller.webhooks.configuration import EXEMPT_NAMESPACES
from tierguard.controller.webhooks.configuration_keeper import ConfigurationKeeper
from tierguard.guard.model import objects
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.survey import Selection, Surveyed

log = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
"""Seconds after which everything is checked again, even if nothing changed."""
RETRY_PAUSE = 2.0
"""Seconds after which a failed step is tried again."""

UNHURRIED = timedelta(seconds=5)
"""How long what is not urgent waits: pods and nodes change all the time."""
TELL_PAUSE = 15.0
"""Seconds after which Events that were rate-limited in this pass are posted."""


@dataclass(slots=True)
class Outcome:
    """What a pass left to do: seconds until the next one, and whether a step failed."""

    pause: float = LONGEST_PAUSE
    failed: bool = False
    retry_after: float = 0.0
    """For so many seconds the API server wants to be left alone."""


@dataclass(frozen=True, slots=True)
class _Settled:
    """What the last pass saw, which left nothing to do; when that was, and until when nothing is due."""

    seen: object
    restless: int
    at: datetime
    until: datetime


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
        self.configuration = ConfigurationKeeper(api, options)
        self._installed: datetime | None = None
        self._settled: _Settled | None = None
        self._scan = Scan()
        self.accountant = Accountant()
        self.teller = Teller(api)
        self._suspensions = SuspensionKeeper(api, options.namespace)
        self._statuses = StatusKeeper(api, cache, self.accountant, self.teller, self._suspensions.recorded)
        self._budgets = BudgetKeeper(api, cache, self.teller)
        self._journals = JournalKeeper(api, cache, options.namespace)
        self._records = RecordKeeper(api, cache, options.namespace)
        self.clockwork = ClockKeeper(api, options)
        self._clockless = ClocklessKeeper(api, options)
        self._account = AccountKeeper(
            api,
            cache,
            self.accountant,
            options.namespace,
            EXEMPT_NAMESPACES,
            lambda: self.inherited(),  # noqa: PLW0108 - it is set later
        )
        self.inherited: Callable[[], Mapping[str, str]] = dict
        """The annotations of the Lease as the operator that led before left it."""

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
        self._settled = None
        self.configuration.start_over()
        self._budgets.start_over()
        self.clockwork.start_over()
        self._clockless.start_over()
        self._certificates_checked = None
        self._records.start_over()
        self._suspensions.start_over()
        self._account.start_over()

    def remarks(self) -> Mapping[str, str]:
        """What the Lease says beside who leads."""
        return self._account.remarks()

    def once(self) -> Outcome:
        """Look at everything and mend what is not as it should be.

        Where nothing changed since that was done, and nothing is due, only at the clock.
        """
        now = self._clock()
        outcome = Outcome()
        if self._quiet(now):
            self._step(outcome, "clock", lambda: self.clockwork.look(now))
        if self._settled is None or not self._quiet(now):
            seen, restless, self._settled = self._seen(), self._cache.changes.restless, None
            outcome = self._whole(now)
            if outcome.failed or not self.leads() or self._cache.unsynced():
                return outcome
            self._settled = _Settled(seen, restless, now, now + timedelta(seconds=outcome.pause))
        left = (self._settled.until - now).total_seconds()
        outcome.pause = min(left, self.clockwork.until_due(now))
        return outcome

    def _quiet(self, now: datetime) -> bool:
        """Whether there is nothing that the last pass has not seen, and nothing is due."""
        last = self._settled
        if last is None or not self.leads() or not last.at <= now < last.until or last.seen != self._seen():
            return False
        return last.restless == self._cache.changes.restless or now - last.at < UNHURRIED

    def _seen(self) -> object:
        """What a pass goes by: another one whenever there is something to be looked at soon."""
        return self._cache.changes.urgent, self.accountant.news, self._records.news, self.clockwork.reading

    def _whole(self, now: datetime) -> Outcome:
        outcome = Outcome()
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
        surveyed = self._scan.survey(state, self._cache.changes.in_namespace, now)
        selection = Selection(surveyed, state)
        # The clock first: one of the past would refuse what is honest.
        self._step(outcome, "clock", lambda: self.clockwork.look(now))
        self._step(outcome, "clock policy", lambda: self.clockwork.write(selection, now))
        self._step(outcome, "webhook configuration", lambda: self._configure(selection, now))
        # After the configuration, which by then holds what has begun: the policy drops that.
        self._step(outcome, "clockless policy", lambda: self._clockless.keep(selection, self.configuration.owner, now))
        self._step(outcome, "rollback record", lambda: self._record(outcome, surveyed, now))
        self._step(outcome, "disruption budgets", lambda: self._budgets.keep(state, surveyed, now))
        self._step(outcome, "account", lambda: self._look_back(outcome, state, surveyed, now))
        clock = self.clockwork.reading
        if self._step(
            outcome, "status", lambda: self._statuses.keep(state, surveyed, self.configuration.stretches, clock, now)
        ):
            self._step(outcome, "snapshot", self._account.keep)
        # After the status, and by the same freezes: it reports each CronJob as it was before.
        self._step(outcome, "suspensions", lambda: self._suspensions.keep(state, now))
        self._step(outcome, "journals", lambda: self._journals.keep(now))
        if outcome.failed:
            outcome.pause = max(RETRY_PAUSE, outcome.retry_after)
        else:
            outcome.pause = min(outcome.pause, self._until_transition(now))
            if self.teller.waiting:
                outcome.pause = min(outcome.pause, TELL_PAUSE)
        return outcome

    def _deletions(self, outcome: Outcome, now: datetime) -> None:
        if self.accountant.look_back(self._cache.state, self._cache.leaving, now):
            outcome.pause = SETTLED.total_seconds()

    def _record(self, outcome: Outcome, surveyed: Iterable[Surveyed], now: datetime) -> None:
        if (wait := self._records.keep(surveyed, self._installation(), now)) is not None:
            outcome.pause = min(outcome.pause, wait.total_seconds())

    def _look_back(self, outcome: Outcome, state: State, surveyed: Iterable[Surveyed], now: datetime) -> None:
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
        if self.trust is not None:
            self.configuration.keep(self.trust, selection, now)

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
