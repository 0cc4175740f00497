"""The demo's stage: types commands, shows what they print, and stops when a step does not do what it says."""

import os
import shlex
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from tests.cluster.controlplane import ControlPlane
from tests.cluster.errors import ClusterError
from tests.cluster.processes import poll

COMMAND_SECONDS = 120.0
WAIT_SECONDS = 60.0


class StepFailedError(ClusterError):
    """A step of the demo did not do what it says."""


class Stage:
    """Runs the demo's commands against one cluster, as one user, and prints them as a terminal would show them."""

    def __init__(self, cluster: ControlPlane, kubeconfig: Path, console: Console) -> None:
        self._cluster = cluster
        self._kubeconfig = kubeconfig
        self._console = console
        self._number = 0

    def step(self, says: str) -> None:
        """Begin a step."""
        self._number += 1
        self._console.print()
        self._console.print(Rule(Text(f" {self._number}. {says} ", style="bold cyan"), align="left", style="cyan"))

    def passes(self, *arguments: str, shows: str = "", admin: bool = False, quiet: bool = False) -> str:
        """Run a kubectl command that must succeed and print `shows`; returns what it printed."""
        return self._run(arguments, 0, (shows,), admin=admin, quiet=quiet)

    def refused(self, *arguments: str, saying: Sequence[str]) -> str:
        """Run a kubectl command that must be refused with all of `saying` in the refusal."""
        return self._run(arguments, 1, saying)

    def until(self, what: str, holds: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
        """Wait for something to become true."""
        if not poll(holds, seconds):
            message = f"Step {self._number}: not true after {seconds:.0f} s: {what}."
            raise StepFailedError(message)

    def expect(self, what: str, *, holds: bool) -> None:
        """Say what is true now; fail when it is not."""
        if not holds:
            message = f"Step {self._number}: this should be true, and is not: {what}."
            raise StepFailedError(message)
        self._console.print(Text(f"  ✔ {what}", style="green"))

    @contextmanager
    def fewest(self, *workload: str) -> Iterator[list[int]]:
        """While the block runs, watch how many pods of a workload are ready; the list has all counts seen."""
        seen: list[int] = []
        done = threading.Event()

        def watch() -> None:
            while not done.is_set():
                ready = self.value("get", *workload, "-o", "jsonpath={.status.readyReplicas}")
                seen.append(int(ready or 0))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield seen
        finally:
            done.set()
            watcher.join()

    def note(self, says: str) -> None:
        """Say something in between."""
        self._console.print(Text(f"  {says}", style="dim"))

    def value(self, *arguments: str) -> str:
        """What a kubectl command prints, as the administrator and unseen."""
        return self._cluster.kubectl(*arguments, check=False).stdout.strip()

    def _run(
        self, arguments: Sequence[str], code: int, shows: Sequence[str], *, admin: bool = False, quiet: bool = False
    ) -> str:
        shown = shlex.join(["kubectl", *(_short(argument) for argument in arguments)])
        self._console.print(Text(f"{'#' if admin else '$'} {shown}", style="bold"))
        kubeconfig = self._cluster.kubeconfig if admin else self._kubeconfig
        done = subprocess.run(
            [self._cluster.binaries / "kubectl", "--kubeconfig", kubeconfig, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if not quiet:
            style = "red" if done.returncode else ""
            self._console.print(Text(done.stdout.rstrip(), style=style), soft_wrap=True)
        if done.returncode != code:
            message = f"Step {self._number}: `{shown}` ended with {done.returncode}, not {code}:\n{done.stdout}"
            raise StepFailedError(message)
        missing = [text for text in shows if text not in done.stdout]
        if missing:
            message = f"Step {self._number}: `{shown}` did not print {missing}:\n{done.stdout}"
            raise StepFailedError(message)
        return done.stdout


def _short(argument: str) -> str:
    """A path as somebody in the repository would type it."""
    here = f"{Path.cwd()}{os.sep}"
    return argument.removeprefix(here)


def columns() -> int:
    """The width to print at: the terminal's, or a screenshot's."""
    return min(max(shutil.get_terminal_size((120, 40)).columns, 100), 140)
