"""Rule `isolation`: something says who may speak to the pods."""

from collections.abc import Iterator
from typing import ClassVar

from tierguard.api.model import ApiModel
from tierguard.api.rules import IsolationRule, Presence, RuleId
from tierguard.guard.model import objects
from tierguard.guard.rules.rule import SERVING, Situation, Violation


class Isolation:
    """A NetworkPolicy of the same namespace selects the pods, and the pods are not on the host's network.

    Why: without any every pod of the cluster may speak to the ledger's database. A NetworkPolicy selects by the labels of
    pods, with all of its requirements, in its own namespace only; `podSelector: {}` selects them all. Pods with hostNetwork
    are beyond every NetworkPolicy, whatever it selects.
    """

    id: ClassVar[RuleId] = RuleId.ISOLATION
    block: ClassVar[str] = "isolation"
    kinds: ClassVar[frozenset[str]] = SERVING

    def check(self, situation: Situation, settings: ApiModel) -> Iterator[Violation]:
        """Yield at most one violation."""
        assert isinstance(settings, IsolationRule)  # noqa: S101 - the registry pairs block and rule
        if settings.network_policy is not Presence.REQUIRED:
            return
        workload = situation.subject.workload
        if objects.value(workload.pod_spec, "hostNetwork") is True:
            yield Violation(
                "HostNetwork",
                "the pods are on the host's network, where no NetworkPolicy isolates them",
                "remove spec.template.spec.hostNetwork",
                about="hostNetwork",
            )
            return
        policies = tuple(situation.state.network_policies_in.get(workload.namespace, {}).values())
        if not any(selector.matches(workload.template_labels) for selector in policies):
            yield Violation(
                "NotIsolated",
                "no NetworkPolicy of the namespace selects the pods",
                "create a NetworkPolicy whose podSelector matches spec.template.metadata.labels",
                rests_on_absence=True,
                about="networkPolicy",
            )
