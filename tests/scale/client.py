"""The administrator's requests, thousands of them: connections that are kept, from several threads."""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import urllib3

from tests.cluster.controlplane import ControlPlane

CONNECTIONS = 8


class Client:
    """Requests as the cluster's administrator. Safe to use from several threads."""

    def __init__(self, cluster: ControlPlane) -> None:
        self._server = cluster.server
        pki = cluster.layout.pki
        self._pool = urllib3.PoolManager(
            maxsize=CONNECTIONS,
            retries=False,
            timeout=urllib3.Timeout(30),
            ca_certs=str(pki / "ca.crt"),
            cert_file=str(pki / "admin.crt"),
            key_file=str(pki / "admin.key"),
        )

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Status and body. What is PATCHed is a merge patch."""
        content = "application/merge-patch+json" if method == "PATCH" else "application/json"
        answer = self._pool.request(
            method,
            f"{self._server}{path}",
            body=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": content, "Accept": "application/json"},
        )
        return answer.status, answer.data

    def get(self, path: str) -> Any:
        """What is there, decoded. Raises RuntimeError for anything but a success."""
        return json.loads(self.text(path))

    def text(self, path: str) -> str:
        """The same, as it is."""
        return self._well("GET", path).decode()

    def create(self, path: str, body: Any) -> Any:
        """POST. Raises RuntimeError for anything but a success."""
        return json.loads(self._well("POST", path, body))

    def change(self, path: str, body: Any) -> Any:
        """PATCH. Raises RuntimeError for anything but a success."""
        return json.loads(self._well("PATCH", path, body))

    def count(self, path: str) -> int:
        """How many objects a collection has."""
        page = self.get(f"{path}?limit=1")
        return len(page["items"]) + int(page["metadata"].get("remainingItemCount") or 0)

    def all_at_once(self, act: Callable[[Any], Any], each: Iterable[Any]) -> None:
        """Call `act` with each, over as many connections as there are. Raises the first error."""
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            for done in threads.map(act, each):
                del done

    def _well(self, method: str, path: str, body: Any = None) -> bytes:
        status, said = self.call(method, path, body)
        if not 200 <= status < 300:
            message = f"{method} {path}: {status}: {said[:500].decode(errors='replace')}"
            raise RuntimeError(message)
        return said
