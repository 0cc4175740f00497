"""`make demo`: a payment platform under guard, on a real control plane. Exit 0 only if each step did what it says."""

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.cluster.cli import REPOSITORY, down, up
from tests.cluster.controlplane import ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.processes import Processes, termination_as_exit
from tests.demo.stage import Stage, columns

HERE = Path(__file__).resolve().parent
PLATFORM = HERE / "platform"
NAMESPACE = ("-n", "payments")
CORE = "deployment/payment-core"
IMAGE = "registry.example.com/payments/payment-core"
FREEZE_SECONDS = 25
DEVELOPER = "dana@payments.example"


def main() -> int:
    """Run the demo."""
    console = Console(highlight=False, width=columns())
    directory = REPOSITORY / ".cluster"
    began = time.monotonic()
    started = False
    try:
        with termination_as_exit():
            _refuse_a_running_cluster(directory)
            try:
                started = True
                up(directory)
                play(ControlPlane(directory, directory / "bin"), console)
            finally:
                if started and not os.environ.get("KEEP"):
                    down(directory)
    except ClusterError as error:
        console.print(Text(str(error), style="bold red"))
        return 2
    except KeyboardInterrupt:
        console.print(Text("Interrupted; nothing was left running.", style="bold yellow"))
        return 130
    console.print()
    console.print(Text(f"Every step did what it says ({time.monotonic() - began:.0f} s).", style="bold green"))
    if os.environ.get("KEEP"):
        console.print(f"The cluster is still up: export KUBECONFIG={directory / 'kubeconfig'}; make down ends it.")
    return 0


def _refuse_a_running_cluster(directory: Path) -> None:
    processes = Processes(directory)
    if any(map(processes.alive, processes.names())):
        message = "A cluster is already running in .cluster. The demo starts from an empty one: run `make down` first."
        raise ClusterError(message)


def play(cluster: ControlPlane, console: Console) -> None:
    """The steps."""
    stage = Stage(cluster, cluster.user(DEVELOPER), console)
    _platform(stage)
    _policy(stage)
    _drain(stage)
    _release(stage)
    expires = _freeze(stage)
    _frozen(stage)
    _over(stage, expires)


def _platform(stage: Stage) -> None:
    stage.step("A payment platform: tiers 0 to 4, run by a developer who may do everything in her namespace")
    stage.passes("apply", "-f", str(HERE / "namespace.yaml"), admin=True)
    stage.passes("create", "rolebinding", "dana", *NAMESPACE, "--clusterrole=admin", f"--user={DEVELOPER}", admin=True)
    stage.passes("apply", "-f", str(REPOSITORY / "policies" / "tiers" / "priority-classes.yaml"), admin=True)
    stage.passes("apply", "-f", str(PLATFORM))
    tested = f"evidence.tierguard.io/last-restore-test={datetime.now(UTC):%Y-%m-%d}"
    stage.passes("annotate", "statefulset/ledger-db", tested, *NAMESPACE)
    stage.passes("rollout", "status", CORE, *NAMESPACE, shows="successfully rolled out", quiet=True)
    stage.passes("get", "deployments,statefulsets,cronjobs", *NAMESPACE, "-L", "tierguard.io/tier")


def _policy(stage: Stage) -> None:
    stage.step("The platform team says what each tier must look like")
    stage.passes("apply", "-f", str(REPOSITORY / "policies" / "tiers"), admin=True)
    stage.until("the policies are in effect", lambda: "True" in stage.value("get", "ptp", "tier-1"))
    stage.until(
        "the operator has made a budget for payment-core",
        lambda: bool(stage.value("get", "pdb", "tierguard-deployment-payment-core", *NAMESPACE, "-o", "name")),
    )
    stage.passes("get", "ptp", admin=True)

    stage.step("A deploy that gives up pods during the rollout is refused")
    patch = '{"spec":{"strategy":{"rollingUpdate":{"maxUnavailable":1}}}}'
    stage.refused(
        "patch", CORE, *NAMESPACE, "-p", patch, saying=["rule rollout", "take 1 of 9 pods", "maxUnavailable: 0"]
    )

    stage.step("Nobody wrote a budget for payment-core, so there is one; webhook-ingestion keeps its own")
    stage.passes("get", "pdb", *NAMESPACE, shows="tierguard-deployment-payment-core")


def _drain(stage: Stage) -> None:
    stage.step("A node with two of its pods is drained: the budget lets one go at a time")
    pods = stage.value(
        "get",
        "pods",
        *NAMESPACE,
        "-l",
        "app.kubernetes.io/name=payment-core",
        "-o",
        "jsonpath={.items[*].spec.nodeName}",
    ).split()
    node = max(sorted(set(pods)), key=pods.count)
    with stage.fewest(CORE, *NAMESPACE) as fewest:
        drain = ("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=90s")
        stage.passes(*drain, admin=True, shows="drained")
    stage.expect(f"payment-core never had fewer than {min(fewest)} of its 9 pods ready", holds=min(fewest) >= 8)
    stage.passes("uncordon", node, admin=True)
    stage.until("all 9 pods of payment-core are available again", lambda: _available(stage) == "9")


def _available(stage: Stage) -> str:
    return stage.value("get", CORE, *NAMESPACE, "-o", "jsonpath={.status.availableReplicas}")


def _release(stage: Stage) -> None:
    stage.step("An ordinary release passes")
    stage.passes("set", "image", CORE, f"payment-core={IMAGE}:1.42.0", *NAMESPACE, shows="image updated")
    stage.passes("rollout", "status", CORE, *NAMESPACE, shows="successfully rolled out", quiet=True)
    stage.until("both revisions are on record as good", lambda: _recorded(stage) >= 2)


def _recorded(stage: Stage) -> int:
    """How many pod templates of payment-core are on record as having been available."""
    uid = stage.value("get", CORE, *NAMESPACE, "-o", "jsonpath={.metadata.uid}")
    record = stage.value("get", "configmap", f"rollback-{uid}", "-n", "tierguard-system", "-o", "jsonpath={.data}")
    return len(json.loads(record or "{}"))


def _freeze(stage: Stage) -> datetime:
    stage.step(f"11.11 begins: an SRE freezes tiers 0 and 1 (here for {FREEZE_SECONDS} seconds)")
    expires = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=FREEZE_SECONDS)
    written = (HERE / "freeze.yaml").read_text(encoding="utf-8").replace("EXPIRES_AT", f"{expires:%Y-%m-%dT%H:%M:%SZ}")
    path = REPOSITORY / ".cluster" / "double-day-11-11.yaml"
    path.write_text(written, encoding="utf-8")
    stage.passes("apply", "-f", str(path), admin=True)
    stage.until("the freeze is active", lambda: "True" in stage.value("get", "ofz", "double-day-11-11"))
    stage.passes("get", "ofz", admin=True)
    return expires


def _frozen(stage: Stage) -> None:
    stage.step("A new image is refused: why, until when, and what may be done instead")
    stage.refused(
        "set",
        "image",
        CORE,
        f"payment-core={IMAGE}:1.43.0",
        *NAMESPACE,
        saying=["frozen by double-day-11-11 (PAYOPS-9821)", "11.11 promotion", "possible from", "Rollback"],
    )
    stage.step("So is deleting the ledger's database, scaling it to zero, and calling it something else")
    stage.refused("delete", "statefulset/ledger-db", *NAMESPACE, saying=["frozen by"])
    stage.refused("scale", "statefulset/ledger-db", "--replicas=0", *NAMESPACE, saying=["ScaleToZero"])
    stage.refused(
        "label", "statefulset/ledger-db", "tierguard.io/tier=4", "--overwrite", *NAMESPACE, saying=["Declassify"]
    )

    stage.step("Rolling back to the last good revision passes")
    stage.passes("rollout", "undo", CORE, *NAMESPACE, shows="rolled back")
    stage.step("A GitOps sync that changes nothing passes")
    stage.passes(
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=gitops",
        "-f",
        str(PLATFORM),
        shows="payment-core",
    )
    stage.step("Adding capacity passes")
    stage.passes("scale", CORE, "--replicas=12", *NAMESPACE, shows="scaled")
    stage.step("Tier 4 still deploys")
    image = "analytics=registry.example.com/payments/analytics:2026.11.2"
    stage.passes("set", "image", "deployment/analytics", image, *NAMESPACE, shows="image updated")


def _over(stage: Stage, expires: datetime) -> None:
    stage.step("The freeze ends, and the same deploy passes")
    left = (expires - datetime.now(UTC)).total_seconds()
    stage.note(f"waiting for {expires:%H:%M:%S}Z, {max(0, left):.0f} s")
    stage.until(
        "the freeze is over",
        lambda: "False" in stage.value("get", "ofz", "double-day-11-11", "--no-headers"),
        FREEZE_SECONDS + 30,
    )
    stage.passes("get", "ofz", admin=True)
    stage.passes("set", "image", CORE, f"payment-core={IMAGE}:1.43.0", *NAMESPACE, shows="image updated")
    stage.passes("get", "events", "-n", "default", "--field-selector=involvedObject.kind=OperationalFreeze", admin=True)


if __name__ == "__main__":
    sys.exit(main())
