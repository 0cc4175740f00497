"""Two people: who may write which name into a lift, an exception or a review of a freeze, or an exemption of a policy.

Over kubectl each name must be the authenticated user who writes it, so that a name is evidence and not a claim. Identities
trusted for GitOps may write both names: the review happened in Git. A pair of names by one person must be impossible
however the writes are split up, so this holds for freezes that are not active too.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tierguard.api.kinds import FREEZE
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change
from tierguard.guard.model.decision import Finding
from tierguard.guard.model.objects import KubeObject

RULE = "two-people"
_LISTS = ("exceptions", "exemptions")
"""Of a freeze, and of a policy: lists whose entries one person asks for and another approves."""
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class _Signed:
    """A lift, an exception or an exemption: where it is, what it says without the approvals, and the approvals."""

    place: str
    content: str
    requested_by: str
    approved_by: frozenset[str]


def unsigned(change: Change) -> Iterator[Finding]:
    """What is wrong with the names that `change` writes into a freeze or policy.

    Raises Unanswered while RBAC must be asked.
    """
    if change.new is None:
        return
    old, new = change.old or {}, change.new
    known = {(signed.place.partition("[")[0], signed.content): signed for signed in _signed(old)}
    approvals = 0
    for signed in _signed(new):
        if signed.place == "lift" and taken_back(old, new):
            continue
        before = known.get((signed.place.partition("[")[0], signed.content))
        if before is None:
            yield from _requested(change, signed)
        elif added := signed.approved_by - before.approved_by:
            approvals += 1
            yield from _approved(change, signed, added, alone=approvals == 1 and _rest(old) == _rest(new))
    yield from _reviewed(change, old, new)


def taken_back(old: KubeObject, new: KubeObject) -> bool:
    """Whether the lift that counted in `old` is in `new` as it was, or ends sooner: nothing that anybody has to approve.

    With until: <now> the freeze holds again from now on, and what was rolled out meanwhile is something to go back to.
    """
    before, after = (objects.mapping(side, "spec", "lift") for side in (old, new))
    if not before or not after or not approved_by_another(before):
        return False
    if {**before, "until": None} != {**after, "until": None}:
        return False
    if before.get("until") == after.get("until"):
        return True
    sooner, later = objects.instant(after.get("until")), objects.instant(before.get("until"))
    return sooner is not None and (before.get("until") is None or (later is not None and sooner < later))


def approved_by_another(request: Mapping[str, Any]) -> bool:
    """Whether somebody other than who asked has approved what `request` asks for: a spec, or a lift in one."""
    return any(name != request.get("requestedBy") for name in objects.sequence(request, "approvedBy"))


def _requested(change: Change, signed: _Signed) -> Iterator[Finding]:
    if signed.requested_by != change.user:
        yield _finding(
            change,
            "NotYourName",
            f"spec.{signed.place}.requestedBy is {signed.requested_by}, and you are {change.user}",
            "write your own name: it says who asked",
        )
    elif signed.approved_by:
        yield _finding(
            change,
            "OnePerson",
            f"spec.{signed.place} is asked for and approved in one write",
            "leave approvedBy out: somebody else adds their name",
        )
    elif signed.place == "lift" and not change.may("lift", change.name):
        yield _finding(change, *change.lacks("lift", change.name, "who asks to lift a freeze"))


def _approved(change: Change, signed: _Signed, added: frozenset[str], *, alone: bool) -> Iterator[Finding]:
    where = f"spec.{signed.place}.approvedBy"
    if added != {change.user}:
        names = ", ".join(sorted(added))
        yield _finding(
            change, "NotYourName", f"{where} gains {names}, and you are {change.user}", "add your own name only"
        )
    elif change.user == signed.requested_by:
        yield _finding(change, "OnePerson", f"{where}: who asked cannot approve", "somebody else approves")
    elif change.user.startswith("system:"):
        yield _finding(change, "NotAPerson", f"{where}: {change.user} is no User", "a person approves")
    elif not alone:
        yield _finding(
            change,
            "NotAlone",
            f"the write that adds your name to {where} changes more than that",
            "add your name and nothing else",
        )
    elif not change.may("approve", name := change.name if change.kind == FREEZE.kind else ""):
        yield _finding(change, *change.lacks("approve", name, "who approves"))


def _reviewed(change: Change, old: KubeObject, new: KubeObject) -> Iterator[Finding]:
    before = objects.sequence(old, "spec", "reviews")
    for review in objects.sequence(new, "spec", "reviews"):
        if review not in before and objects.value(review, "reviewedBy") != change.user:
            who = objects.printable(str(objects.value(review, "reviewedBy")), 128)
            yield _finding(
                change,
                "NotYourName",
                f"spec.reviews: reviewedBy is {who}, and you are {change.user}",
                "write your own name: it says who reviewed",
            )


def _finding(change: Change, reason: str, detail: str, remedy: str) -> Finding:
    return Finding(RULE, f"{change.kind}/{change.name}", reason, detail, remedy)


def _signed(obj: KubeObject) -> Iterator[_Signed]:
    lift = objects.value(obj, "spec", "lift")
    if isinstance(lift, dict):
        yield _of("lift", lift)
    for part in _LISTS:
        for index, item in enumerate(objects.sequence(obj, "spec", part)):
            if isinstance(item, dict):
                yield _of(f"{part}[{index}]", item)


def _of(place: str, item: Mapping[str, Any]) -> _Signed:
    approvals = objects.sequence(item, "approvedBy")
    return _Signed(
        place,
        json.dumps({key: value for key, value in item.items() if key != "approvedBy"}, sort_keys=True),
        str(item.get("requestedBy")),
        frozenset(str(name) for name in approvals),
    )


def _rest(obj: KubeObject) -> object:
    """All of a freeze or policy that a person writes, but the approvals and kubectl's own note of what was applied."""
    spec = dict(objects.mapping(obj, "spec"))
    if isinstance(spec.get("lift"), dict):
        spec["lift"] = {**spec["lift"], "approvedBy": None}
    for part in _LISTS:
        spec[part] = [
            {**item, "approvedBy": None} if isinstance(item, dict) else item
            for item in objects.sequence(obj, "spec", part)
        ]
    notes = {key: value for key, value in objects.annotations(obj).items() if key != _LAST_APPLIED}
    rest = (objects.labels(obj), notes, objects.value(obj, "metadata", "finalizers"))
    return (spec, rest, objects.value(obj, "metadata", "ownerReferences"))
