"""The ValidatingWebhookConfiguration that the operator keeps. Pure.

Who need not be asked about is kept out inside the API server: Kubernetes' own controllers, and whatever no tier, freeze,
window or policy can select. The cheapest review is the one that never leaves the API server.

| webhook | failurePolicy | is asked about |
|---|---|---|
| `guarded.tierguard.io` | Fail | changes to guarded workloads and to their namespaces |
| `policy.tierguard.io` | Ignore | scaling, budgets, and what controllers usually make: pods, ReplicaSets, Jobs |
| `resources.tierguard.io` | Fail | tierguard's own kinds |
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tierguard.api.kinds import KINDS
from tierguard.api.model import GROUP, VERSION
from tierguard.guard import celtext
from tierguard.guard.objects import KubeObject
from tierguard.guard.scope import GUARDED_TIERS, Scope, tier_of_label
from tierguard.guard.state import State
from tierguard.guard.workload import WORKLOAD_KINDS, WorkloadKind

MOST_NAMESPACES = 2000
"""Namespaces that are listed as known; with more of them a new one counts as known until the next pass."""
TIMEOUT_SECONDS = 5
PATH = "/validate"

EXEMPT_NAMESPACES = ("kube-system", "kube-node-lease", "kube-public")
"""What a cluster needs to boot never waits for us."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the webhook is reached: a Service in the cluster, or a URL outside of it."""

    namespace: str
    service: str
    port: int
    url: str = ""

    def client_config(self, ca_bundle: bytes) -> dict[str, Any]:
        """The `clientConfig` of a webhook; `ca_bundle` is PEM."""
        trust = {"caBundle": base64.b64encode(ca_bundle).decode()}
        if self.url:
            return {"url": f"{self.url.rstrip('/')}{PATH}", **trust}
        return {
            "service": {"namespace": self.namespace, "name": self.service, "path": PATH, "port": self.port},
            **trust,
        }


def configuration(
    name: str,
    endpoint: Endpoint,
    ca_bundle: bytes,
    state: State,
    occupied: Iterable[str],
    owner: KubeObject | None,
) -> KubeObject:
    """The configuration as it should be now, for server-side apply.

    `occupied` names the namespaces that have a classified workload in them; `owner` is an owner reference, if there is one.
    """
    common = {
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "matchPolicy": "Equivalent",
        "timeoutSeconds": TIMEOUT_SECONDS,
        "clientConfig": endpoint.client_config(ca_bundle),
    }
    person = {"name": "not-a-controller", "expression": _person(state)}
    can_be_guarded = _can_be_guarded(state)
    or_namespace = f"({can_be_guarded}) || ({_occupied(occupied)})"
    guarded = {"name": "can-be-guarded", "expression": or_namespace}
    or_scaling = {"name": "can-be-guarded", "expression": _scaling_or(can_be_guarded, state)}
    elsewhere = {
        "matchExpressions": [
            {
                "key": "kubernetes.io/metadata.name",
                "operator": "NotIn",
                "values": [*EXEMPT_NAMESPACES, endpoint.namespace],
            }
        ]
    }
    webhooks = [
        {
            **common,
            "name": f"guarded.{GROUP}",
            "failurePolicy": "Fail",
            "namespaceSelector": elsewhere,
            "matchConditions": [person, guarded],
            "rules": [*_rules(_authored(), _ALL), _rule("", "v1", ["namespaces"], _CHANGES)],
        },
        {
            **common,
            "name": f"policy.{GROUP}",
            "failurePolicy": "Ignore",
            "timeoutSeconds": 2,
            "namespaceSelector": elsewhere,
            "matchConditions": [person, or_scaling],
            "rules": [
                *_rules(_made_by_controllers(), ("CREATE", "UPDATE")),
                _rule("apps", "v1", ["replicasets"], ("DELETE",)),
                _rule("apps", "v1", [f"{resource}/scale" for resource in _scaled()], ("UPDATE",)),
                _rule("policy", "v1", ["poddisruptionbudgets"], _ALL),
            ],
        },
        {
            **common,
            "name": f"resources.{GROUP}",
            "failurePolicy": "Fail",
            "rules": [_rule(GROUP, VERSION, [kind.plural for kind in KINDS], _ALL)],
        },
    ]
    metadata: dict[str, Any] = {"name": name, "labels": {"app.kubernetes.io/managed-by": "tierguard"}}
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": metadata,
        "webhooks": webhooks,
    }


_ALL = ("CREATE", "UPDATE", "DELETE")
_CHANGES = ("UPDATE", "DELETE")


def _person(state: State) -> str:
    return f"!({celtext.one_of('request.userInfo.username', state.identities.controllers)})"


def _scaling_or(expression: str, state: State) -> str:
    """A Scale has no labels, a budget selects by others' labels: of these, all are sent, but autoscalers' scaling."""
    autoscaler = celtext.one_of("request.userInfo.username", state.identities.autoscalers)
    # Without has(): the field is absent for the object itself, and an error under Ignore means not being asked at all.
    is_scale = "has(request.subResource) && request.subResource == 'scale'"
    scaling = f"{is_scale} ? !({autoscaler}) : ({expression})"
    return f"request.resource.resource == 'poddisruptionbudgets' || ({scaling})"


def _occupied(namespaces: Iterable[str]) -> str:
    """A Namespace is as guarded as what is in it, which its own labels need not tell."""
    return f"request.resource.resource == 'namespaces' && {celtext.one_of('request.name', namespaces)}"


def _can_be_guarded(state: State) -> str:
    """Whether anything can give the object a tier that somebody cares about. Too much is fine, too little is not."""
    tiers = {*GUARDED_TIERS, *(tier for hold in (*state.freezes, *state.windows) for tier in hold.tiers)}
    namespaces = [name for name, labels in state.namespaces.items() if tier_of_label(labels) in tiers]
    in_namespace = celtext.one_of("request.namespace", namespaces)
    terms = [in_namespace, _unknown_namespace(state), _owned(), celtext.on_labels([celtext.tier_label(tiers)])]
    terms += [_scope_term(policy.scope, state) for policy in state.policies]
    return " || ".join(f"({term})" for term in dict.fromkeys(terms) if term != "false")


def _unknown_namespace(state: State) -> str:
    """A namespace that was made a moment ago, whose labels this configuration does not reflect yet: the webhook looks."""
    if len(state.namespaces) > MOST_NAMESPACES:
        return "false"
    known = celtext.one_of("request.namespace", state.namespaces)
    return f"has(request.namespace) && request.namespace != '' && !({known})"


def _owned() -> str:
    """What somebody made in a controller's name is as guarded as the owner, whose labels need not be on it."""
    return (
        f"{celtext.one_of('request.resource.resource', (e.resource for e in _made_by_controllers()))}"
        " && [object, oldObject].exists(o, o != null && size(o.?metadata.?ownerReferences.orValue([])) > 0)"
    )


def _scope_term(scope: Scope, state: State) -> str:
    source = scope.source.namespace_selector
    labels = celtext.selector(scope.source.workload_selector)
    workload = celtext.on_labels([labels]) if labels != "true" else "true"
    if source is None or not (source.match_labels or source.match_expressions):
        return workload
    names = [name for name, found in state.namespaces.items() if scope.namespaces.matches(found)]
    return f"{celtext.one_of('request.namespace', names)} && {workload}" if names else "false"


def _authored() -> list[WorkloadKind]:
    return [entry for entry in WORKLOAD_KINDS.values() if not entry.made_by_controllers]


def _made_by_controllers() -> list[WorkloadKind]:
    return [entry for entry in WORKLOAD_KINDS.values() if entry.made_by_controllers]


def _scaled() -> list[str]:
    return [entry.resource for entry in WORKLOAD_KINDS.values() if entry.replicas is not None]


def _rules(entries: Iterable[WorkloadKind], operations: tuple[str, ...]) -> list[dict[str, Any]]:
    entries = tuple(entries)
    groups = sorted({(entry.group, entry.version) for entry in entries})
    return [
        _rule(group, version, [e.resource for e in entries if (e.group, e.version) == (group, version)], operations)
        for group, version in groups
    ]


def _rule(group: str, version: str, resources: list[str], operations: tuple[str, ...]) -> dict[str, Any]:
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "resources": resources,
        "operations": list(operations),
        "scope": "*",
    }
