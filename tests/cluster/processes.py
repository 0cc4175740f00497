"""Child processes that outlive their starter: on record, watched while they come up, ended by identity.

``logs/<name>.log`` has what a process prints, ``pids/<name>`` its pid and nothing else, for people and scripts. Beside
it, ``pids/.<name>.started`` has the time at which that process began: pids are recycled, and a pid file outlives a
reboot, so a pid alone must not be killed. ``pids/.<name>.command`` is how it was started, for whoever starts it again.
"""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from tests.cluster.errors import ClusterError

POLL_SECONDS = 0.05
STOP_SECONDS = 15.0
KILL_SECONDS = 10.0
TAIL_BYTES = 4096
TAIL_LINES = 12


class Processes:
    """The processes of one directory."""

    def __init__(self, directory: Path) -> None:
        self.logs = directory / "logs"
        self.pids = directory / "pids"
        # The children of this very process: only their parent can collect them when they end.
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, tuple[Sequence[str | Path], Mapping[str, str] | None]] = {}

    def start(self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> None:
        """Start a process in its own session, so that Ctrl-C at the terminal does not reach it, in the directory."""
        if self.alive(name):
            message = f"{name} is already running, with pid {self.pid(name)}. Stop it first."
            raise ClusterError(message)
        self.logs.mkdir(parents=True, exist_ok=True)
        self.pids.mkdir(parents=True, exist_ok=True)
        self._commands[name] = command, environment
        with signals_deferred(), self.log(name).open("ab") as log:
            try:
                child = subprocess.Popen(
                    command,
                    cwd=self.logs.parent,
                    env={**os.environ, **(environment or {})},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                message = f"{name} cannot be started: {error}"
                raise ClusterError(message) from None
            self._children[name] = child
            self._started_file(name).write_text(start_time(child.pid) or "")
            self._command_file(name).write_text(json.dumps([list(map(str, command)), dict(environment or {})]))
            self._pid_file(name).write_text(f"{child.pid}\n")

    def revive(self, name: str) -> bool:
        """Start a process that is on record, whoever put it there, and has died; whether that was so."""
        if self.pid(name) is None or self.alive(name):
            return False
        try:
            command, environment = json.loads(self._command_file(name).read_text())
        except (FileNotFoundError, ValueError):
            return False
        self.start(name, command, environment)
        return True

    def names(self) -> list[str]:
        """Everything on record, running or not, in the order in which it was started."""
        files = [file for file in self.pids.glob("*") if not file.name.startswith(".")]
        return [file.name for file in sorted(files, key=lambda file: file.stat().st_mtime_ns)]

    def pid(self, name: str) -> int | None:
        """The pid on record, whether or not that process still runs."""
        try:
            return int(self._pid_file(name).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def alive(self, name: str) -> bool:
        """Whether the very process that was started is still running."""
        child = self._children.get(name)
        if child is not None and child.poll() is not None:
            return False
        pid = self.pid(name)
        return pid is not None and is_same_process(pid, self._started(name))

    def wait(self, name: str, what: str, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until the condition holds; at once an error, with the end of its log, if the process has died."""

        def holds() -> bool:
            if condition():
                return True
            if not self.alive(name):
                message = f"{name} ended while waiting until {what}. The end of {self.log(name)}:\n{self.tail(name)}"
                raise ClusterError(message)
            return False

        if not poll(holds, seconds):
            message = (
                f"{name}: not true after {seconds:.0f} s that {what}. The end of {self.log(name)}:\n{self.tail(name)}"
            )
            raise ClusterError(message)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the process and what it started, if it is still the one on record."""
        pid = self.pid(name)
        if pid is not None and self.alive(name):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)

    def stop(self, *names: str, seconds: float = STOP_SECONDS) -> None:
        """Ask these to end, all at once; kill what has not ended in time; forget them."""
        for name in names:
            self.signal(name, signal.SIGTERM)
        if not poll(lambda: not any(map(self.alive, names)), seconds):
            for name in names:
                self.signal(name, signal.SIGKILL)
            poll(lambda: not any(map(self.alive, names)), KILL_SECONDS)
        stubborn = [name for name in names if self.alive(name)]
        for name in set(names) - set(stubborn):
            self._forget(name)
        if stubborn:
            message = f"{', '.join(stubborn)} did not end, not even when killed; see {self.pids}."
            raise ClusterError(message)

    def restart(self, name: str) -> None:
        """Stop a process that this object started, and start it again as it was started."""
        if name not in self._commands:
            message = f"{name} was not started by this program, which cannot restart it therefore."
            raise ClusterError(message)
        command, environment = self._commands[name]
        self.stop(name)
        self.start(name, command, environment)

    def forget_ended(self) -> None:
        """Drop the records of processes that no longer run."""
        for name in self.names():
            if not self.alive(name):
                self._forget(name)

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def tail(self, name: str) -> str:
        """The last lines that a process printed."""
        try:
            with self.log(name).open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
                return "\n".join(log.read().decode(errors="replace").splitlines()[-TAIL_LINES:])
        except FileNotFoundError:
            return "(no log)"

    def _forget(self, name: str) -> None:
        self._pid_file(name).unlink(missing_ok=True)
        self._started_file(name).unlink(missing_ok=True)
        self._command_file(name).unlink(missing_ok=True)
        self._children.pop(name, None)

    def _pid_file(self, name: str) -> Path:
        return self.pids / name

    def _started_file(self, name: str) -> Path:
        return self.pids / f".{name}.started"

    def _command_file(self, name: str) -> Path:
        return self.pids / f".{name}.command"

    def _started(self, name: str) -> str:
        try:
            return self._started_file(name).read_text()
        except FileNotFoundError:
            return ""


def poll(condition: Callable[[], bool], seconds: float) -> bool:
    """Try until it holds or the time is over; whether it held."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def is_same_process(pid: int, started: str) -> bool:
    """Whether the process with that pid is the one that began at that time; never for one that we know nothing of."""
    return bool(started) and start_time(pid) == started


def start_time(pid: int) -> str | None:
    """When a process began, in the system's own notation, or None if it has ended.

    Linux: clock ticks since boot, with the boot's id. Elsewhere, without /proc: what `ps` says.
    """
    if not Path("/proc/self/stat").exists():
        asked = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, timeout=10, check=False
        )
        state, _, began = asked.stdout.strip().partition(" ")
        return None if not began or state.startswith("Z") else began.strip()
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return parse_stat(stat, boot)


def parse_stat(stat: str, boot: str) -> str | None:
    """The identity in /proc/<pid>/stat; its second field may contain anything, blanks and parentheses included."""
    fields = stat.rpartition(")")[2].split()
    # The third field is the state: a zombie has ended, only nobody has collected it. But while other threads of it (the 20th
    # field counts them) are still ending, it goes on holding its ports. The 22nd is the start time.
    ended = fields[0] == "X" or (fields[0] == "Z" and int(fields[17]) <= 1)
    return None if ended else f"{boot} {fields[19]}"


@contextlib.contextmanager
def signals_deferred() -> Iterator[None]:
    """Keep signals that ask to end until the end of the block, such as a child being put on record."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def remember(number: int, _: FrameType | None) -> None:
        received.append(number)

    previous = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for caught, handler in previous.items():
            signal.signal(caught, handler)
    for number in received:
        signal.raise_signal(number)


@contextlib.contextmanager
def termination_as_exit() -> Iterator[None]:
    """Make SIGTERM and SIGHUP unwind the stack, as Ctrl-C does, instead of ending this process on the spot."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _: FrameType | None) -> None:
        message = 128 + number
        raise SystemExit(message)

    previous = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def memory_bytes(pid: int) -> int:
    """The resident memory of a process; 0 if it has ended."""
    asked = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, timeout=10, check=False
    )
    return int(asked.stdout.strip() or 0) * 1024
