"""What the API server itself refuses of requests that carry no clock, in stretches that begin while no operator runs.

A deletion and a Scale carry no time, so the webhook configuration goes by the edges of stretches that the operator has seen.
For those that are still to come there is a ValidatingAdmissionPolicy with a clock for its parameter: the Lease that the
controller manager renews every few seconds. The operator takes a stretch out of it as soon as it has begun. What the policy
cannot know, it leaves alone: a freeze that lets through any of what such requests are.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tierguard.api.scope import AllowedKind
from tierguard.cluster.client import Api
from tierguard.controller.asserted import Asserted, lately
from tierguard.controller.options import Options
from tierguard.controller.webhooks import conditions
from tierguard.controller.webhooks.about import unknown_namespace
from tierguard.controller.webhooks.configuration import Condition, asked_in_freezes, not_spared, rules
from tierguard.controller.webhooks.stretches import BY_LEASE, stretches, to_come
from tierguard.guard.model.objects import KubeObject, uid
from tierguard.guard.resources.registry import AROUND
from tierguard.guard.resources.resource import DELETE, UPDATE, Resource
from tierguard.guard.survey import Selection

KINDS_WITHOUT_A_CLOCK = frozenset(
    {AllowedKind.SCALE_DOWN, AllowedKind.SCALE_TO_ZERO, AllowedKind.CONFIGURATION, AllowedKind.TRAFFIC}
)
"""What a Scale or a deletion can be that a freeze may let pass. One that lets one of them pass is left to a webhook."""
_KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
_API = "admissionregistration.k8s.io/v1"
_GOING = f"request.operation == 'DELETE' && {conditions.DELETED}"
_MESSAGE = (
    "a freeze holds this. It began a moment ago, or while no operator of tierguard ran (by the Lease"
    " kube-system/kube-controller-manager): see kubectl get operationalfreezes"
)


def clockless_policy(name: str, namespace: str, selection: Selection, now: datetime) -> tuple[KubeObject, KubeObject]:
    """The policy and its binding, as of `now`."""
    state = selection.state
    strict = [freeze for freeze in state.freezes if not freeze.allow & KINDS_WITHOUT_A_CLOCK]
    made = to_come(stretches(strict, now), now)
    unknown = unknown_namespace(state.namespaces, "true")
    begun, _ = conditions.held(made, selection, unknown, BY_LEASE)
    matching: list[Condition] = [{"name": "begun", "expression": "false"}]
    if begun != "false":
        matching = [
            {"name": "not-going", "expression": f"!({_GOING})"},
            *asked_in_freezes(selection, begun, unknown),
        ]
    policy = {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "tierguard"}},
        "spec": {
            "failurePolicy": "Fail",
            "paramKind": {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"},
            "matchConstraints": {
                "namespaceSelector": {"matchExpressions": [not_spared(namespace)]},
                "resourceRules": rules(AROUND, _without_a_clock),
            },
            "matchConditions": matching,
            "validations": [{"expression": "false", "message": _MESSAGE}],
        },
    }
    binding = {
        **policy,
        "kind": "ValidatingAdmissionPolicyBinding",
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "paramRef": {
                "namespace": "kube-system",
                "name": "kube-controller-manager",
                # Some managed clusters hide their controller manager: there nobody can tell the time.
                "parameterNotFoundAction": "Allow",
            },
        },
    }
    return policy, binding


def _without_a_clock(resource: Resource) -> dict[str, tuple[str, ...]]:
    deleted = {"": (DELETE,)} if DELETE in resource.operations else {}
    return {**deleted, **({"scale": (UPDATE,)} if resource.scaled else {})}


class ClocklessKeeper:
    """Keeps that policy and its binding as they should be; where the chart wants no such policies, keeps them away."""

    def __init__(self, api: Api, options: Options) -> None:
        self._api = api
        self._options = options
        self._kept = {kind: Asserted(api) for kind in _KINDS}
        self._looked: datetime | None = None

    def start_over(self) -> None:
        """Forget what was written: while another operator led, it may have become something else."""
        self._looked = None
        for each in self._kept.values():
            each.start_over()

    def keep(self, selection: Selection, owner: Callable[[], KubeObject | None], now: datetime) -> None:
        """Write what changed, or was changed, with an owner reference by `owner`. Raises ApiError."""
        options = self._options
        if not options.clock_probe_seconds:
            if not lately(self._looked, now):
                self._remove()
                self._looked = now
            return
        for each in clockless_policy(options.clockless_policy, options.namespace, selection, now):
            kind = str(each["kind"])
            if not self._kept[kind].stands(each, now):
                self._kept[kind].keep(self._path(kind), _owned(each, owner()), now, wanted=each)

    def _remove(self) -> None:
        for kind in reversed(_KINDS):
            found = self._api.find(self._path(kind))
            if found is not None:
                self._api.delete(self._path(kind), uid(found))

    def _path(self, kind: str) -> str:
        plural = "validatingadmissionpolicies" if kind.endswith("Policy") else "validatingadmissionpolicybindings"
        return f"/apis/{_API}/{plural}/{self._options.clockless_policy}"


def _owned(each: KubeObject, owner: KubeObject | None) -> KubeObject:
    references: dict[str, Any] = {} if owner is None else {"ownerReferences": [owner]}
    return {**each, "metadata": {**each["metadata"], **references}}
