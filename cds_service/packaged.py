"""Where content and fixtures lie: at the top of a checkout, inside an installed wheel, or in a hospital's folder."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def packaged(name: str) -> Path:
    """The folder ``cards`` or ``fixtures`` that came with this code."""
    installed = _HERE / "_data" / name
    return installed if installed.is_dir() else _HERE.parent / name


def fixtures_beside(cards: Path) -> Path | None:
    """The folder ``fixtures`` beside a ``cards`` folder; ``None`` if there is none with scenarios in it."""
    fixtures = cards.resolve().parent / "fixtures"
    return fixtures if (fixtures / "scenarios").is_dir() else None


def examples_for(cards: Path) -> Path:
    """The fixtures that show what the content in ``cards`` does: those beside it, else those that came with this
    code.
    """
    return fixtures_beside(cards) or packaged("fixtures")
