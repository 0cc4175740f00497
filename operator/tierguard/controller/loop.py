"""When to look: whenever something changed, when a freeze or window is due, and once a minute in any case."""

import asyncio
import contextlib
import logging
import time

from tierguard.controller.reconcile import Outcome, Reconciler

log = logging.getLogger(__name__)

COALESCE = 0.1
"""Seconds to wait after the first of several changes: they come in bursts, and one pass serves them all."""
LEAST_PAUSE = 0.5
"""Seconds between two passes, at least: a busy cluster must not keep the operator spinning."""
LONGEST_REST = 10.0
"""Between two passes it rests as long as the last one took, up to this: with thousands of workloads that may be seconds."""
UNHURRIED = 5.0
"""Seconds after which a pass takes notice of what is not urgent."""
STUCK_SECONDS = 300.0
"""A pass that takes longer is stuck, and the process is better restarted."""


def rest(took: float) -> float:
    """Seconds of rest after a pass that took so many."""
    return min(max(LEAST_PAUSE, took), LONGEST_REST)


class Loop:
    """Runs a `Reconciler` on a worker thread, from an asyncio task. `wake` may be called from any thread."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._began = 0.0
        self.passes = 0
        self._later: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="reconcile")

    async def stop(self) -> None:
        """End, after the pass that is under way."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def wake(self, *, soon: bool = True) -> None:
        """Look soon, or within some seconds."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._changed.set if soon else self._wake_later)

    def _wake_later(self) -> None:
        if self._later is None or self._later.when() <= self._loop.time():
            self._later = self._loop.call_later(UNHURRIED, self._changed.set)

    def alive(self) -> bool:
        """Whether it still works: the task runs, and no pass is stuck."""
        stuck = self._began and time.monotonic() - self._began > STUCK_SECONDS
        return self._task is not None and not self._task.done() and not stuck

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            self._began = time.monotonic()
            outcome = await asyncio.to_thread(self._pass)
            took, self._began = time.monotonic() - self._began, 0.0
            self.passes += 1
            pause = rest(took)
            await asyncio.sleep(pause)
            with contextlib.suppress(TimeoutError):
                # A moment later than due: an interval is half-open, and clocks are read in whole microseconds.
                await asyncio.wait_for(self._changed.wait(), max(0.0, outcome.pause - pause) + 0.01)
                await asyncio.sleep(COALESCE)

    def _pass(self) -> Outcome:
        try:
            return self._reconciler.once()
        except Exception:
            log.exception("a pass failed")
            return Outcome(pause=5.0, failed=True)
