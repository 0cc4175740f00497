"""A wire between a process and the API server that can be cut, frozen, or made to lose its connections."""

import contextlib
import selectors
import socket
import threading
from urllib.parse import urlsplit

CHUNK = 65536
LOOK_SECONDS = 0.05


class Wire:
    """Forwards TCP from a port of its own on loopback to `server` (https://host:port)."""

    def __init__(self, server: str) -> None:
        address = urlsplit(server)
        self._target = (str(address.hostname), int(address.port or 443))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._passing = threading.Event()
        self._passing.set()
        self._cut = False
        self._closed = False
        threading.Thread(target=self._accept, name="wire", daemon=True).start()

    def cut(self) -> None:
        """Lose all connections, and let none be made."""
        self._cut = True
        self.drop()

    def freeze(self) -> None:
        """Pass nothing on, in either direction, with connections left open: what a firewall does that forgets them."""
        self._passing.clear()

    def mend(self) -> None:
        """Be a good wire again."""
        self._cut = False
        self._passing.set()

    def drop(self) -> None:
        """Lose all connections; new ones may be made."""
        with self._lock:
            lost, self._open = self._open, set()
        for each in lost:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End."""
        self._closed = True
        self._passing.set()
        self.drop()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._cut:
                near.close()
                continue
            threading.Thread(target=self._serve, args=(near,), name="wire", daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(self._target, timeout=5)
        except OSError:
            near.close()
            return
        with self._lock:
            self._open |= {near, far}
        with near, far, selectors.DefaultSelector() as selector, contextlib.suppress(OSError):
            selector.register(near, selectors.EVENT_READ, (near, far))
            selector.register(far, selectors.EVENT_READ, (far, near))
            while not self._closed:
                self._passing.wait()
                for key, _ in selector.select(LOOK_SECONDS):
                    source, target = key.data
                    data = source.recv(CHUNK)
                    self._passing.wait()
                    if not data:
                        return
                    target.sendall(data)
        with self._lock:
            self._open -= {near, far}
