"""Types of arguments, whose errors argparse shows with the argument's name, and arguments that several commands have."""

import argparse
from datetime import datetime, timedelta
from pathlib import Path

from tierguard.guard.model.identities import AUTOSCALERS, CONTROLLERS, ROTATORS, Identities


def instant(written: str) -> datetime:
    """An RFC 3339 instant with its offset."""
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        message = f"{written!r} is no instant; write it as 2026-11-11T12:00:00Z or 2026-11-11T19:00:00+07:00"
        raise argparse.ArgumentTypeError(message)
    return found


def duration(written: str) -> timedelta:
    """A duration such as 90d or 12h30m, as schedules write it."""
    from tierguard.schedule import ScheduleError  # noqa: PLC0415 - the webhook's supervisor shall stay small
    from tierguard.schedule.compile import compile_duration  # noqa: PLC0415

    try:
        return timedelta(seconds=compile_duration(written, "duration"))
    except ScheduleError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def address(written: str) -> tuple[str, int]:
    """`ADDRESS:PORT`."""
    host, colon, port = written.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:  # noqa: PLR2004 - ports are 16 bits
        message = f"{written!r} is no ADDRESS:PORT"
        raise argparse.ArgumentTypeError(message)
    return host.strip("[]"), int(port)


def cluster(parser: argparse.ArgumentParser) -> None:
    """The arguments of commands that read a cluster."""
    parser.add_argument("--kubeconfig", type=Path, default=None, help="default: as kubectl does")
    parser.add_argument("--context", default=None, help="a context of the kubeconfig; default: its current one")


def common(parser: argparse.ArgumentParser) -> None:
    """The arguments of both processes in the cluster."""
    parser.add_argument("--namespace", required=True, help="tierguard's own namespace")
    parser.add_argument(
        "--kubeconfig", type=Path, default=None, help="default: the pod's service account, or as kubectl does"
    )
    parser.add_argument(
        "--health-listen",
        type=address,
        default=("0.0.0.0", 8080),  # noqa: S104 - probes come from the node
        metavar="ADDRESS:PORT",
        help="where /livez, /readyz and /metrics are served over HTTP (default 0.0.0.0:8080)",
    )
    parser.add_argument(
        "--autoscaler",
        action="append",
        default=[],
        metavar="USER",
        help="a user whose scaling passes through every freeze",
    )
    parser.add_argument(
        "--controller",
        action="append",
        default=[],
        metavar="USER",
        help="a user who is a controller of Kubernetes' own kind",
    )
    parser.add_argument(
        "--gitops",
        action="append",
        default=[],
        metavar="USER",
        help="a user who applies what was reviewed in Git, and so may write other people's names into lifts and exceptions",
    )
    parser.add_argument(
        "--rotator",
        action="append",
        default=[],
        metavar="USER",
        help="a user who renews certificates and secrets",
    )
    parser.add_argument(
        "--immutable-tags",
        action="append",
        default=[],
        metavar="PREFIX",
        help="a prefix of images whose tags the registry never moves",
    )
    parser.add_argument("--log-level", choices=("DEBUG", "INFO", "WARNING", "ERROR"), default="INFO")


def identities(options: argparse.Namespace, *controllers: str) -> Identities:
    """Who is who, by those arguments; `controllers` are more of them."""
    return Identities(
        controllers=CONTROLLERS.union(options.controller, controllers),
        autoscalers=AUTOSCALERS.union(options.autoscaler),
        gitops=frozenset(options.gitops),
        rotators=ROTATORS.union(options.rotator),
    )
