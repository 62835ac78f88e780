"""What tests of a deployment need: the servers of the tests of the store, and a hook request that is right today."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def hook_body(request_for):
    return json.dumps(request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")).encode()


@pytest.fixture(scope="session")
def node_modules():
    """``node_modules`` here as the lock file says; skips where npm or the registry is missing."""
    here = Path(__file__).parent
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    if not (here / "node_modules/.package-lock.json").exists():
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=120)
        if done.returncode:
            pytest.skip(f"npm ci in tests/outside/deploy failed: {done.stderr.strip()[-300:]}")
    return here / "node_modules"
