"""A part of `make chaos` with every test run: it must be able to tell, and the promises must hold."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.embedded, pytest.mark.cluster]  # breaks a control plane of its own

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS = 400


@pytest.mark.usefixtures("binaries")
def test_with_operators_and_webhooks_dead_or_talking_nonsense_every_promise_holds(tmp_path: Path) -> None:
    only = ("--only", "answer garbage", "--only", "operators and webhooks killed")
    document = tmp_path / "chaos.md"
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *only, "--document", document],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every promise held." in done.stdout
    rows = [line.split(" | ") for line in document.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert [row[1] for row in rows[2:]] == ["in a freeze", "in a freeze", "outside", "outside"]
