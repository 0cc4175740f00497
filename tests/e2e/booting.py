"""What a cluster needs to boot and to be mended: one object of each kind, labelled as if it were a payment workload."""

import base64
from collections.abc import Iterator
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cluster.install import NAMESPACE
from tests.e2e import manifests

Document = dict[str, Any]
NAME = "boots"
TIER = {"tierguard.io/tier": "0"}
EXEMPT = ("kube-system", "kube-public", "kube-node-lease", NAMESPACE)


def _named(api_version: str, kind: str, namespace: str = "", name: str = NAME, **content: Any) -> Document:
    place = {"namespace": namespace} if namespace else {}
    metadata = {"name": name, "labels": TIER, **place}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def signing_request() -> Document:
    """What a kubelet asks for when it joins."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{NAME}"),
        ]
    )
    signed = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    spec = {
        "request": base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode(),
        "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
        "usages": ["digital signature", "client auth"],
    }
    return _named("certificates.k8s.io/v1", "CertificateSigningRequest", spec=spec)


def of_the_cluster() -> Iterator[Document]:
    """Cluster-scoped, and what the control plane keeps in namespaces of others."""
    rbac, admission = "rbac.authorization.k8s.io", "admissionregistration.k8s.io/v1"
    yield _named("v1", "Node", name="node-boots", spec={"unschedulable": True})
    yield _named("coordination.k8s.io/v1", "Lease", "kube-node-lease", spec={"holderIdentity": NAME})
    yield _named("coordination.k8s.io/v1", "Lease", "default", spec={"holderIdentity": NAME})
    yield signing_request()
    yield _named("v1", "ServiceAccount", "default")
    yield _named("v1", "Service", "default", spec={"ports": [{"port": 53}]})
    yield _named("discovery.k8s.io/v1", "EndpointSlice", "default", addressType="IPv4", endpoints=[])
    yield _named("v1", "Endpoints", "default", name="boots-too")
    yield _named(f"{rbac}/v1", "Role", "default", rules=[])
    yield _named(f"{rbac}/v1", "ClusterRole", rules=[])
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": "default"}
    role = {"apiGroup": rbac, "kind": "ClusterRole", "name": NAME}
    yield _named(f"{rbac}/v1", "ClusterRoleBinding", roleRef=role, subjects=[subject])
    yield _named("scheduling.k8s.io/v1", "PriorityClass", value=1000)
    yield _named("storage.k8s.io/v1", "StorageClass", provisioner="example.com/none")
    yield _named("storage.k8s.io/v1", "CSIDriver", spec={})
    yield _named("node.k8s.io/v1", "RuntimeClass", handler="runc")
    yield _named(
        "flowcontrol.apiserver.k8s.io/v1",
        "FlowSchema",
        spec={"matchingPrecedence": 9000, "priorityLevelConfiguration": {"name": "global-default"}},
    )
    yield _named(admission, "ValidatingWebhookConfiguration", webhooks=[])
    yield _named(admission, "MutatingWebhookConfiguration", webhooks=[])
    schema = {"openAPIV3Schema": {"type": "object"}}
    names = {"plural": "boots", "singular": "boot", "kind": "Boot", "listKind": "BootList"}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    definition = {"group": "example.com", "scope": "Cluster", "names": names, "versions": [version]}
    yield _named("apiextensions.k8s.io/v1", "CustomResourceDefinition", name="boots.example.com", spec=definition)


def in_exempt_namespaces() -> Iterator[Document]:
    """Where nothing is ever held: workloads of tier 0, and what they read."""
    for namespace in EXEMPT:
        yield _named("v1", "ConfigMap", namespace, data={"a": "b"})
        yield _named("v1", "Secret", namespace, stringData={"a": "b"})
        workload = manifests.deployment(namespace, NAME, tier="0", replicas=1)
        yield workload
        yield manifests.stateful_set(namespace, NAME)
        agent = manifests.deployment(namespace, "boots-everywhere", tier="0")
        pods = agent["spec"]["template"]["spec"]
        del pods["topologySpreadConstraints"]
        selected = {key: agent["spec"][key] for key in ("selector", "template")}
        yield {**agent, "kind": "DaemonSet", "spec": selected}
        yield manifests.budget(namespace, NAME, NAME)
        pod = {"containers": workload["spec"]["template"]["spec"]["containers"]}
        yield _named("v1", "Pod", namespace, name="boots-alone", spec=pod)
