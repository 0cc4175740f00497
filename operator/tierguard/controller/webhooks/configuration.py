"""The ValidatingWebhookConfiguration that the operator keeps. Pure.

Who need not be asked about is kept out inside the API server: Kubernetes' own controllers, and whatever no tier, freeze,
window or policy can select. The cheapest review is the one that never leaves the API server. What remains goes to exactly
one of four webhooks; with several answers the API server would show whichever comes first.

- `active-freeze.tierguard.io` (Fail): what touches guarded workloads or their namespaces inside a stretch of a freeze, by
  the object's own clock. With all webhooks dead it is refused; outside every stretch nobody asks, so it passes.
- `deletion.tierguard.io` (Fail): deletion that nobody announced, what leads to it, and our CustomResourceDefinitions.
- `resources.tierguard.io` (Fail): changes to and deletion of tierguard's own kinds.
- `policy.tierguard.io` (Ignore): the rest: tier rules, windows, scaling, budgets, configuration, pods.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tierguard.api.kinds import KINDS
from tierguard.api.model import GROUP, VERSION
from tierguard.controller.options import Endpoint
from tierguard.controller.webhooks import conditions
from tierguard.controller.webhooks.conditions import conjunction, disjunction
from tierguard.controller.webhooks.stretches import Closed, closed
from tierguard.guard.freezes.operations import operation_freezes
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.state import State
from tierguard.guard.model.workload import WORKLOAD_KINDS, WorkloadKind
from tierguard.guard.resources import cel as celtext
from tierguard.guard.survey import Surroundings

STRICT_SECONDS = 5
LENIENT_SECONDS = 2
"""What a write waits for at most when the webhook hangs and may be done without."""

EXEMPT_NAMESPACES = ("kube-system", "kube-node-lease", "kube-public")
"""What a cluster needs to boot never waits for us."""

ACTIVE_FREEZE, DELETION, RESOURCES, POLICY_WEBHOOK = (
    f"{name}.{GROUP}" for name in ("active-freeze", "deletion", "resources", "policy")
)

_ALL = ("CREATE", "UPDATE", "DELETE")
_CHANGES = ("UPDATE", "DELETE")
_RESOURCE = "request.resource.resource"
_DEFINITIONS = "customresourcedefinitions"

Condition = dict[str, str]


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the configuration is made of: the matchConditions of each webhook, and the stretches in them."""

    active: list[Condition]
    deletion: list[Condition]
    lenient: list[Condition]
    stretches: Closed


def compiled(state: State, around: Surroundings, now: datetime) -> Compiled:
    """The questions that the API server asks itself, as of `now`: conditions of their own, as their length is bounded."""
    stretches = closed(
        state.freezes,
        lambda freeze: conditions.meant_by(freeze, state),
        now,
        lambda tiers: conditions.can_be(tiers, state, around),
        conditions.unknown_namespace(state, "true"),
    )
    anywhere = closed(state.freezes, lambda _: "true", now)
    inside = f"{_RESOURCE} == 'namespaces' ? ({anywhere.expression}) : ({stretches.expression})"
    deletes = conditions.deletes()
    strict = f"!({conditions.broken_glass()})"
    announced = disjunction(conditions.announced(), celtext.one_of("request.namespace", state.announced))
    touches = conjunction(conditions.touches(), f"!({conjunction(deletes, f'!({announced})')})", strict)
    losing = conjunction(deletes, f"!({announced})", strict)
    definitions = f"{_RESOURCE} == '{_DEFINITIONS}'"
    guarded = conditions.can_be_guarded(state, around)
    person = _condition("not-a-controller", conditions.person(state))
    made = Compiled(
        [
            person,
            _condition("touches", touches),
            _condition(
                "can-be-guarded", _by_resource(conditions.can_be_guarded(state, around, crowded="true"), around)
            ),
            _condition("inside-a-freeze", inside),
        ],
        [
            person,
            _condition("deletes-unannounced", f"{definitions} ? ({conditions.of_definitions()}) : ({losing})"),
            _condition("can-be-guarded", f"{definitions} || ({_by_resource(guarded, around)})"),
        ],
        _lenient(guarded, conjunction("request.operation != 'DELETE'", touches, inside), losing, state, around),
        stretches,
    )
    coarse = any(each["expression"] == "true" for each in (*made.active, *made.deletion))
    return replace(made, stretches=replace(stretches, coarsened=True)) if coarse else made


def _condition(name: str, expression: str) -> Condition:
    """A matchCondition; one that is too long for the API server asks the webhook about everything instead."""
    return {"name": name, "expression": expression if len(expression) <= conditions.LONGEST else "true"}


def configuration(
    name: str,
    endpoint: Endpoint,
    ca_bundle: bytes,
    asked: Compiled,
    owner: KubeObject | None,
) -> KubeObject:
    """The configuration as it should be now, for server-side apply. `owner` is an owner reference, if there is one."""
    common = {
        "admissionReviewVersions": ["v1"],
        "sideEffects": "NoneOnDryRun",  # refusals and broken glass go into a journal, unless it is a dry run
        "matchPolicy": "Equivalent",
        "timeoutSeconds": STRICT_SECONDS,
        "failurePolicy": "Fail",
        "clientConfig": endpoint.client_config(ca_bundle),
    }
    excluded = [*EXEMPT_NAMESPACES, endpoint.namespace]
    expression = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": excluded}
    elsewhere = {"namespaceSelector": {"matchExpressions": [expression]}}
    around = ["namespaces", "persistentvolumeclaims"]
    webhooks = [
        {
            **common,
            **elsewhere,
            "name": ACTIVE_FREEZE,
            "matchConditions": asked.active,
            "rules": [*_rules(_authored(), ("CREATE", "UPDATE")), _rule("", "v1", ["namespaces"], ("UPDATE",))],
        },
        {
            **common,
            **elsewhere,
            "name": DELETION,
            "matchConditions": asked.deletion,
            "rules": [
                *_rules(_authored(), _CHANGES),
                _rule("", "v1", around, _CHANGES),
                _rule("apiextensions.k8s.io", "v1", [_DEFINITIONS, f"{_DEFINITIONS}/status"], _CHANGES),
            ],
        },
        {
            **common,
            "name": RESOURCES,
            "rules": [_rule(GROUP, VERSION, [kind.plural for kind in KINDS], _CHANGES)],
        },
        {
            **common,
            **elsewhere,
            "name": POLICY_WEBHOOK,
            "failurePolicy": "Ignore",
            "timeoutSeconds": LENIENT_SECONDS,
            "matchConditions": asked.lenient,
            "rules": [
                *_rules(_authored(), _ALL),
                *_rules(_made_by_controllers(), ("CREATE", "UPDATE")),
                _rule("apps", "v1", ["replicasets"], ("DELETE",)),
                _rule("apps", "v1", [f"{resource}/scale" for resource in _scaled()], ("UPDATE",)),
                _rule("", "v1", around, _CHANGES),
                _rule("", "v1", ["configmaps", "secrets"], _ALL),
                _rule("policy", "v1", ["poddisruptionbudgets"], _ALL),
                _rule("autoscaling", "v2", ["horizontalpodautoscalers"], _ALL),
                _rule("networking.k8s.io", "v1", ["networkpolicies"], _CHANGES),
                _rule(GROUP, VERSION, [kind.plural for kind in KINDS], ("CREATE",)),
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


def clock_policy(name: str, state: State, around: Surroundings, now: datetime, *, armed: bool = True) -> KubeObject:
    """What the operator adds to the chart's policy against planted times; `armed`: whether its clock can be relied on."""
    in_sight = armed and closed(state.freezes, lambda _: "true", now).intervals > 0
    guarded = conditions.can_be_guarded(state, around, crowded="true") if in_sight else "false"
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {"matchConditions": [{"name": "guarded", "expression": guarded}]},
    }


def _lenient(guarded: str, active: str, deletion: str, state: State, around: Surroundings) -> list[Condition]:
    """What no other webhook is asked about: a Scale has no labels, a budget selects by others' labels."""
    inhabited = celtext.one_of("request.namespace", around.guarded)
    # Without has(): the field is absent for the object itself, and an error under Ignore means not being asked at all.
    is_scale = "has(request.subResource) && request.subResource == 'scale'"
    unlabelled = [*(kind.plural for kind in KINDS), "poddisruptionbudgets", *_READ, *_AROUND]
    elsewhere = disjunction(
        conjunction(f"{_RESOURCE} in {_listed(_touched())}", active),
        conjunction(f"{_RESOURCE} in {_listed(_deletable())}", deletion),
    )
    jobs = [conditions.NEW_JOB] if operation_freezes(state.freezes) else []
    by_labels = disjunction(*jobs, _by_resource(guarded, around))
    return [
        _condition("not-a-controller", conditions.person_or_job(state)),
        _condition("scaling", f"!({is_scale}) || ({conditions.scaling(state)})"),
        _condition("read", f"!({_RESOURCE} in {_listed(_READ)}) || ({conditions.read(state, around)})"),
        _condition("around", f"!({_RESOURCE} in {_listed(_AROUND)}) || ({inhabited})"),
        _condition("can-be-guarded", f"({is_scale}) || {_RESOURCE} in {_listed(unlabelled)} || ({by_labels})"),
        _condition("not-asked-elsewhere", f"({is_scale}) || !({elsewhere})"),
    ]


_READ = ("configmaps", "secrets")
_AROUND = ("horizontalpodautoscalers", "networkpolicies")

# Of a claim's updates only those matter that let it be deleted.
_LOSABLE = (
    "request.operation == 'DELETE'"
    " || object.?metadata.?ownerReferences.orValue([]) != oldObject.?metadata.?ownerReferences.orValue([])"
    " || object.?metadata.?annotations.orValue({}) != oldObject.?metadata.?annotations.orValue({})"
)


def _by_resource(expression: str, around: Surroundings) -> str:
    """A Namespace or a claim is as guarded as the workloads that live by it, which its own labels need not tell."""
    named = celtext.one_of("request.name", around.namespaces)
    inhabited = celtext.one_of("request.namespace", around.guarded)
    return (
        f"{_RESOURCE} == 'persistentvolumeclaims' ? ((({expression}) || {inhabited}) && ({_LOSABLE}))"
        f" : (({expression}) || ({_RESOURCE} == 'namespaces' && {named}))"
    )


def _touched() -> list[str]:
    return [*(entry.resource for entry in _authored()), "namespaces"]


def _deletable() -> list[str]:
    return [*_touched(), "persistentvolumeclaims"]


def _listed(values: Iterable[str]) -> str:
    return f"[{', '.join(map(celtext.text, values))}]"


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
