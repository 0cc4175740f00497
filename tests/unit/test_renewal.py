"""A certificate that changes under the webhook's feet."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tierguard.controller.certificates.authority import Pair, make_authority, make_leaf
from tierguard.webhook.renewal import Renewal, content

NOW = datetime.now(UTC)
NAMES = frozenset({"localhost"})


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "tls.crt", tmp_path / "tls.key"


def write(files: tuple[Path, Path], pair: Pair) -> None:
    files[0].write_bytes(pair.certificate)
    files[1].write_bytes(pair.key)


def leaf() -> Pair:
    return make_leaf(make_authority(NOW), NAMES, NOW)


def test_another_pair_is_seen_once(files: tuple[Path, Path]) -> None:
    write(files, leaf())
    renewal = Renewal(*files)
    assert not renewal.look()
    write(files, leaf())
    assert renewal.look()
    assert not renewal.look()


def test_half_a_pair_is_none_yet(files: tuple[Path, Path]) -> None:
    first, second = leaf(), leaf()
    write(files, first)
    renewal = Renewal(*files)
    files[0].write_bytes(second.certificate)
    assert content(*files) is None
    assert not renewal.look()
    files[1].write_bytes(second.key)
    assert renewal.look()


@pytest.mark.parametrize("written", [b"", b"no certificate"])
def test_what_is_no_certificate_is_not_served(files: tuple[Path, Path], written: bytes) -> None:
    write(files, leaf())
    renewal = Renewal(*files)
    files[0].write_bytes(written)
    assert not renewal.look()
    files[0].unlink()
    assert not renewal.look()


def test_links_that_lead_elsewhere_are_followed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write((tmp_path / name / "tls.crt", tmp_path / name / "tls.key"), leaf())
    data = tmp_path / "..data"
    data.symlink_to(tmp_path / "one")
    renewal = Renewal(data / "tls.crt", data / "tls.key")
    swapped = tmp_path / "..data_tmp"
    swapped.symlink_to(tmp_path / "two")
    swapped.rename(data)  # as the kubelet does
    assert renewal.look()


def test_the_process_is_told(files: tuple[Path, Path]) -> None:
    write(files, leaf())
    told = threading.Event()
    renewal = Renewal(*files, notify=told.set, look_seconds=0.01, spread_seconds=0.01)
    renewal.start()
    try:
        write(files, leaf())
        assert told.wait(10)
    finally:
        renewal.stop()
