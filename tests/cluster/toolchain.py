"""The programs of the embedded control plane, built once for each state of their sources.

A build lives in ``.cache/controlplane/<key>/bin``; the key is a hash of everything that decides its content. It is made
in a directory beside it and renamed, so what is there is complete, whatever interrupted the build.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.cluster import golang
from tests.cluster.errors import ClusterError
from tests.cluster.progress import Progress

MODULE = Path(__file__).parent / "controlplane"
KUBERNETES = "1.36.3"
HELM = "helm.sh/helm/v4/cmd/helm@v4.3.1"
KWOK = "sigs.k8s.io/kwok/cmd/kwok"
# One program answers to all of these names.
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
# What setup-envtest and the like provide.
FROM_ASSETS = ("etcd", "kube-apiserver", "kubectl")
KEPT_BUILDS = 2
LOCK_DEADLINE_SECONDS = 60 * 60.0
GIB = 1024**3
# Measured: 2.3 GB of build cache, 1 GB of modules, 0.3 GB of programs, and the linker's temporary files.
COLD_BUILD_BYTES = 4 * GIB
WARM_BUILD_BYTES = 1 * GIB


def ensure_binaries(repository: Path) -> Path:
    """The directory with etcd, kube-apiserver, …, kubectl, kwok and helm; built first where that is needed."""
    required = golang.required_version((MODULE / "go.mod").read_text())
    go = golang.find_go(required)
    assets = assets_directory(os.environ)
    key = cache_key(source_files(), golang.toolchain_version(go, MODULE, required), assets)
    cache = repository / ".cache" / "controlplane"
    build = cache / key
    if not build.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with lock(cache / ".lock", "another build of the control plane", LOCK_DEADLINE_SECONDS):
            if not build.is_dir():
                _build(go, cache, build, assets)
    os.utime(build)
    return build / "bin"


def source_files() -> list[Path]:
    return sorted([*MODULE.rglob("*.go"), MODULE / "go.mod", MODULE / "go.sum"])


def cache_key(sources: Iterable[Path], go_version: str, assets: Path | None) -> str:
    """16 hex digits that change with everything that changes the programs."""
    digest = hashlib.sha256(f"{go_version} {HELM} {KWOK} {version_stamps()} {assets or ''}".encode())
    for source in sources:
        digest.update(f"\0{source.name}\0".encode() + source.read_bytes())
    return digest.hexdigest()[:16]


def version_stamps() -> str:
    """Linker flags for what the server says of its version, and clients in their User-Agent (the second package)."""
    major, minor, _ = KUBERNETES.split(".")
    values = {"gitVersion": f"v{KUBERNETES}", "gitMajor": major, "gitMinor": minor, "gitCommit": "unknown"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {package}.{key}={value}" for package in packages for key, value in values.items())


def assets_directory(environment: Mapping[str, str]) -> Path | None:
    """The directory that KUBEBUILDER_ASSETS names, if it has what it should."""
    value = environment.get("KUBEBUILDER_ASSETS")
    if not value:
        return None
    directory = Path(value).absolute()
    missing = [name for name in FROM_ASSETS if not os.access(directory / name, os.X_OK)]
    if missing:
        message = (
            f"KUBEBUILDER_ASSETS is {value}, which lacks {', '.join(missing)}. "
            "Correct it, or unset it to have them built from source."
        )
        raise ClusterError(message)
    return directory


def check_disk(free: int, *, cached: bool) -> None:
    """Refuse to begin what will not fit; half an hour later the message would come from the linker."""
    needed = WARM_BUILD_BYTES if cached else COLD_BUILD_BYTES
    if free < needed:
        message = (
            f"Too little disk space: building the embedded control plane needs about {needed / GIB:.0f} GB, "
            f"Go's own caches included; {free / GIB:.1f} GB are free. Free some space, then try again."
        )
        raise ClusterError(message)


@contextlib.contextmanager
def lock(path: Path, holder: str, deadline_seconds: float) -> Iterator[None]:
    """Hold a file lock, waiting for whoever has it; it goes with its holder, however that ends."""
    with path.open("w") as file:
        deadline = time.monotonic() + deadline_seconds
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    message = (
                        f"Waited {deadline_seconds:.0f} s for {holder}, which holds {path}. "
                        "Wait for it, or end it, then try again."
                    )
                    raise ClusterError(message) from None
                if not told:
                    print(f"Waiting for {holder} ...", file=sys.stderr)
                    told = True
                time.sleep(0.2)
        yield


def prune(cache: Path, keep: Path) -> None:
    """Delete older builds, and what interrupted ones left; called with the lock held."""
    for leftover in cache.glob("building-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    builds = [entry for entry in cache.iterdir() if entry.is_dir() and entry != keep]
    builds.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
    for outdated in builds[KEPT_BUILDS - 1 :]:
        shutil.rmtree(outdated, ignore_errors=True)


def _build(go: Path, cache: Path, build: Path, assets: Path | None) -> None:
    go_cache = Path(golang.go_output(go, "GOCACHE"))
    # Go fans its cache out into 256 directories when it first compiles.
    check_disk(shutil.disk_usage(_existing(go_cache)).free, cached=(go_cache / "00").is_dir())
    check_disk(shutil.disk_usage(cache).free, cached=True)
    prune(cache, build)
    with tempfile.TemporaryDirectory(prefix="building-", dir=cache) as temporary:
        unfinished = Path(temporary) / "build"
        programs = unfinished / "bin"
        programs.mkdir(parents=True)
        _compile(go, programs)
        for name in COMPONENTS:
            given = assets / name if assets and name in FROM_ASSETS else Path("controlplane")
            (programs / name).symlink_to(given)
        unfinished.rename(build)
    prune(cache, build)


def _compile(go: Path, programs: Path) -> None:
    build: list[str | Path] = [go, "build", "-v", "-trimpath", "-buildvcs=false"]
    with Progress("Building Kubernetes, about 6 minutes the first time") as progress:
        kubernetes = [*build, "-ldflags", f"-s -w {version_stamps()}", "-o", programs / "controlplane", "."]
        golang.run_go(kubernetes, MODULE, {}, progress)
    with Progress("Building KWOK") as progress:
        golang.run_go([*build, "-ldflags", "-s -w", "-o", programs / "kwok", KWOK], MODULE, {}, progress)
    with Progress("Building Helm") as progress:
        install: list[str | Path] = [go, "install", "-v", "-trimpath", "-ldflags", "-s -w", HELM]
        golang.run_go(install, MODULE, {"GOBIN": str(programs)}, progress)


def _existing(path: Path) -> Path:
    return next(candidate for candidate in (path, *path.parents) if candidate.exists())
