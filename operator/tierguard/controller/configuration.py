"""The ValidatingWebhookConfiguration that the operator keeps. Pure.

Who need not be asked about is kept out inside the API server: Kubernetes' own controllers, and whatever no tier, freeze,
window or policy can select. The cheapest review is the one that never leaves the API server.

| webhook | failurePolicy | is asked about |
|---|---|---|
| `guarded.tierguard.io` | Fail | changes to guarded workloads, to their namespaces and to their volume claims |
| `policy.tierguard.io` | Ignore | scaling, budgets, configuration, and what controllers make: pods, ReplicaSets, Jobs |
| `resources.tierguard.io` | Fail | tierguard's own kinds, and their CustomResourceDefinitions |
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tierguard.api.kinds import KINDS
from tierguard.api.model import GROUP, VERSION
from tierguard.guard import celtext
from tierguard.guard.definitions import DEFINITIONS
from tierguard.guard.objects import KubeObject
from tierguard.guard.operations import OPERATION_LABEL, PROVIDER_LABEL, operation_freezes
from tierguard.guard.scope import GUARDED_TIERS, Scope, tier_of_label
from tierguard.guard.state import State
from tierguard.guard.survey import Surroundings
from tierguard.guard.workload import WORKLOAD_KINDS, WorkloadKind

MOST_NAMESPACES = 2000
"""Namespaces that are listed as known; with more of them a new one counts as known until the next pass."""
MOST_READ = 1000
"""ConfigMaps and Secrets that are sent by name."""
MOST_SERVICES = 100
"""Services of guarded workloads whose selectors are compiled."""
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
    around: Surroundings,
    owner: KubeObject | None,
) -> KubeObject:
    """The configuration as it should be now, for server-side apply. `owner` is an owner reference, if there is one."""
    common = {
        "admissionReviewVersions": ["v1"],
        "sideEffects": "NoneOnDryRun",  # refusals and broken glass go into a journal, unless it is a dry run
        "matchPolicy": "Equivalent",
        "timeoutSeconds": TIMEOUT_SECONDS,
        "clientConfig": endpoint.client_config(ca_bundle),
    }
    person = {"name": "not-a-controller", "expression": _person(state)}
    can_be_guarded = _can_be_guarded(state, around)
    guarded = {"name": "can-be-guarded", "expression": _by_resource(can_be_guarded, around)}
    or_scaling = {"name": "can-be-guarded", "expression": _scaling_or(can_be_guarded, state, around)}
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
            "rules": [
                *_rules(_authored(), _ALL),
                _rule("", "v1", ["namespaces", "persistentvolumeclaims"], _CHANGES),
            ],
        },
        {
            **common,
            "name": f"policy.{GROUP}",
            "failurePolicy": "Ignore",
            "timeoutSeconds": 2,
            "namespaceSelector": elsewhere,
            "matchConditions": [{"name": "not-a-controller", "expression": _person_or_job(state)}, or_scaling],
            "rules": [
                *_rules(_made_by_controllers(), ("CREATE", "UPDATE")),
                _rule("apps", "v1", ["replicasets"], ("DELETE",)),
                _rule("apps", "v1", [f"{resource}/scale" for resource in _scaled()], ("UPDATE",)),
                _rule("policy", "v1", ["poddisruptionbudgets"], _ALL),
                _rule("", "v1", ["configmaps", "secrets"], _ALL),
                _rule("autoscaling", "v2", ["horizontalpodautoscalers"], _CHANGES),
            ],
        },
        {
            **common,
            "name": f"resources.{GROUP}",
            "failurePolicy": "Fail",
            "matchConditions": [{"name": "ours", "expression": _ours()}],
            "rules": [
                _rule(GROUP, VERSION, [kind.plural for kind in KINDS], _ALL),
                _rule("apiextensions.k8s.io", "v1", ["customresourcedefinitions"], _CHANGES),
            ],
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
_NEW_JOB = "request.resource.resource == 'jobs' && request.operation == 'CREATE'"
# Of a claim's updates only those matter that let it be deleted.
_LOSABLE = (
    "request.operation == 'DELETE'"
    " || object.?metadata.?ownerReferences.orValue([]) != oldObject.?metadata.?ownerReferences.orValue([])"
    " || object.?metadata.?annotations.orValue({}) != oldObject.?metadata.?annotations.orValue({})"
)


def _person(state: State) -> str:
    return f"!({celtext.one_of('request.userInfo.username', state.identities.controllers)})"


def _person_or_job(state: State) -> str:
    """As `_person`; but while operations may be frozen, new Jobs are asked about whoever makes them."""
    person = _person(state)
    return f"({person}) || ({_NEW_JOB})" if operation_freezes(state.freezes) else person


def _ours() -> str:
    ours = celtext.one_of("request.name", DEFINITIONS)
    return f"request.resource.resource != 'customresourcedefinitions' || ({ours})"


def _scaling_or(expression: str, state: State, around: Surroundings) -> str:
    """A Scale has no labels, a budget selects by others' labels: of these, all are sent, but autoscalers' scaling."""
    inhabited = celtext.one_of("request.namespace", around.guarded)
    expression = (
        f"request.resource.resource in ['configmaps', 'secrets'] ? ({_read(state, around)})"
        f" : request.resource.resource == 'horizontalpodautoscalers' ? ({inhabited}) : ({expression})"
    )
    autoscaler = celtext.one_of("request.userInfo.username", state.identities.autoscalers)
    # Without has(): the field is absent for the object itself, and an error under Ignore means not being asked at all.
    is_scale = "has(request.subResource) && request.subResource == 'scale'"
    minima = (p.spec.rules.replicas for p in state.policies if p.spec is not None)
    least = max((rule.minimum for rule in minima if rule is not None), default=0)
    too_few = f"object.?spec.?replicas.orValue(0) < {least}"
    scaling = f"{is_scale} ? (!({autoscaler}) || {too_few}) : ({expression})"
    jobs = f" || ({_NEW_JOB})" if operation_freezes(state.freezes) else ""
    return f"request.resource.resource == 'poddisruptionbudgets'{jobs} || ({scaling})"


def _read(state: State, around: Surroundings) -> str:
    """Configuration by name, unless who renews certificates and secrets writes it; by namespace where names are too many."""
    person = f"!({celtext.one_of('request.userInfo.username', state.identities.rotators)})"
    if len(around.read) > MOST_READ:
        return f"{person} && {celtext.one_of('request.namespace', {namespace for _, namespace, _ in around.read})}"
    place = "request.resource.resource + '/' + request.namespace + '/' + o.?metadata.?name.orValue('')"
    names = [f"{kind.lower()}s/{namespace}/{name}" for kind, namespace, name in around.read]
    return f"{person} && [object, oldObject].exists(o, o != null && {celtext.one_of(f'({place})', names)})"


def _by_resource(expression: str, around: Surroundings) -> str:
    """A Namespace or a claim is as guarded as the workloads that live by it, which its own labels need not tell."""
    named = celtext.one_of("request.name", around.namespaces)
    inhabited = celtext.one_of("request.namespace", around.guarded)
    return (
        f"request.resource.resource == 'persistentvolumeclaims' ? ((({expression}) || {inhabited}) && ({_LOSABLE}))"
        f" : (({expression}) || (request.resource.resource == 'namespaces' && {named}))"
    )


def _can_be_guarded(state: State, around: Surroundings) -> str:
    """Whether anything can give the object a tier that somebody cares about. Too much is fine, too little is not."""
    tiers = {*GUARDED_TIERS, *(tier for hold in (*state.freezes, *state.windows) for tier in hold.tiers)}
    namespaces = [name for name, labels in state.namespaces.items() if tier_of_label(labels) in tiers]
    in_namespace = celtext.one_of("request.namespace", namespaces)
    terms = [in_namespace, _unknown_namespace(state), _owned(), celtext.on_labels([celtext.tier_label(tiers)])]
    terms += [_scope_term(policy.scope, state) for policy in state.policies]
    terms += _behind_services(around)
    if operation_freezes(state.freezes):
        batch = [f"{celtext.text(label)} in l" for label in (OPERATION_LABEL, PROVIDER_LABEL)]
        terms.append(celtext.on_labels(batch))
    return " || ".join(f"({term})" for term in dict.fromkeys(terms) if term != "false")


def _behind_services(around: Surroundings) -> list[str]:
    """What a Service of a guarded workload selects besides it; by namespace where Services are too many."""
    if len(around.services) > MOST_SERVICES:
        return [celtext.one_of("request.namespace", {namespace for namespace, _ in around.services})]
    return [
        f"{celtext.one_of('request.namespace', [namespace])} && {celtext.on_labels([celtext.labels(dict(selector))])}"
        for namespace, selector in sorted(around.services)
    ]


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
