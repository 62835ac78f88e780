"""JSON of a request decoded with msgspec; what is wrong with it is a fault that names its path and repeats no value."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import msgspec

from cds_service.protocol.faults import MOST_ISSUES, Fault

_PLACE = re.compile(r" - at `\$?\.?(.*)`$")
_MISSING = re.compile(r"missing required field `([^`]+)`")
_BROKEN = re.compile(r"^JSON is malformed: (.+) \(byte (\d+)\)$")
_HALF_A_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
_LARGE_BYTES = 1_000_000
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items = msgspec.json.Decoder(list[msgspec.Raw])


def decode_json(decoder: msgspec.json.Decoder[Any], body: bytes, prefix: str) -> Any:
    """What ``decoder`` reads from ``body``, which is at the path ``prefix`` of the request.

    Raises:
        Fault: 400, with the path of what is wrong and without any value of the request. Of a whole body that is no
            JSON it names line and column.
    """
    if body[:3] == codecs.BOM_UTF8:
        body = body[3:]  # RFC 8259, 8.1: a reader may pass over it (Z53)
    try:
        if not body.isascii():
            body.decode("utf-8")
        return decoder.decode(body)
    except UnicodeDecodeError as error:
        text = "the body is not UTF-8" + ("" if prefix else f": {_place(body, error.start)}")
        raise Fault(400, "invalid", text, prefix) from None
    except RecursionError:
        raise Fault(400, "too-costly", "the JSON is nested too deeply", prefix) from None
    except msgspec.ValidationError as error:
        raise Fault(400, "structure", *_text_and_path(str(error), prefix)) from None
    except msgspec.DecodeError as error:
        raise Fault(400, "invalid", _not_json(str(error), body, prefix), prefix) from None


def decode_naming_all(decoder: msgspec.json.Decoder[Any], body: bytes, prefix: str, faults: list[Fault]) -> Any:
    """The same, but what is of the wrong type or missing is ``UNSET`` in the result and one of ``faults`` (Z91).

    msgspec stops at the first wrong member. Only then is every member decoded by itself, so a right body costs no more.
    About as many faults are found as can be told, and not many more.

    Raises:
        Fault: 400, what there is to be read is not JSON.
    """
    try:
        return decode_json(decoder, body, prefix)
    except Fault as fault:
        if fault.code != "structure":
            raise
        before = len(faults)
        part = _part(decoder.type, body, prefix, faults)
        if len(faults) == before:
            faults.append(fault)  # of two members of one name only the last is looked at above
        return part


def _part(kind: Any, raw: bytes, path: str, faults: list[Fault]) -> Any:
    """What can be read as ``kind``, ``UNSET`` if nothing can."""
    options = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if NoneType in options and raw == b"null":
        return None
    plain = next(option for option in options if option not in (NoneType, msgspec.UnsetType))
    try:
        if isinstance(plain, type) and issubclass(plain, msgspec.Struct):
            return _structure(plain, decode_json(_members, raw, path), path, faults)
        if get_origin(plain) is list:
            return _list(get_args(plain)[0], decode_json(_items, raw, path), path, faults)
        return decode_json(msgspec.json.Decoder(plain), raw, path)
    except Fault as fault:
        faults.append(fault)
        return msgspec.UNSET


def _structure(
    kind: type[msgspec.Struct], members: Mapping[str, msgspec.Raw], path: str, faults: list[Fault]
) -> msgspec.Struct:
    read: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        place = f"{path}.{field.name}" if path else field.name
        if field.name in members:
            read[field.name] = _part(field.type, bytes(members[field.name]), place, faults)
        elif field.required:
            faults.append(Fault(400, "required", "a required member is missing", place))
            read[field.name] = msgspec.UNSET
    return kind(**read)


def _list(kind: Any, items: list[msgspec.Raw], path: str, faults: list[Fault]) -> list[Any]:
    read: list[Any] = []
    for index, item in enumerate(items):
        if len(faults) > MOST_ISSUES:
            break
        read.append(_part(kind, bytes(item), f"{path}[{index}]", faults))
    return read


def syntax_words(error: json.JSONDecodeError) -> str:
    """What is wrong with a text that is no JSON, in a few words that repeat nothing of it."""
    words = error.msg.removesuffix(" at").removesuffix(" starting")
    return words[:1].lower() + words[1:]


def _not_json(message: str, body: bytes, prefix: str) -> str:
    """A sentence on a body that is no JSON, of which msgspec said ``message``.

    The byte that msgspec names is sometimes one of the next; a body that is not large is read again by a reader that
    names the very place.
    """
    what = "the body is not JSON"
    broken = _BROKEN.match(message)
    if not prefix and len(body) <= _LARGE_BYTES:
        try:
            json.loads(body.decode("utf-8"))
        except json.JSONDecodeError as error:
            return f"{what}: line {error.lineno}, column {error.colno}: {syntax_words(error)}"
        except (ValueError, RecursionError):
            pass
    if broken is None:
        half = _HALF_A_PAIR.search(body)
        why, at = ("half of a surrogate pair", half.start()) if half else ("it ends too early", len(body))
        return f"{what}: {why}" if prefix else f"{what}: {_place(body, at)}: {why}"
    return f"{what}: {broken[1]}" if prefix else f"{what}: near {_place(body, int(broken[2]))}: {broken[1]}"


def _place(body: bytes, at: int) -> str:
    """Line and column, from 1, of a byte of a body; of a part of a body nobody knows them."""
    line = body.count(b"\n", 0, at) + 1
    column = len(body[:at].rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
    return f"line {line}, column {column}"


def _text_and_path(message: str, prefix: str) -> tuple[str, str]:
    """The sentence and the path of a type error. Messages of msgspec name types and members, never values."""
    place = _PLACE.search(message)
    path = place[1] if place else ""
    text = _PLACE.sub("", message)
    missing = _MISSING.search(text)
    if missing:
        path = f"{path}.{missing[1]}" if path else missing[1]
        text = "a required member is missing"
    text = text.replace("`", "")
    return text[:1].lower() + text[1:], ".".join(filter(None, [prefix, path])).replace(".[", "[")
