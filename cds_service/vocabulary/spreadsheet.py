"""Cells that are written for a spreadsheet: what a text of others says is never run there."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_BEGIN_FORMULAS = ("=", "+", "-", "@")


def inert(text: str) -> str:
    """A text that a spreadsheet does not take for a formula, whatever blanks it begins with."""
    return f"'{text}" if text.lstrip().startswith(_BEGIN_FORMULAS) else text


def as_csv(heads: Sequence[str], rows: Iterable[Sequence[str | float]]) -> str:
    """A table as CSV, with its heads in the first line and every text inert."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([inert(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return out.getvalue()
