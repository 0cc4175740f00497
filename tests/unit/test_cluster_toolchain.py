"""When the embedded control plane is built anew, and which builds are kept."""

import os
from pathlib import Path

import pytest

from tests.cluster import toolchain
from tests.cluster.errors import ClusterError

GIB = toolchain.GIB


def write_program(path: Path) -> None:
    path.touch(mode=0o755)


def test_the_cache_key_is_the_same_for_the_same_sources(tmp_path: Path) -> None:
    (tmp_path / "main.go").write_text("package main")
    keys = {toolchain.cache_key([tmp_path / "main.go"], "go1.26.8", None) for _ in range(2)}
    assert len(keys) == 1
    assert len(keys.pop()) == 16


def test_the_cache_key_changes_with_source_go_version_and_assets(tmp_path: Path) -> None:
    source = tmp_path / "main.go"
    source.write_text("package main")
    keys = {toolchain.cache_key([source], version, None) for version in ("go1.26.8", "go1.27.0")}
    keys.add(toolchain.cache_key([source], "go1.26.8", tmp_path))
    source.write_text("package main // changed")
    keys.add(toolchain.cache_key([source], "go1.26.8", None))
    assert len(keys) == 4


def test_the_cache_key_tells_two_files_from_one_with_the_same_content(tmp_path: Path) -> None:
    contents = {"a": "1", "b": "2", "c": "12"}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    two = toolchain.cache_key([tmp_path / "a", tmp_path / "b"], "go1.26.8", None)
    assert two != toolchain.cache_key([tmp_path / "c"], "go1.26.8", None)


def test_the_sources_include_module_and_checksums() -> None:
    assert {"main.go", "go.mod", "go.sum"} <= {file.name for file in toolchain.source_files()}


def test_no_proxy_and_no_registry_is_written_into_the_go_module() -> None:
    for file in toolchain.source_files():
        assert "proxy." not in file.read_text().lower(), file


def test_the_newest_other_build_is_kept_and_older_ones_are_deleted(tmp_path: Path) -> None:
    for age, name in enumerate(("current", "previous", "old", "older")):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    (tmp_path / "building-interrupted").mkdir()
    toolchain.prune(tmp_path, tmp_path / "current")
    assert {entry.name for entry in tmp_path.iterdir()} == {"current", "previous"}


def test_without_kubebuilder_assets_everything_is_built() -> None:
    assert toolchain.assets_directory({}) is None


def test_complete_kubebuilder_assets_are_used(tmp_path: Path) -> None:
    for name in toolchain.FROM_ASSETS:
        write_program(tmp_path / name)
    assert toolchain.assets_directory({"KUBEBUILDER_ASSETS": str(tmp_path)}) == tmp_path


def test_incomplete_kubebuilder_assets_are_refused_by_what_they_lack(tmp_path: Path) -> None:
    write_program(tmp_path / "etcd")
    with pytest.raises(ClusterError, match="which lacks kube-apiserver, kubectl"):
        toolchain.assets_directory({"KUBEBUILDER_ASSETS": str(tmp_path)})


@pytest.mark.parametrize(("free", "cached"), [(4 * GIB, False), (1 * GIB, True)])
def test_enough_disk_space_passes(free: int, cached: bool) -> None:
    toolchain.check_disk(free, cached=cached)


def test_too_little_disk_space_is_refused_with_what_is_needed_and_what_is_there() -> None:
    with pytest.raises(ClusterError, match=r"needs about 4 GB, .*; 1\.5 GB are free"):
        toolchain.check_disk(3 * GIB // 2, cached=False)


def test_a_lock_that_somebody_holds_is_an_error_once_the_deadline_has_passed(tmp_path: Path) -> None:
    file = tmp_path / ".lock"
    with (
        toolchain.lock(file, "another build", 0.0),
        pytest.raises(ClusterError, match="Waited 0 s for another build"),
        toolchain.lock(file, "another build", 0.0),
    ):
        pass


def test_a_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        with toolchain.lock(tmp_path / ".lock", "nobody", 0.0):
            pass
