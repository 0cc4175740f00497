"""`make bench-scale`: what tierguard takes with thousands of guarded workloads, on the embedded control plane.

Memory, the time until everything is in order, what is used and written while nothing happens, and how soon a freeze and
a changed workload are noticed. One operator and one webhook run: a second pair would share this machine's cores, and takes
the same again.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from tests.cluster.controlplane import ControlPlane
from tests.cluster.toolchain import ensure_binaries
from tests.scale.run import run
from tests.scale.site import Size
from tests.scale.table import document

REPOSITORY = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str]) -> int:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.scale", description=__doc__)
    parser.add_argument("--workloads", type=int, default=10_000, help="Deployments, in all")
    parser.add_argument("--namespaces", type=int, default=100)
    parser.add_argument("--kib", type=int, default=9, help="KiB of JSON of each, as the API server stores it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured there, too")
    parser.add_argument("--document", type=Path, metavar="FILE", help="write Markdown there, too")
    parser.add_argument(
        "--hold", action="store_true", help="when all is measured, wait for Enter before everything is stopped"
    )
    options = parser.parse_args(arguments)
    size = Size(options.workloads, options.namespaces, options.kib)
    with tempfile.TemporaryDirectory(prefix="tierguard-scale-") as directory:
        cluster = ControlPlane(Path(directory), ensure_binaries(REPOSITORY))
        with cluster:
            measured = run(cluster, size)
            if options.hold:
                print(f"export KUBECONFIG={cluster.kubeconfig}", file=sys.stderr)
                input()
    date = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {date}"
    written = document(
        f"{size.workloads} Deployments of {size.kib} KiB in {size.namespaces} namespaces", machine, measured
    )
    print(written)
    if options.document is not None:
        options.document.write_text(written, encoding="utf-8")
    if options.json is not None:
        found = {"machine": machine, "size": asdict(size), "measured": [asdict(each) for each in measured]}
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
