"""Saying what takes so long, to a person at a terminal or to a log."""

import sys
import time
from types import TracebackType
from typing import Self, TextIO

LINE_INTERVAL_SECONDS = 15.0
CLEAR_LINE = "\r\033[K"


class Progress:
    """One step that takes a while: a line that updates itself on a terminal, a line now and then elsewhere.

    Nothing runs in the background: whoever works calls :meth:`update`, as often as it likes.
    """

    def __init__(self, step: str, stream: TextIO | None = None) -> None:
        self.step = step
        self.stream = stream or sys.stderr
        self.started = time.monotonic()
        self.last_line = self.started
        self.live = self.stream.isatty()

    @property
    def seconds(self) -> int:
        return int(time.monotonic() - self.started)

    def update(self, detail: str) -> None:
        text = f"{self.step} ({self.seconds} s): {detail}"
        if self.live:
            self.stream.write(f"{CLEAR_LINE}{text[:100]}")
            self.stream.flush()
        elif time.monotonic() - self.last_line >= LINE_INTERVAL_SECONDS:
            self.last_line = time.monotonic()
            self._line(text)

    def __enter__(self) -> Self:
        if self.live:
            self.update("starting")
        else:
            self._line(f"{self.step} ...")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        outcome = "done" if error is None else "failed"
        self._line(f"{CLEAR_LINE if self.live else ''}{self.step}: {outcome} in {self.seconds} s")

    def _line(self, text: str) -> None:
        print(text, file=self.stream, flush=True)
