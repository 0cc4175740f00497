"""Rule `termination`: a pod that is to go has the time to end what it does."""

from collections.abc import Iterator
from typing import Any, ClassVar

from tierguard.api.model import ApiModel
from tierguard.api.rule_values import RuleId
from tierguard.api.rules import TerminationRule
from tierguard.guard.model import objects
from tierguard.guard.model.containers import Container
from tierguard.guard.rules.rule import SERVING, Reads, Situation, Violation

_GRACE_PERIOD_SECONDS = 30
_FIELD = "terminationGracePeriodSeconds"


class Termination:
    """A pod gets the policy's time to end, whatever ends it, and its preStop hooks do not sleep all of it away.

    Why: a capture at the card network takes up to 45 seconds; pods of `payment-core` that were killed after 30 left
    payments that were taken twice. Where it is left out, terminationGracePeriodSeconds is 30. The time that a preStop hook
    takes is part of it, not before it, and a liveness or startup probe with a terminationGracePeriodSeconds of its own
    kills after that instead (pkg/kubelet/kuberuntime/kuberuntime_container.go, killContainer). How long a hook other than
    `sleep` takes is not known, so it is not judged.
    """

    id: ClassVar[RuleId] = RuleId.TERMINATION
    block: ClassVar[str] = "termination"
    kinds: ClassVar[frozenset[str]] = SERVING
    reads: ClassVar[Reads] = Reads.FRAME

    def check(self, situation: Situation, settings: ApiModel) -> Iterator[Violation]:
        """Yield at most one violation of the pod's own time, then at most one a container and reason."""
        assert isinstance(settings, TerminationRule)  # noqa: S101 - the registry pairs block and rule
        workload, asked = situation.subject.workload, settings.grace_period_seconds
        written = workload.pod.termination_grace_period_seconds
        grace = _GRACE_PERIOD_SECONDS if written is None else written
        if grace < asked:
            yield Violation(
                "ShortGracePeriod",
                f"{_FIELD} is {grace}, at least {asked} are asked for",
                f"set {_FIELD} of the pod template to {asked} or more",
                about="pod",
                gap=asked - grace,
            )
        for container in workload.containers:
            if container.stays:
                yield from _hook(container, grace)
                yield from _probes(container, asked)


def _hook(container: Container, grace: int) -> Iterator[Violation]:
    slept = _seconds(container.spec.lifecycle, "preStop", "sleep", "seconds") or 0
    if slept > 0 and slept >= grace:
        yield Violation(
            "PreStopTooLong",
            f"preStop sleeps {slept} s of {grace} s of grace in {container}",
            f"set lifecycle.preStop.sleep.seconds well below {_FIELD}",
            about=f"{container.name}/preStop",
            # One more than the difference, so that all of it is a gap too.
            gap=slept - grace + 1,
        )


def _probes(container: Container, asked: int) -> Iterator[Violation]:
    spec = container.spec
    probes = (("livenessProbe", spec.liveness_probe), ("startupProbe", spec.startup_probe))
    written = ((_seconds(probe, _FIELD), name) for name, probe in probes)
    grace, probe = min(((seconds, probe) for seconds, probe in written if seconds is not None), default=(asked, ""))
    if grace < asked:
        yield Violation(
            "ShortProbeGracePeriod",
            f"{probe} gives {grace} s to end, {asked} asked for, in {container}",
            f"leave {probe}.{_FIELD} out, or set it to {asked} or more",
            about=f"{container.name}/probes",
            gap=asked - grace,
        )


def _seconds(parent: Any, *path: str) -> int | None:
    found = objects.value(parent, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None
