"""Files of JSON and YAML that people write: what is wrong with one is a sentence with its file, line and column."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from yaml.reader import ReaderError

from cds_service.content.yaml_words import syntax_fault
from cds_service.protocol.decoding import syntax_words

if TYPE_CHECKING:
    from yaml import SafeLoader as _Loader
else:
    _Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class FileError(ValueError):
    """A file cannot be used: its name, ``line`` and ``column`` (from 1, 0 where there is none), and a sentence why."""

    def __init__(self, name: Path | str, text: str, line: int = 0, column: int = 0) -> None:
        self.name = str(name)
        self.text = text
        self.line = line
        place = "".join(f":{number}" for number in (line, column) if number)
        super().__init__(f"{name}{place}: {text}")


@dataclass(frozen=True, slots=True)
class YamlFile:
    """What a file of YAML holds: ``tree``, and how it is written, to tell the lines of its parts."""

    tree: Any
    _node: yaml.Node | None

    def lines_of(self, key: str) -> list[int]:
        """The line of each item of the list that stands under ``key`` at the top; none if there is no such list."""
        items = _under(self._node, key)
        return [item.start_mark.line + 1 for item in items.value] if isinstance(items, yaml.SequenceNode) else []


def read_text(file: Path) -> str:
    """The text of a file, without a byte order mark.

    Raises:
        FileError: it is not UTF-8.
        OSError: it cannot be read.
    """
    return decoded(file.read_bytes(), str(file))


def decoded(content: bytes, name: str) -> str:
    """The text of a file called ``name``, without a byte order mark.

    Raises:
        FileError: it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace").split("\n")
        raise FileError(name, "this is not UTF-8", len(before), len(before[-1]) + 1) from None


def read_json(file: Path) -> Any:
    """What a file of JSON holds.

    Raises:
        FileError: it is not JSON.
        OSError: it cannot be read.
    """
    return parsed_json(read_text(file), str(file))


def parsed_json(text: str, name: str, first_line: int = 1) -> Any:
    """What the JSON of a file called ``name`` says; ``text`` begins on its line ``first_line``.

    Raises:
        FileError: it is not JSON.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise FileError(
            name, f"this is not JSON: {syntax_words(error)}", error.lineno + first_line - 1, error.colno
        ) from None
    except RecursionError:
        raise FileError(name, "the JSON is nested too deeply", first_line) from None


def read_yaml(file: Path) -> YamlFile:
    """What a file of YAML holds.

    Raises:
        FileError: it is not YAML.
        OSError: it cannot be read.
    """
    text = read_text(file)
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        return YamlFile(None if node is None else loader.construct_document(node), node)
    except yaml.MarkedYAMLError as error:
        fault = syntax_fault(text, error)
        if fault is None:
            raise FileError(file, f"this is not YAML: {error.problem or error.context or error}") from None
        raise FileError(file, f"this is not YAML: {fault.text}", fault.line, fault.column) from None
    except ReaderError as error:
        before = text[: error.position].split("\n")
        raise FileError(file, f"this is not YAML: {error.reason}", len(before), len(before[-1]) + 1) from None
    except (ValueError, RecursionError) as error:  # a date that there is not, a number that is none, a thousand lists
        raise FileError(file, f"this cannot be read: {error}") from None
    finally:
        loader.dispose()


def _under(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)
