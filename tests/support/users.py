"""Tests as another user of the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def as_somebody_else() -> Iterator[None]:
    """Root may read everything, so root is nobody for a while."""
    was = os.geteuid()
    if was == 0:
        os.setresuid(65_534, 65_534, 0)
    try:
        yield
    finally:
        if was == 0:
            os.setresuid(0, 0, 0)
