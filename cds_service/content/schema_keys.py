"""The keys that a JSON Schema of the content knows, and what it says of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_REQUIRED = " Required."


def description_at(whole: Mapping[str, Any], place: Sequence[str | int]) -> str:
    """What the schema of a file says of the key at ``place``; ``""`` if nothing."""
    nodes: list[Any] = [whole]
    for step in place:
        nodes = [inner for node in nodes for branch in _branches(node, whole) for inner in _below(branch, step)]
    texts = [branch["description"] for node in nodes for branch in _branches(node, whole) if "description" in branch]
    return str(texts[0]).replace(_REQUIRED, "") if texts else ""


def _below(node: Mapping[str, Any], step: str | int) -> list[Any]:
    if isinstance(step, int):
        return [node["items"]] if isinstance(node.get("items"), Mapping) else []
    if step in node.get("properties", {}):
        return [node["properties"][step]]
    other = node.get("additionalProperties")
    return [other] if isinstance(other, Mapping) else []


def _branches(node: Any, whole: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A node of a schema itself, what it refers to in its file, and each form that it may take."""
    if not isinstance(node, Mapping):
        return []
    found = [node]
    if "$ref" in node:
        found += _branches(whole["$defs"][node["$ref"].rpartition("/")[2]], whole)
    for branch in node.get("anyOf", ()):
        found += _branches(branch, whole)
    return found


def described(whole: Mapping[str, Any]) -> list[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Every key that a schema knows, with its part of the schema, in the order of the file.

    A key is the way to it from the top; ``*`` stands for a name of the author's own, ``[]`` for each entry of a
    list.
    What several keys share (``$defs``) comes last, its way beginning with its name and no more.
    """
    keys = list(_keys_of(whole, ()))
    for name, node in whole.get("$defs", {}).items():
        keys += [((f"#{name}", *way), part) for way, part in _keys_of(node, ())]
    return keys


def _keys_of(node: Any, way: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], Mapping[str, Any]]]:
    if not isinstance(node, Mapping):
        return
    for key, inner in node.get("properties", {}).items():
        yield (*way, key), inner
        yield from _keys_of(inner, (*way, key))
    other = node.get("additionalProperties")
    if isinstance(other, Mapping):
        yield (*way, "*"), other
        yield from _keys_of(other, (*way, "*"))
    yield from _keys_of(node.get("items"), (*way, "[]"))
    for branch in node.get("anyOf", ()):
        yield from _keys_of(branch, way)


def shown_path(way: Sequence[str]) -> str:
    """A way as people read it: ``rules[].then``, ``facts.*.kind``."""
    return "".join(step if step == "[]" else f".{step.removeprefix('#')}" for step in way).removeprefix(".")
