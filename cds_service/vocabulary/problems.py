"""What is wrong with a file that people write: the content, the site's settings, the registry of clients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

NO_LINE = 0
"""The line of a problem of a file that cannot be read, or of a folder."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, and the line of the file where it stands (from 1; ``NO_LINE``: file or folder as such).

    ``kind`` is one word for what was looked at, such as ``schema``, ``gap`` or ``clients``. Problems sort by file and
    line.
    """

    path: Path
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        if self.line == NO_LINE:
            return f"{self.path}: {self.text}"
        return f"{self.path}:{self.line}: {self.kind}: {self.text}"


class ProblemsError(Exception):
    """A file cannot be used. ``problems`` are the reasons, at least one; as text they stand one on a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))
