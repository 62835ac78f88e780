"""TOML files that a deployer writes: read, held against a JSON Schema, faults named with file and line.

Imports nothing of ours.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator


class TomlError(Exception):
    """A file that cannot be used. Each problem reads ``file:line: kind: what is wrong``."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def read_toml(path: Path, kind: str, validator: Draft202012Validator) -> tuple[dict[str, Any], bytes]:
    """The data of a file valid for ``validator``, and its bytes; ``kind`` stands in the problems.

    Raises:
        TomlError: no such file, no TOML, or not of the schema.
    """
    try:
        source = path.read_bytes()
        data = tomllib.loads(source.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise TomlError([f"{path}:1: {kind}: {getattr(error, 'strerror', None) or 'is not UTF-8'}"]) from None
    except tomllib.TOMLDecodeError as error:
        raise TomlError([f"{path}:1: {kind}: {error}"]) from None
    problems = [
        f"{path}:{line_of(path, (step for step in fault.absolute_path if isinstance(step, str)))}: {kind}: "
        f"{'/'.join(map(str, fault.absolute_path)) or '(top)'}: {fault.message}"
        for fault in validator.iter_errors(data)
    ]
    if problems:
        raise TomlError(problems)
    return data, source


def line_of(path: Path, words: Iterable[str]) -> int:
    """The first line on which the last of the words that occur stands; TOML readers keep no lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    told = [(number, line) for number, line in enumerate(lines, 1) if not line.lstrip().startswith("#")]
    found = 1
    for word in words:
        found = next((number for number, line in told if number >= found and word in line), found)
    return found
