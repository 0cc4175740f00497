"""The people of the end-to-end tests: real users, each with a role of the chart's."""

from tests.e2e.world import EmbeddedWorld

SARA = "sara@payments.example"
"""Incident commander: declares, asks for lifts, breaks the glass."""
PAUL = "paul@payments.example"
"""Approver."""
MIKE = "mike@payments.example"
"""Declarer: may write freezes, and nothing more."""
GITOPS = "system:serviceaccount:argocd:argocd-application-controller"
"""Trusted for GitOps in the test's installation."""

CERT_MANAGER = "system:serviceaccount:cert-manager:cert-manager"
"""Named in the chart's value `identities.rotators` of the test's installation."""

ROLES = {
    SARA: ("tierguard-incident-commander", "cluster-admin-of-workloads"),
    PAUL: ("tierguard-approver",),
    MIKE: ("tierguard-declarer",),
}


def introduce(world: EmbeddedWorld) -> None:
    """Bind the chart's roles to the people. Doing it again changes nothing."""
    for user, roles in ROLES.items():
        for role in roles:
            known = "admin" if role == "cluster-admin-of-workloads" else role
            name = f"test-{user.partition('@')[0]}-{role}"
            binding = {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": known},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
            }
            answer = world.apply(binding)
            assert answer.passed, answer.out
