"""Small changes of a YAML file that leave everything else in it, comments among it, as its author wrote it."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from cds_service.authoring.new_files import AuthoringError


def with_scalar(text: str, place: Sequence[str | int], value: str) -> str:
    """A file in which the scalar at ``place`` is ``value``, which needs no quotation marks.

    Raises:
        AuthoringError: there is no scalar.
    """
    node = _node_at(text, place)
    if not isinstance(node, yaml.ScalarNode):
        raise AuthoringError(f"there is no value at {'/'.join(map(str, place))}")
    return text[: node.start_mark.index] + value + text[node.end_mark.index :]


def with_entry(text: str, place: Sequence[str | int], value: str) -> str:
    """A file in which the list of words at ``place``, which is not empty, ends with ``value``.

    Raises:
        AuthoringError: there is no such list.
    """
    node = _node_at(text, place)
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise AuthoringError(f"there is no list at {'/'.join(map(str, place))}")
    last = node.value[-1]
    end = last.end_mark.index
    if node.flow_style:
        return f"{text[:end]}, {value}{text[end:]}"
    line_end = text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    return f"{text[:line_end]}\n{' ' * node.start_mark.column}- {value}{text[line_end:]}"


def line_at(text: str, place: Sequence[str | int]) -> int:
    """The line of what stands at ``place``, from 1."""
    node = _node_at(text, place)
    return node.start_mark.line + 1 if node is not None else 1


def _node_at(text: str, place: Sequence[str | int]) -> yaml.Node | None:
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    for step in place:
        if isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == step), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
        else:
            return None
    return node
