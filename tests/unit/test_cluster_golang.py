"""Which Go builds the embedded control plane, and what a person is told when none does."""

from pathlib import Path

import pytest

from tests.cluster import golang
from tests.cluster.errors import ClusterError


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26)),
        ("go1.27.0", (1, 27)),
        ("go version go1.27rc1 darwin/arm64", (1, 27)),
        ("go 1.24.1; GOTOOLCHAIN=local)", (1, 24)),
        ("go version devel +a5da2e Thu Nov 5 10:00:00 2026 linux/amd64", None),
        ("", None),
    ],
)
def test_the_go_version_is_read_from_what_go_prints(output: str, version: golang.Version | None) -> None:
    assert golang.parse_version(output) == version


def test_the_required_version_is_that_of_go_mod() -> None:
    assert golang.required_version("module example.com/m\n\ngo 1.26.0\n\nrequire go.example.com/x v1.2.3\n") == (1, 26)


def test_a_go_mod_without_a_version_is_an_error_for_a_person() -> None:
    with pytest.raises(ClusterError, match="no `go` line"):
        golang.required_version("module example.com/m\n")


def test_an_older_go_is_refused_with_what_was_found_and_what_to_do() -> None:
    with pytest.raises(ClusterError) as refusal:
        golang.check_version("go version go1.24.1 linux/amd64", (1, 26))
    assert str(refusal.value) == (
        "The embedded control plane needs Go 1.26; the one here is 1.24. Install Go 1.26 or newer "
        "(https://go.dev/dl/), make sure that `go version` finds it, and try again."
    )


@pytest.mark.parametrize("output", ["go1.26.0", "go1.27.3", "go2.0", "devel +a5da2e"])
def test_the_same_a_newer_and_a_development_go_pass(output: str) -> None:
    golang.check_version(output, (1, 26))


def test_a_missing_go_is_an_error_that_says_where_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(golang, "USUAL_PLACES", ())
    with pytest.raises(ClusterError, match=r"Go was not found.*Install Go 1\.26 or newer \(https://go\.dev/dl/\)"):
        golang.find_go((1, 26))


def test_a_go_outside_path_is_found_where_it_is_usually_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = tmp_path / "go"
    installed.touch()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(golang, "USUAL_PLACES", (tmp_path / "nowhere", installed))
    assert golang.find_go((1, 26)) == installed


def test_a_full_disk_is_named_as_such() -> None:
    tail = ["# k8s.io/kubernetes/cmd", "link: write: no space left on device"]
    assert golang.explain_failure("go build", 1, tail).startswith("The disk is full: building")


def test_a_failed_download_points_at_the_network() -> None:
    message = golang.explain_failure("go build", 1, ["dial tcp: lookup proxy.example.com: no such host"])
    assert message.endswith("check the network, or the GOPROXY of `go env`.")


def test_any_other_failed_build_shows_the_last_lines() -> None:
    assert golang.explain_failure("go build .", 2, ["main.go:1: oops"]) == (
        "`go build .` failed with exit code 2:\nmain.go:1: oops"
    )
