"""Rule `priority`: the pods have a priority that keeps them on a node that is full."""

from collections.abc import Iterator
from typing import ClassVar

from tierguard.api.model import ApiModel
from tierguard.api.rule_values import RuleId
from tierguard.api.rules import PriorityRule
from tierguard.guard.model import objects
from tierguard.guard.rules.rule import AUTHORED, Reads, Situation, Violation


class Priority:
    """`priorityClassName` is one of those that the policy names.

    Why: when a node runs out of room, the kubelet evicts and the scheduler preempts what matters least by its priority.
    Without a class every pod is worth the same, and a burst of report jobs pushes `payment-core` off the node.
    """

    id: ClassVar[RuleId] = RuleId.PRIORITY
    block: ClassVar[str] = "priority"
    kinds: ClassVar[frozenset[str]] = AUTHORED
    reads: ClassVar[Reads] = Reads.FRAME

    def check(self, situation: Situation, settings: ApiModel) -> Iterator[Violation]:
        """Yield at most one violation."""
        assert isinstance(settings, PriorityRule)  # noqa: S101 - the registry pairs block and rule
        found = situation.subject.workload.pod.priority_class_name
        if found in settings.class_names:
            return
        allowed = " or ".join(settings.class_names[:3]) + (" …" if len(settings.class_names) > 3 else "")  # noqa: PLR2004
        written = objects.printable(found, 63) if found else ""
        yield Violation(
            "WrongPriorityClass",
            f"the pods have priority class {written}" if written else "the pods have no priority class",
            f"set priorityClassName of the pod template: {objects.printable(allowed, 120)}",
            about="priorityClassName",
        )
