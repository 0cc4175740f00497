"""The few requests to the API server that starting and watching a cluster takes.

kubectl needs 0.2 s of CPU for each, and the official client a second to be imported.
"""

import http.client
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 5.0


class AdminClient:
    """Requests as the cluster's administrator."""

    def __init__(self, server: str, pki: Path) -> None:
        self.server = server
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        # A proxy that the environment names has no business with a loopback address.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def get(self, path: str) -> bytes | None:
        """The body, or None if there is no such thing, or no answer (yet)."""
        try:
            with self._opener.open(self.server + path, timeout=TIMEOUT_SECONDS) as answer:
                body: bytes = answer.read()
                return body
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            return None

    def ready(self) -> bool:
        return self.get("/readyz") == b"ok"

    def nodes_ready(self, count: int) -> bool:
        """Whether that many nodes are ready, and free of the taint that a new node begins with."""
        body = self.get("/api/v1/nodes")
        return body is not None and sum(map(_is_usable, json.loads(body)["items"])) >= count

    def exists(self, path: str) -> bool:
        return self.get(path) is not None


def etcd_answers(port: int, name: str) -> bool:
    """Whether the etcd of that name, and no other, answers there."""
    address = f"http://127.0.0.1:{port}/v3/cluster/member/list"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, data=b"{}", timeout=TIMEOUT_SECONDS) as answer:
            members = json.loads(answer.read()).get("members", [])
            return name in [member.get("name") for member in members]
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError):
        return False


def _is_usable(node: dict[str, Any]) -> bool:
    conditions = {entry["type"]: entry["status"] for entry in node["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and not node["spec"].get("taints")
