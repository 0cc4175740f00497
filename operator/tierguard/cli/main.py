"""`tierguard`: the arguments, and which part they start.

Exit codes: 0 nothing denied (or: nothing would be lost), 1 something denied, 2 could not decide, bad arguments or bad input.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tierguard import __version__
from tierguard.cli.arguments import address, cluster, common, duration, identities, instant
from tierguard.cli.errors import InputError


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
    _simulate(commands)
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
        "--before",
        nargs="+",
        action="extend",
        default=None,
        metavar="PATH",
        help="what is there now, such as the manifests of the main branch: decide about updates of it",
    )
    check.add_argument(
        "--prune", action="store_true", help="with --before: what is no longer among the files is deleted"
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

    if options.prune and options.before is None:
        message = "--prune deletes what only --before has: give --before PATH, too"
        raise InputError(message)
    now = options.at or datetime.now(UTC)
    return check(options.paths, options.policies, now, options.output, options.before, prune=options.prune)


def _simulate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    simulate = commands.add_parser(
        "simulate",
        help="what policies, drains or the loss of a zone would do to a cluster",
        description="Read a cluster, change nothing in it, and say what would happen. Exit code: 0 nothing would be refused,"
        " blocked or lost, 1 something would, 2 bad input or no cluster.",
    )
    what = simulate.add_subparsers(required=True, metavar="what")
    policy = what.add_parser("policy", help="which workloads that are there policies would refuse")
    policy.add_argument("paths", nargs="+", metavar="PATH", help="files or directories with the policies")
    policy.add_argument("--all", action="store_true", help="also show workloads without findings")
    drain = what.add_parser("drain", help="whether a drain of nodes passes, waits, or is blocked by budgets")
    drain.add_argument("nodes", nargs="+", metavar="NODE", help="the nodes that are drained, all at once")
    drain.add_argument("--one-by-one", action="store_true", help="each node by itself, with all others there")
    zone = what.add_parser("zone-loss", help="what is left when all nodes of a zone are gone at once")
    zone.add_argument("zone", metavar="ZONE", help="the zone: a value of the nodes' label")
    zone.add_argument(
        "--topology-key", default="topology.kubernetes.io/zone", metavar="LABEL", help="default: %(default)s"
    )
    for parser in (drain, zone):
        parser.add_argument("--all-tiers", action="store_true", help="also tiers 2 to 4; default: tiers 0 and 1")
    for parser, run in ((policy, _run_policy), (drain, _run_drain), (zone, _run_zone_loss)):
        cluster(parser)
        parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="default: table")
        parser.set_defaults(run=run)


def _run_policy(options: argparse.Namespace) -> int:
    from tierguard.cli.simulate import Source, simulate_policy  # noqa: PLC0415 - as above

    source = Source(options.kubeconfig, options.context)
    return simulate_policy(source, options.paths, datetime.now(UTC), options.output, everything=options.all)


def _run_drain(options: argparse.Namespace) -> int:
    from tierguard.cli.simulate import Source, simulate_drain  # noqa: PLC0415 - as above

    source = Source(options.kubeconfig, options.context)
    return simulate_drain(
        source, options.nodes, options.output, one_by_one=options.one_by_one, all_tiers=options.all_tiers
    )


def _run_zone_loss(options: argparse.Namespace) -> int:
    from tierguard.cli.simulate import Source, simulate_zone_loss  # noqa: PLC0415 - as above

    source = Source(options.kubeconfig, options.context)
    return simulate_zone_loss(source, options.zone, options.topology_key, options.output, all_tiers=options.all_tiers)


def _operator(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    operator = commands.add_parser("operator", help="run the operator (in the cluster)")
    common(operator)
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
    operator.add_argument(
        "--certificates",
        choices=("operator", "cert-manager"),
        default="operator",
        help="who makes the webhook's certificate; default: the operator, with a CA of its own",
    )
    operator.add_argument(
        "--ca-lifetime",
        type=duration,
        default=timedelta(days=365),
        metavar="DURATION",
        help="how long a CA of the operator's own is good for, as 365d, the default",
    )
    operator.add_argument(
        "--certificate-lifetime",
        type=duration,
        default=timedelta(days=90),
        metavar="DURATION",
        help="how long a serving certificate is good for, as 90d, the default",
    )
    operator.add_argument(
        "--clock-probe-seconds",
        type=int,
        default=0,
        help="how often to see whether the API server can tell planted times; default 0: never, it has no such policies",
    )
    operator.add_argument(
        "--account-for-configuration",
        action="store_true",
        help="watch the metadata of ConfigMaps, and list what changed in a freeze while no webhook answered",
    )
    operator.set_defaults(run=_run_operator)


def _run_operator(options: argparse.Namespace) -> int:
    from tierguard.controller.operator import run  # noqa: PLC0415
    from tierguard.controller.options import Endpoint, Lifetimes, Options  # noqa: PLC0415 - only this process needs kopf

    run(
        Options(
            namespace=options.namespace,
            endpoint=Endpoint(options.namespace, options.webhook_service, options.webhook_port, options.webhook_url),
            configuration_name=options.configuration_name,
            owner_cluster_role=options.owner_cluster_role,
            health_address=options.health_listen[0],
            health_port=options.health_listen[1],
            kubeconfig=options.kubeconfig,
            identities=identities(options),
            immutable_tags=tuple(options.immutable_tags),
            log_level=options.log_level,
            lifetimes=Lifetimes(options.ca_lifetime, options.certificate_lifetime),
            account_for_configuration=options.account_for_configuration,
            certificates_from_elsewhere=options.certificates == "cert-manager",
            clock_probe_seconds=max(0, options.clock_probe_seconds),
        )
    )
    return 0


def _webhook(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    webhook = commands.add_parser("webhook", help="run the validating webhook (in the cluster)")
    common(webhook)
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
                identities=identities(options, *([options.operator] if options.operator else [])),
                immutable_tags=tuple(options.immutable_tags),
                log_level=options.log_level,
            )
        )
    except OSError as error:
        raise InputError(str(error)) from None
    return 0


if __name__ == "__main__":
    sys.exit(main())
