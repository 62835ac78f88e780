"""TOML files that a deployer writes: read, held against a JSON Schema, and problems named with file and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cds_service.vocabulary.problems import NO_LINE, Problem, ProblemsError

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

Place = tuple[str | int, ...]
"""Where an element of a TOML or YAML file stands: the keys and indices that lead to it from the top."""
_NO_DATE = re.compile(r"=\s*\d{1,4}[-./]\d{1,2}[-./]\d{1,4}")


def read_toml(path: Path, kind: str, validator: Draft202012Validator, named_by: str) -> tuple[dict[str, Any], bytes]:
    """The data of a file valid for ``validator``, and its bytes; ``kind`` is that of the problems. ``named_by`` is the
    setting that names the file, to be told where that cannot be read.

    Raises:
        ProblemsError: there is no such file, it is not TOML, or it is not valid.
    """
    try:
        source = path.read_bytes()
        text = source.decode("utf-8")
        data = _with_days_as_text(tomllib.loads(text))
    except OSError as error:
        raise ProblemsError([Problem(path, NO_LINE, kind, f"{error.strerror}; {named_by} names it")]) from None
    except UnicodeDecodeError:
        raise ProblemsError([Problem(path, 1, kind, "this is not UTF-8")]) from None
    except tomllib.TOMLDecodeError as error:
        why = f"this is not TOML: {str(error)[:1].lower()}{str(error)[1:]}"
        line = _line_of_syntax_error(error, text)
        if _NO_DATE.search("".join(text.splitlines()[line - 1 : line])):
            why += "; a date is written as 2026-11-29, without quotation marks"
        raise ProblemsError([Problem(path, line, kind, why)]) from None
    except RecursionError:
        raise ProblemsError([Problem(path, 1, kind, "the TOML is nested too deeply")]) from None
    problems = [
        Problem(
            path,
            line_of(path, fault.absolute_path),
            kind,
            f"{'/'.join(map(str, fault.absolute_path)) or '(top)'}: {fault.message}",
        )
        for fault in validator.iter_errors(data)
    ]
    if problems:
        raise ProblemsError(problems)
    return data, source


def _with_days_as_text(value: Any) -> Any:
    """A value of TOML in which days, which TOML can write without quotation marks, are texts as in JSON."""
    if isinstance(value, dict):
        return {key: _with_days_as_text(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_days_as_text(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else value


def line_of(path: Path, place: Iterable[str | int]) -> int:
    """The line on which the element at ``place`` begins; where it is not written, the nearest element around it.

    A string in an array may be named by itself instead of by its index. The line is 1 if the file cannot be read any
    more.
    """
    try:
        lines = _lines(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return 1
    steps = tuple(place)
    while steps and steps not in lines:
        steps = steps[:-1]
    return lines.get(steps, 1)


def _line_of_syntax_error(error: tomllib.TOMLDecodeError, text: str) -> int:
    match = re.search(r"\(at line (\d+), column \d+\)$", str(error))
    return int(match[1]) if match else max(1, len(text.splitlines()))  # "at end of document"


def _lines(text: str) -> dict[Place, int]:
    """The line of every element of a TOML text.

    ``tomllib`` keeps no lines. But every statement of TOML (a table's header, or a key with its value) is TOML by
    itself once it is complete, and none is while a bracket or a quotation is still open; so the lines are read up to
    the end of each statement, and the statement says which keys it sets.
    """
    lines: dict[Place, int] = {(): 1}
    table: Place = ()
    tables_in: dict[Place, int] = {}  # how many tables stand in each array of tables so far
    statement: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        statement.append(line)
        try:
            data = tomllib.loads("\n".join(statement))
        except tomllib.TOMLDecodeError:
            continue
        first = number - len(statement) + 1
        if statement[0].lstrip().startswith("["):
            table = _table_of(data, tables_in)
            for length in range(1, len(table) + 1):
                lines.setdefault(table[:length], first)
        elif data:
            _add(lines, table, data, first, statement)
        statement = []
    return lines


def _table_of(header: dict[str, Any], tables_in: dict[Place, int]) -> Place:
    """The place of the table that a header begins; counts it if it is one of an array of tables."""
    place: Place = ()
    value: Any = header
    while isinstance(value, dict) and value:
        ((key, value),) = value.items()
        place = (*place, key)
        if isinstance(value, list):
            tables_in[place] = tables_in.get(place, 0) + 1
        if place in tables_in:
            place = (*place, tables_in[place] - 1)
    return place


def _add(lines: dict[Place, int], place: Place, value: Any, first: int, statement: Sequence[str]) -> None:
    """Adds the lines of a value and of all that is in it, written in a statement that begins on line ``first``."""
    lines.setdefault(place, first)
    if isinstance(value, dict):
        for key, inner in value.items():
            _add(lines, (*place, key), inner, first, statement)
    elif isinstance(value, list):
        starts = _starts_of_items(statement, len(value))
        for index, (item, start) in enumerate(zip(value, starts, strict=True)):
            _add(lines, (*place, index), item, first + start, statement[start : start + 1])
            if isinstance(item, str):
                lines.setdefault((*place, item), first + start)


def _starts_of_items(statement: Sequence[str], count: int) -> list[int]:
    """For each item of the array that a statement sets, on which of the statement's lines (from 0) it begins.

    An array that is closed early holds the items that are complete there. Where that does not tell, because the array
    stands inside another value, all its items are given the statement's first line.
    """
    starts: list[int] = []
    following = 0  # the line on which the next item begins
    for number in range(len(statement)):
        is_last = number == len(statement) - 1
        try:
            value: Any = tomllib.loads("\n".join(statement[: number + 1]) + ("" if is_last else "\n]"))
        except tomllib.TOMLDecodeError:
            continue
        while isinstance(value, dict) and len(value) == 1:
            (value,) = value.values()
        if isinstance(value, list):
            starts += [following] * (len(value) - len(starts))
        following = number + 1
    return starts if len(starts) == count else [0] * count
