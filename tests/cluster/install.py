"""tierguard on the embedded control plane: the chart installed by Helm, and its two processes run on the host.

KWOK's pods run nothing, so the operator and the webhooks of the chart's Deployments are started here, with the
arguments that the chart rendered and as the ServiceAccounts that it made: RBAC is what it will be in a real cluster.
What the kubelet and kube-proxy would do is done here too: the Secret with the certificate is written to files, what dies is
started again (where `supervise` was called), and both webhooks listen on one port (SO_REUSEPORT), which the API server
reaches by URL (chart value `webhook.url`), so that either may die.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import urllib3

from tests.cluster import kubelet
from tests.cluster.controlplane import ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.ports import free_port

NAMESPACE = "tierguard-system"
RELEASE = "tierguard"
CHART = Path(__file__).resolve().parents[2] / "charts" / "tierguard"
OPERATORS = ("operator-0", "operator-1")
OPERATOR = OPERATORS[0]
WEBHOOKS = ("webhook-0", "webhook-1")
READY_SECONDS = 60.0
HELM_SECONDS = 120.0

# What on the host differs from the pod.
_REPLACED = ("--listen", "--health-listen", "--certificates")


@dataclass(frozen=True)
class Launch:
    """How a process is started, where not as in a pod."""

    prefix: tuple[str, ...] = ()
    """A command that runs the one after it."""
    module: str = "tierguard"
    arguments: tuple[str, ...] = ()
    """Further arguments: of one that is given twice, the last counts."""
    environment: Mapping[str, str] | None = None


IN_A_POD = Launch()


class Tierguard:
    """tierguard, installed on a running `ControlPlane`."""

    def __init__(self, cluster: ControlPlane) -> None:
        self.cluster = cluster
        self.certificates = cluster.directory / "tls"
        self.health: dict[str, int] = {}
        self.servers: dict[str, str] = {}
        """By process, where it reaches the API server, if not at the server's own address."""
        self.port = 0
        self._rendered: dict[str, list[str]] = {}
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(2.0))

    def install(self, values: Sequence[str] = ()) -> None:
        """Install the chart and start the processes; when it returns, changes are being judged."""
        self.install_chart(values)
        for name in OPERATORS:
            self.start_operator(name)
        self.mount_certificates()
        for name in WEBHOOKS:
            self.start_webhook(name)
        for name in (*OPERATORS, *WEBHOOKS):
            self.wait_ready(name)
        self.cluster.processes.wait(OPERATOR, "the webhook configuration is there", self.configured, READY_SECONDS)

    def install_chart(self, values: Sequence[str] = ()) -> None:
        """Install the chart, and start nothing."""
        self.port = free_port()
        self.helm(
            "install",
            RELEASE,
            str(CHART),
            "--namespace",
            NAMESPACE,
            "--create-namespace",
            "--set",
            f"webhook.url=https://127.0.0.1:{self.port}",
            *values,
        )

    def start_operator(self, name: str, launch: Launch = IN_A_POD) -> None:
        """Start one of the operators, as its ServiceAccount."""
        self._start(name, "operator", "tierguard-operator", launch)

    def start_webhook(self, name: str, launch: Launch = IN_A_POD, port: int | None = None) -> None:
        """Start one of the webhooks, as its ServiceAccount, on the port that the API server knows or on another one."""
        listen = (f"--listen=127.0.0.1:{port or self.port}", f"--certificates={self.certificates}")
        self._start(name, "webhook", "tierguard-webhook", launch, listen)

    def wait_ready(self, name: str) -> None:
        """Wait until a process says that it is ready."""
        self.cluster.processes.wait(name, "it is ready", lambda: self.ready(name), READY_SECONDS)

    def ready(self, name: str) -> bool:
        """Whether a process says that it is ready."""
        return self.get(name, "/readyz")[0] == HTTPStatus.OK

    def get(self, name: str, path: str) -> tuple[int, str]:
        """What a process answers on its plain-HTTP port; status 0 when it does not."""
        try:
            answer = self._http.request("GET", f"http://127.0.0.1:{self.health[name]}{path}")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return 0, str(error)
        return answer.status, answer.data.decode()

    def logs_written(self) -> bool:
        """Whether what the webhooks logged until now is in their logs. Of one that is dead it is, or it is lost."""
        answers = [self.get(name, "/metrics") for name in WEBHOOKS]
        return all(not status or "\ntierguard_webhook_log_lines_waiting 0.0\n" in text for status, text in answers)

    def configured(self) -> bool:
        """Whether the API server has been told to ask."""
        found = self.cluster.kubectl("get", "validatingwebhookconfigurations", RELEASE, check=False)
        return found.returncode == 0

    def review_url(self) -> str:
        """Where the API server sends reviews. Raises ClusterError before there is a configuration."""
        found = self.cluster.kubectl("get", "validatingwebhookconfigurations", RELEASE, "-o", "json", check=False)
        if found.returncode != 0:
            raise ClusterError(found.stderr)
        return str(json.loads(found.stdout)["webhooks"][0]["clientConfig"]["url"])

    def helm(self, *arguments: str) -> str:
        """Run Helm as the administrator. Raises ClusterError when it fails."""
        home = self.cluster.directory / "helm"
        command = [str(self.cluster.binaries / "helm"), *arguments, "--kubeconfig", str(self.cluster.kubeconfig)]
        environment = {name: str(home) for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HOME")}
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=HELM_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            message = f"helm {arguments[0]} did not end within {HELM_SECONDS:.0f} s."
            raise ClusterError(message) from None
        if done.returncode != 0:
            message = f"helm {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}"
            raise ClusterError(message)
        return done.stdout

    def _start(self, name: str, component: str, account: str, launch: Launch, more: Sequence[str] = ()) -> None:
        self.health.setdefault(name, free_port())
        command = [
            *launch.prefix,
            sys.executable,
            "-m",
            launch.module,
            *self._arguments(component),
            f"--kubeconfig={self._kubeconfig(name, account)}",
            f"--health-listen=127.0.0.1:{self.health[name]}",
            *more,
            *launch.arguments,
        ]
        self.cluster.processes.start(name, command, launch.environment)

    def _kubeconfig(self, name: str, account: str) -> Path:
        """The kubeconfig of a process; with the token that it had, where the API server is not there to give another."""
        path = self.cluster.directory / f"kubeconfig-{name}"
        try:
            made = self.cluster.service_account(NAMESPACE, account).read_text(encoding="utf-8")
        except ClusterError:
            if not path.exists():
                raise
            return path
        path.touch(mode=0o600)
        path.write_text(made.replace(self.cluster.server, self.servers.get(name, self.cluster.server)))
        return path

    def _arguments(self, component: str) -> Iterator[str]:
        """The arguments that the chart gives to a component's container, less what is different on the host."""
        selector = f"app.kubernetes.io/component={component}"
        found = self.cluster.kubectl("get", "deployments", "-n", NAMESPACE, "-l", selector, "-o", "json", check=False)
        if found.returncode == 0:
            (deployment,) = json.loads(found.stdout)["items"]
            (container,) = deployment["spec"]["template"]["spec"]["containers"]
            self._rendered[component] = container["args"]
        elif component not in self._rendered:
            raise ClusterError(found.stderr)
        for argument in self._rendered[component]:
            if argument.partition("=")[0] not in _REPLACED:
                yield argument.replace("$(POD_NAMESPACE)", NAMESPACE)

    def mount_certificates(self) -> None:
        """Write the Secret to files, as a kubelet does, once the operator has made it."""
        secret: list[bytes] = []

        def made() -> bool:
            found = self.read_secret()
            if found is not None:
                secret.append(found)
            return bool(secret)

        self.cluster.processes.wait(OPERATOR, "the Secret with the certificate is there", made, READY_SECONDS)
        kubelet.mount(secret[-1], self.certificates)

    def read_secret(self) -> bytes | None:
        """The Secret with the webhook's certificate; None while there is none, or no answer."""
        return self.cluster.admin.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/{RELEASE}-webhook-tls")

    def supervise(self) -> None:
        """Have a process of its own do what a kubelet does, also after this one has ended."""
        command = [sys.executable, "-m", "tests.cluster", "kubelet"]
        self.cluster.processes.start(kubelet.NAME, command, {"PYTHONPATH": str(CHART.parents[1])})
