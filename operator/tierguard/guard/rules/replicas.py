"""Rule `replicas`: a workload runs at least as many pods as the policy says."""

from collections.abc import Iterator
from typing import ClassVar

from tierguard.api.model import ApiModel
from tierguard.api.rule_values import RuleId
from tierguard.api.rules import ReplicasRule
from tierguard.guard.model import objects
from tierguard.guard.model.facts import Autoscaler
from tierguard.guard.rules.rule import Reads, Situation, Violation

_FIELDS = {"HorizontalPodAutoscaler": "minReplicas", "ScaledObject": "minReplicaCount"}


class Replicas:
    """`spec.replicas`, or the minimum of the autoscaler that sets it, is at least the policy's minimum.

    Why: with three zones, three replicas are what is left of a service when one of them is gone and a node drains. An
    autoscaler that works through a freeze does so within this minimum: scaling a workload below it is held like a person's.

    Absent replicas are one. Where something scales the workload its own number means little: minReplicas counts, one where
    it is absent (minReplicaCount of a ScaledObject: none). Only a workload that was set to zero stays there, whatever
    minReplicas says: that switches a HorizontalPodAutoscaler off (pkg/controller/podautoscaler/horizontal.go).
    """

    id: ClassVar[RuleId] = RuleId.REPLICAS
    block: ClassVar[str] = "replicas"
    kinds: ClassVar[frozenset[str]] = frozenset({"Deployment", "StatefulSet"})
    reads: ClassVar[Reads] = Reads.MORE

    def check(self, situation: Situation, settings: ApiModel) -> Iterator[Violation]:
        """Yield at most one violation."""
        assert isinstance(settings, ReplicasRule)  # noqa: S101 - the registry pairs block and rule
        workload = situation.subject.workload
        autoscaler = situation.state.autoscaler_of(workload)
        name = "" if autoscaler is None else f"{autoscaler.kind} {objects.printable(autoscaler.name, 63)}"
        asked = f"at least {settings.minimum} are asked for"
        if autoscaler is None or _switched_off(autoscaler, workload.replicas):
            least = workload.replicas or 0
            off = f", which switches {name} off" if name else ""
            detail = f"spec.replicas is {least}{off}, {asked}"
            remedy = f"set spec.replicas to {settings.minimum} or more"
        else:
            least = situation.state.least_replicas(workload) or 0
            detail = f"{name} may leave {least}, {asked}"
            remedy = f"set its {_FIELDS.get(autoscaler.kind, 'minimum')} to {settings.minimum} or more"
        if least < settings.minimum:
            yield Violation(
                "TooFewReplicas",
                detail,
                remedy,
                rests_on_absence=autoscaler is None,
                about="replicas",
                gap=settings.minimum - least,
            )


def _switched_off(autoscaler: Autoscaler, replicas: int | None) -> bool:
    return autoscaler.kind == "HorizontalPodAutoscaler" and replicas == 0 and autoscaler.minimum > 0
