"""Rule `isolation`: something says who may speak to the pods."""

from collections.abc import Iterator
from typing import ClassVar

from tierguard.api.model import ApiModel
from tierguard.api.rule_values import Presence, RuleId
from tierguard.api.rules import IsolationRule
from tierguard.guard.model.by_labels import ByLabels
from tierguard.guard.model.state import NETWORK_POLICY, State
from tierguard.guard.model.workload import Workload
from tierguard.guard.rules.rule import SERVING, Reads, Situation, Violation
from tierguard.guard.tiers.classify import Classified
from tierguard.labels import LabelSelector


class Isolation:
    """A NetworkPolicy of the same namespace selects the pods, and the pods are not on the host's network.

    Why: without any every pod of the cluster may speak to the ledger's database. A NetworkPolicy selects by the labels of
    pods, with all of its requirements, in its own namespace only; `podSelector: {}` selects them all. Pods with hostNetwork
    are beyond every NetworkPolicy, whatever it selects.
    """

    id: ClassVar[RuleId] = RuleId.ISOLATION
    block: ClassVar[str] = "isolation"
    kinds: ClassVar[frozenset[str]] = SERVING
    reads: ClassVar[Reads] = Reads.MORE

    def check(self, situation: Situation, settings: ApiModel) -> Iterator[Violation]:
        """Yield at most one violation."""
        assert isinstance(settings, IsolationRule)  # noqa: S101 - the registry pairs block and rule
        if settings.network_policy is not Presence.REQUIRED:
            return
        workload = situation.subject.workload
        if workload.pod.host_network:
            yield Violation(
                "HostNetwork",
                "the pods are on the host's network, where no NetworkPolicy isolates them",
                "remove spec.template.spec.hostNetwork",
                about="hostNetwork",
            )
            return
        if not _isolated(situation.subject, situation.state):
            yield Violation(
                "NotIsolated",
                "no NetworkPolicy of the namespace selects the pods",
                "create a NetworkPolicy whose podSelector matches spec.template.metadata.labels",
                rests_on_absence=True,
                about="networkPolicy",
            )


_NONE: dict[str, LabelSelector] = {}


def _isolated(subject: Classified, state: State) -> bool:
    there = state.network_policies_in.get(subject.workload.namespace) or _NONE
    if state.instead is not None:
        return _selected(subject.workload, there, state)
    return subject.once_for("isolated", (there,), lambda: _selected(subject.workload, there, state))


def _selected(workload: Workload, there: dict[str, LabelSelector], state: State) -> bool:
    """Whether any NetworkPolicy selects its pods, by their labels and namespace alone."""
    filed: ByLabels[str] = state.indexed(("networkpolicies", workload.namespace), there, _by_labels)
    other = state.put_instead(NETWORK_POLICY, workload.namespace)
    if other is not None and isinstance(other.value, LabelSelector) and other.value.matches(workload.template_labels):
        return True
    replaced = None if other is None else other.name
    return any(name != replaced for name in filed.selecting(workload.template_labels))


def _by_labels(policies: dict[str, LabelSelector]) -> ByLabels[str]:
    return ByLabels((selector, name) for name, selector in tuple(policies.items()))
