"""How the API server is reached: as a pod, by a token, or as the official client finds out."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from tierguard.cluster.access import RENEWED_SECONDS, NoAccess, Token, access
from tierguard.cluster.client import Api, ApiError

AUTHORITY = "-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n"
SECRET = "secret"
POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def kubeconfig(path: Path, **user: str) -> Path:
    data = base64.b64encode(AUTHORITY.encode()).decode()
    content: dict[str, Any] = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:1/", "certificate-authority-data": data}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_pod_reads_its_token_again() -> None:
    seconds = [0.0]

    def now() -> float:
        return seconds[0]

    class File:
        text = "one\n"

        def read_text(self, encoding: str) -> str:
            assert encoding
            if not self.text:
                raise OSError
            return self.text

    file: Any = File()
    token = Token(file, now)
    assert token() == "Bearer one"
    file.text = "two"
    assert token() == "Bearer one"
    seconds[0] = RENEWED_SECONDS
    assert token() == "Bearer two"
    file.text = ""
    seconds[0] *= 2
    assert token() == "Bearer two", "what cannot be read takes nothing away"


def test_a_pod_is_where_its_files_are(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    (tmp_path / "ca.crt").write_text(AUTHORITY)
    found = access(None, POD, tmp_path)
    assert (found.host, found.authorization()) == ("https://10.96.0.1:443", "Bearer secret")
    assert access(None, {**POD, "KUBERNETES_SERVICE_HOST": "fd00::1"}, tmp_path).host == "https://[fd00::1]:443"


def test_a_kubeconfig_with_a_token_is_enough(tmp_path: Path) -> None:
    found = access(kubeconfig(tmp_path / "config", token=SECRET), {})
    assert (found.host, found.authorization()) == ("https://127.0.0.1:1", "Bearer secret")


@pytest.mark.parametrize("surroundings", [{}, {"https_proxy": "http://proxy:3128"}])
def test_all_else_is_left_to_the_official_client(tmp_path: Path, surroundings: dict[str, str]) -> None:
    found = access(kubeconfig(tmp_path / "config", token=SECRET, username="dana"), surroundings)
    assert found.host.startswith("https://127.0.0.1:1")
    assert found.authorization() == "Bearer secret"


def test_what_is_no_kubeconfig_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoAccess):
        access(tmp_path / "nothing", {})
    with pytest.raises(ApiError):
        Api.connect(tmp_path / "nothing")
