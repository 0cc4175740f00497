"""Namespaces with an object of every guarded kind, in which each case of `guarded_kinds` is tried."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from tests.e2e import manifests
from tests.e2e.guarded_kinds import (
    ENDING,
    FREEZE_LABEL,
    FRESH,
    KEEP,
    LOOSE,
    STORED,
    Case,
    Place,
    cases,
    loose,
    reader,
    sound,
)
from tests.e2e.nobody import CONFIGURATIONS, put
from tests.e2e.table import merged
from tests.e2e.world import COLLECTOR, DANA, EmbeddedWorld
from tierguard.cli.picture import picture
from tierguard.cluster.watched import WATCHED_WORKLOADS
from tierguard.controller.webhooks.stretches import Stretches
from tierguard.guard.decide import evaluate
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, Operation
from tierguard.guard.model.decision import Decision, Outcome
from tierguard.guard.model.scope import TIER_LABEL
from tierguard.guard.model.state import State
from tierguard.guard.resources.own import OWN
from tierguard.guard.resources.registry import AROUND
from tierguard.guard.resources.resource import CREATE, DELETE, Path, Resource, Tie

Document = dict[str, Any]
HOUR = timedelta(hours=1)
DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"

WATCHED = {
    *WATCHED_WORKLOADS,
    *("Namespace", "Service", "ServiceAccount", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget"),
}
"""What the webhook knows of: it decides about all else by the request alone."""

OWN_OBJECTS = {
    "OperationalFreeze": manifests.freeze(
        "every-kind", startsAt="2026-01-01T00:00:00Z", expiresAt="2026-01-02T00:00:00Z"
    ),
    "ChangeWindow": manifests.window("every-kind", {"days": ["Mon"], "from": "10:00", "to": "11:00"}),
    "PaymentTierPolicy": manifests.policy("every-kind", {"termination": {"gracePeriodSeconds": 30}}, app="nobody"),
}


@dataclass
class Site:
    """Namespaces with an object of every guarded kind, and no webhook but the test's."""

    world: EmbeddedWorld
    place: Place
    name: str
    stored: dict[str, Document] = field(default_factory=dict)
    """By path."""
    results: dict[str, Document] = field(default_factory=dict)
    """By case: what the API server makes of it. Nothing where it takes no such change, whoever asks."""
    impossible: set[tuple[str, Path]] = field(default_factory=set)
    """The kind and field of those that the API server refuses by itself."""
    number: int = 0
    writes: int = 0

    def __post_init__(self) -> None:
        self.cases = tuple(cases(self.place))
        assert len(set(map(str, self.cases))) == len(self.cases)

    def path(self, resource: Resource, which: str = "", subresource: str = "", version: str = "") -> str:
        group = f"/apis/{resource.group}" if resource.group else "/api"
        namespace = f"/namespaces/{self.place.name}" if resource.namespaced else ""
        parts = [f"{group}/{version or resource.version}{namespace}/{resource.resource}"]
        parts += [self.place.called(resource.kind, which)] if which else []
        return "/".join([*parts, *([subresource] if subresource else [])])

    def make(self, collection: str, body: Document) -> str:
        """Make an object; returns its path."""
        status, said = self.world.call("POST", collection, body)
        assert status == HTTPStatus.CREATED, said
        return f"{collection}/{objects.name(body)}"

    def learn(self, case: Case) -> None:
        """Have the API server say what it makes of the case, while nobody else is asked."""
        status, said = self.send(case, DANA)
        if status >= HTTPStatus.BAD_REQUEST:
            self.impossible.add((case.resource.kind, case.field))
            return
        if case.subresource == "scale":  # which answers with a Scale
            old = self.old(case) or {}
            said = {**old, "spec": {**old["spec"], **said["spec"]}}
        self.results[str(case)] = said

    def old(self, case: Case) -> Document | None:
        return None if case.operation == CREATE else self.stored[self.path(case.resource, case.which, "", case.version)]

    def send(self, case: Case, user: str) -> tuple[int, Any]:
        """A dry run; under a field manager of its own, as the second write of one in a second counts as inside."""
        self.writes += 1
        path = self.path(case.resource, "" if case.operation == CREATE else case.which, case.subresource, case.version)
        method = {"CREATE": "POST", "DELETE": "DELETE"}.get(case.operation, "PATCH")
        body = case.body
        if case.subresource == "finalize":  # knows no PATCH
            method, body = "PUT", merged(self.old(case), {**(body or {})})
            body["metadata"].pop("resourceVersion", None)
            body["metadata"].pop("managedFields", None)
        return self.world.call(method, path, body, instead=user, dryRun="All", fieldManager=f"writer-{self.writes}")

    def change(self, case: Case, user: str) -> Change:
        """The case as the engine sees it."""
        old, new = self.old(case), self.results[str(case)]
        return Change(
            Operation(case.operation),
            case.resource.kind,
            self.place.name if case.resource.namespaced else "",
            objects.name(old or new),
            old,
            None if case.operation == DELETE else new,
            user,
            subresource="" if case.subresource == "scale" else case.subresource,
        )

    def possible(self) -> Iterator[Case]:
        """The cases that the API server itself has nothing against."""
        return (case for case in self.cases if str(case) in self.results)

    def touches(self, case: Case) -> bool:
        """Whether anything is other than before that a freeze may hold: not all paths change all fields."""
        old = self.old(case)
        return old is None or case.operation == DELETE or case.resource.touched(old, self.results[str(case)])

    def decided(self, case: Case, user: str, state: State, now: datetime) -> Decision:
        """What the engine says."""
        decision = evaluate(self.change(case, user), state, now)
        assert decision.outcome is not Outcome.UNDECIDED, f"{case}: {decision.message}"
        return decision

    def state(self, start: timedelta | None) -> tuple[State, datetime]:
        """What the webhook would know, with a freeze that began or begins after `start`; none for None."""
        now = datetime.now(UTC)
        scope = {"tiers": [0, 1], "namespaceSelector": {"matchLabels": {FREEZE_LABEL: self.place.name}}}
        known = [obj for obj in self.stored.values() if obj["kind"] in WATCHED]
        known = [obj for obj in known if not obj["apiVersion"].endswith("autoscaling/v1")]
        freezes = []
        if start is not None:
            begins = now + start
            ends = begins + 2 * HOUR
            freezes = [manifests.freeze("peak", startsAt=begins.isoformat(), expiresAt=ends.isoformat(), scope=scope)]
        return picture([*known, *freezes]), now

    def go_by(self, start: timedelta | None) -> tuple[State, datetime, Stretches]:
        state, now = self.state(start)
        made = put(self.world, self.name, (self.place.name, self.place.ending), state, now, self.number)
        self.number += 1
        return state, now, made


def build(site: Site) -> None:
    """Make everything, and hear what the API server makes of each case while nobody else is asked."""
    for name, more in ((site.place.name, {}), (site.place.ending, {"finalizers": [KEEP]})):
        # One has a tier label and one has none: the webhooks for either sort of namespace are looked at.
        tier = {TIER_LABEL: "1"} if more else {}
        labels = {FREEZE_LABEL: site.place.name, **tier}
        site.make("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels, **more}})
    account = f"/api/v1/namespaces/{site.place.name}/serviceaccounts/default"
    site.world.until("pods can be made", lambda: site.world.call("GET", account)[0] == HTTPStatus.OK)
    readers = [
        site.make(DEPLOYMENTS.format(site.place.name), reader(site.place.name, w)) for w in (STORED, ENDING, FRESH)
    ]
    stays = manifests.deployment(site.place.ending, "stays", replicas=0)
    stays["metadata"]["finalizers"] = [KEEP]
    last = site.make(DEPLOYMENTS.format(site.place.ending), stays)
    for resource in AROUND:
        _make(site, resource)
    for resource in OWN:
        site.make(site.path(resource), OWN_OBJECTS[resource.kind])
    site.world.until(
        "the installed webhooks are asked no more",
        lambda: site.world.call("DELETE", readers[0], instead=DANA, dryRun="All")[0] == HTTPStatus.OK,
    )
    written = [site.path(c.resource, c.which, "", c.version) for c in site.cases if c.operation != CREATE]
    for path in dict.fromkeys((*readers, last, *written)):
        status, site.stored[path] = site.world.call("GET", path)
        assert status == HTTPStatus.OK, site.stored[path]
    for case in site.cases:
        site.learn(case)


def _make(site: Site, resource: Resource) -> None:
    if resource.namespaced:
        for which in (STORED, ENDING):
            site.make(site.path(resource), sound(resource, site.place, which))
        if Tie.ADOPTION in resource.ties:
            site.make(site.path(resource), loose(resource, site.place, LOOSE))
    status, said = site.world.call("DELETE", site.path(resource, ENDING), instead=COLLECTOR)
    assert status < HTTPStatus.BAD_REQUEST, said


def tear_down(site: Site) -> None:
    """Delete everything, in the name of a controller that nobody asks."""
    world = site.world
    world.call("DELETE", f"{CONFIGURATIONS}/{site.name}")
    for resource in OWN:
        _delete(world, f"{site.path(resource)}/{site.name}")
    for name in (site.place.name, site.place.ending):
        world.call("DELETE", f"/api/v1/namespaces/{name}", instead=COLLECTOR)
    for path in site.stored:
        world.call("PATCH", path, {"metadata": {"finalizers": None}}, instead=COLLECTOR)


def _delete(world: EmbeddedWorld, path: str) -> None:
    gone = (HTTPStatus.OK, HTTPStatus.NOT_FOUND)
    world.until(f"{path} is deleted", lambda: world.call("DELETE", path, instead=COLLECTOR)[0] in gone)
