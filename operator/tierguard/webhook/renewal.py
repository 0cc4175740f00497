"""The webhook's certificate is another one now: have it served, without a request lost.

The kubelet changes a mounted Secret in place. Workers read the certificate when they start, so a new worker is started, and
the old one ends when the new one answers: both listen on one port meanwhile.
"""

import logging
import os
import random
import signal
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
SPREAD_SECONDS = 10.0
"""Replicas that see a new certificate at once do not all start over at once."""


def content(certificate: Path, key: Path) -> tuple[bytes, bytes] | None:
    """What is in the files, if it is a certificate and its key; None while they are being written, or wrong."""
    try:
        found = certificate.read_bytes(), key.read_bytes()
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError):
        return None
    return found


class Renewal:
    """Watches the files from a thread, and sends `notify` when there is another pair in them."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        notify: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGHUP),
        look_seconds: float = LOOK_SECONDS,
        spread_seconds: float = SPREAD_SECONDS,
    ) -> None:
        self._files = (certificate, key)
        self._notify = notify
        self._look = look_seconds
        self._spread = spread_seconds
        self._served = content(*self._files)
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin to watch; returns at once."""
        threading.Thread(target=self._watch, name="certificate", daemon=True).start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()

    def look(self) -> bool:
        """Whether there is another pair than the one that is served, which from now on is this one."""
        found = content(*self._files)
        if found is None or found == self._served:
            return False
        self._served = found
        return True

    def _watch(self) -> None:
        while not self._stopping.wait(self._look):
            if self.look():
                log.info("there is a new certificate: starting over with it")
                self._stopping.wait(random.uniform(0, self._spread))  # noqa: S311 - no secret
                self._notify()
