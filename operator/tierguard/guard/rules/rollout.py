"""Rule `rollout`: a rollout takes no pod away before its replacement is ready."""

from collections.abc import Iterator
from typing import ClassVar

from tierguard.api.model import ApiModel
from tierguard.api.policy import RolloutRule
from tierguard.disruption import rolling_update_bounds
from tierguard.guard import objects
from tierguard.guard.classify import Classified
from tierguard.guard.rules.rule import Violation
from tierguard.guard.state import State

_REMEDY = "set spec.strategy.rollingUpdate to maxUnavailable: 0, maxSurge: 1"


class Rollout:
    """The effective maxUnavailable of a Deployment is at most what the policy says, usually 0.

    Why: with three pods of `payment-core`, maxUnavailable 1 gives up a third of the capacity in the middle of every deploy,
    and a template that never becomes ready keeps it away. What counts is what Kubernetes makes of the fields: a percentage
    of maxUnavailable rounds down, one of maxSurge rounds up, both at zero fall back to one unavailable pod, and leaving
    them out means 25 % (pkg/controller/deployment/util, ResolveFenceposts). `Recreate` takes every pod away at once.
    """

    id: ClassVar[str] = "rollout"
    block: ClassVar[str] = "rollout"
    kinds: ClassVar[frozenset[str]] = frozenset({"Deployment"})

    def check(self, subject: Classified, settings: ApiModel, state: State) -> Iterator[Violation]:  # noqa: ARG002 - Rule
        """Yield at most one violation."""
        assert isinstance(settings, RolloutRule)  # noqa: S101 - the registry pairs block and rule
        replicas = subject.workload.replicas or 0
        strategy = objects.mapping(subject.workload.raw, "spec", "strategy")
        if strategy.get("type") == "Recreate":
            yield Violation(
                "RecreateStrategy",
                f"strategy Recreate takes all {replicas} pods away at once, {settings.max_unavailable} may be",
                f"set spec.strategy.type: RollingUpdate and {_REMEDY.removeprefix('set ')}",
            )
            return
        rolling = objects.mapping(strategy, "rollingUpdate")
        written = rolling.get("maxUnavailable"), rolling.get("maxSurge")
        try:
            bounds = rolling_update_bounds(replicas, *written)
        except ValueError as error:
            yield Violation("UnreadableRollingUpdate", f"spec.strategy.rollingUpdate: {error}", _REMEDY)
            return
        if bounds.max_unavailable > settings.max_unavailable:
            yield Violation(
                "MaxUnavailable",
                f"a rollout may take {bounds.max_unavailable} of {replicas} pods away ({_written(*written)}),"
                f" {settings.max_unavailable} allowed",
                _REMEDY,
            )


def _written(unavailable: object, surge: object) -> str:
    return (
        f"maxUnavailable {'absent, so 25%' if unavailable is None else unavailable},"
        f" maxSurge {'absent, so 25%' if surge is None else surge}"
    )
