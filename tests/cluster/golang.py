"""Finding a Go that is new enough, and running it."""

import collections
import os
import re
import selectors
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.progress import Progress

# Installed by hand, Go is here; its installation notes leave PATH to the reader.
USUAL_PLACES = (Path("/usr/local/go/bin/go"), Path("/opt/homebrew/bin/go"))
ADVICE = "Install Go {required} or newer (https://go.dev/dl/), make sure that `go version` finds it, and try again."
BUILD_DEADLINE_SECONDS = 45 * 60.0
# A build that fails usually says why in its last lines; a failed download says it once for every module.
TAIL_LINES = 15

Version = tuple[int, int]


def required_version(go_mod: str) -> Version:
    """The Go version that a go.mod asks for; patch releases do not matter."""
    found = re.search(r"^go (\d+)\.(\d+)", go_mod, re.MULTILINE)
    if found is None:
        message = "go.mod of the embedded control plane has no `go` line; restore it from Git."
        raise ClusterError(message)
    return int(found[1]), int(found[2])


def parse_version(output: str) -> Version | None:
    """The version in what `go version` or `go env GOVERSION` print, or None for a development build."""
    found = re.search(r"\bgo ?(\d+)\.(\d+)", output)
    return (int(found[1]), int(found[2])) if found else None


def check_version(output: str, required: Version) -> None:
    """Refuse a Go that is too old, saying what was found and what to do."""
    found = parse_version(output)
    if found is not None and found < required:
        wanted = "{}.{}".format(*required)
        message = (
            f"The embedded control plane needs Go {wanted}; the one here is {found[0]}.{found[1]}. "
            + ADVICE.format(required=wanted)
        )
        raise ClusterError(message)


def find_go(required: Version) -> Path:
    """The go command: from PATH, else from where it is usually installed."""
    on_path = shutil.which("go")
    candidates = [Path(on_path)] if on_path else [place for place in USUAL_PLACES if place.is_file()]
    if not candidates:
        wanted = "{}.{}".format(*required)
        message = "Go was not found; the embedded control plane is built with it. " + ADVICE.format(required=wanted)
        raise ClusterError(message)
    return candidates[0]


def go_environment() -> dict[str, str]:
    """The caller's environment, proxy settings and caches included, without what would change the outcome."""
    environment = {key: value for key, value in os.environ.items() if key not in {"GOOS", "GOARCH", "GOBIN"}}
    return environment | {"CGO_ENABLED": "0", "GOWORK": "off"}


def toolchain_version(go: Path, module: Path, required: Version) -> str:
    """What `go` builds that module with, such as go1.26.8.

    Asked inside the module, because a Go since 1.21 fetches the toolchain that go.mod wants by itself, if it may.
    """
    asked = subprocess.run(
        [go, "env", "GOVERSION"],
        cwd=module,
        env=go_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if asked.returncode != 0:
        check_version(asked.stderr.partition("running ")[2], required)
        message = f"{go} does not work:\n{asked.stderr.strip()}\n" + ADVICE.format(required="{}.{}".format(*required))
        raise ClusterError(message)
    check_version(asked.stdout, required)
    return asked.stdout.strip()


def go_output(go: Path, variable: str) -> str:
    """One value of `go env`."""
    return subprocess.run(
        [go, "env", variable], env=go_environment(), capture_output=True, text=True, timeout=60, check=True
    ).stdout.strip()


def run_go(command: Sequence[str | Path], directory: Path, extra: Mapping[str, str], progress: Progress) -> None:
    """Run a go command to its end, feeding its output to the progress line.

    Go stays in this process group: Ctrl-C reaches it, and its compilers, too.
    """
    tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
    deadline = time.monotonic() + BUILD_DEADLINE_SECONDS
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=go_environment() | dict(extra),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        _follow(process.stderr.fileno(), tail, progress, deadline)
        code = process.wait(timeout=max(1.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        message = f"`{_shown(command)}` did not end within {BUILD_DEADLINE_SECONDS / 60:.0f} minutes."
        raise ClusterError(message) from None
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()
    if code != 0:
        message = explain_failure(_shown(command), code, list(tail))
        raise ClusterError(message)


def explain_failure(command: str, code: int, tail: Sequence[str]) -> str:
    """What to tell a person about a build that failed."""
    text = "\n".join(tail)
    if "no space left on device" in text:
        return (
            "The disk is full: building the embedded control plane needs about 4 GB, Go's own caches included. "
            "Free some space (`go clean -cache` empties Go's build cache), then try again."
        )
    advice = ""
    if any(sign in text for sign in ("dial tcp", "no such host", "i/o timeout", "connection refused", "TLS handshake")):
        advice = "\nThe Go modules could not be downloaded: check the network, or the GOPROXY of `go env`."
    return f"`{command}` failed with exit code {code}:\n{text}{advice}"


def _follow(descriptor: int, tail: collections.deque[str], progress: Progress, deadline: float) -> None:
    """Read lines until the writer is gone; keep the last ones, count the packages that `go build -v` names."""
    packages, pending, detail = 0, b"", "reading modules, linking"
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if selector.select(timeout=1.0):
                chunk = os.read(descriptor, 65536)
                if not chunk:
                    return
                *lines, pending = (pending + chunk).split(b"\n")
                for line in (raw.decode(errors="replace").rstrip() for raw in lines):
                    if line.startswith("go: downloading "):
                        detail = line.removeprefix("go: ")
                        continue
                    if " " in line or line.startswith("#"):
                        tail.append(line)
                        continue
                    packages += 1
                    detail = f"{packages} packages compiled, {line}"
            progress.update(detail)


def _shown(command: Sequence[str | Path]) -> str:
    return " ".join(str(part) for part in command)
