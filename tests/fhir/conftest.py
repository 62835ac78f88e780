"""A real FHIR R4 server for tests that need one, started once for all of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

_SERVER = Path(__file__).parents[1] / "fhir_server"
_PACKAGES = _SERVER / "node_modules" / ".package-lock.json"
_LOCK = _SERVER / "package-lock.json"


@pytest.fixture(scope="session")
def fhir_stores() -> Iterator[str]:
    """Where stores of the server are: ``<this>/NAME/fhir`` is an empty FHIR server of its own (see server.mjs).

    Its packages are installed from their lock file if they are not. Without Node.js the tests are skipped, but not
    where CI is set.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        _go_without("Node.js and npm are not installed")
    if not _PACKAGES.exists() or _PACKAGES.stat().st_mtime < _LOCK.stat().st_mtime:
        done = subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund"], cwd=_SERVER, capture_output=True, text=True, timeout=300
        )
        if done.returncode:
            _go_without(f"npm ci failed: {done.stderr[-500:]}")
    with subprocess.Popen([node, "server.mjs"], cwd=_SERVER, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{json.loads(server.stdout.readline())['port']}/stores"
        finally:
            server.terminate()


def _go_without(why: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"the FHIR server cannot be started: {why}")
    pytest.skip(f"needs a FHIR server: {why}")
