"""Look the locked dependencies up where vulnerabilities are published (pip-audit), and say what could not be looked up.

Exit code 1 for a known vulnerability. Where no advisory service answers, nothing was audited: that is said, and is no
failure, as a build without a network would otherwise never pass.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parents[2] / "requirements.lock"
SECONDS = 180.0
ANSWER_SECONDS = 10


def audit(lock: Path) -> str:
    """What pip-audit prints about a lock file, as JSON; empty when it did not end in time."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes", "--disable-pip"]
    options = ["--format=json", "--progress-spinner=off", f"--timeout={ANSWER_SECONDS}"]
    try:
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout


def verdict(printed: str) -> tuple[int, str]:
    """Exit code and what to say about what pip-audit printed."""
    try:
        found: list[Mapping[str, Any]] = json.loads(printed)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return 0, "Dependencies NOT audited: no advisory service answered."
    vulnerable = [
        f"{each['name']} {each['version']}: {issue['id']}, fixed in {', '.join(issue.get('fix_versions') or ['no version'])}"
        for each in found
        for issue in each.get("vulns") or ()
    ]
    skipped = [str(each["name"]) for each in found if "skip_reason" in each]
    if vulnerable:
        return 1, "Known vulnerabilities:\n  " + "\n  ".join(vulnerable)
    if len(skipped) == len(found):
        return 0, "Dependencies NOT audited: no advisory service knows any of them."
    unknown = f"; NOT audited, as nothing is known of them: {', '.join(skipped)}" if skipped else ""
    return 0, f"{len(found) - len(skipped)} dependencies audited, no known vulnerability{unknown}."


if __name__ == "__main__":
    code, said = verdict(audit(LOCK))
    print(said)
    sys.exit(code)
