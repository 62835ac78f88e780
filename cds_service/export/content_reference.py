"""The reference of the content as a page: every key of every file, from the JSON Schemas, with examples of a pack."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from cds_service.content.files import read_yaml, schema_data
from cds_service.content.packs import fixtures_of
from cds_service.content.places import KINDS, SCENARIO, SITE
from cds_service.content.schema_keys import described, shown_path

_LONGEST = 60  # characters of an example
_REQUIRED = " Required."
_HEAD = """\
# Every key of the content

Made from the schemas of the content by `cds-service export reference`; changes belong there. How the parts work
together is told in the [reference of the format](../cards/README.md), how content is changed in
[Own the content](own-the-content.md), and how a pack is begun in [Write a pack](writing-a-pack.md).

In a key, `*` stands for a name of your own and `[]` for each entry of a list. The examples are of the pack
`{pack}`. Editors that know YAML schemas, such as VS Code with the YAML extension of Red Hat, complete these keys and
say what is wrong while you write: the first line of each file tells them where its schema is.
"""
_TITLES = {SCENARIO: "`scenarios/*.yaml` of the fixtures", SITE: "`site.toml`"}
_TYPES = {
    "string": "text",
    "object": "names and values",
    "array": "list",
    "boolean": "true or false",
    "integer": "whole number",
    "number": "number",
}
_SHARED = {
    "signature": "a signature",
    "cell": "a cell",
    "entries": "words or numbers",
    "test": "a word or a number",
    "unit-of-time": "a unit of time",
    "#": "the keys of this file",
}
# What is written as code in a description would be Markdown otherwise.
_MARKDOWN = re.compile(r"([\\`*_<>|\[\]])")
_CITED = re.compile(r"\b([ZD]\d+)\b(?=[,)])")


def reference(folder: Path) -> str:
    """The page, in Markdown; examples are taken from the pack in this folder, the first that is short.

    Raises:
        ProblemsError: a file of the pack cannot be read.
    """
    parts = [_HEAD.format(pack=folder.name)]
    kinds: dict[str, list[str]] = {}
    for pattern, kind in KINDS.items():
        kinds.setdefault(kind, []).append(pattern)
    for kind, patterns in kinds.items():
        data = [read_yaml(path, kind) for pattern in patterns for path in sorted(folder.glob(pattern))]
        title = ", ".join(f"`{pattern.replace('*', '<id>')}`" for pattern in patterns)
        parts.append(_section(kind, title, data))
    stories = sorted((fixtures_of(folder) / "scenarios").glob("*.yaml"))
    parts.append(_section(SCENARIO, _TITLES[SCENARIO], [read_yaml(path, SCENARIO, is_proven=True) for path in stories]))
    parts.append(_section(SITE, _TITLES[SITE], []))
    return "\n".join(parts)


def _section(kind: str, title: str, data: Sequence[Any]) -> str:
    schema = schema_data(kind)
    rows = [_row(way, part, _example(schema, way, data)) for way, part in described(schema)]
    head = ["| key | is | required | what it says | example |", "|---|---|---|---|---|"]
    return "\n".join([f"## {title}", "", _words(schema["description"]), "", *head, *rows, ""])


def _row(way: Sequence[str], part: Mapping[str, Any], example: str) -> str:
    said = str(part.get("description", ""))
    required = "yes" if _REQUIRED in said else ""
    shown = f"`{example}`" if example else ""
    return f"| `{shown_path(way)}` | {_type(part)} | {required} | {_words(said.replace(_REQUIRED, ''))} | {shown} |"


def _words(text: str) -> str:
    """A description as Markdown; the decisions that it cites are links."""
    return _CITED.sub(lambda cited: f"[{cited[1]}](decisions.md#{cited[1].lower()})", _MARKDOWN.sub(r"\\\1", text))


def _type(part: Mapping[str, Any]) -> str:
    """What can stand at a key, in words."""
    if "$ref" in part:
        return _SHARED[part["$ref"].rpartition("/")[2]]
    if "enum" in part:
        return " or ".join(f"`{word}`" for word in part["enum"])
    if "const" in part:
        return f"`{str(part['const']).lower() if isinstance(part['const'], bool) else part['const']}`"
    if "anyOf" in part:
        return " or ".join(dict.fromkeys(_type(branch) for branch in part["anyOf"]))
    if "oneOf" in part and "type" not in part:
        return " or ".join(dict.fromkeys(_type(branch) for branch in part["oneOf"]))
    kind = part.get("type", "object")
    if kind == "array" and isinstance(part.get("items"), Mapping) and part["items"].get("type") != "object":
        inner = _type(part["items"]) if part["items"] else ""
        return f"list of {inner}{'s' if inner in ('text', 'number') else ''}" if inner else "list"
    return _TYPES[kind] if isinstance(kind, str) else " or ".join(_TYPES[one] for one in kind)


def _example(schema: Mapping[str, Any], way: Sequence[str], data: Sequence[Any]) -> str:
    """The first value at a key that is short enough to be shown; ``""`` if there is none."""
    ways = list(_uses_of(schema, way)) if way[0].startswith("#") else [tuple(way)]
    for value in (value for use in ways for file in data for value in _values(file, use)):
        if value in ("", [], {}, None):
            continue
        shown = _flow(value)
        if len(shown) <= _LONGEST and not set("|`\n") & set(shown):
            return shown
    return ""


def _uses_of(schema: Mapping[str, Any], way: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The ways to a key that several keys share, through each key that refers to it."""
    name = way[0].removeprefix("#")
    for use, part in described(schema):
        if str(part.get("$ref", "")).endswith(f"/{name}"):
            yield (*use, *way[1:])


def _values(value: Any, way: Sequence[str]) -> Iterable[Any]:
    if not way:
        yield value
    elif way[0] == "*" and isinstance(value, Mapping):
        for inner in value.values():
            yield from _values(inner, way[1:])
    elif way[0] == "[]" and isinstance(value, list):
        for inner in value:
            yield from _values(inner, way[1:])
    elif isinstance(value, Mapping) and way[0] in value:
        yield from _values(value[way[0]], way[1:])


def _flow(value: Any) -> str:
    """A value as YAML on one line, as content writes it: ``yes`` and ``no`` are words and need no quotation marks."""
    if value in ("yes", "no"):
        return str(value)
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf"))
    return text.removesuffix("\n...\n").rstrip("\n")
