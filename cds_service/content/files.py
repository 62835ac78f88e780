"""YAML files of the content: read fast, and on a fault named with file and line. Imports nothing of ours."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ContentError(Exception):
    """The content cannot be used. Each problem reads ``file:line: what is wrong``."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def read_yaml(path: Path, kind: str, *, is_proven: bool = False) -> Any:
    """The data of one content file, valid against the JSON Schema of its ``kind``; not looked at if it ``is_proven``.

    Raises:
        ContentError: no such file, no YAML, a key twice, or not of its schema; with file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = yaml.load(text, Loader=_Loader)  # noqa: S506  (a safe loader, in C where built)
    except OSError as error:
        raise ContentError([f"{path}:1: schema: {error.strerror}"]) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ContentError([f"{path}:{line}: schema: {error.problem}"]) from None
    if not is_proven and not (validator := schema(kind)).is_valid(data):
        from jsonschema.exceptions import best_match

        problems = []
        for fault in sorted(validator.iter_errors(data), key=lambda e: [str(p) for p in e.absolute_path]):
            cause = best_match([fault]) or fault
            where = "/".join(str(part) for part in cause.absolute_path) or "(top)"
            problems.append(f"{path}:{line_of(path, cause.absolute_path)}: schema: {where}: {cause.message}")
        raise ContentError(problems)
    return data


@cache
def schema(kind: str) -> Draft202012Validator:
    """The validator for one kind of content file."""
    from jsonschema import Draft202012Validator

    text = files("cds_service.content").joinpath("schemas", f"{kind}.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


def line_of(path: Path, place: Iterable[str | int]) -> int:
    """The line on which the element at ``place`` begins (keys and indices from the top)."""
    try:
        found = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, yaml.YAMLError):
        return 1
    for step in place:
        if isinstance(found, yaml.MappingNode):
            pair = next(((k, v) for k, v in found.value if k.value == str(step)), None)
            if pair is None:
                break
            found = pair[1]
        elif isinstance(found, yaml.SequenceNode) and isinstance(step, int) and step < len(found.value):
            found = found.value[step]
        else:
            break
    return found.start_mark.line + 1 if found is not None else 1


def repeated_keys(path: Path) -> Iterator[tuple[int, str]]:
    """Keys that stand twice in one mapping, which YAML would silently merge: line and key."""
    try:
        top = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
    except yaml.YAMLError:
        return
    pending = [top] if top is not None else []
    while pending:
        current = pending.pop()
        if isinstance(current, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in current.value:
                if key.value in seen:
                    yield key.start_mark.line + 1, key.value
                seen.add(key.value)
                pending.append(value)
        elif isinstance(current, yaml.SequenceNode):
            pending.extend(current.value)
