"""The demo cluster of this working copy: ``python -m tests.cluster build | up | down | status``.

Its files are in ``.cluster`` at the repository's root. What is meant for a shell goes to stdout, the rest to stderr.
"""

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import kubelet
from tests.cluster.controlplane import ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.install import Tierguard
from tests.cluster.ports import PORT_VARIABLE, parse_port
from tests.cluster.processes import memory_bytes, termination_as_exit
from tests.cluster.progress import Progress
from tests.cluster.toolchain import ensure_binaries, lock

REPOSITORY = Path(__file__).resolve().parents[2]
# For people to put on their PATH.
LINKED_PROGRAMS = ("kubectl", "helm")
# Somebody else's `up` takes this long at most, builds aside.
LOCK_SECONDS = 120.0
MIB = 1024**2


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit code is 2 for everything that a person has to see to."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description="The embedded demo cluster.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("build", help="build etcd, Kubernetes, KWOK and Helm, unless that is done already")
    commands.add_parser("up", help="start the cluster and leave it running")
    commands.add_parser("down", help="stop the cluster and delete its files, logs excepted")
    commands.add_parser("status", help="show what is running; exit code 1 unless all of it is")
    commands.add_parser("kubelet", help="what `up` leaves behind to start again whatever dies")
    command = parser.parse_args(arguments).command
    try:
        with termination_as_exit():
            act = {"build": build, "up": up, "down": down, "status": status, "kubelet": look_after}[command]
            return act(REPOSITORY / ".cluster")
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted; nothing was left running.", file=sys.stderr)
        return 130


def build(_: Path) -> int:
    """Build what `up` would build, and say where it is."""
    print(ensure_binaries(REPOSITORY))
    return 0


def up(directory: Path) -> int:
    """Start the cluster, unless it runs; print the line that points kubectl at it."""
    port = parse_port(os.environ.get(PORT_VARIABLE))
    binaries = ensure_binaries(REPOSITORY)
    cluster = ControlPlane(directory, binaries, port=port)
    directory.mkdir(exist_ok=True)
    with lock(directory / ".lock", "another `up` or `down`", LOCK_SECONDS):
        if _running(cluster):
            if not cluster.healthy():
                message = (
                    f"The cluster in {directory} is only half there: {_dead(cluster)}. Run `make down`, then `make up`."
                )
                raise ClusterError(message)
            print("The cluster is already running.", file=sys.stderr)
        else:
            with Progress("Starting the cluster and tierguard"), cluster.stopped_on_failure():
                cluster.start()
                _link_programs(directory, binaries)
                tierguard = Tierguard(cluster)
                tierguard.install()
                tierguard.supervise()
    print(f"export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}")
    return 0


def down(directory: Path) -> int:
    """Stop whatever is on record in the directory, and delete everything but the logs."""
    if not directory.is_dir():
        return 0
    with lock(directory / ".lock", "another `up` or `down`", LOCK_SECONDS):
        ControlPlane(directory, directory / "bin").stop()
        for entry in directory.iterdir():
            if entry.name in {"logs", ".lock"}:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    return 0


def status(directory: Path) -> int:
    """One line a process, then whether the cluster as a whole is well."""
    cluster = ControlPlane(directory, directory / "bin")
    processes = cluster.processes
    for name in processes.names():
        pid = processes.pid(name)
        if pid is not None and processes.alive(name):
            print(f"{name:<28} running  pid {pid:<8} {memory_bytes(pid) / MIB:>5.0f} MiB")
        else:
            print(f"{name:<28} ended    see {processes.log(name)}")
    healthy = cluster.healthy()
    if healthy:
        print(f"The cluster is well: {cluster.server}, kubeconfig {cluster.kubeconfig}")
    else:
        print(
            "The cluster is not running." if not _running(cluster) else "The cluster is only half there: `make down`."
        )
    return 0 if healthy else 1


def look_after(directory: Path) -> int:
    """Be the kubelet of what runs in the directory, until ended."""
    cluster = ControlPlane(directory, directory / "bin")
    tierguard = Tierguard(cluster)
    kubelet.run(cluster.processes, tierguard.read_secret, tierguard.certificates)
    return 0


def _running(cluster: ControlPlane) -> bool:
    """Whether anything at all runs. After a reboot, only records are left, and those are no obstacle."""
    return any(map(cluster.processes.alive, cluster.processes.names()))


def _dead(cluster: ControlPlane) -> str:
    ended = [name for name in cluster.processes.names() if not cluster.processes.alive(name)]
    return f"{', '.join(ended)} ended, see {cluster.processes.logs}" if ended else "it does not answer"


def _link_programs(directory: Path, binaries: Path) -> None:
    links = directory / "bin"
    links.mkdir(exist_ok=True)
    for name in LINKED_PROGRAMS:
        (links / name).unlink(missing_ok=True)
        (links / name).symlink_to(binaries / name)
