"""What memory processes take, by the kernel's accounting, and what is written, by the API server's metrics."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.scale.client import Client

MIB = 1024 * 1024
_REQUESTS = re.compile(r"^apiserver_request_total\{(?P<labels>[^}]*)\} (?P<count>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_WRITES = ("POST", "PUT", "PATCH", "DELETE", "APPLY")
QUESTIONS = ("subjectaccessreviews", "selfsubjectreviews", "tokenreviews", "tokenrequests")
"""What is POSTed, and stored nowhere."""


def memory(pids: Iterable[int]) -> dict[str, float]:
    """MiB of all of them together: resident, the same with each shared page divided by its users, and the most there was."""
    found: Counter[str] = Counter()
    for pid in pids:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        for name, text, key in (("rss", rollup, "Rss"), ("pss", rollup, "Pss"), ("peak", status, "VmHWM")):
            match = re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)
            found[name] += int(match[1]) if match else 0
    return {name: kilobytes / 1024 for name, kilobytes in found.items()}


def writes(client: Client) -> Counter[str]:
    """How many requests that write were answered, by verb and resource. Dry runs write nothing."""
    found: Counter[str] = Counter()
    for match in _REQUESTS.finditer(client.text("/metrics")):
        labels = dict(_LABEL.findall(match["labels"]))
        if labels["verb"] in _WRITES and not labels["dry_run"] and labels["resource"] not in QUESTIONS:
            name = "/".join(filter(None, (labels["resource"], labels["subresource"])))
            found[f"{labels['verb']} {name}"] += int(float(match["count"]))
    return found
