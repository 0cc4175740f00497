"""What a kubelet does for the processes of `make up`: start again what has died, and carry a changed Secret to its files.

What was stopped on purpose (`Processes.stop`) is off the record, and stays down.
"""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.cluster.processes import Processes

NAME = "kubelet"
LOOK_SECONDS = 0.5
MOUNT_SECONDS = 5.0
BACKOFF_SECONDS = (10.0, 300.0)
"""Pause before the second restart, and the longest one: a kubelet's CrashLoopBackOff. The first restart comes at once."""
WELL_SECONDS = 600.0
"""Who has lived this long begins anew."""


@dataclass(slots=True)
class _Crashes:
    count: int = 0
    revived: float = field(default=float("-inf"))


class Kubelet:
    """Looks after all processes on record but itself. `clock` is monotonic, in seconds."""

    def __init__(self, processes: Processes, clock: Callable[[], float] = time.monotonic) -> None:
        self._processes = processes
        self._clock = clock
        self._crashes: dict[str, _Crashes] = {}

    def look(self) -> list[str]:
        """Start again what is due; returns its names."""
        return [name for name in self._processes.names() if name != NAME and self._due(name) and self._revive(name)]

    def _due(self, name: str) -> bool:
        if self._processes.alive(name):
            return False
        crashes = self._crashes.setdefault(name, _Crashes())
        lived = self._clock() - crashes.revived
        if lived >= WELL_SECONDS:
            crashes.count = 0
        return crashes.count == 0 or lived >= min(BACKOFF_SECONDS[0] * 2 ** (crashes.count - 1), BACKOFF_SECONDS[1])

    def _revive(self, name: str) -> bool:
        if not self._processes.revive(name):
            return False
        crashes = self._crashes[name]
        crashes.count += 1
        crashes.revived = self._clock()
        return True


def mount(secret: bytes | None, directory: Path) -> None:
    """Write what a Secret (JSON) holds to files, each at once; without an answer (None) they stay as they are."""
    if secret is None:
        return
    directory.mkdir(mode=0o700, exist_ok=True)
    for key, value in (json.loads(secret).get("data") or {}).items():
        content = base64.b64decode(value)
        path = directory / key
        if path.is_file() and path.read_bytes() == content:
            continue
        draft = directory / f".{key}"
        draft.touch(mode=0o600)
        draft.write_bytes(content)
        draft.replace(path)


def run(processes: Processes, read_secret: Callable[[], bytes | None], directory: Path) -> None:
    """Look after them until somebody ends this process."""
    kubelet = Kubelet(processes)
    mounted = float("-inf")
    while True:
        for name in kubelet.look():
            print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {name} had ended: started again", flush=True)
        if time.monotonic() - mounted >= MOUNT_SECONDS:
            mounted = time.monotonic()
            mount(read_secret(), directory)
        time.sleep(LOOK_SECONDS)
