"""From the journals of all webhook processes to what a freeze's or window's status tells. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tierguard.api.ledger import MOST_ENTRIES, MOST_LISTED
from tierguard.api.model import rfc3339
from tierguard.cluster.journal import Entry, Glass, Journal, Page
from tierguard.controller.events import event as announce
from tierguard.guard.model import objects
from tierguard.guard.model.hold import Hold
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.schedule import FOREVER

Status = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """What all journals say together."""

    pages: Mapping[tuple[str, str], Page] = field(default_factory=dict)
    bypasses: tuple[Glass, ...] = ()

    def of_stretch(self, uid: str, since: str) -> Page | None:
        """The refusals of one stretch; None when nobody refused anything."""
        return self.pages.get((uid, since))


def together(journals: Iterable[Journal]) -> Told:
    """The sum of `journals`."""
    pages: dict[tuple[str, str], Page] = {}
    bypasses: dict[str, Glass] = {}
    for journal in journals:
        for key, page in journal.pages.items():
            merged = pages.setdefault(key, Page())
            counted = sum(entry.count for entry in page.newest)
            for entry in page.newest:
                merged.add(entry)
            merged.total += page.total - counted  # those that are no longer among the newest
        bypasses.update({glass.id: glass for glass in journal.bypasses})
    return Told(pages, tuple(sorted(bypasses.values(), key=lambda glass: (glass.at, glass.id))))


def ledger(stored: KubeObject, told: Told, since: str | None) -> Status | None:
    """`status.refused`: of the stretch that is `since`, or, without one, what the stored status says of the last."""
    if since is None:
        kept = objects.mapping(stored, "status", "refused")
        return dict(kept) if kept else None
    page = told.of_stretch(objects.uid(stored), since)
    kept = objects.mapping(stored, "status", "refused")
    if page is None:  # a journal that is gone takes nothing back
        return dict(kept) if kept.get("since") == since else {"since": since, "total": 0, "newest": []}
    newest = [_refusal(entry) for entry in reversed(page.newest)][:MOST_ENTRIES]
    return {"since": since, "total": page.total, "newest": newest}


def _refusal(entry: Entry) -> Status:
    return {
        "user": entry.user,
        "change": entry.change,
        "subject": objects.printable(entry.subject, 512),
        "first": entry.first,
        "last": entry.last,
        "count": entry.count,
    }


def stretch_of(hold: Hold, now: datetime) -> str | None:
    """What the refusals of `hold` at `now` are filed under; None while it refuses nothing."""
    current = hold.timeline.covering(now)
    if hold.kind == "OperationalFreeze":
        return rfc3339(current.start) if current is not None else None
    if current is not None:
        return None
    opening = hold.timeline.next_after(now)
    return rfc3339(opening.start if opening is not None else FOREVER)


def reviews_owed(stored: KubeObject, hold: Hold, told: Told) -> list[Status]:
    """`status.reviewsOwed`: broken glass that nobody has reviewed, but who broke it."""
    owed = {str(item.get("id")): dict(item) for item in objects.sequence(stored, "status", "reviewsOwed")}
    for glass in told.bypasses:
        if objects.uid(stored) in glass.freezes:
            owed[glass.id] = {
                "id": glass.id,
                "user": glass.user,
                "change": glass.change,
                "subject": objects.printable(glass.subject, 512),
                "ticket": glass.ticket,
                "reason": glass.reason,
                "at": glass.at,
            }
    for review, reviewer in hold.reviewed:
        if review in owed and owed[review]["user"] != reviewer:
            del owed[review]
    return sorted(owed.values(), key=lambda item: (str(item["at"]), str(item["id"])))[:MOST_LISTED]


def summary(refused: Mapping[str, Any]) -> str:
    """A ledger in a sentence, for the event that tells of a freeze's end."""
    total = refused.get("total") or 0
    if not total:
        return "It refused no change."
    tries = (
        f"{item['user']}: {item['change']} of {item['subject']} at {item['last']}"
        + (f" ({item['count']} times)" if item["count"] > 1 else "")
        for item in objects.sequence(refused, "newest")
    )
    return f"It refused {total} change{'s' if total > 1 else ''}: {'; '.join(tries)}."


def events(state: State, told: Told, known: set[str], now: datetime) -> Iterator[tuple[str, KubeObject]]:
    """Events about workloads and freezes for what is not in `known` yet, each with its key: once for each thing tried."""
    by_uid = {hold.uid: hold for hold in (*state.freezes, *state.windows)}
    for (uid, since), page in told.pages.items():
        hold = by_uid.get(uid)
        for entry in page.newest if hold is not None else ():
            key = "/".join((uid, since, *entry.key))
            if hold is None or key in known:
                continue
            note = f"{hold.source} refused {entry.change} by {entry.user}"
            at = datetime.fromisoformat(entry.first)
            yield key, _about(state, entry, "ChangeRefused", note, at, now)
    for glass in told.bypasses:
        if glass.id in known:
            continue
        note = (
            f"{glass.user} broke the glass for {glass.change} of {glass.subject} under {glass.ticket}: {glass.reason}"
        )
        at = datetime.fromisoformat(glass.at)
        yield glass.id, _about(state, glass, "GlassBroken", note, at, now)
        for uid in glass.freezes:
            hold = by_uid.get(uid)
            if hold is not None and hold.kind == "OperationalFreeze":
                freeze = {
                    "apiVersion": "tierguard.io/v1alpha1",
                    "kind": hold.kind,
                    "metadata": {"name": hold.name, "uid": uid},
                }
                yield (
                    f"{glass.id}/{uid}",
                    announce.event(
                        freeze,
                        reason="GlassBroken",
                        note=f"{note}; a review is owed: add id {glass.id} to spec.reviews",
                        action="BreakGlass",
                        at=at,
                        now=now,
                        warning=True,
                        distinct=glass.id,
                    ),
                )


def _about(state: State, tried: Entry | Glass, reason: str, note: str, at: datetime, now: datetime) -> KubeObject:
    known = state.workload(tried.kind, tried.namespace, tried.name)
    raw = known.raw if known is not None else {}
    regarding = {
        "apiVersion": raw.get("apiVersion", "v1"),
        "kind": tried.kind,
        "metadata": {"name": tried.name, "namespace": tried.namespace, "uid": objects.uid(raw)},
    }
    distinct = f"{tried.user}/{tried.change}/{tried.kind}" if isinstance(tried, Entry) else tried.id
    return announce.event(
        regarding, reason=reason, note=note, action="Review", at=at, now=now, warning=True, distinct=distinct
    )
