"""What a client has of its own: a key, its public half as others read it, tokens signed with it, and its entry in
``clients.toml``. A real client makes these itself; here they are made for one that tries the service out.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

ALGORITHM = "ES384"  # SEC-09
_CURVE = "P-384"


def new_key() -> dict[str, Any]:
    """A private key as a JWK (RFC 7517) for ``ALGORITHM``; its ``kid`` is its thumbprint (RFC 7638)."""
    key = ECKey.generate_key(_CURVE)
    return {**key.as_dict(private=True), "kid": key.thumbprint(), "alg": ALGORITHM, "use": "sig"}


def public_set(private: Mapping[str, Any]) -> dict[str, Any]:
    """The JWK set with the public half of a key, as ``jwks-file`` of ``clients.toml`` takes it.

    Raises:
        ValueError: it is no private key for ``ALGORITHM``.
    """
    return {"keys": [{**_imported(private).as_dict(private=False), "use": "sig"}]}


def signed_token(private: Mapping[str, Any], claims: Mapping[str, Any], now: int, seconds: int) -> str:
    """A JWT that is valid from ``now`` (seconds since 1970) for so many seconds, with a ``jti`` of its own (SEC-04).

    ``claims`` are the others: ``iss``, ``aud``, and ``sub`` and ``tenant`` where the client has them.

    Raises:
        ValueError: it is no private key for ``ALGORITHM``.
    """
    key = _imported(private)
    header = {"alg": ALGORITHM, "typ": "JWT", "kid": private["kid"]}
    times = {"iat": now, "exp": now + seconds, "jti": secrets.token_urlsafe(16)}
    return jwt.encode(header, {**claims, **times}, key, algorithms=[ALGORITHM])


def entry_of(name: str, issuer: str, base_url: str, jwks_file: str) -> str:
    """The lines of ``clients.toml`` for a client; ``name`` must be one that the schema of the file permits."""
    values: Sequence[tuple[str, object]] = [("issuer", issuer), ("base-urls", [base_url]), ("jwks-file", jwks_file)]
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values]  # such JSON is TOML too
    return "\n".join([f"[clients.{name}]", *lines])


def _imported(private: Mapping[str, Any]) -> ECKey:
    try:
        key = ECKey.import_key(dict(private))
        is_ours = key.is_private and key.curve_name == _CURVE and isinstance(private.get("kid"), str)
    except (JoseError, ValueError, TypeError, KeyError):
        is_ours = False
    if not is_ours:
        raise ValueError(f"this is no private key for {ALGORITHM} with a kid, as JWK")
    return key
