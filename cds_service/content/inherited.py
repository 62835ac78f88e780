"""What every pack has from the framework, words and units, and a pack's own laid over it (Z82).

The framework's files stand in ``common/`` beside this module, under the names that a pack gives its own. They travel
with the code, because the code fills their placeholders and looks up their keys. What a pack writes goes before what
the framework has, key by key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cds_service.content.files import is_written, read_yaml

COMMON = Path(__file__).parent / "common"
WORDS, UNITS = "words.en.yaml", "units.yaml"


@cache
def common_words() -> Mapping[str, Any]:
    """The words of the framework; a test holds that they are of their schema, and whole."""
    words: Mapping[str, Any] = read_yaml(COMMON / WORDS, "words", is_proven=True)
    return words


@cache
def common_units() -> Mapping[str, Any]:
    """The units of the framework, by what is measured; a test holds that they are of their schema, and whole."""
    units: Mapping[str, Any] = read_yaml(COMMON / UNITS, "units", is_proven=True)
    return units


def words_with(own: Mapping[str, Any]) -> dict[str, Any]:
    """The words of a pack that writes its ``own``."""
    return _laid_over(common_words(), own)


def units_with(own: Mapping[str, Any]) -> dict[str, Any]:
    """The units of a pack that writes its ``own``. What names a ``canonical`` unit stands for itself, because factors
    are factors to that unit; what names none adds to what the framework has.
    """
    adding = {name: entry for name, entry in own.items() if "canonical" not in entry}
    whole = {name: entry for name, entry in own.items() if "canonical" in entry}
    return {**_laid_over(common_units(), adding), **whole}


def file_of(folder: Path, name: str, place: tuple[str | int, ...]) -> Path:
    """The file ``name`` that has what stands at ``place``: the pack's own in its ``folder``, or the framework's."""
    return folder / name if is_written(folder / name, place) else COMMON / name


def texts_in(words: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text of a file of words with its place, as keys and indices from the top."""
    if isinstance(words, str):
        yield place, words
    else:
        entries = words.items() if isinstance(words, Mapping) else enumerate(words)
        for step, value in entries:
            yield from texts_in(value, (*place, step))


def at_place(words: Any, place: tuple[str | int, ...]) -> Any:
    """What stands at a place; ``None`` if nothing does."""
    for step in place:
        is_there = step in words if isinstance(words, Mapping) else isinstance(step, int) and step < len(words)
        if not is_there:
            return None
        words = words[step]
    return words


def _laid_over(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        key: _laid_over(common[key], value) if isinstance(value, Mapping) and key in common else value
        for key, value in own.items()
    }
    return {**common, **both}
