"""YAML files of the content: read, held against their JSON Schemas, and problems named with file and line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from yaml.reader import ReaderError

from cds_service.content.places import schemas_of
from cds_service.content.schema_words import refusals_of
from cds_service.content.yaml_words import syntax_fault
from cds_service.vocabulary.problems import NO_LINE, Problem, ProblemsError

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

if TYPE_CHECKING:
    from yaml import SafeLoader as _SafeLoader
else:
    _SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BOOLEAN, _TIMESTAMP = "tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"
_TEXT, _LIST, _MAPPING = "tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"


class _Loader(_SafeLoader):
    """A safe loader, in C where built, to which ``yes``, ``no``, ``on``, ``off`` and days are texts, as in YAML 1.2."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node. What nearly all are, texts, lists and mappings by texts, is made without the detours
        that PyYAML takes for whatever else there is: that spares a start a third of the reading.
        """
        if node.tag == _TEXT and isinstance(node, yaml.ScalarNode):
            return node.value
        made = self.constructed_objects
        if node in made:
            return made[node]
        if node.tag == _LIST and isinstance(node, yaml.SequenceNode):
            found = made[node] = []
            found += [self.construct_object(one) for one in node.value]
            return found
        if node.tag == _MAPPING and isinstance(node, yaml.MappingNode) and _goes_by_texts(node):
            named = made[node] = {}
            for key, value in node.value:
                named[key.value] = self.construct_object(value)
            return named
        return super().construct_object(node, deep)


def _goes_by_texts(node: yaml.MappingNode) -> bool:
    return all(key.tag == _TEXT and isinstance(key, yaml.ScalarNode) for key, _ in node.value)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_BOOLEAN, _TIMESTAMP)]
    for first, resolvers in _SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOLEAN, re.compile("true|false"), list("tf"))


def read_yaml(path: Path, kind: str, *, is_proven: bool = False) -> Any:
    """The data of one content file, valid against the JSON Schema of its ``kind``.

    The schema is left alone for a file that ``is_proven``: it passed as it stands.

    Raises:
        ProblemsError: there is no such file, it is not YAML, or it is not of its schema.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ProblemsError([Problem(path, NO_LINE, "schema", str(error.strerror))]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ProblemsError([Problem(path, line, "schema", "this is not UTF-8; save the file as UTF-8")]) from None
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506  (a safe loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ProblemsError([_syntax_problem(path, text, error)]) from None
    if not is_proven and not (validator := schema(kind)).is_valid(data):
        faults = sorted(validator.iter_errors(data), key=lambda fault: [str(step) for step in fault.absolute_path])
        raise ProblemsError(problem for fault in faults for problem in _schema_problems(path, fault, validator.schema))
    return data


def _syntax_problem(path: Path, text: str, error: Exception) -> Problem:
    """What is wrong with a file that is not YAML, or in which a value is none, such as a 30 February."""
    fault = syntax_fault(text, error) if isinstance(error, yaml.MarkedYAMLError) else None
    if fault is not None:
        return Problem(path, fault.line, "schema", f"this is not YAML (column {fault.column}): {fault.text}")
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Problem(path, line, "schema", "this is not YAML: a sign stands here that no text has; delete it")
    return Problem(path, 1, "schema", f"this is not YAML: {' '.join(str(error).split())}")


def _schema_problems(path: Path, fault: ValidationError, whole: Any) -> Iterator[Problem]:
    from jsonschema.exceptions import best_match

    for refusal in refusals_of(best_match([fault]) or fault, whole):
        yield problem_at(path, refusal.place, "schema", refusal.text)


@cache
def schema(kind: str) -> Draft202012Validator:
    """The validator for one kind of content file."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(schema_data(kind))


@cache
def schema_data(kind: str) -> dict[str, Any]:
    """The JSON Schema of one kind of content file."""
    data: dict[str, Any] = json.loads(schema_files()[kind])
    return data


@cache
def schema_files() -> Mapping[str, str]:
    """The text of every JSON Schema of the content, by the kind of its files."""
    folder = files("cds_service.content").joinpath("schemas")
    found = {file.name.removesuffix(".json"): file.read_text(encoding="utf-8") for file in folder.iterdir()}
    return dict(sorted(found.items()))


def write_schemas(content: Path) -> list[Path]:
    """Writes the schemas beside the packs of a content folder, for editors; what stood there is replaced.

    Raises:
        OSError: nothing can be written there.
    """
    folder = schemas_of(content)
    folder.mkdir(parents=True, exist_ok=True)
    for kind, text in schema_files().items():
        (folder / f"{kind}.json").write_text(text, encoding="utf-8")
    return [folder / f"{kind}.json" for kind in schema_files()]


def problem_at(path: Path, place: Iterable[str | int], kind: str, text: str) -> Problem:
    """A problem of the element at ``place`` in a YAML file; ``place`` is made of keys and indices from the top."""
    return Problem(path, line_of(path, place), kind, text)


def line_of(path: Path, place: Iterable[str | int]) -> int:
    """The line on which the element at ``place`` begins; where it is not written, the nearest element around it."""
    line, _ = _found(path, tuple(place))
    return line


def is_written(path: Path, place: Iterable[str | int]) -> bool:
    """Whether a file has an element at ``place``; one that cannot be read has none."""
    whole = tuple(place)
    _, steps = _found(path, whole)
    return steps == len(whole)


def _found(path: Path, place: tuple[str | int, ...]) -> tuple[int, int]:
    """The line of the element at ``place``, or of the nearest around it, and how many steps of ``place`` lead there.

    An element of a mapping begins with its key. Of a file that cannot be read it is the first line, and no step.
    """
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, ValueError, yaml.YAMLError):
        return 1, -1
    line = node.start_mark.line if node is not None else 0
    for number, step in enumerate(place):
        if isinstance(node, yaml.MappingNode):
            pair = next(((key, value) for key, value in node.value if key.value == str(step)), None)
            if pair is None:
                return line + 1, number
            line, node = pair[0].start_mark.line, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line
        else:
            return line + 1, number
    return line + 1, len(place)


def repeated_keys(path: Path) -> Iterator[Problem]:
    """Keys that stand twice in one mapping of a file, which YAML would silently merge."""
    try:
        top = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return  # which is said where it is read
    pending = [top] if top is not None else []
    while pending:
        node = pending.pop()
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if key.value in seen:
                    yield Problem(path, key.start_mark.line + 1, "schema", f"the key {key.value!r} stands twice")
                seen.add(key.value)
                pending.append(value)
        elif isinstance(node, yaml.SequenceNode):
            pending.extend(node.value)


TABLE, TEXTS = "table.yaml", "text.en.yaml"


def table_paths(folder: Path) -> list[Path]:
    """The path of every decision's table in the folder of a pack: ``<id>.yaml``, or ``<id>/table.yaml``."""
    decisions = folder / "decisions"
    return sorted([*decisions.glob("*.yaml"), *decisions.glob(f"*/{TABLE}")])


def name_by_path(path: Path) -> str:
    """The id that the decision whose table is at ``path`` must have."""
    return path.parent.name if path.name == TABLE else path.stem


def texts_path(path: Path) -> Path | None:
    """The file of words beside the table at ``path``; ``None`` for a decision that is one file."""
    return path.with_name(TEXTS) if path.name == TABLE else None


@dataclass(frozen=True, slots=True)
class PackFiles:
    """The files of one pack as read. Each is of its schema; nothing is yet compared between them.

    ``words`` and ``units`` are those of the framework with the pack's own laid over them, ``own_words`` and
    ``own_units`` what the pack itself writes.
    ``head`` is ``pack.yaml``; ``hazards`` is empty where there is no hazard log. ``value_sets`` go by the names of
    their files, ``orders`` by their ids, ``tables`` and ``texts`` by the path of the table; a definition without
    words has no texts.
    """

    folder: Path
    head: Mapping[str, Any]
    sources: Mapping[str, Any]
    words: Mapping[str, Any]
    units: Mapping[str, Any]
    facts: Mapping[str, Any]
    value_sets: Mapping[str, Mapping[str, Any]]
    orders: Mapping[str, Mapping[str, Any]]
    tables: Mapping[Path, Mapping[str, Any]]
    texts: Mapping[Path, Mapping[str, Any]]
    hazards: Mapping[str, Any] = field(default_factory=dict)
    own_words: Mapping[str, Any] = field(default_factory=dict)
    own_units: Mapping[str, Any] = field(default_factory=dict)
