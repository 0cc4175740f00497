"""Who is who among the users: Kubernetes' own controllers, and those whom an installation names."""

from dataclasses import dataclass

CONTROLLERS = frozenset(
    {
        "system:kube-controller-manager",
        "system:kube-scheduler",
        "system:cloud-controller-manager",
        *(
            f"system:serviceaccount:kube-system:{name}"
            for name in (
                "clusterrole-aggregation-controller",
                "cronjob-controller",
                "daemon-set-controller",
                "deployment-controller",
                "disruption-controller",
                "endpoint-controller",
                "endpointslice-controller",
                "endpointslicemirroring-controller",
                "ephemeral-volume-controller",
                "expand-controller",
                "generic-garbage-collector",
                "job-controller",
                "namespace-controller",
                "node-controller",
                "persistent-volume-binder",
                "pod-garbage-collector",
                "pvc-protection-controller",
                "replicaset-controller",
                "replication-controller",
                "resource-claim-controller",
                "resourcequota-controller",
                "root-ca-cert-publisher",
                "service-account-controller",
                "service-controller",
                "statefulset-controller",
                "taint-eviction-controller",
                "ttl-after-finished-controller",
            )
        ),
    }
)
"""Who Kubernetes' own controllers are. What they write follows from a change that was already decided."""

COLLECTOR = "system:serviceaccount:kube-system:generic-garbage-collector"
"""Who deletes what has lost its owners. An owner of any kind: its end was judged by nobody."""

KUBELET = "system:node:"
"""How the user names of kubelets begin (authorizer/node): they write what nodes observe, all the time."""

AUTOSCALERS = frozenset({"system:serviceaccount:kube-system:horizontal-pod-autoscaler"})
"""Whose scaling works through every freeze."""

ROTATORS = frozenset({"system:serviceaccount:kube-system:root-ca-cert-publisher"})
"""Who renews certificates and secrets. Only Kubernetes' own: anybody may call a namespace `cert-manager`."""


@dataclass(frozen=True, slots=True)
class Identities:
    """Exact user names that decisions treat in their own way."""

    controllers: frozenset[str] = CONTROLLERS
    autoscalers: frozenset[str] = AUTOSCALERS
    gitops: frozenset[str] = frozenset()
    """Who applies what was reviewed in Git, and so may write other people's names."""
    rotators: frozenset[str] = ROTATORS
    """Who renews certificates and secrets: their writes to what workloads read are no changes."""

    def controls(self, user: str) -> bool:
        """Whether `user` is a controller or a kubelet: what those write follows from a change that was decided."""
        return user in self.controllers or user.startswith(KUBELET)
