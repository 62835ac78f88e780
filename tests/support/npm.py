"""Packages of npm: those of Node.js beside a lock file, and tarballs of other packages that npm serves.

What stands beside a lock file is installed once, however many processes of a test run ask for it.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_LONGEST_SECONDS = 300


class UnavailableError(Exception):
    """Node.js is missing, or the packages cannot be had; the text says which."""


def installed(folder: Path) -> Path:
    """``node_modules`` in ``folder`` as its ``package-lock.json`` says.

    Of several processes one installs and the others wait for it: two that install at once destroy each other's work.

    Raises:
        UnavailableError: there is no Node.js, or npm could not install them.
    """
    if not (shutil.which("node") and shutil.which("npm")):
        raise UnavailableError("Node.js and npm are not installed")
    modules = folder / "node_modules"
    mark = modules / ".package-lock.json"
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"npm-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists() or mark.stat().st_mtime < (folder / "package-lock.json").stat().st_mtime:
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_LONGEST_SECONDS)
            if done.returncode:
                raise UnavailableError(f"npm ci in {folder.name} failed: {done.stderr.strip()[-300:]}")
            mark.touch()
    return modules


def needed(folder: Path) -> Path:
    """The same for a test, which is skipped by name without the packages; but CI has them, so there it fails."""
    try:
        return installed(folder)
    except UnavailableError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


def tarball(name: str, version: str, integrity: str, folder: Path) -> Path:
    """One version of a package as it was published, without what it depends on; nothing of it is run.

    ``integrity`` is the digest that npm shows as ``dist.integrity``. What lies in ``folder`` already and has the digest
    is not fetched again.

    Raises:
        UnavailableError: there is no npm, the package cannot be had, or it is not the one of this digest.
    """
    if not shutil.which("npm"):
        raise UnavailableError("npm is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{version}.tgz"
    if not file.exists() or _integrity(file) != integrity:
        command = [
            "npm",
            "pack",
            f"{name}@{version}",
            "--ignore-scripts",
            "--silent",
            "--pack-destination",
            str(folder),
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_LONGEST_SECONDS)
        if done.returncode:
            raise UnavailableError(f"npm pack {name}@{version} failed: {done.stderr.strip()[-300:]}")
    if _integrity(file) != integrity:
        raise UnavailableError(f"{name}@{version} is not the package of the digest that is pinned")
    return file


def _integrity(file: Path) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
