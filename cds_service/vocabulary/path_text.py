"""Names of files as text that can be written: a name may hold bytes that are no UTF-8."""

from __future__ import annotations

import os
from pathlib import Path


def path_text(path: Path | str) -> str:
    r"""A path as it is shown and kept; a byte that is no UTF-8 stands in it as ``\xe9``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
