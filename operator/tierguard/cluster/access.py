"""How the API server is reached and who we are: as a pod, by a kubeconfig with a token, or by whatever else kubectl knows.

The official client knows all of it, and takes ten MB to be imported. A pod needs an address, a token that is read again as
the kubelet renews it, and an authority; those are read here. Proxies, client certificates, plugins and the like are left to
the official client.
"""

import base64
import binascii
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
import yaml

MOUNTED = Path("/var/run/secrets/kubernetes.io/serviceaccount")
RENEWED_SECONDS = 60.0
"""How often a token is read again. Kubelets renew it long before it expires."""
CONNECTIONS = 32
"""Connections that are kept: one for each watch, and some."""
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


class NoAccess(Exception):  # noqa: N818 - it is the state of the surroundings
    """There is nothing that says how the API server is reached; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Access:
    """An address such as https://10.96.0.1:443, connections to it, and the `authorization` header of the moment."""

    host: str
    pool: urllib3.PoolManager
    authorization: Callable[[], str]


class Token:
    """A token in a file that is renewed."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._read_at = 0.0
        self._header = ""

    def __call__(self) -> str:
        """The header; the one from before where the file cannot be read."""
        now = self._clock()
        if not self._header or now - self._read_at >= RENEWED_SECONDS:
            try:
                token = self._file.read_text(encoding="utf-8").strip()
            except OSError:
                token = ""
            if token:
                self._header = f"Bearer {token}"
            self._read_at = now
        return self._header


def access(kubeconfig: Path | None, surroundings: Mapping[str, str] = os.environ, mounted: Path = MOUNTED) -> Access:
    """By `kubeconfig`; without one as the pod that this runs in, or else as `kubectl` would. Raises NoAccess."""
    found = None
    if not any(name in surroundings or name.lower() in surroundings for name in _PROXIES):
        if kubeconfig is not None:
            found = _by_token(kubeconfig)
        elif "KUBECONFIG" not in surroundings:
            found = _in_pod(surroundings, mounted)
    return found or _official(kubeconfig)


def _in_pod(surroundings: Mapping[str, str], mounted: Path) -> Access | None:
    host, port = (surroundings.get(f"KUBERNETES_SERVICE_{part}") for part in ("HOST", "PORT"))
    token, authority = mounted / "token", mounted / "ca.crt"
    if not (host and port and token.is_file() and authority.is_file()):
        return None
    return Access(
        f"https://{f'[{host}]' if ':' in host else host}:{port}",
        urllib3.PoolManager(maxsize=CONNECTIONS, ca_certs=str(authority), cert_reqs="CERT_REQUIRED"),
        Token(token),
    )


def _by_token(kubeconfig: Path) -> Access | None:
    """Where the kubeconfig's current context has nothing but an address, an authority and a token; else None."""
    try:
        content = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        context = _named(content["contexts"], content["current-context"], "context")
        cluster = _named(content["clusters"], context["cluster"], "cluster")
        user = _named(content["users"], context["user"], "user")
        if set(cluster) != {"server", "certificate-authority-data"} or set(user) != {"token"}:
            return None
        authority = base64.b64decode(cluster["certificate-authority-data"], validate=True).decode()
    except (OSError, ValueError, KeyError, TypeError, StopIteration, yaml.YAMLError, binascii.Error):
        return None  # the official client says what is wrong with it
    header = f"Bearer {user['token']}"
    pool = urllib3.PoolManager(maxsize=CONNECTIONS, ca_cert_data=authority, cert_reqs="CERT_REQUIRED")
    return Access(str(cluster["server"]).rstrip("/"), pool, lambda: header)


def _named(entries: list[dict[str, Any]], name: str, what: str) -> dict[str, Any]:
    found: dict[str, Any] = next(entry[what] for entry in entries if entry["name"] == name)
    return found


def _official(kubeconfig: Path | None) -> Access:
    import kubernetes.client  # noqa: PLC0415 - see above
    import kubernetes.config  # noqa: PLC0415

    configuration = kubernetes.client.Configuration()
    try:
        if kubeconfig is not None:
            kubernetes.config.load_kube_config(str(kubeconfig), client_configuration=configuration)
        else:
            kubernetes.config.load_config(client_configuration=configuration)
    except kubernetes.config.ConfigException as error:
        raise NoAccess(str(error)) from None
    return by_configuration(configuration)


def by_configuration(configuration: Any) -> Access:
    """As a `kubernetes.client.Configuration` says."""
    import kubernetes.client  # noqa: PLC0415

    configuration.retries = False  # callers retry on their own terms; hidden retries break their deadlines
    client = kubernetes.client.ApiClient(configuration)
    return Access(
        configuration.host,
        client.rest_client.pool_manager,
        lambda: configuration.get_api_key_with_prefix("BearerToken") or "",
    )
