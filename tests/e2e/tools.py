"""The tools of the table: how each sends a change as an unprivileged user, and what the user and the guard's log say."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.install import HELM_SECONDS, WEBHOOKS
from tests.e2e import manifests, table
from tests.e2e.table import PASSES, Patch, Row, merged
from tests.e2e.world import Answer, EmbeddedWorld

DRY = "--dry-run=server"
FORCE = "--force-conflicts"
REPLICAS = 2
AUTOSCALER = ("--as=system:serviceaccount:kube-system:horizontal-pod-autoscaler", "--as-group=system:masters")
SHORT_LIVED = {"GOGC": "off"}
"""For hundreds of programs that live for a moment: collecting garbage takes a fifth of their time."""
NEVER_READY = "tierguard.io/test-never-ready"

# The words of a refusal, by rule; what stands behind "+1 more" names its rules itself.
WORDS = {"is frozen by": "freeze", "is outside change window": "window", "it was not announced": "deletion"}


@dataclass(frozen=True)
class Outcome:
    """What happened: in the table's words, and the kinds of change that the guard saw."""

    verdict: str
    kinds: frozenset[str]
    out: str
    """What the tool said."""


@dataclass
class Site:
    """One namespace, with the workloads that its rows are about."""

    world: EmbeddedWorld
    namespace: str
    kubeconfig: Path
    chart: Path
    _read: dict[str, int] = field(default_factory=dict)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> Answer:
        """Run kubectl as the developer."""
        done = self.world.cluster.kubectl(
            *arguments, "-n", self.namespace, kubeconfig=self.kubeconfig, input=stdin, check=False
        )
        return Answer(done.returncode, done.stdout + done.stderr)

    def helm(self, *arguments: str, values: Any = None) -> Answer:
        """Run Helm as the developer."""
        cluster = self.world.cluster
        home = str(cluster.directory / "helm")
        done = subprocess.run(
            [cluster.binaries / "helm", *arguments, "--kubeconfig", self.kubeconfig, "--namespace", self.namespace],
            env={
                **dict.fromkeys(("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HOME"), home),
                **SHORT_LIVED,
            },
            input=yaml.safe_dump(values),
            capture_output=True,
            text=True,
            timeout=HELM_SECONDS,
            check=False,
        )
        return Answer(done.returncode, done.stdout + done.stderr)

    def manifest(self, row: Row, *patches: Patch) -> Any:
        """The workload of a row, with patches."""
        found: Any = manifests.deployment(self.namespace, row.workload, replicas=REPLICAS)
        for patch in patches:
            found = merged(found, patch)
        return json.loads(json.dumps(found).replace(table.ITS_NAME, row.workload))

    def changed(self, row: Row) -> str:
        return str(yaml.safe_dump(self.manifest(row, row.change.given, row.change.patch)))

    def release(self, row: Row, verb: str, *patches: Patch) -> Answer:
        """Install or upgrade the release of a row to the workload with these patches."""
        values = {"manifest": self.manifest(row, *patches)}
        return self.helm(verb, row.workload, str(self.chart), "--values=-", values=values)

    def prepare(self, rows: Sequence[Row]) -> None:
        """Make every row's workload what it is when the change comes, in the steps of its history."""
        for step in range(max(len(row.history) for row in rows)):
            due = [row for row in rows if len(row.history) > step]
            plain = {row.workload: self.manifest(row, row.history[step]) for row in due if row.tool not in table.HELM}
            answers = [self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(plain.values()))]
            verb = "upgrade" if step else "install"
            answers += [self.release(row, verb, row.history[step]) for row in due if row.tool in table.HELM]
            assert all(answer.passed for answer in answers), [a.out for a in answers if not a.passed]
            self.world.until("what can roll out has rolled out", self._settled)
            if step == 0:
                for name in sorted({row.workload for row in due if row.change.kind == "Rollback"}):
                    self.world.recorded(self.namespace, name, 1)

    def run(self, row: Row) -> Outcome:
        """Let a row's change come, and tell what happened."""
        for _ in self._decisions():
            pass
        answer = SENDERS[row.tool](self, row)
        self.world.until("the decisions are in the logs", self.world.tierguard.logs_written)
        subject = f"Deployment {self.namespace}/{row.workload}"
        seen = [decision["change"] for decision in self._decisions() if decision["subject"] == subject]
        return Outcome(verdict(answer), frozenset(seen), answer.out)

    def _settled(self) -> bool:
        return all(map(_settled, self.world.get("deployments", "-n", self.namespace)["items"]))

    def _decisions(self) -> Iterator[Mapping[str, Any]]:
        """What the webhooks have logged since the last call."""
        for name in WEBHOOKS:
            with self.world.cluster.processes.log(name).open("rb") as log:
                log.seek(self._read.get(name, 0))
                whole, newline, _ = log.read().rpartition(b"\n")
                self._read[name] = self._read.get(name, 0) + len(whole + newline)
            for line in whole.splitlines():
                if b'"decision"' in line:
                    yield json.loads(line)["decision"]


def _settled(deployment: Mapping[str, Any]) -> bool:
    spec, status = deployment["spec"], deployment.get("status", {})
    if status.get("observedGeneration", 0) < deployment["metadata"]["generation"]:
        return False
    if spec.get("paused") or NEVER_READY in spec["template"]["metadata"].get("annotations", {}):
        return True
    counts = (status.get(count, 0) for count in ("updatedReplicas", "availableReplicas", "replicas"))
    return all(count == spec["replicas"] for count in counts)


def verdict(answer: Answer) -> str:
    """What a user reads, in the table's words."""
    if answer.passed:
        return PASSES
    denial = answer.out.partition("denied the request: ")[2].partition("\n")[0]
    rules = [rule for words, rule in WORDS.items() if words in denial][:1]
    rules += re.findall(r"\(\+\d+ more: ([^)]*)\)", denial)
    return f"refused: {', '.join(rules)}" if rules else "failed"


def _of(row: Row) -> str:
    return f"deployment/{row.workload}"


def _write(*arguments: str) -> Callable[[Site, Row], Answer]:
    return lambda site, row: site.kubectl(*arguments, "-f", "-", stdin=site.changed(row))


def _rollout(verb: str, *options: str) -> Callable[[Site, Row], Answer]:
    return lambda site, row: site.kubectl("rollout", verb, _of(row), *options)


def _helm(verb: str) -> Callable[[Site, Row], Answer]:
    return lambda site, row: site.release(row, verb, row.change.given, row.change.patch)


def _patch(site: Site, row: Row) -> Answer:
    return site.kubectl("patch", _of(row), "--type=merge", "-p", json.dumps(row.change.patch), DRY)


def _replicas(row: Row) -> str:
    return f"--replicas={row.change.patch.get('spec', {}).get('replicas', REPLICAS)}"


def _scale(site: Site, row: Row) -> Answer:
    return site.kubectl("scale", _of(row), _replicas(row), DRY)


def _autoscale(site: Site, row: Row) -> Answer:
    return site.world.kubectl("scale", _of(row), _replicas(row), DRY, "-n", site.namespace, *AUTOSCALER)


SENDERS: Mapping[str, Callable[[Site, Row], Answer]] = {
    table.APPLY: _write("apply", DRY),
    table.SERVER_SIDE: _write("apply", "--server-side", FORCE, DRY),
    table.REPLACE: _write("replace", DRY),
    table.PATCH: _patch,
    table.SCALE: _scale,
    table.UNDO: _rollout("undo", DRY),
    table.RESTART: _rollout("restart"),
    table.PAUSE: _rollout("pause"),
    table.RESUME: _rollout("resume"),
    table.DELETE: lambda site, row: site.kubectl("delete", _of(row), DRY),
    table.RECREATE: _write("replace", "--force"),
    table.INSTALL: _helm("install"),
    table.UPGRADE: _helm("upgrade"),
    table.ROLLBACK: lambda site, row: site.helm("rollback", row.workload, "1"),
    table.UNINSTALL: lambda site, row: site.helm("uninstall", row.workload, "--debug"),
    table.AUTOSCALER: _autoscale,
}


def write_chart(directory: Path) -> Path:
    """A chart of one Deployment, which is what the values say."""
    (directory / "templates").mkdir(parents=True)
    (directory / "Chart.yaml").write_text("apiVersion: v2\nname: payments\nversion: 0.1.0\n")
    (directory / "templates" / "deployment.yaml").write_text("{{ toYaml .Values.manifest }}\n")
    return directory
