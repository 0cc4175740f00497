"""Rule `resources`: every container says what it needs, and what it may not exceed."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from tierguard.api.model import ApiModel
from tierguard.api.rule_values import ResourceName, RuleId
from tierguard.api.rules import ResourcesRule
from tierguard.guard.model.containers import Container
from tierguard.guard.rules.rule import AUTHORED, Reads, Situation, Violation

_QUANTITY = re.compile(r"\+?([0-9]+(?:\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?", re.ASCII)

_LONGEST_QUANTITY = 128
"""Characters of a quantity: Kubernetes rounds to 27 digits."""


class Resources:
    """Each container, init containers too, requests and is limited in what the policy names, or the pod as a whole is.

    Why: a pod without requests is put on any node, and is the first to be evicted when that node runs short; one without a
    memory limit is what makes it run short. One batch job without them took the memory from under `payment-core`.

    A limit without a request is the request too (pkg/apis/core/v1/defaults.go, SetDefaults_Pod); a request of zero, which
    switches that off, asks for nothing. What `spec.resources` of the pod says holds for all of its containers. What a
    LimitRange fills in is not counted: it is no part of the workload, and another namespace has another one.
    """

    id: ClassVar[RuleId] = RuleId.RESOURCES
    block: ClassVar[str] = "resources"
    kinds: ClassVar[frozenset[str]] = AUTHORED
    reads: ClassVar[Reads] = Reads.FRAME

    def check(self, situation: Situation, settings: ApiModel) -> Iterator[Violation]:
        """Yield at most one violation a container and reason, which lists what is missing."""
        assert isinstance(settings, ResourcesRule)  # noqa: S101 - the registry pairs block and rule
        workload = situation.subject.workload
        whole = workload.pod.resources
        requests = _uncovered(settings.requests, {**whole.limits, **whole.requests})
        limits = _uncovered(settings.limits, whole.limits)
        for container in workload.containers:
            own = container.spec.resources
            yield from _missing("request", requests, {**own.limits, **own.requests}, container)
            yield from _missing("limit", limits, own.limits, container)


def _uncovered(names: Iterable[ResourceName], written: Mapping[str, Any]) -> list[ResourceName]:
    return [name for name in names if not _positive(written.get(name))]


def _missing(
    what: str, names: Iterable[ResourceName], written: Mapping[str, Any], container: Container
) -> Iterator[Violation]:
    missing = _uncovered(names, written)
    if missing:
        listed = ", ".join(f"{name} (0)" if name in written else name for name in missing)
        yield Violation(
            f"Missing{what.capitalize()}s",
            f"no {what} of {listed} in {container}",
            f"add {', '.join(missing)} to its resources.{what}s",
            about=f"{container.name}/{what}s",
            gap=len(missing),
        )


def _positive(quantity: object) -> bool:
    """Whether `quantity` is one, and more than zero, as in `250m`, `1Gi`, `1e3` or 2."""
    if isinstance(quantity, str):
        found = _QUANTITY.fullmatch(quantity) if len(quantity) <= _LONGEST_QUANTITY else None
        return found is not None and found[1].strip("0.") != ""
    return isinstance(quantity, int | float) and not isinstance(quantity, bool) and quantity > 0
