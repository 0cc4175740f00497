"""The files of the embedded control plane: certificates, kubeconfigs, nodes, ports."""

import socket
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.cluster import components, kubeconfig, ports
from tests.cluster.errors import ClusterError
from tests.cluster.pki import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path / "pki")
    made.create()
    return made


def test_a_client_certificate_names_the_user_and_every_group(authority: Authority) -> None:
    subject = x509.load_pem_x509_certificate(authority.client("eve", ["developers", "on-call"]).certificate).subject
    assert [name.value for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["eve"]
    assert [name.value for name in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)] == [
        "developers",
        "on-call",
    ]


def test_a_certificate_is_signed_by_the_authority(authority: Authority) -> None:
    issued = x509.load_pem_x509_certificate(authority.serving(["localhost"], ["127.0.0.1"]).certificate)
    issued.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate_file.read_bytes()))


def test_nobody_else_may_read_a_private_key_or_a_kubeconfig(authority: Authority, tmp_path: Path) -> None:
    pair = authority.client("eve")
    path = kubeconfig.with_certificate(tmp_path / "users" / "eve", "https://127.0.0.1:1", b"ca", "eve", pair)
    assert {file.stat().st_mode & 0o777 for file in (authority.key_file, path)} == {0o600}


def test_a_kubeconfig_is_complete_and_names_the_test_context(tmp_path: Path) -> None:
    path = kubeconfig.with_token(tmp_path / "ci", "https://127.0.0.1:1", b"ca", "ci", "secret")
    content = yaml.safe_load(path.read_text())
    assert content["current-context"] == kubeconfig.CONTEXT
    assert content["clusters"][0]["cluster"] == {
        "server": "https://127.0.0.1:1",
        "certificate-authority-data": "Y2E=",
    }
    assert content["users"] == [{"name": "ci", "user": {"token": "secret"}}]


def test_different_users_never_share_a_kubeconfig() -> None:
    users = ["dev/eve", "dev:eve", "dev-eve", "../eve"]
    names = {kubeconfig.file_name(user) for user in users}
    assert len(names) == len(users)
    assert not any("/" in name for name in names)


def test_six_nodes_are_two_a_zone() -> None:
    zones = [node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in components.nodes(6)]
    assert sorted(zones) == ["zone-a", "zone-a", "zone-b", "zone-b", "zone-c", "zone-c"]


@pytest.mark.parametrize("value", ["", None])
def test_no_port_asked_for_is_any_port(value: str | None) -> None:
    assert ports.parse_port(value) is None


@pytest.mark.parametrize("value", ["abc", "0", "65536", "-1", "8 0"])
def test_a_value_that_is_no_port_is_refused(value: str) -> None:
    with pytest.raises(ClusterError, match="which is no port"):
        ports.parse_port(value)


def test_a_port_that_is_in_use_is_refused_by_its_number() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with pytest.raises(ClusterError, match=f"cannot have port {number} of 127.0.0.1: address already in use"):
            ports.check_port(number)


def test_a_free_port_passes() -> None:
    ports.check_port(ports.free_port())
