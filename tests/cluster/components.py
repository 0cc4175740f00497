"""The command lines of the control plane, and the nodes that it manages. Values in, values out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVICE_RANGE = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"
POD_RANGE = "10.244.0.0/16"
NODE_ADDRESS = "10.0.0.1"
ISSUER = "https://kubernetes.default.svc.cluster.local"
ZONES = ("zone-a", "zone-b", "zone-c")
NODE_CAPACITY = {"cpu": "32", "memory": "256Gi", "pods": "110"}
MANIFESTS = Path(__file__).parent / "manifests"

# The two that everything else needs, in the order in which they start; they are stopped last, the other way round.
FOUNDATIONS = ("etcd", "kube-apiserver")
CONTROLLERS = ("kube-controller-manager", "kube-scheduler", "kwok")

Command = list[str | Path]


@dataclass(frozen=True)
class Layout:
    """Where things are in a cluster's directory."""

    directory: Path

    @property
    def pki(self) -> Path:
        return self.directory / "pki"

    @property
    def users(self) -> Path:
        return self.directory / "users"

    @property
    def data(self) -> Path:
        return self.directory / "etcd"

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        return self.directory / "logs" / "audit.log"

    def component_kubeconfig(self, name: str) -> Path:
        return self.pki / f"{name}.kubeconfig"


def etcd(binaries: Path, layout: Layout, name: str, client_port: int, peer_port: int) -> Command:
    """Etcd on loopback, without TLS, and without waiting for the disk: its data lives as long as the cluster does."""
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return [
        binaries / "etcd",
        f"--name={name}",
        f"--data-dir={layout.data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster={name}={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver(binaries: Path, layout: Layout, port: int, etcd_client: str) -> Command:
    return [
        binaries / "kube-apiserver",
        f"--etcd-servers={etcd_client}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        # Without it, the address of the default route is advertised, and a machine without one fails.
        "--advertise-address=127.0.0.1",
        # The Service "kubernetes" may not have a loopback address as its endpoint; do not try, every ten seconds.
        "--endpoint-reconciler-type=none",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--tls-cert-file={layout.pki / 'apiserver.crt'}",
        f"--tls-private-key-file={layout.pki / 'apiserver.key'}",
        f"--client-ca-file={layout.pki / 'ca.crt'}",
        "--authorization-mode=RBAC",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={layout.pki / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={layout.pki / 'service-accounts.key'}",
        f"--audit-policy-file={MANIFESTS / 'audit-policy.yaml'}",
        f"--audit-log-path={layout.audit_log}",
        "--audit-log-maxsize=100",
        "--audit-log-maxbackup=1",
        # Without it, the server waits for every watch to end by itself before it does.
        "--shutdown-watch-termination-grace-period=1s",
        "--profiling=false",
    ]


def controller_manager(binaries: Path, layout: Layout) -> Command:
    """Leader election stays on: its Lease is a clock that tierguard reads inside the API server."""
    return [
        binaries / "kube-controller-manager",
        f"--kubeconfig={layout.component_kubeconfig('kube-controller-manager')}",
        "--secure-port=0",
        "--use-service-account-credentials=true",
        # It first makes a ServiceAccount for each of its controllers. At the default of 20 a second, that takes 4 s.
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        f"--service-account-private-key-file={layout.pki / 'service-accounts.key'}",
        f"--root-ca-file={layout.pki / 'ca.crt'}",
        "--profiling=false",
    ]


def scheduler(binaries: Path, layout: Layout) -> Command:
    return [
        binaries / "kube-scheduler",
        f"--kubeconfig={layout.component_kubeconfig('kube-scheduler')}",
        "--secure-port=0",
        # Nobody waits for a Lease to run out when the only scheduler is restarted.
        "--leader-elect=false",
        "--profiling=false",
    ]


def kwok(binaries: Path, layout: Layout, stages: Path) -> Command:
    """KWOK; the stages are given relative to its working directory, as a comma in the path would split it in two."""
    return [
        binaries / "kwok",
        f"--kubeconfig={layout.component_kubeconfig('kwok')}",
        f"--config={stages.relative_to(layout.directory)}",
        "--manage-all-nodes",
        "--node-lease-duration-seconds=40",
        f"--node-ip={NODE_ADDRESS}",
        f"--cidr={POD_RANGE}",
    ]


def nodes(count: int) -> list[dict[str, Any]]:
    """Fake nodes, dealt to the zones in turn."""
    return [_node(f"node-{index + 1}", ZONES[index % len(ZONES)]) for index in range(count)]


def _node(name: str, zone: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/region": "region-1",
                "topology.kubernetes.io/zone": zone,
                "type": "kwok",
            },
        },
        "status": {"capacity": NODE_CAPACITY, "allocatable": NODE_CAPACITY},
    }
