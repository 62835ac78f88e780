"""Starts the real FHIR server of ``fhir_server`` (Node.js), for tests and benchmarks."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator

from tests.support.places import FHIR_SERVER

_PACKAGES = FHIR_SERVER / "node_modules" / ".package-lock.json"
_LOCK = FHIR_SERVER / "package-lock.json"


class UnavailableError(Exception):
    """The server cannot be started here; the text says why."""


@contextlib.contextmanager
def fhir_server() -> Iterator[str]:
    """Where stores of the server are: ``<this>/NAME/fhir`` is an empty FHIR server of its own (see server.mjs).

    Its packages are installed from their lock file if they are not.

    Raises:
        UnavailableError: there is no Node.js, or its packages cannot be had.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise UnavailableError("Node.js and npm are not installed")
    if not _PACKAGES.exists() or _PACKAGES.stat().st_mtime < _LOCK.stat().st_mtime:
        done = subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund"], cwd=FHIR_SERVER, capture_output=True, text=True, timeout=300
        )
        if done.returncode:
            raise UnavailableError(f"npm ci failed: {done.stderr[-500:]}")
    with subprocess.Popen([node, "server.mjs"], cwd=FHIR_SERVER, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{json.loads(server.stdout.readline())['port']}/stores"
        finally:
            server.terminate()
