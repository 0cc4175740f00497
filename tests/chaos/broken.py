"""What all faults share: a block in which something is broken."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.chaos.site import Site

Note = Callable[[], str]
"""Says, after the load and while it is still broken, what else was seen; raises AssertionError for what must not be."""
Breaks = Callable[[Site, int], AbstractContextManager[Note]]
"""Breaks something, given a seed, for the length of a block."""


def nothing() -> str:
    return ""


@contextmanager
def none(_site: Site, _seed: int) -> Iterator[Note]:
    yield nothing


def killed(*names: str) -> Breaks:
    @contextmanager
    def broken(site: Site, _seed: int) -> Iterator[Note]:
        for name in names:
            site.cluster.processes.signal(name, signal.SIGKILL)
        yield nothing

    return broken


@contextmanager
def again_and_again(act: Callable[[], object], pause: float) -> Iterator[None]:
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(pause):
            act()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
