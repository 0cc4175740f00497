"""`tierguard check --before`: files judged as changes of what is there now, by the same functions as in the webhook."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from tierguard.cli.deciding import (
    OUR_KINDS,
    Checked,
    change_of,
    group_of,
    is_decided,
    require_readable,
    require_shape,
    reviewed,
    state_of,
)
from tierguard.cli.manifests import Manifest
from tierguard.cli.picture import placed
from tierguard.guard.decide import evaluate
from tierguard.guard.message import compose
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change
from tierguard.guard.model.decision import Decision, Effect, Finding
from tierguard.guard.model.state import State

_ALSO_CHANGED = {
    ("policy", "PodDisruptionBudget"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("keda.sh", "ScaledObject"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    *(("", kind) for kind in ("Namespace", "ConfigMap", "Secret", "PersistentVolumeClaim")),
}
"""What is decided about where it changed, beside workloads and our own kinds."""

_Key = tuple[str, str, str, str]
_About = tuple[str, str, str]


def decide_difference(
    manifests: Sequence[Manifest],
    before: Sequence[Manifest],
    deciding: Sequence[Manifest],
    now: datetime,
    *,
    prune: bool,
) -> list[Checked]:
    """Decide about turning `before` into `manifests`; with `prune`, what is only in `before` is deleted. Raises InputError.

    Nobody knows in which order a pipeline applies its files, and a budget may come along with its workload. So each change
    is judged as the last of all: everything else is as `manifests` leave it, and what they do not name as it was. What it
    then breaks as before only warns, as in the webhook; but two changes must not excuse each other (a budget leaves the
    pods, the pods leave the budget), so each is judged as the first of all, too: what the first is refused for, and the
    last is still warned of, was not there before and is refused.

    Files are compared as they are written: a field that only says the default counts as changed. What became available in
    the cluster is in no file, so nothing is a rollback here.
    """
    require_shape([*manifests, *before, *deciding])
    require_readable(deciding)
    was, will, by = _named(before), _named(manifests), _named(deciding)
    nameless = [manifest for manifest in manifests if not objects.name(manifest.raw)]
    earlier = state_of({**by, **was}.values(), now)
    later = state_of([*{**by, **({} if prune else was), **will}.values(), *nameless], now)
    _know_namespaces(earlier, later)
    gone = [manifest for key, manifest in was.items() if prune and key not in will and key not in by]
    return [
        Checked(manifest, change, _decide(change, earlier, later, now))
        for manifest, change in (*_kept(manifests, was), *_deleted(gone))
    ]


def _know_namespaces(earlier: State, later: State) -> None:
    """A namespace of which only one side has anything is there on both, as the last object in it goes or the first comes."""
    later.announced |= earlier.announced - later.namespaces.keys()
    later.namespaces = {**earlier.namespaces, **later.namespaces}
    earlier.namespaces = {**later.namespaces, **earlier.namespaces}


def _named(manifests: Iterable[Manifest]) -> dict[_Key, Manifest]:
    return {_key(manifest): manifest for manifest in manifests if objects.name(manifest.raw)}


def _key(manifest: Manifest) -> _Key:
    here = placed(manifest.raw)
    return (group_of(here), manifest.kind, objects.namespace(here), objects.name(here))


def _kept(manifests: Sequence[Manifest], was: Mapping[_Key, Manifest]) -> Iterator[tuple[Manifest, Change]]:
    for manifest in manifests:
        known = was.get(_key(manifest))
        changed = known is None or known.raw != manifest.raw
        if is_decided(manifest) or (changed and _also(manifest)):
            yield manifest, change_of(None if known is None else known.raw, manifest.raw)


def _deleted(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, Change]]:
    for manifest in manifests:
        if is_decided(manifest) or _also(manifest):
            yield manifest, change_of(manifest.raw, None)


def _also(manifest: Manifest) -> bool:
    return (group_of(manifest.raw), manifest.kind) in _ALSO_CHANGED


def _decide(change: Change, earlier: State, later: State, now: datetime) -> Decision:
    if change.kind in OUR_KINDS:
        return evaluate(change, reviewed(later), now)
    last = evaluate(change, _as_stored(change, earlier, later), now)
    if not any(finding.effect is Effect.WARN for finding in last.findings):
        return last
    first = evaluate(change, earlier, now)
    return _not_inherited(change, last, {_about(f) for f in first.findings if f.effect is Effect.DENY})


def _as_stored(change: Change, earlier: State, later: State) -> State:
    """`later`, where the workload that changes is still as in `earlier`; the evaluators put in other changes themselves."""
    key = (change.kind, change.namespace, change.name)
    there = {k: raw for k, raw in later.workloads_in.get(change.namespace, {}).items() if k != key}
    stored = earlier.workloads_in.get(change.namespace, {}).get(key)
    if stored is not None:
        there[key] = stored
    return replace(later, workloads_in={**later.workloads_in, change.namespace: there})


def _about(finding: Finding) -> _About:
    return (finding.rule, finding.source, finding.reason)


def _not_inherited(change: Change, last: Decision, refused: set[_About]) -> Decision:
    known = {_about(finding) for finding in last.findings if finding.effect is Effect.DENY}
    excused = {_about(finding) for finding in last.findings if finding.effect is Effect.WARN} & refused - known
    if not excused:
        return last
    found = [
        replace(f, effect=Effect.DENY) if f.effect is Effect.WARN and _about(f) in excused else f for f in last.findings
    ]
    composed = compose(change, last.kinds, last.tier, found, last.possible_from)
    # A freeze or window that refused it already says so in its own words, with the time in its zone.
    return replace(composed, message=last.message or composed.message)
