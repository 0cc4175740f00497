"""A real Kubernetes control plane in a directory: what the tests and the demo run against.

etcd, kube-apiserver, kube-controller-manager and kube-scheduler are built from source by the Go module next to this
file, because neither a container engine nor a download of binaries can be relied on. KWOK plays the kubelets.

``python -m tests.cluster up`` starts one for a person, ``ControlPlane`` one for a test session.
"""

from tests.cluster.controlplane import ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.toolchain import ensure_binaries

__all__ = ["ClusterError", "ControlPlane", "ensure_binaries"]
