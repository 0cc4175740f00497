"""Rule `rollout`: a rollout takes no pod away before its replacement is ready, and can be taken back."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from tierguard.api.model import ApiModel
from tierguard.api.rule_values import RuleId
from tierguard.api.rules import RolloutRule
from tierguard.disruption import daemon_set_bounds, rolling_update_bounds, stateful_set_unavailable
from tierguard.guard.model import objects
from tierguard.guard.model.decision import Effect
from tierguard.guard.rules.rule import SERVING, Reads, Situation, Violation

_BEYOND_COUNTING = 2**31  # more pods than any replicas can say
_REVISIONS = 10
_PROGRESS_SECONDS = 600
_SHOWN = 60

_STRATEGY = {"Deployment": "strategy", "StatefulSet": "updateStrategy", "DaemonSet": "updateStrategy"}


class Rollout:
    """A rollout takes at most as many pods away as the policy says, usually none, waits for them, and can be rolled back.

    Why: with three pods of `payment-core`, maxUnavailable 1 gives up a third of the capacity in the middle of every deploy,
    and a template that never becomes ready keeps it away. With minReadySeconds 0 pods that crash after a few seconds replace
    all that worked; with revisionHistoryLimit 0 there is nothing to roll back to. What counts is what Kubernetes makes of
    the fields.

    Deployment: maxUnavailable in percent rounds down, maxSurge up, both at zero fall back to one unavailable pod, and
    leaving them out means 25 % (pkg/controller/deployment/util, ResolveFenceposts). `Recreate` takes every pod away at
    once. Percentages are of spec.replicas, or of its autoscaler's minimum where that is more.

    StatefulSet: a pod goes before its replacement comes, as both would have the same name. So one at a time is sound under
    any policy, and only a maxUnavailable above both one and the policy is not; it is stored only with the feature gate
    MaxUnavailableStatefulSet, off up to Kubernetes 1.36. podManagementPolicy is no matter: Parallel starts the pods of a
    scaling, and those that an update took, at once, but an update takes no more away for it
    (pkg/controller/statefulset/stateful_set_control.go). A partition that holds all pods back makes a rollout of nothing.

    DaemonSet: one pod is unavailable where nothing is written, and none only with maxSurge. Percentages are of the nodes
    that it runs on and round up: how many pods that is, nobody knows beforehand (pkg/controller/daemon/update.go).

    Under OnDelete a new template reaches a pod whenever anybody or anything deletes it: a drain is then a rollout, also in
    a freeze or out of hours.
    """

    id: ClassVar[RuleId] = RuleId.ROLLOUT
    block: ClassVar[str] = "rollout"
    kinds: ClassVar[frozenset[str]] = SERVING
    reads: ClassVar[Reads] = Reads.FRAME

    def check(self, situation: Situation, settings: ApiModel) -> Iterator[Violation]:
        """Yield at most one violation of what a rollout takes away, and one each of what it waits for and keeps."""
        assert isinstance(settings, RolloutRule)  # noqa: S101 - the registry pairs block and rule
        workload = situation.subject.workload
        strategy = objects.mapping(workload.spec, _STRATEGY.get(workload.kind, "strategy"))
        rolling = objects.mapping(strategy, "rollingUpdate")
        most = settings.max_unavailable
        # One that is scaled to zero comes back by scaling, which no rule stops.
        pods = max(1, workload.replicas or 0, situation.state.least_replicas(workload) or 0)
        pods = min(pods, _BEYOND_COUNTING)
        try:
            if workload.kind == "Deployment":
                yield from _deployment(strategy.get("type") == "Recreate", rolling, pods, most)
            elif strategy.get("type") == "OnDelete":
                yield _on_delete()
            elif workload.kind == "StatefulSet":
                yield from _stateful_set(rolling, pods, most)
            else:
                yield from _daemon_set(rolling, most)
        except ValueError as error:
            detail = f"spec.{_STRATEGY[workload.kind]}.rollingUpdate: {objects.printable(str(error), _SHOWN)}"
            remedy = _remedy(workload.kind, most)
            yield Violation("UnreadableRollingUpdate", detail, remedy, about="maxUnavailable", gap=_BEYOND_COUNTING)
        yield from _waits(workload.kind, workload.spec, settings.min_ready_seconds or 0)
        yield from _keeps(workload.spec, settings.revision_history_limit or 0)


def _deployment(recreate: bool, rolling: Mapping[str, Any], pods: int, most: int) -> Iterator[Violation]:  # noqa: FBT001
    remedy = _remedy("Deployment", most)
    if recreate:
        if pods > most:
            yield Violation(
                "RecreateStrategy",
                f"strategy Recreate takes all {pods} pods away at once, {most} may be",
                f"set spec.strategy.type: RollingUpdate and {remedy.removeprefix('set ')}",
                about="strategy",
                gap=pods - most,
            )
        return
    written = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    bounds = rolling_update_bounds(pods, *written)
    if bounds.max_unavailable > most:
        shown = ", ".join(
            f"{field} {'absent, so 25%' if value is None else value}"
            for field, value in zip(("maxUnavailable", "maxSurge"), written, strict=True)
        )
        if written == (None, None):
            shown = "maxUnavailable and maxSurge absent, so 25%"
        if bounds.fell_back:
            shown += ": both 0, so 1"
        yield Violation(
            "MaxUnavailable",
            f"a rollout may take {bounds.max_unavailable} of {pods} pods away ({shown}), {most} allowed",
            remedy,
            about="maxUnavailable",
            gap=bounds.max_unavailable - most,
        )


def _on_delete() -> Violation:
    return Violation(
        "OnDelete",
        "under OnDelete a new template reaches a pod whenever it is deleted, in a freeze too",
        "set spec.updateStrategy.type: RollingUpdate",
        about="strategy",
    )


def _stateful_set(rolling: Mapping[str, Any], pods: int, most: int) -> Iterator[Violation]:
    written, partition = rolling.get("maxUnavailable"), _number(rolling, "partition", 0)
    taken, allowed = stateful_set_unavailable(pods, written), max(1, most)
    if taken > allowed:
        yield Violation(
            "MaxUnavailable",
            f"a rollout may take {taken} of {pods} pods away (maxUnavailable {written}), {allowed} allowed",
            _remedy("StatefulSet", most),
            about="maxUnavailable",
            gap=taken - allowed,
        )
    if partition >= pods:
        yield Violation(
            "PartitionHoldsAll",
            f"partition {partition} holds all {pods} pods back: a new template reaches none of them",
            "lower spec.updateStrategy.rollingUpdate.partition to roll it out",
            Effect.WARN,
            about="partition",
        )


def _daemon_set(rolling: Mapping[str, Any], most: int) -> Iterator[Violation]:
    written = rolling.get("maxUnavailable")
    bounds = daemon_set_bounds(written, rolling.get("maxSurge"))
    remedy = _remedy("DaemonSet", most)
    if bounds.percentage and most:
        yield Violation(
            "UnboundedPercentage",
            f"a rollout may take pods from {bounds.percentage}% of the nodes, however many, {most} allowed",
            remedy,
            about="maxUnavailable",
            gap=bounds.percentage,
        )
    elif bounds.percentage:
        yield Violation(
            "MaxUnavailable",
            f"a rollout may take pods from {bounds.percentage}% of the nodes, rounded up, 0 allowed",
            remedy,
            about="maxUnavailable",
            gap=_BEYOND_COUNTING + bounds.percentage,
        )
    elif bounds.max_unavailable > most:
        absent = "absent, so 1" if written is None else written
        yield Violation(
            "MaxUnavailable",
            f"a rollout may take {_counted(bounds.max_unavailable)} away (maxUnavailable {absent}), {most} allowed",
            remedy,
            about="maxUnavailable",
            gap=bounds.max_unavailable - most,
        )


def _waits(kind: str, spec: Mapping[str, Any], least: int) -> Iterator[Violation]:
    found = _number(spec, "minReadySeconds", 0)
    if found >= least:
        return
    remedy = f"set spec.minReadySeconds to {least} or more"
    if kind == "Deployment" and _number(spec, "progressDeadlineSeconds", _PROGRESS_SECONDS) <= least:
        remedy += ", and spec.progressDeadlineSeconds above it"
    yield Violation(
        "ShortMinReady",
        f"minReadySeconds is {found}, at least {least} are asked for: a rollout goes on too early",
        remedy,
        about="minReadySeconds",
        gap=least - found,
    )


def _keeps(spec: Mapping[str, Any], least: int) -> Iterator[Violation]:
    found = _number(spec, "revisionHistoryLimit", _REVISIONS)
    if found >= least:
        return
    nothing = ": there is nothing to roll back to" if found <= 0 else ""
    yield Violation(
        "ShortHistory",
        f"revisionHistoryLimit is {found}, at least {least} are asked for{nothing}",
        f"set spec.revisionHistoryLimit to {least} or more",
        about="revisionHistoryLimit",
        gap=least - found,
    )


def _remedy(kind: str, most: int) -> str:
    field = f"spec.{_STRATEGY[kind]}.rollingUpdate"
    if kind == "StatefulSet":
        return f"set {field}.maxUnavailable to {max(1, most)}"
    if kind == "DaemonSet" and most:
        return f"set {field} to maxUnavailable: {most}, maxSurge: 0"  # the API takes only one of them
    return f"set {field} to maxUnavailable: 0, maxSurge: 1"


def _counted(pods: int) -> str:
    return "1 pod" if pods == 1 else f"{pods} pods"


def _number(parent: Mapping[str, Any], field: str, otherwise: int) -> int:
    found = objects.value(parent, field)
    return found if isinstance(found, int) and not isinstance(found, bool) else otherwise
