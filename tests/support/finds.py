"""What fuzzers share: telling finds apart, and the table of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def place_of(error: BaseException) -> str:
    """What an error is and where it arose: like ones are one find."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
    return f"{type(error).__name__} at {where}"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows in columns; numbers stand to the right."""
    lines = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    said = []
    for line in lines:
        cells = [
            cell.rjust(width) if column and cell[:1].isdigit() else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        said.append("  ".join(cells).rstrip())
    said.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(said)
