"""Kubeconfig files: complete in themselves, so that one can be copied elsewhere."""

import base64
import hashlib
import re
from pathlib import Path

import yaml

from tests.cluster.pki import KeyPair, write_private

# Whoever is about to change a cluster can check this name first: no other cluster has it.
CONTEXT = "tierguard-test"


def with_certificate(path: Path, server: str, authority: bytes, user: str, pair: KeyPair) -> Path:
    """Write a kubeconfig that authenticates with a client certificate."""
    credentials = {"client-certificate-data": _encoded(pair.certificate), "client-key-data": _encoded(pair.key)}
    return _write(path, server, authority, user, credentials)


def with_token(path: Path, server: str, authority: bytes, user: str, token: str) -> Path:
    """Write a kubeconfig that authenticates with a bearer token."""
    return _write(path, server, authority, user, {"token": token})


def file_name(user: str) -> str:
    """A file name for any user name; different users never share one."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", user)
    if plain != user:
        plain += "-" + hashlib.sha256(user.encode()).hexdigest()[:8]
    return f"{plain}.kubeconfig"


def _write(path: Path, server: str, authority: bytes, user: str, credentials: dict[str, str]) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": CONTEXT, "cluster": {"server": server, "certificate-authority-data": _encoded(authority)}}
        ],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": user}}],
        "current-context": CONTEXT,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, yaml.safe_dump(content, sort_keys=False).encode())
    return path


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
