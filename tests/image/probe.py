"""Run inside the image, by its Python, as its user: is it what the Dockerfile promises?

build.sh pipes it in; it uses the standard library only and prints what it found, or every fault and exits with 1.
"""

import errno
import getpass
import importlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

IDENTITY = 65532
BUILD_TOOLS = ("pip", "pip3", "uv", "gcc", "cc", "g++", "clang", "make", "ld", "cargo")
# Everyone may write to the first two, so only a read-only file system keeps this user from it.
READ_ONLY = ("/tmp", "/var/tmp")  # noqa: S108 - that they are there for everyone is the point
CLOSED = ("/", "/etc", "/opt", sys.prefix, f"{sys.prefix}/bin")


def refused(folder: str) -> int:
    """The errno of an attempt to write there; 0 if it went through."""
    target = Path(folder, ".tierguard-probe")
    try:
        target.write_bytes(b"")
    except OSError as error:
        return error.errno or -1
    target.unlink()
    return 0


def modules() -> list[str]:
    """What tierguard declares to need, by the names to import."""
    declared = {
        re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("_", "-")
        for requirement in importlib.metadata.requires("tierguard") or []
    }
    provided = importlib.metadata.packages_distributions()
    return sorted(
        module
        for module, distributions in provided.items()
        if module.isidentifier()
        and not module.startswith("_")
        and declared & {distribution.lower().replace("_", "-") for distribution in distributions}
    )


def identity() -> Iterator[str]:
    ids = {*os.getresuid(), *os.getresgid(), *os.getgroups()}
    if ids != {IDENTITY}:
        yield f"runs with the ids {sorted(ids)}, not only {IDENTITY}"
    try:
        getpass.getuser()
    except (KeyError, OSError) as error:
        yield f"the user has no name, and kopf needs one: {error}"


def root() -> Iterator[str]:
    for folder in READ_ONLY:
        code = refused(folder)
        if code != errno.EROFS:
            yield f"writing to {folder}: {os.strerror(code)}, not {os.strerror(errno.EROFS)}"
    for folder in CLOSED:
        if refused(folder) == 0:
            yield f"could write to {folder}"


def leftovers() -> Iterator[str]:
    for tool in BUILD_TOOLS:
        if found := shutil.which(tool):
            yield f"has {found}"
    for python in (sys.executable, getattr(sys, "_base_executable", sys.executable)):
        for module in ("pip", "ensurepip"):
            if subprocess.run([python, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0:
                yield f"{python} can import {module}"


def bytecode() -> Iterator[str]:
    for module in ("tierguard", *modules()):
        source = importlib.import_module(module).__file__ or ""
        compiled = Path(importlib.util.cache_from_source(source)) if source.endswith(".py") else None
        # The flags in its head: 1 is "has a hash that nobody checks".
        if compiled and not (compiled.is_file() and compiled.read_bytes()[4:8] == b"\1\0\0\0"):
            yield f"{source} is not compiled, or not for good"


def main() -> int:
    faults = [*identity(), *root(), *leftovers(), *bytecode()]
    for fault in faults:
        print(f"FAULT: {fault}")
    if faults:
        return 1
    print(f"Python {sys.version.split()[0]}, uid and gid {IDENTITY} alone, as {getpass.getuser()!r}")
    print(f"writing to {', '.join(READ_ONLY)}: {os.strerror(errno.EROFS)}; {', '.join(CLOSED)}: refused")
    print(f"no pip, no ensurepip, no build tools; compiled and importable: tierguard, {', '.join(modules())}")
    return 0


sys.exit(main())
