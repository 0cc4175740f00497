"""Rule `evidence`: a rollout carries what was agreed about it, and proof that the way back was tried."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import ClassVar

from tierguard.api.model import ApiModel
from tierguard.api.rule_values import RuleId
from tierguard.api.rules import EvidenceRule, Proof
from tierguard.api.scope import ChangeKind
from tierguard.guard.model import objects
from tierguard.guard.model.workload import Workload
from tierguard.guard.rules.rule import AUTHORED, Reads, Situation, Violation

PREFIX = "evidence.tierguard.io/"
IMAGES = "images"
"""The annotation, after the prefix, that lists the images that the evidence is about."""

_ROLLOUTS = frozenset({ChangeKind.CREATE, ChangeKind.ROLLOUT})
_SHORTEST_DIGEST = 12
"""Hexadecimal digits of a digest that name it."""
_MOST_NAMED = 4
_LONGEST_INSTANT = 64
"""Characters of a date with time and zone; longer texts are none."""


class Evidence:
    """A rollout brings each annotation `evidence.tierguard.io/<name>` that the policy asks for, anew; proof is not too old.

    Why: an approval that is copied from release to release approves nothing. So each value must be another one than that
    of the rollout before, and `evidence.tierguard.io/images` must list the images that the new pod template runs: by
    digest (at least twelve of its hexadecimal digits), or as written where there is none; separated by commas. It may list
    more, so that one release can say the same of all its workloads. Recurring proof (the last restore test, the last
    failover drill) is a date, as `2026-11-21` or with a time; a backup that was not restored for a year is a hope. Rolling
    back, restarting and scaling ask for none of it.
    """

    id: ClassVar[RuleId] = RuleId.EVIDENCE
    block: ClassVar[str] = "evidence"
    kinds: ClassVar[frozenset[str]] = AUTHORED
    reads: ClassVar[Reads] = Reads.MORE

    def check(self, situation: Situation, settings: ApiModel) -> Iterator[Violation]:
        """Yield what is missing, what is old, and what speaks of other images; nothing for changes that roll nothing out."""
        assert isinstance(settings, EvidenceRule)  # noqa: S101 - the registry pairs block and rule
        if situation.kinds and not _ROLLOUTS.intersection(situation.kinds):
            return
        given = situation.subject.workload.annotations
        if settings.annotations:
            yield from _annotations(situation, settings, given)
        for proof in settings.proofs:
            yield from _proof(proof, _said(given, proof.annotation), situation.now)


def _said(given: Mapping[str, str], name: str) -> str:
    return str(given.get(PREFIX + name) or "").strip()


def _annotations(situation: Situation, settings: EvidenceRule, given: Mapping[str, str]) -> Iterator[Violation]:
    missing = [name for name in (*settings.annotations, IMAGES) if not _said(given, name)]
    if missing:
        yield Violation(
            "MissingEvidence",
            f"evidence is missing: {_named(missing)}",
            f"annotate the workload with {PREFIX}<name> in the same change",
            about="annotations",
            gap=len(missing),
            inherited=False,
        )
    if ChangeKind.ROLLOUT in situation.kinds and situation.before is not None:
        earlier = situation.before.workload.annotations
        stale = [name for name in settings.annotations if (text := _said(given, name)) and text == _said(earlier, name)]
        if stale:
            yield Violation(
                "StaleEvidence",
                f"evidence is that of the rollout before: {_named(stale)}",
                f"bring it anew: another value of {PREFIX}<name>",
                about="annotations",
                gap=len(stale),
                inherited=False,
            )
    images = _said(given, IMAGES)
    if images and (other := _not_spoken_of(situation.subject.workload, images)):
        yield Violation(
            "OtherImages",
            f"evidence speaks of other images: not of {objects.printable(other[0], 71)}"
            + (f" and {len(other) - 1} more" if len(other) > 1 else ""),
            f"have this release approved, and list its images in {PREFIX}{IMAGES}",
            about=IMAGES,
            inherited=False,
        )


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _not_spoken_of(workload: Workload, written: str) -> list[str]:
    listed = frozenset(written.replace(",", " ").split())
    if "@" in written:
        listed |= {entry.rpartition("@")[2] for entry in listed}
    found: dict[str, None] = {}
    for reference in workload.images:
        wanted = reference.digest or reference.image
        if not _spoken_of(wanted, listed, digest=bool(reference.digest)):
            found[wanted] = None
    return [*found]


def _spoken_of(wanted: str, listed: frozenset[str], *, digest: bool) -> bool:
    """Whether `wanted`, or enough of it where it is a digest, is among those that are `listed`: looked up, not compared."""
    if wanted in listed:
        return True
    shortest = len(wanted.partition(":")[0]) + 1 + _SHORTEST_DIGEST
    return digest and any(wanted[:length] in listed for length in range(shortest, len(wanted)))


def _proof(proof: Proof, written: str, now: datetime) -> Iterator[Violation]:
    name = f"{PREFIX}{proof.annotation}"
    remedy = f"do it, and write the date into the annotation {name}"
    if not written:
        yield Violation(
            "MissingProof", f"proof is missing: {proof.annotation}", remedy, about=proof.annotation, inherited=False
        )
        return
    when = _instant(written) if len(written) <= _LONGEST_INSTANT else None
    if when is None or when > now + timedelta(days=1):
        problem = "is no date" if when is None else "lies in the future"
        yield Violation(
            "UnreadableProof",
            f"proof {proof.annotation} {problem}: {objects.printable(written, 40)}",
            f"write the date as 2026-11-21 into the annotation {name}",
            about=proof.annotation,
            inherited=False,
        )
        return
    oldest = when + timedelta(days=proof.max_age_days)
    if now > oldest:
        yield Violation(
            "StaleProof",
            f"proof {proof.annotation} is of {when:%Y-%m-%d}, older than {proof.max_age_days} days",
            remedy,
            about=proof.annotation,
            # Not the age: it would tick, and a policy that asks for fresher proof is the stricter one all the same.
            gap=1 / proof.max_age_days,
            inherited=False,
        )


@lru_cache(maxsize=256)
def _instant(written: str) -> datetime | None:
    """The instant that a date is good from: the start of that day anywhere on Earth does, so the end of it in UTC."""
    try:
        if len(written) == len("2026-11-21"):
            return datetime.combine(date.fromisoformat(written), datetime.min.time(), UTC) + timedelta(hours=23)
        found = datetime.fromisoformat(written)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
