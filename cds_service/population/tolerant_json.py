"""Lines and files of others, decoded whatever they are: what cannot be read is told by the caller, and ends no run."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_anything = msgspec.json.Decoder(Any)


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
