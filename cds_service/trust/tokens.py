"""The shape of a token: taken from the ``Authorization`` header and parsed strictly. Nothing in it is believed yet."""

from __future__ import annotations

import json
import re
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.util import urlsafe_b64decode

MAX_TOKEN_CHARACTERS = 8192  # tokens of real clients have fewer than 1,500
_BEARER = re.compile(r"(?i:bearer) +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+) *")
_SCHEME = re.compile(r"(?i:bearer)(?: |$)")


class RefusedError(Exception):
    """A call that is refused.

    ``reason`` is one of a few fixed words, for logs and metrics but never for the answer (SEC-16). ``claims`` is what
    the token claims, unverified. ``expected`` says what a claim must be, for the log, and holds nothing of the token.
    """

    def __init__(self, reason: str, claims: Mapping[str, Any] | None = None, expected: str = "") -> None:
        self.reason, self.claims, self.expected = reason, claims or {}, expected
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Token:
    """A token that is well formed, but not verified."""

    text: str
    header: dict[str, Any]
    claims: dict[str, Any]


def bearer_token(authorization: str | None) -> str:
    """The token in the value of an ``Authorization`` header.

    Two such headers reach us joined by a comma, which is not the form of one token, so they are refused.

    Raises:
        RefusedError: there is no token, it has not the form of one, or the header is too long.
    """
    if not authorization:
        raise RefusedError("no token")
    if len(authorization) > MAX_TOKEN_CHARACTERS:
        raise RefusedError("too long")
    match = _BEARER.fullmatch(authorization)
    if match is None:
        raise RefusedError("malformed" if _SCHEME.match(authorization) else "no bearer token")
    return match[1]


def parse_token(text: str) -> Token:
    """The header and the claims of a JWS in compact serialization (RFC 7515 section 3.1).

    Raises:
        RefusedError: they are not JSON objects, or name a member twice, of which different parsers take different ones.
    """
    header, claims, _ = text.split(".")
    return Token(text, _json_object(header), _json_object(claims))


def _json_object(segment: str) -> dict[str, Any]:
    try:
        decoded = json.loads(
            urlsafe_b64decode(segment.encode("ascii")).decode("utf-8"),
            object_pairs_hook=_members_named_once,
            parse_constant=_no_constant,
        )
    except (Base64Error, ValueError, RecursionError):
        raise RefusedError("malformed") from None
    if not isinstance(decoded, dict):
        raise RefusedError("malformed")
    return decoded


def _members_named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _no_constant(name: str) -> None:
    """Refuses ``NaN`` and ``Infinity``, which Python reads although they are not JSON."""
    raise ValueError(name)
