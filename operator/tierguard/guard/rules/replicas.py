"""Rule `replicas`: a workload runs at least as many pods as the policy says."""

from collections.abc import Iterator
from typing import ClassVar

from tierguard.api.model import ApiModel
from tierguard.api.policy import ReplicasRule
from tierguard.guard.classify import Classified
from tierguard.guard.rules.rule import Violation
from tierguard.guard.state import State


class Replicas:
    """`spec.replicas` is at least the policy's minimum.

    Why: with three zones, three replicas are what is left of a service when one of them is gone and a node drains. An
    autoscaler that works through a freeze does so within this minimum: scaling a workload below it is held like a person's.
    """

    id: ClassVar[str] = "replicas"
    block: ClassVar[str] = "replicas"
    kinds: ClassVar[frozenset[str]] = frozenset({"Deployment", "StatefulSet"})

    def check(self, subject: Classified, settings: ApiModel, state: State) -> Iterator[Violation]:  # noqa: ARG002 - Rule
        """Yield at most one violation."""
        assert isinstance(settings, ReplicasRule)  # noqa: S101 - the registry pairs block and rule
        replicas = subject.workload.replicas or 0
        if replicas < settings.minimum:
            yield Violation(
                "TooFewReplicas",
                f"spec.replicas is {replicas}, at least {settings.minimum} are asked for",
                f"set spec.replicas to {settings.minimum} or more",
            )
