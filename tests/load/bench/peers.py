"""Other CDS Hooks servers with a fixed card, measured where ``make bench BENCH="--peer NAME"`` asks for one.

A peer is installed from PyPI into a virtual environment in the folder of the run, so that it shares no package with the
service and nothing is left of it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache, partial
from pathlib import Path

from tests.load.bench.goals import RELEVANT, RELEVANT_SMALL, Row
from tests.load.bench.turns import Turn
from tests.load.bench.under_load import LoadedRows
from tests.support.loaded import Server, peer

_VERSION = "0.16.1"
_PATH = "/cds/cds-services/fixed-card"
_INSTALLS_WITHIN_SECONDS = 600


def healthchain(folder: Path, workers: int, loaded: LoadedRows) -> dict[Row, Callable[[], Turn]]:
    """What makes the rows of HealthChain ready: orders of two sizes, answered with a fixed card.

    It is installed into ``folder`` when the first of them is made ready.
    """

    @cache
    def server() -> Server:
        return loaded.entered(_healthchain(folder, workers))

    return {
        Row(f"HealthChain {_VERSION}, fixed card, {size}"): partial(loaded.of_another, server, _PATH, row)
        for size, row in {"8 KB": RELEVANT_SMALL, "80 KB": RELEVANT}.items()
    }


PEERS = {"healthchain": healthchain}


def _healthchain(folder: Path, workers: int) -> AbstractContextManager[Server]:
    python = _installed(f"healthchain=={_VERSION}", folder)
    options = ["--workers", str(workers), "--log-level", "error", "--no-access-log", "--port", "{port}"]
    return peer([python, "-m", "uvicorn", "healthchain_card:app", *options])


def _installed(requirement: str, folder: Path) -> str:
    """The Python of an environment that has the package.

    Raises:
        subprocess.SubprocessError: it could not be installed.
    """
    environment = folder / requirement.replace("=", "-")
    python = environment / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]
    for command in ([sys.executable, "-m", "venv", environment], install):
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALLS_WITHIN_SECONDS)
    return str(python)
