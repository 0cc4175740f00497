"""Attacks on what is around a frozen workload, on its existence, and on what guards it.

Each is a request that Kubernetes takes outside of a freeze.
"""

from tests.e2e.attacks import place
from tests.e2e.attacks.caller import Change
from tests.e2e.attacks.kinds import (
    ALWAYS_HELD,
    ANNOUNCED,
    CLAIMS,
    KINDS,
    OWNED,
    WITH_STATUS,
    A,
    B,
    N,
    Ways,
    drop,
    drop_all,
    edit,
    every,
    field,
    make,
    relabelled,
)

AROUND: Ways = {
    # What it reads, and what reaches it.
    "other contents of a ConfigMap": edit("ConfigMap", field("data", "max", to="1000000")),
    "binary contents of a ConfigMap": edit("ConfigMap", field("binaryData", to={"x": "eA=="})),
    "other contents of a Secret": edit("Secret", field("stringData", to={"key": "other"})),
    "another pull secret": edit("Secret for pulling", field("data", "key", to="eA==")),
    "a ConfigMap on its way out that is edited": edit("ConfigMap", field("data", "max", to="1"), name="doomed"),
    "an account without its pull secret": edit("ServiceAccount", field("imagePullSecrets", to=None)),
    "an account with another role in the cloud": edit(
        "ServiceAccount", field("metadata", "annotations", to={"eks.amazonaws.com/role-arn": "arn:evil"})
    ),
    "an account without a token": edit("ServiceAccount", field("automountServiceAccountToken", to=False)),
    "a Service of other pods": edit("Service", field("spec", "selector", "app", to="other")),
    "a Service of other pods, as one more label": edit("Service", field("spec", "selector", "x", to="y")),
    "a Service without a selector": edit("Service", field("spec", "selector", to=None)),
    "a Service that is a name": edit(
        "Service",
        field("spec", to={"type": "ExternalName", "externalName": "evil.example.com", "ports": [{"port": 80}]}),
    ),
    "a Service with another port": edit("Service", field("spec", "ports", 0, "targetPort", to=6666)),
    "a Service with an address of somebody else's": edit("Service", field("spec", "externalIPs", to=["192.0.2.1"])),
    "a new Service in front of frozen pods": make("services", "v1", lambda ns: place.service(ns, "mine")),
    "another Service turned to frozen pods": edit(
        "Service", field("spec", "selector", "app", to="payment-core"), name="elsewhere"
    ),
    "an Ingress to another Service": edit(
        "Ingress", field("spec", "rules", 0, "http", "paths", 0, "backend", "service", "name", to="elsewhere")
    ),
    "an Ingress of another host": edit("Ingress", field("spec", "rules", 0, "host", to="x.example.com")),
    "a policy that lets nothing in": make("networkpolicies", N, place.silence),
    "a policy that lets nothing to any pod": make(
        "networkpolicies",
        N,
        lambda ns: {**place.silence(ns), "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}},
    ),
    "a policy of other pods": edit(
        "NetworkPolicy", field("spec", "podSelector", "matchLabels", "app", to="payment-core")
    ),
}

ENDS: Ways = {
    # Deletion, and what leads to it; in a freeze also of what was announced before.
    **{f"deleted: a {kind}": drop(kind) for kind in KINDS if kind not in (*ALWAYS_HELD, *CLAIMS)},
    **{f"an owner that is gone: of a {kind}": edit(kind, OWNED) for kind in KINDS if kind not in ALWAYS_HELD + CLAIMS},
    "deleted: what was announced before": lambda c: c.drop("deployments", "announced", A),
    "deleted and its pods left behind": lambda c: c.drop("deployments", "announced", A, propagationPolicy="Orphan"),
    "an owner that is gone: of what was announced before": edit("Deployment", OWNED, name="announced"),
    **{f"announced: the deletion of a {kind}": edit(kind, ANNOUNCED) for kind in (*ALWAYS_HELD, *CLAIMS)},
    "deleted: a pod that no controller makes again": lambda c: c.drop("pods", "alone"),
    "deleted at once: the same": lambda c: c.drop("pods", "alone", gracePeriodSeconds="0"),
    "all ConfigMaps deleted": drop_all("configmaps"),
    "all Secrets deleted": drop_all("secrets"),
    "all Jobs deleted": drop_all("jobs", B),
    "all ReplicaSets deleted": drop_all("replicasets", A),
    "the last finalizer of a ConfigMap": edit("ConfigMap", field("metadata", "finalizers", to=None), name="doomed"),
    "the last finalizer of a claim": edit(
        "PersistentVolumeClaim", field("metadata", "finalizers", to=None), name="archive"
    ),
    "the last finalizer of a Deployment": edit("Deployment", field("metadata", "finalizers", to=None), name="doomed"),
}

LEAVES: Ways = {
    # Out of what guards it.
    "its tier label taken off": edit("Deployment", relabelled({"tierguard.io/tier": None})),
    "a lower tier": edit("Deployment", relabelled({"tierguard.io/tier": "4"})),
    "the label of its pods taken off": edit(
        "Deployment", field("spec", "template", "metadata", "labels", "tierguard.io/tier", to=None)
    ),
}

RESETS: Ways = {
    # At any time, and most of all in a freeze: unannounced deletion, what leads to it, and a controller's report.
    **{f"deleted: a {kind}": drop(kind) for kind in (*ALWAYS_HELD, *CLAIMS)},
    **{f"an owner that is gone: of a {kind}": edit(kind, OWNED) for kind in (*ALWAYS_HELD, *CLAIMS)},
    "another revision for the members below a partition": edit(
        "StatefulSet", lambda it: it["status"].update(currentRevision=it["status"]["updateRevision"]), "status"
    ),
    "all Deployments deleted": drop_all("deployments", A),
    "all claims deleted": drop_all("persistentvolumeclaims"),
    "volumes that go with their StatefulSet": edit(
        "StatefulSet", field("spec", "persistentVolumeClaimRetentionPolicy", to={"whenScaled": "Delete"})
    ),
}

INVALID: Ways = {
    # At any time, as long as a webhook answers: what it says counts as tier 0, the safe direction.
    "a tier that is none, along with an announcement": edit(
        "Deployment",
        every(
            relabelled({"tierguard.io/tier": "none"}),
            ANNOUNCED,
        ),
    ),
}


def through_subresources() -> Ways:
    """Metadata written where nobody but controllers has business: the API server keeps some of it for some kinds."""
    found: Ways = {}
    for what, change in METADATA.items():
        for kind in _HAVING[what]:
            for sub in ("status", "finalize") if kind == "Namespace" else ("status",):
                found[f"{what} of a {kind} through {sub}"] = edit(kind, change, sub)
    return found


METADATA: dict[str, Change] = {
    "an owner that is gone": OWNED,
    "a lower tier": relabelled({"tierguard.io/tier": "4"}),
    "an announcement": ANNOUNCED,
}
WORKLOADS = tuple(KINDS)[: tuple(KINDS).index("ConfigMap")]
_HAVING = {
    "an owner that is gone": WITH_STATUS,
    "a lower tier": (*WORKLOADS, "PersistentVolumeClaim"),
    "an announcement": (*ALWAYS_HELD, *CLAIMS),
}
