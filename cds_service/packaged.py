"""Where the content and the fixtures that come with this code lie: in a checkout, or inside an installed wheel."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def packaged(name: str) -> Path:
    """The folder ``cards`` or ``fixtures`` that came with this code."""
    installed = _HERE / "_data" / name
    return installed if installed.is_dir() else _HERE.parent / name
