"""A disk of few bytes, for tests of what happens when one is full; only root can have one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """An empty disk of a ``size`` such as ``200k`` at ``place``, until the end of the block; a test skips without."""
    place.mkdir()
    asked = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True)
    if asked.returncode:
        pytest.skip("nobody but root can mount a disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
