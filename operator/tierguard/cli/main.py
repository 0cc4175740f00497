"""`tierguard`: the arguments, and which part they start.

Exit codes: 0 nothing denied, 1 something denied, 2 could not decide, bad arguments or bad input.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tierguard import __version__
from tierguard.cli.arguments import address, instant
from tierguard.cli.errors import InputError
from tierguard.guard.state import AUTOSCALERS, CONTROLLERS, ROTATORS, Identities


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except InputError as error:
        sys.stderr.write(f"tierguard: {error}\n")
        return 2
    except BrokenPipeError:
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tierguard", description="Keeps payment platforms on Kubernetes from being broken by change."
    )
    parser.add_argument("--version", action="version", version=f"tierguard {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    _check(commands)
    _operator(commands)
    _webhook(commands)
    return parser


def _check(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    check = commands.add_parser(
        "check",
        help="decide about manifests, without a cluster",
        description="Decide about manifests as the webhook would on `kubectl create`, without a cluster. Policies, freezes,"
        " windows, namespaces and budgets among the files count. Exit code: 0 nothing denied, 1 something denied,"
        " 2 could not decide.",
    )
    check.add_argument(
        "paths", nargs="+", metavar="PATH", help="YAML or JSON files, directories, or - for standard input"
    )
    check.add_argument(
        "--policies",
        nargs="+",
        action="extend",
        default=[],
        metavar="PATH",
        help="policies, freezes and windows to decide by",
    )
    check.add_argument(
        "--at",
        type=instant,
        default=None,
        metavar="TIME",
        help="decide as of this instant, RFC 3339 (2026-11-11T12:00:00Z); default: now",
    )
    check.add_argument("-o", "--output", choices=("table", "json"), default="table", help="default: table")
    check.set_defaults(run=_run_check)


def _run_check(options: argparse.Namespace) -> int:
    from tierguard.cli.check import check  # noqa: PLC0415 - the cluster's parts start without rich, this without them

    now = options.at or datetime.now(UTC)
    return check(options.paths, options.policies, now, options.output)


def _common(parser: argparse.ArgumentParser) -> None:
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


def _identities(options: argparse.Namespace, *controllers: str) -> Identities:
    return Identities(
        controllers=CONTROLLERS.union(options.controller, controllers),
        autoscalers=AUTOSCALERS.union(options.autoscaler),
        gitops=frozenset(options.gitops),
        rotators=ROTATORS.union(options.rotator),
    )


def _operator(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    operator = commands.add_parser("operator", help="run the operator (in the cluster)")
    _common(operator)
    operator.add_argument("--webhook-service", default="tierguard-webhook", help="the webhook's Service")
    operator.add_argument("--webhook-port", type=int, default=443, help="the Service's port")
    operator.add_argument(
        "--webhook-url", default="", help="instead of the Service: https://HOST:PORT outside the cluster"
    )
    operator.add_argument(
        "--configuration-name",
        default="tierguard",
        help="the ValidatingWebhookConfiguration; its Secrets are named after it",
    )
    operator.add_argument(
        "--owner-cluster-role", default="", help="a ClusterRole that owns the configuration, so that both go together"
    )
    operator.set_defaults(run=_run_operator)


def _run_operator(options: argparse.Namespace) -> int:
    from tierguard.controller.configuration import Endpoint  # noqa: PLC0415 - only this process needs kopf
    from tierguard.controller.operator import run  # noqa: PLC0415
    from tierguard.controller.options import Options  # noqa: PLC0415

    run(
        Options(
            namespace=options.namespace,
            endpoint=Endpoint(options.namespace, options.webhook_service, options.webhook_port, options.webhook_url),
            configuration_name=options.configuration_name,
            owner_cluster_role=options.owner_cluster_role,
            health_address=options.health_listen[0],
            health_port=options.health_listen[1],
            kubeconfig=options.kubeconfig,
            identities=_identities(options),
            immutable_tags=tuple(options.immutable_tags),
            log_level=options.log_level,
        )
    )
    return 0


def _webhook(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    webhook = commands.add_parser("webhook", help="run the validating webhook (in the cluster)")
    _common(webhook)
    webhook.add_argument(
        "--listen",
        type=address,
        default=("0.0.0.0", 9443),  # noqa: S104 - the API server comes from the network
        metavar="ADDRESS:PORT",
        help="where reviews are answered over HTTPS (default 0.0.0.0:9443)",
    )
    webhook.add_argument(
        "--certificates",
        type=Path,
        default=Path("/etc/tierguard/tls"),
        help="directory with tls.crt and tls.key (default /etc/tierguard/tls)",
    )
    webhook.add_argument("--operator", default="", metavar="USER", help="the operator's own user name")
    webhook.set_defaults(run=_run_webhook)


def _run_webhook(options: argparse.Namespace) -> int:
    from tierguard.webhook.server import Options, serve  # noqa: PLC0415 - only this process needs the server

    try:
        serve(
            Options(
                address=options.listen[0],
                port=options.listen[1],
                health_address=options.health_listen[0],
                health_port=options.health_listen[1],
                certificates=options.certificates,
                namespace=options.namespace,
                kubeconfig=options.kubeconfig,
                identities=_identities(options, *([options.operator] if options.operator else [])),
                immutable_tags=tuple(options.immutable_tags),
                log_level=options.log_level,
            )
        )
    except OSError as error:
        raise InputError(str(error)) from None
    return 0


if __name__ == "__main__":
    sys.exit(main())
