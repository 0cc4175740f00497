"""The machine: its cores, who runs on which of them, and how much of them a process has used."""

import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path


def cores() -> list[int]:
    """The cores that we may use."""
    return sorted(os.sched_getaffinity(0))


def threads_of(pid: int) -> list[int]:
    """The threads of a process; none of one that is gone."""
    try:
        return [int(thread.name) for thread in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []


def family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for parent in found:
        for thread in threads_of(parent):
            try:
                children = Path(f"/proc/{parent}/task/{thread}/children").read_text(encoding="ascii")
            except OSError:
                continue
            found += (int(child) for child in children.split())
    return found


def pin(pids: list[int], core: int) -> None:
    """Let the processes, their threads and what those start run on `core` alone."""
    for pid in pids:
        for thread in threads_of(pid):
            try:
                os.sched_setaffinity(thread, {core})
            except OSError:  # it ended meanwhile
                continue


def pin_client_here() -> None:
    """Keep this process, which plays the API server, and what it starts off the servers' core."""
    if len(cores()) > 1:
        pin([os.getpid()], cores()[-1])


def cpu_seconds(pids: list[int]) -> float:
    """CPU time, user and system, that the processes have used, in seconds; threads that ended are counted."""
    return sum(map(_cpu_seconds, pids))


def _cpu_seconds(pid: int) -> float:
    # clock_getcpuclockid(3), which Python has for threads alone: the kernel's name of a process' CPU clock.
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:  # it ended
        return 0.0


def described() -> dict[str, str]:
    """What a reader has to know about the machine."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cores": str(len(cores())),
        "processor": model,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "load": f"{os.getloadavg()[0]:.1f}",
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }
