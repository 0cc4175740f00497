"""Both processes run as their ServiceAccounts, with the chart's roles and nothing else."""

import json

import pytest

from tests.cluster.install import NAMESPACE, OPERATORS, WEBHOOKS
from tests.e2e.world import EmbeddedWorld

OPERATOR_ACCOUNT = f"system:serviceaccount:{NAMESPACE}:tierguard-operator"
WEBHOOK_ACCOUNT = f"system:serviceaccount:{NAMESPACE}:tierguard-webhook"
# What every authenticated user may do (system:basic-user, system:discovery, system:public-info-viewer).
EVERYBODY = {
    ("create", "selfsubjectreviews.authentication.k8s.io"),
    ("create", "selfsubjectaccessreviews.authorization.k8s.io"),
    ("create", "selfsubjectrulesreviews.authorization.k8s.io"),
}
OWN = ("operationalfreezes", "changewindows", "paymenttierpolicies")


def verbs(resource: str, *allowed: str) -> set[tuple[str, str]]:
    return {(verb, resource) for verb in allowed}


READ = ("list", "watch")
GRANTED = {
    OPERATOR_ACCOUNT: {
        *(pair for kind in OWN for pair in verbs(f"{kind}.tierguard.io", *READ)),
        *(pair for kind in OWN for pair in verbs(f"{kind}.tierguard.io/status", "patch")),
        *verbs("namespaces", *READ),
        *(
            pair
            for kind in ("deployments", "statefulsets", "daemonsets", "replicasets")
            for pair in verbs(f"{kind}.apps", *READ)
        ),
        *verbs("controllerrevisions.apps", "list"),
        *(
            pair
            for kind in ("services", "serviceaccounts", "replicationcontrollers", "nodes", "pods")
            for pair in verbs(kind, *READ)
        ),
        *verbs("horizontalpodautoscalers.autoscaling", *READ),
        *verbs("networkpolicies.networking.k8s.io", *READ),
        *verbs("cronjobs.batch", *READ, "patch"),
        *verbs("cronjobs.batch/status", "patch"),
        *verbs("jobs.batch", *READ),
        *verbs("poddisruptionbudgets.policy", *READ, "create", "patch", "delete"),
        *verbs("events.events.k8s.io", "create"),
        *verbs("validatingwebhookconfigurations.admissionregistration.k8s.io", "create", "get", "patch"),
        *verbs("validatingadmissionpolicies.admissionregistration.k8s.io", "create", "get", "patch"),
        *verbs("validatingadmissionpolicybindings.admissionregistration.k8s.io", "create", "get", "patch"),
        *verbs("clusterroles.rbac.authorization.k8s.io", "get"),
        *verbs("configmaps", *READ, "create", "patch", "delete", "get"),
        *verbs("secrets", "create", "get", "patch"),
        *verbs("leases.coordination.k8s.io", "create", "get", "update"),
    },
    WEBHOOK_ACCOUNT: {
        *(pair for kind in OWN for pair in verbs(f"{kind}.tierguard.io", *READ)),
        *verbs("namespaces", "get", *READ),
        *(
            pair
            for kind in ("deployments", "statefulsets", "replicasets")
            for pair in verbs(f"{kind}.apps", "get", *READ)
        ),
        *verbs("daemonsets.apps", *READ),
        *verbs("cronjobs.batch", *READ),
        *verbs("poddisruptionbudgets.policy", *READ),
        *verbs("services", *READ),
        *verbs("serviceaccounts", *READ),
        *verbs("replicationcontrollers", "get", *READ),
        *verbs("horizontalpodautoscalers.autoscaling", *READ),
        *verbs("networkpolicies.networking.k8s.io", *READ),
        *verbs("subjectaccessreviews.authorization.k8s.io", "create"),
        *verbs("configmaps", *READ, "create", "patch"),
    },
}


@pytest.mark.parametrize("account", GRANTED)
def test_an_account_may_do_what_it_uses_and_nothing_else(world: EmbeddedWorld, account: str) -> None:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": NAMESPACE},
    }
    as_account = (f"--as={account}", "--as-group=system:serviceaccounts", "--as-group=system:authenticated")
    answered = world.ok("create", "-f", "-", "-o", "json", "--validate=false", *as_account, stdin=json.dumps(review))
    rules = json.loads(answered)["status"]["resourceRules"]
    found = {
        (verb, f"{name}.{group}/{rest}" if group and rest else f"{name}.{group}" if group else resource)
        for rule in rules
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name, _, rest in [resource.partition("/")]
    }

    assert found - EVERYBODY == GRANTED[account]


def test_names_bind_what_names_can_bind(world: EmbeddedWorld) -> None:
    def may(account: str, *what: str) -> bool:
        return world.kubectl("auth", "can-i", *what, f"--as={account}").passed

    assert may(OPERATOR_ACCOUNT, "get", "secrets/tierguard-webhook-tls", "-n", NAMESPACE)
    assert not may(OPERATOR_ACCOUNT, "get", "secrets/another", "-n", NAMESPACE)
    assert not may(OPERATOR_ACCOUNT, "create", "secrets", "-n", "default")
    assert may(OPERATOR_ACCOUNT, "list", "configmaps", "-n", "default")  # of which it asks for the metadata only
    for verb in ("get", "create", "patch", "delete"):
        assert not may(OPERATOR_ACCOUNT, verb, "configmaps/any", "-n", "default")
    for verb in ("get", "list", "watch"):
        assert not may(OPERATOR_ACCOUNT, verb, "secrets", "-n", "default")
    assert not may(OPERATOR_ACCOUNT, "patch", "validatingwebhookconfigurations/another")
    for kind in ("validatingadmissionpolicies", "validatingadmissionpolicybindings"):
        assert not may(OPERATOR_ACCOUNT, "create", kind)
        assert not may(OPERATOR_ACCOUNT, "create", f"{kind}/another")
        assert not may(OPERATOR_ACCOUNT, "patch", f"{kind}/another")
    assert not may(WEBHOOK_ACCOUNT, "list", "configmaps", "-n", "default")
    assert not may(WEBHOOK_ACCOUNT, "get", "secrets", "-n", NAMESPACE)


@pytest.mark.embedded
def test_neither_was_ever_forbidden_anything(world: EmbeddedWorld) -> None:
    for name in (*OPERATORS, *WEBHOOKS):
        log = world.cluster.processes.log(name).read_text(encoding="utf-8").lower()
        # Refusals of our own are told in the same words; what RBAC refuses names the user who cannot.
        assert "cannot " not in "\n".join(line for line in log.splitlines() if "forbidden" in line)
