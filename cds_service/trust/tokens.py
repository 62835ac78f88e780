"""The shape of a token: taken from the header and read strictly, nothing of it believed. Imports nothing of ours."""

from __future__ import annotations

import json
import re
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.util import urlsafe_b64decode

LONGEST = 8192  # characters; tokens of real clients have under 1,500
_BEARER = re.compile(r"(?i:bearer) +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+) *")


class RefusedError(Exception):
    """A call that may not pass.

    ``reason`` is one of few fixed words, for logs and counts, never for the answer; ``claims`` what the token says.
    """

    def __init__(self, reason: str, claims: Mapping[str, Any] | None = None) -> None:
        self.reason, self.claims = reason, claims or {}
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it came."""

    text: str
    header: dict[str, Any]
    claims: dict[str, Any]


def bearer(authorization: str | None) -> str:
    """The token in the value of an ``Authorization`` header. Two such headers come joined and are none.

    Raises:
        RefusedError: there is none, or it is too long.
    """
    if not authorization:
        raise RefusedError("no token")
    if len(authorization) > LONGEST:
        raise RefusedError("too long")
    match = _BEARER.fullmatch(authorization)
    if match is None:
        raise RefusedError("no bearer token")
    return match[1]


def read(text: str) -> Token:
    """The parts of a compact JWS.

    Raises:
        RefusedError: they are no JSON objects, or hold a member twice, of which each reader takes another.
    """
    header, claims, _ = text.split(".")
    return Token(text, _object(header), _object(claims))


def _object(segment: str) -> dict[str, Any]:
    try:
        told = json.loads(
            urlsafe_b64decode(segment.encode("ascii")).decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_no_constant,
        )
    except (Base64Error, ValueError, RecursionError):
        raise RefusedError("malformed") from None
    if not isinstance(told, dict):
        raise RefusedError("malformed")
    return told


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) != len(pairs):
        raise ValueError
    return told


def _no_constant(name: str) -> None:
    raise ValueError(name)
