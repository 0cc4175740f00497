"""Starting, using and stopping one embedded control plane."""

import contextlib
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from tests.cluster import components, kubeconfig, kubelet
from tests.cluster.components import CONTROLLERS, FOUNDATIONS, MANIFESTS, Command, Layout
from tests.cluster.errors import ClusterError
from tests.cluster.pki import Authority, signing_key, write_private
from tests.cluster.ports import check_port, free_port
from tests.cluster.processes import Processes, signals_deferred, termination_as_exit
from tests.cluster.rest import AdminClient, etcd_answers

START_SECONDS = 60.0
KUBECTL_SECONDS = 60.0
PORT_ATTEMPTS = 3
PORT_TAKEN = "address already in use"
TOKEN_DURATION = "24h"
ADMIN = "admin"
MASTERS = ("system:masters",)
SERVER_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
# KWOK does what kubelets do, so its requests look like a kubelet's to whoever reads them.
IDENTITIES: dict[str, tuple[str, Sequence[str]]] = {
    "kube-controller-manager": ("system:kube-controller-manager", ()),
    "kube-scheduler": ("system:kube-scheduler", ()),
    "kwok": ("system:node:kwok", ("system:nodes", *MASTERS)),
}


class ControlPlane:
    """etcd, API server, controller manager, scheduler and KWOK's nodes, with all of their files in one directory.

    Several can run side by side. As a context manager it starts and stops; otherwise it goes on running when this
    process ends, and another ``ControlPlane`` of the same directory can use and stop it.
    """

    def __init__(self, directory: Path, binaries: Path, *, nodes: int = 6, port: int | None = None) -> None:
        """``port``: that of the API server; by default, and for everything else, any free one."""
        self.directory = directory.absolute()
        self.binaries = binaries
        self.nodes = nodes
        self.port = port
        self.layout = Layout(self.directory)
        self.kubeconfig = self.layout.kubeconfig
        self.audit_log = self.layout.audit_log
        self.processes = Processes(self.directory)
        self._signals = contextlib.ExitStack()
        self._authority = Authority(self.layout.pki)

    def start(self) -> None:
        """Start everything, from nothing; when it returns, the nodes are ready. If it fails, nothing is left running.

        Raises ClusterError, and lets KeyboardInterrupt and (for SIGTERM) SystemExit through.
        """
        if running := [name for name in self.processes.names() if self.processes.alive(name)]:
            message = f"There already runs {', '.join(running)} of {self.directory}. Stop it first."
            raise ClusterError(message)
        if self.port is not None:
            check_port(self.port)
        with self.stopped_on_failure():
            self._clear()
            self._prepare_certificates()
            self._start_foundations()
            self._start_controllers()

    @contextlib.contextmanager
    def stopped_on_failure(self) -> Iterator[None]:
        """Stop everything if the block does not end well: an error, Ctrl-C, a signal that asks this process to end."""
        with termination_as_exit():
            try:
                yield
            except BaseException:
                # A second, impatient Ctrl-C has to wait: what it interrupted would be left running.
                with signals_deferred():
                    self.stop()
                raise

    def stop(self) -> None:
        """Stop everything that was started in this directory, whatever else has been added to it included."""
        self.processes.stop(kubelet.NAME)  # first, or it would start again what is stopped next
        names = self.processes.names()
        self.processes.stop(*(name for name in names if name not in (*FOUNDATIONS, *CONTROLLERS)))
        self.processes.stop(*(name for name in names if name in CONTROLLERS))
        for name in reversed(FOUNDATIONS):
            self.processes.stop(name)

    def restart(self, name: str) -> None:
        """Stop one component and start it again as it was, ports included."""
        self.processes.restart(name)
        if name in FOUNDATIONS:
            self.processes.wait(name, "the API server is ready", self.ready, START_SECONDS)

    def resume(self) -> None:
        """Start again what `stop` has stopped, from nothing but what etcd has kept. What was added to it stays stopped."""
        with self.stopped_on_failure():
            for name in FOUNDATIONS:
                self.processes.restart(name)
            self.processes.wait(FOUNDATIONS[-1], "the API server is ready", self.ready, START_SECONDS)
            # KWOK takes the nodes' Leases for somebody else's, as no kubelet does, and would wait 40 s; the controller
            # manager would wait 15 s for its own. Who held them is gone for sure.
            self.kubectl("delete", "leases", "--all", "--namespace", "kube-node-lease")
            self.kubectl("delete", "lease", CONTROLLERS[0], "--namespace", "kube-system", "--ignore-not-found")
            for name in CONTROLLERS:
                self.processes.restart(name)

    def ready(self) -> bool:
        """Whether the API server says that it is ready."""
        return self.kubeconfig.exists() and self.admin.ready()

    def healthy(self) -> bool:
        """Whether everything is there: all processes on record, the API server, the nodes."""
        names = self.processes.names()
        return (
            {*FOUNDATIONS, *CONTROLLERS} <= set(names)
            and all(map(self.processes.alive, names))
            and self.ready()
            and self.admin.nodes_ready(self.nodes)
        )

    @property
    def server(self) -> str:
        """The API server's address, such as https://127.0.0.1:34567."""
        content = yaml.safe_load(self.kubeconfig.read_text())
        return str(content["clusters"][0]["cluster"]["server"])

    def user(self, name: str, groups: Sequence[str] = ()) -> Path:
        """A kubeconfig for a person of that name in those groups; what they may do is RBAC's business."""
        return self._certificate_kubeconfig(self.layout.users / kubeconfig.file_name(name), self.server, name, groups)

    def service_account(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a token of an existing ServiceAccount, good for a day."""
        token = self.kubectl("create", "token", name, "--namespace", namespace, "--duration", TOKEN_DURATION).stdout
        user = f"system:serviceaccount:{namespace}:{name}"
        path = self.layout.users / kubeconfig.file_name(user)
        return kubeconfig.with_token(path, self.server, self._authority_certificate(), user, token.strip())

    def kubectl(
        self,
        *arguments: str,
        kubeconfig: Path | None = None,
        input: str | None = None,  # noqa: A002 - as subprocess.run calls it
        check: bool = True,
        seconds: float = KUBECTL_SECONDS,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl, as the administrator unless a kubeconfig says otherwise.

        Raises ClusterError when it fails (unless ``check`` is false) or takes too long.
        """
        options: list[str | Path] = [
            "--kubeconfig",
            kubeconfig or self.kubeconfig,
            "--cache-dir",
            self.directory / "cache",
        ]
        command = " ".join(["kubectl", *arguments])
        try:
            done = subprocess.run(
                [self.binaries / "kubectl", *options, *arguments],
                input=input,
                stdin=None if input is not None else subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            message = f"`{command}` did not end within {seconds:.0f} s."
            raise ClusterError(message) from None
        if check and done.returncode != 0:
            message = f"`{command}` failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}"
            raise ClusterError(message)
        return done

    def __enter__(self) -> Self:
        self._signals.enter_context(termination_as_exit())
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._signals, signals_deferred():
            self.stop()

    def _clear(self) -> None:
        """Remove what an earlier cluster left behind, so that nothing of it is taken for the new one's."""
        for path in (self.layout.data, self.layout.pki, self.layout.users, self.directory / "cache"):
            shutil.rmtree(path, ignore_errors=True)
        self.kubeconfig.unlink(missing_ok=True)
        self.processes.forget_ended()
        for name in (*FOUNDATIONS, *CONTROLLERS):
            self.processes.log(name).unlink(missing_ok=True)
        self.audit_log.unlink(missing_ok=True)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.layout.data.mkdir(mode=0o700)

    def _prepare_certificates(self) -> None:
        self._authority.create()
        pki = self.layout.pki
        serving = self._authority.serving(SERVER_NAMES, ("127.0.0.1", components.SERVICE_ADDRESS))
        admin = self._authority.client(ADMIN, MASTERS)
        private, public = signing_key()
        (pki / "apiserver.crt").write_bytes(serving.certificate)
        (pki / "admin.crt").write_bytes(admin.certificate)
        (pki / "service-accounts.pub").write_bytes(public)
        write_private(pki / "apiserver.key", serving.key)
        write_private(pki / "admin.key", admin.key)
        write_private(pki / "service-accounts.key", private)

    def _start_foundations(self) -> None:
        client = self._start_etcd()
        port = self._start_on_free_port(
            "kube-apiserver",
            lambda free: components.apiserver(self.binaries, self.layout, free, client),
            "it is ready",
            lambda free: AdminClient(f"https://127.0.0.1:{free}", self.layout.pki).ready(),
            fixed=self.port,
        )
        server = f"https://127.0.0.1:{port}"
        self._certificate_kubeconfig(self.kubeconfig, server, ADMIN, MASTERS)

    def _start_etcd(self) -> str:
        # The name tells it from another cluster's, which may have been faster to take the port.
        name = f"tierguard-{secrets.token_hex(4)}"
        port = self._start_on_free_port(
            "etcd",
            lambda free: components.etcd(self.binaries, self.layout, name, free, free_port()),
            "it answers",
            lambda free: etcd_answers(free, name),
        )
        return f"http://127.0.0.1:{port}"

    def _start_on_free_port(
        self,
        name: str,
        command: Callable[[int], Command],
        what: str,
        condition: Callable[[int], bool],
        *,
        fixed: int | None = None,
        attempts: int = PORT_ATTEMPTS,
    ) -> int:
        """Start a component on a port that is free now; with another one, if somebody else was faster to take it."""
        port = fixed or free_port()
        self.processes.start(name, command(port))
        try:
            self.processes.wait(name, what, lambda: condition(port), START_SECONDS)
        except ClusterError:
            lost = PORT_TAKEN in self.processes.tail(name)
            self.processes.stop(name)
            if fixed:
                check_port(fixed)
            if not lost or attempts == 1:
                raise
            return self._start_on_free_port(name, command, what, condition, fixed=fixed, attempts=attempts - 1)
        return port

    def _start_controllers(self) -> None:
        for name, (user, groups) in IDENTITIES.items():
            self._certificate_kubeconfig(self.layout.component_kubeconfig(name), self.server, user, groups)
        stages = self.directory / "pki" / "kwok-stages.yaml"
        shutil.copyfile(MANIFESTS / "stages.yaml", stages)
        self.processes.start("kube-controller-manager", components.controller_manager(self.binaries, self.layout))
        self.processes.start("kube-scheduler", components.scheduler(self.binaries, self.layout))
        # Its working directory: it would read a configuration from the home directory, too.
        own = {"KWOK_WORKDIR": str(self.layout.pki)}
        self.processes.start("kwok", components.kwok(self.binaries, self.layout, stages), own)
        documents = [*components.nodes(self.nodes), yaml.safe_load((MANIFESTS / "storage.yaml").read_text())]
        self.kubectl("create", "-f", "-", input=yaml.safe_dump_all(documents))
        client = self.admin
        self.processes.wait("kwok", "the nodes are ready", lambda: client.nodes_ready(self.nodes), START_SECONDS)
        self.processes.wait(
            "kube-controller-manager",
            "there are service accounts",
            lambda: client.exists("/api/v1/namespaces/default/serviceaccounts/default"),
            START_SECONDS,
        )

    def _certificate_kubeconfig(self, path: Path, server: str, user: str, groups: Sequence[str]) -> Path:
        pair = self._authority.client(user, groups)
        return kubeconfig.with_certificate(path, server, self._authority_certificate(), user, pair)

    def _authority_certificate(self) -> bytes:
        return self._authority.certificate_file.read_bytes()

    @property
    def admin(self) -> AdminClient:
        """Simple requests as the administrator."""
        return AdminClient(self.server, self.layout.pki)
