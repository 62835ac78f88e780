"""The exported documents, and node with the packages of tests/support/node."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cds_service.content.model import Pack
from cds_service.export.dmn import dmn
from tests.support.npm import needed
from tests.support.places import NODE


@pytest.fixture(scope="session")
def dmn_text(pack: Pack) -> str:
    return dmn(pack)


@pytest.fixture(scope="session")
def node_packages() -> Path:
    """``tests/support/node/node_modules``."""
    return needed(NODE)


@pytest.fixture(scope="session")
def feel(node_packages: Path):
    """Asks the FEEL engine, one process for everything; see tests/support/node/feel.mjs for question and answer."""

    def ask(question: dict[str, Any]) -> dict[str, Any]:
        command = ["node", "feel.mjs"]
        sent = json.dumps(question)
        done = subprocess.run(command, cwd=NODE, input=sent, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    return ask
