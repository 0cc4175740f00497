"""What deciding by files needs, whether what is there now is known or not: which count, and the cluster they make."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tierguard.api.kinds import FREEZE, KINDS
from tierguard.api.model import API_VERSION, GROUP, rfc3339
from tierguard.cli.errors import InputError
from tierguard.cli.manifests import Manifest
from tierguard.cli.picture import CLUSTER_SCOPED, picture, placed
from tierguard.cli.shapes import misshapen
from tierguard.guard.freezes.compiled import validate
from tierguard.guard.model import objects
from tierguard.guard.model.change import Change, Operation
from tierguard.guard.model.decision import Decision
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import Workload
from tierguard.guard.model.workload_kinds import WORKLOAD_KINDS
from tierguard.guard.resources.own import SPECS

OUR_KINDS = frozenset(kind.kind for kind in KINDS)


@dataclass(frozen=True, slots=True)
class Checked:
    """A manifest, what it does to the cluster, and what was decided about that."""

    manifest: Manifest
    change: Change
    decision: Decision


def group_of(raw: KubeObject) -> str:
    """The API group of `raw`; empty for the core."""
    return str(raw.get("apiVersion") or "").rpartition("/")[0]


def change_of(old: KubeObject | None, new: KubeObject | None) -> Change:
    """The change from `old` to `new`. One of them may be None. Both are put into their namespaces."""
    old, new = (None if raw is None else placed(raw) for raw in (old, new))
    here = new or old or {}
    operation = Operation.CREATE if old is None else Operation.DELETE if new is None else Operation.UPDATE
    workload = Workload.of(here)
    name = workload.name if workload is not None else objects.name(here)
    kind = str(here.get("kind"))
    return Change(operation, kind, "" if kind in CLUSTER_SCOPED else objects.namespace(here), name, old, new)


def is_decided(manifest: Manifest) -> bool:
    """Whether it is one of our kinds, or a workload. Raises InputError for a version that no API server takes any more."""
    group, _, version = str(manifest.raw.get("apiVersion") or "").rpartition("/")
    if manifest.kind in OUR_KINDS:
        return group == GROUP
    entry = WORKLOAD_KINDS.get(manifest.kind)
    if entry is None:
        return False
    if group in (entry.group, "extensions") and (group, version) != (entry.group, entry.version):
        found = objects.printable(str(manifest.raw.get("apiVersion")), 80)
        message = f"{manifest.where}: {manifest.kind} {objects.name(manifest.raw)}: apiVersion"
        message += f": expected {entry.api_version}, found {found}"
        raise InputError(message)
    return group == entry.group  # else another project's kind of the same name


def require_shape(manifests: Iterable[Manifest]) -> None:
    """Raise InputError for what the API server would refuse for its types."""
    for manifest in manifests:
        if (problem := misshapen(manifest.raw)) is not None:
            message = f"{manifest.where}: {manifest.kind} {objects.name(manifest.raw)}: {problem}"
            raise InputError(message)


def require_readable(manifests: Iterable[Manifest]) -> None:
    """What to decide by must be readable: in a cluster the safe direction is to hold, in a pipeline it is to say so."""
    for manifest in manifests:
        model = SPECS.get(manifest.kind)
        if model is None:
            continue
        problem = validate(model, manifest.raw)
        if manifest.raw.get("apiVersion") != API_VERSION:
            problem = f"apiVersion is {manifest.raw.get('apiVersion')}, not {API_VERSION}"
        if problem is not None:
            message = f"{manifest.where}: {manifest.kind} {objects.name(manifest.raw)}: {problem}"
            raise InputError(message)


def state_of(manifests: Iterable[Manifest], now: datetime) -> State:
    """The cluster as the files describe it."""
    return picture(_created(m.raw, now) if m.kind == FREEZE.kind else m.raw for m in manifests)


def reviewed(state: State) -> State:
    """`state` for judging our own kinds.

    What is in Git was reviewed there; whether it may be applied at this hour is for the cluster to say.
    """
    return replace(state, freezes=(), windows=(), identities=replace(state.identities, gitops=frozenset({""})))


def count_rules(manifests: Sequence[Manifest]) -> int:
    """How many policies, freezes and windows are among them."""
    return sum(manifest.kind in OUR_KINDS for manifest in manifests)


def _created(raw: Any, now: datetime) -> Any:
    """A freeze without startsAt begins when it is created; one that is only a file is taken as created before `now`."""
    if objects.value(raw, "metadata", "creationTimestamp") is not None:
        return raw
    return {**raw, "metadata": {**raw["metadata"], "creationTimestamp": rfc3339(now)}}
