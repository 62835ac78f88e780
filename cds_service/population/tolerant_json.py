"""Lines and files of others, decoded whatever they are: what cannot be read is told by the caller, and ends no run."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_anything = msgspec.json.Decoder(Any)
_DEEPEST = 512  # levels; FHIR needs a dozen, and a line of so many can be decoded wherever in the program that is done
SHORTEST_DEEP = 2 * _DEEPEST
"""A text of no more bytes cannot be nested deeply: each level has two brackets."""
_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|([\[{])|([\]}])')


def decoded_or_none(decoder: msgspec.json.Decoder[T], raw: bytes | str) -> T | None:
    """What a text holds; ``None`` if it is no JSON of that form or is nested too deeply, or if something in it that is
    read is no UTF-8.
    """
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def json_or_none(raw: bytes) -> Any:
    """The JSON of a text; ``None`` if it is none."""
    return decoded_or_none(_anything, raw)


def is_nested_deeply(line: bytes) -> bool:
    """Whether JSON is nested more deeply than any resource, so that not all of the program could decode it."""
    if line.count(b"[") + line.count(b"{") <= _DEEPEST:  # as nearly always
        return False
    steps = (bool(found[1]) - bool(found[2]) for found in _BRACKET.finditer(line))
    return any(depth > _DEEPEST for depth in accumulate(steps))
