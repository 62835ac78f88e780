"""The package as it is installed: the wheel, built once for the tests of a process that install it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import ROOT, TESTS

_AMONG_REAL_SERVERS = (TESTS / "outside", TESTS / "load")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A failure among real servers is tried once more, and the summary names it.

    They share two cores and the network of the machine with the whole run, and a connection that the machine refuses
    says nothing about the service. What is wrong with the service is wrong the second time as well.
    """
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in _AMONG_REAL_SERVERS):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, ROOT],
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))
