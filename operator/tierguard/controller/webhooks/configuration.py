"""The ValidatingWebhookConfiguration that the operator keeps. Pure.

The API server itself leaves out what needs no review: writes of controllers and kubelets, and objects that no tier, freeze,
window or policy can select. The cheapest review is the one that never leaves the API server. What remains goes to exactly
one of five kinds of webhook; with several answers the API server would show whichever comes first.

- `active-freeze.tierguard.io` (Fail): everything that a freeze may hold, inside one of its stretches.
- `deletion.tierguard.io` (Fail): deletion that nobody announced, what leads to it, and our CustomResourceDefinitions.
- `metadata.tierguard.io` (Fail): labels, owners and announcements written through `status` and `finalize`, where nobody
  honest writes them: at any time.
- `resources.tierguard.io` (Fail): changes to and deletion of tierguard's own kinds.
- `policy.tierguard.io` (Ignore): the rest: tier rules, windows, and what was declared a moment ago.

All but `resources` are there twice, for namespaces with a tier label and for those without: the API server itself so knows
of a namespace that was given a tier while no operator is alive.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tierguard.api.kinds import KINDS
from tierguard.api.model import GROUP
from tierguard.controller.options import Endpoint
from tierguard.controller.webhooks import conditions
from tierguard.controller.webhooks.about import unknown_namespace
from tierguard.controller.webhooks.stretches import SCALE, Stretches, stretches
from tierguard.guard.freezes.operations import operation_freezes
from tierguard.guard.model.objects import KubeObject
from tierguard.guard.model.scope import TIER_LABEL
from tierguard.guard.resources import cel
from tierguard.guard.resources.cel import conjunction, disjunction
from tierguard.guard.resources.definitions import DEFINITION
from tierguard.guard.resources.own import OWN
from tierguard.guard.resources.registry import AROUND
from tierguard.guard.resources.resource import CHANGES, CREATE, STATUS_ONLY, UPDATE, Resource
from tierguard.guard.survey import Selection

STRICT_SECONDS = 5
LENIENT_SECONDS = 2
"""What a write waits for at most when the webhook hangs and may be done without."""

EXEMPT_NAMESPACES = ("kube-system", "kube-node-lease", "kube-public")
"""What a cluster needs to boot never waits for us."""

ACTIVE_FREEZE, DELETION, METADATA, RESOURCES, POLICY_WEBHOOK = (
    f"{name}.{GROUP}" for name in ("active-freeze", "deletion", "metadata", "resources", "policy")
)
IN_TIER = "in-tier"
"""How the names of the webhooks begin that are for namespaces with a tier label."""

_NAME_LABEL = "kubernetes.io/metadata.name"

Condition = dict[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """The matchConditions of the webhooks, in namespaces with a tier label or in those without."""

    active: list[Condition]
    deletion: list[Condition]
    metadata: list[Condition]
    policy: list[Condition]

    @property
    def ahead(self) -> bool:
        """Whether any stretch is to come: without one, each write would pay for conditions that never hold."""
        return self.active[-1]["expression"] != "false"


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the configuration is made of: the questions that the API server asks itself, and the stretches in them."""

    elsewhere: Asked
    in_tier: Asked
    stretches: Stretches


def compiled(selection: Selection, now: datetime) -> Compiled:
    """The questions that the API server asks itself, as of `now`: conditions of their own, as their length is bounded."""
    state = selection.state
    made = stretches(state.freezes, now)
    tiered = [name for name, labels in state.namespaces.items() if TIER_LABEL in labels]
    plain = [name for name in state.namespaces if name not in set(tiered)]
    coarse = []

    def asked(known: list[str]) -> Asked:
        strict = unknown_namespace(known, "true")
        inside, widened = conditions.held(made, selection, strict)
        found = _asked(selection, inside, strict, unknown_namespace(known, "false"))
        whole = any(each["expression"] == "true" for each in (*found.active, *found.deletion))
        coarse.append(widened or whole)
        return found

    elsewhere, in_tier = asked(plain), asked(tiered)
    return Compiled(elsewhere, in_tier, replace(made, coarsened=made.coarsened or any(coarse)))


def _asked(selection: Selection, inside: str, strict: str, crowded: str) -> Asked:
    state, around = selection.state, selection.around
    deletes = conditions.deletes()
    unbroken = f"!({conditions.broken_glass()})"
    announced = disjunction(conditions.announced(), cel.one_of("request.namespace", state.announced))
    unannounced = conjunction(
        cel.one_of(cel.RESOURCE, [r.resource for r in AROUND if r.announced]), f"!({SCALE})", deletes
    )
    losing = conjunction(unannounced, f"!({announced})")
    touches = conjunction(conditions.touches(AROUND), f"!({losing})", unbroken)
    exempt = disjunction(conditions.scaled_by_autoscaler(state), conditions.rotated(state))
    definitions = f"{cel.RESOURCE} == 'customresourcedefinitions'"
    guarded = conditions.guarded(state, around, strict)
    person = _condition("not-a-controller", conditions.person(state))
    elsewhere = disjunction(conjunction(touches, inside), conjunction(losing, unbroken))
    collected = conditions.collected()
    jobs = conditions.NEW_JOB if operation_freezes(state.freezes) else "false"
    needless = disjunction(exempt, conditions.harmless_scaling(state))
    return Asked(
        [
            _condition("not-a-controller", disjunction(conditions.person(state), collected)),
            _condition("touches", disjunction(collected, conjunction(touches, f"!({exempt})"))),
            _condition("can-be-guarded", guarded),
            _condition("inside-a-freeze", inside),
        ],
        [
            person,
            _condition(
                "deletes-unannounced",
                f"{definitions} ? ({conditions.of_definitions()}) : ({conjunction(losing, unbroken)})",
            ),
            _condition("can-be-guarded", f"{definitions} || ({guarded})"),
        ],
        [
            person,
            _condition("touches-metadata", conditions.touches_metadata()),
            _condition("can-be-guarded", guarded),
        ],
        [
            _condition("not-a-controller", conditions.person_or_job(state)),
            _condition("not-exempt", f"!({needless})"),
            _condition("touches", disjunction(_OURS, SCALE, conditions.touches(AROUND))),
            _condition("can-be-guarded", disjunction(_OURS, jobs, conditions.guarded(state, around, crowded))),
            _condition("not-asked-elsewhere", f"!({elsewhere})"),
        ],
    )


def asked_in_freezes(selection: Selection, inside: str, unknown: str) -> list[Condition]:
    """The conditions of `active-freeze`, for what is `inside` a stretch; `unknown`: where nobody looked yet."""
    return _asked(selection, inside, unknown, unknown).active


def not_spared(namespace: str) -> dict[str, Any]:
    """The match expression for all namespaces but those that never wait for us, and tierguard's own `namespace`."""
    return {"key": _NAME_LABEL, "operator": "NotIn", "values": [*EXEMPT_NAMESPACES, namespace]}


_OURS = cel.one_of(cel.RESOURCE, [kind.plural for kind in KINDS])


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
    anywhere = not_spared(endpoint.namespace)
    webhooks: list[dict[str, Any]] = []
    # A namespaceSelector matches everything that is in no namespace, so only one of the two lists such kinds.
    kinds = (
        (asked.elsewhere, "", "DoesNotExist", (DEFINITION,), OWN),
        (asked.in_tier, f"{IN_TIER}.", "Exists", (), ()),
    )
    for found, prefix, exists, definitions, own in kinds:
        only = {"namespaceSelector": {"matchExpressions": [anywhere, {"key": TIER_LABEL, "operator": exists}]}}
        webhooks += [
            {**common, **only, "name": f"{prefix}{kind}", "matchConditions": matching, "rules": asked_about, **more}
            for kind, matching, asked_about, more in (
                (ACTIVE_FREEZE, found.active, rules(AROUND, _held) if found.ahead else [], {}),
                (DELETION, found.deletion, rules((*AROUND, *definitions), _announced), {}),
                (METADATA, found.metadata, rules(AROUND, _by_controllers), {}),
                (POLICY_WEBHOOK, found.policy, rules((*AROUND, *own), _judged), _LENIENT),
            )
        ]
    webhooks.append({**common, "name": RESOURCES, "rules": rules(OWN, _own)})
    metadata: dict[str, Any] = {"name": name, "labels": {"app.kubernetes.io/managed-by": "tierguard"}}
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": metadata,
        "webhooks": webhooks,
    }


_LENIENT = {"failurePolicy": "Ignore", "timeoutSeconds": LENIENT_SECONDS}


def clock_policy(name: str, selection: Selection, now: datetime, *, armed: bool = True) -> KubeObject:
    """What the operator adds to the chart's policy against planted times; `armed`: whether its clock can be relied on."""
    state = selection.state
    in_sight = armed and stretches(state.freezes, now).intervals > 0
    guarded = conditions.guarded(state, selection.around, unknown_namespace(state.namespaces, "true"))
    expression = f"({conditions.person(state)}) && ({guarded})" if in_sight else "false"
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {"matchConditions": [{"name": "guarded", "expression": expression}]},
    }


# The paths and operations of a kind that each webhook gets.
Paths = Mapping[str, tuple[str, ...]]
"""Operations by subresource; "" is the object itself."""


def _held(resource: Resource) -> Paths:
    """Whatever may change what a freeze holds, and carries a clock or goes by the edge that the operator saw last."""
    scale = {"scale": (UPDATE,)} if resource.scaled else {}
    return {"": resource.operations, **scale, **served(resource)}


def _judged(resource: Resource) -> Paths:
    return {"": (CREATE,)} if resource in OWN else _held(resource)


def _announced(resource: Resource) -> Paths:
    if resource is DEFINITION:
        return {"": CHANGES, **resource.subresources}
    return {"": CHANGES} if resource.announced else {}


def _by_controllers(resource: Resource) -> Paths:
    return {path: operations for path, operations in resource.subresources.items() if path in STATUS_ONLY}


def served(resource: Resource) -> Paths:
    """The subresources through which people change the object itself."""
    return {path: operations for path, operations in resource.subresources.items() if path not in STATUS_ONLY}


def _own(_: Resource) -> Paths:
    return {"": CHANGES}


def rules(resources: Iterable[Resource], paths_of: Callable[[Resource], Paths]) -> list[dict[str, Any]]:
    """Admission rules for the paths of each resource, those of one group, version and operations together."""
    found: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for resource in resources:
        for path, operations in paths_of(resource).items():
            named = f"{resource.resource}/{path}" if path else resource.resource
            found.setdefault((resource.group, resource.version, operations), []).append(named)
    return [
        {
            "apiGroups": [group],
            "apiVersions": [version],
            "resources": names,
            "operations": list(operations),
            "scope": "*",
        }
        for (group, version, operations), names in found.items()
    ]
