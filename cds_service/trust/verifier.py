"""Who calls: a token is checked against the registry of clients, its claims, its key and its earlier uses.

The rules are SEC-04 to SEC-16. The cheap checks come first: no key set is fetched and no signature is verified for a
token that would be refused anyway.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from joserfc import jws
from joserfc.errors import JoseError

from cds_service.net.addresses import Reach, is_loopback_host
from cds_service.trust.clients import ALGORITHMS, Client, Clients
from cds_service.trust.keysets import Key, KeySet, KeySetLimits, key_set_at, key_set_in
from cds_service.trust.replay_protection import UsedTokens, fingerprint
from cds_service.trust.tokens import MAX_TOKEN_CHARACTERS, RefusedError, Token, bearer_token, parse_token

_MAX_ID_CHARACTERS = 256  # of kid and jti
_MAX_REMEMBERED = 4096
_FEEDBACK = "/feedback"
_LAST_MOMENT = 1e12  # seconds since 1970


class _AlgorithmRegistry(jws.JWSRegistry):
    """Knows our list of algorithms only, and ignores header members that it does not know, as RFC 7515 demands."""

    max_header_length = max_payload_length = max_signature_length = MAX_TOKEN_CHARACTERS

    def __init__(self) -> None:
        super().__init__(algorithms=ALGORITHMS, strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        """The algorithm with this name, without the warning of the library that EdDSA has a newer name."""
        if name not in ALGORITHMS:
            raise RefusedError("algorithm")
        return self.algorithms[name]


_registry = _AlgorithmRegistry()
_key_types = {name: _registry.get_alg(name).key_type for name in ALGORITHMS}


@dataclass(frozen=True, slots=True)
class Admission:
    """A call whose token is valid.

    ``expires_at`` is the moment from which the token is refused, in seconds since 1970; the leeway is included.
    """

    client: Client
    issuer: str
    jti: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class TokenTimes:
    """What the deployer may set about the times of tokens, in seconds (SEC-08).

    ``leeway`` is how far the clocks of a client and ours may differ, ``max_life`` the longest time from ``iat`` to
    ``exp``.
    """

    leeway: float = 60.0
    max_life: float = 3600.0


class Verifier:
    """Verifies tokens, and tells which client made a call. It may be used from many threads.

    ``used_tokens`` is ``None`` where replays are not checked. With ``loopback`` key sets may be fetched from this
    machine. ``clock`` gives seconds since 1970, ``ticks`` the seconds by which key sets age. ``verified`` counts the
    signatures that were computed, ``remembered`` those that were spared because the same token was verified before.
    """

    def __init__(
        self,
        clients: Clients,
        *,
        used_tokens: UsedTokens | None,
        times: TokenTimes | None = None,
        limits: KeySetLimits | None = None,
        loopback: bool = False,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clients, self._used_tokens, self._clock = clients, used_tokens, clock
        self._times, limits = times or TokenTimes(), limits or KeySetLimits()
        waiting = threading.Lock()  # one for all sets: a slow one must not hold a thread beside another slow one
        self._key_sets: dict[tuple[str, str], KeySet] = {}  # by name of the client and jku, "" for a token without
        for client in clients.clients:
            in_file = key_set_in(client.jwks_file, limits, ticks) if client.jwks_file else None
            for url in sorted({client.jwks_url, *client.jku} - {""}):
                reach = _reach(urlsplit(url).hostname or "", clients, loopback)
                self._key_sets[client.name, url] = in_file or key_set_at(url, reach, limits, ticks, waiting)
            default = in_file or self._key_sets.get((client.name, client.jwks_url))
            if default is not None:
                self._key_sets[client.name, ""] = default
        self._lock = threading.Lock()
        self._remembered: OrderedDict[bytes, tuple[Token, Key]] = OrderedDict()
        self.verified = self.remembered = 0

    def read_ahead(self, seconds: float = 0.0) -> None:
        """Starts reading every key set, so that the first callers need not wait; waits so long for all of them."""
        for key_set in self._key_sets.values():
            key_set.read_ahead()
        ends = time.monotonic() + seconds
        for key_set in self._key_sets.values() if seconds > 0 else ():
            key_set.read_ahead(ends - time.monotonic())

    @property
    def remembers_tokens(self) -> bool:
        """Whether it is remembered which call a token was used for."""
        return self._used_tokens is not None

    def verify(self, authorization: str | None, path: str, *, may_wait: bool = True) -> Admission:
        """Verifies the token in an ``Authorization`` header, sent with a call of ``path`` below our base URL.

        Raises:
            RefusedError: the token is not valid for this call; with its claims, if they could be read.
            KeySetBusyError: nobody can tell yet, because the keys are being read, and it may not wait for them or
                another thread does already.
        """
        text = bearer_token(authorization)
        digest = hashlib.sha256(text.encode()).digest()
        with self._lock:
            remembered = self._remembered.get(digest)
        token = remembered[0] if remembered else parse_token(text)
        try:
            return self._admit(token, path, digest, remembered[1] if remembered else None, may_wait=may_wait)
        except RefusedError as error:
            raise RefusedError(error.reason, token.claims, error.expected) from None

    def _admit(self, token: Token, path: str, digest: bytes, verified_with: Key | None, *, may_wait: bool) -> Admission:
        """Checks everything but replays. ``verified_with`` is the key that verified the same token before, if any."""
        claims = token.claims
        algorithm, kid, jku = _checked_header(token.header)
        client = self._client_of(claims)
        if algorithm not in client.algorithms:
            raise RefusedError("algorithm")
        expires_at = self._check_times(claims)
        _check_audience(claims.get("aud"), client, path)
        if client.subject and claims.get("sub") != client.subject:
            raise RefusedError("subject")
        jti = claims.get("jti")
        if not isinstance(jti, str) or not jti or len(jti) > _MAX_ID_CHARACTERS:
            raise RefusedError("jti")
        keys = self._key_sets.get((client.name, jku))
        if keys is None:
            raise RefusedError("jku")
        key = keys.find(kid, _key_types[algorithm], may_wait=may_wait)
        if key is None:
            raise RefusedError("key")
        if verified_with is not None and verified_with == key:
            self.remembered += 1
        else:
            self.verified += 1
            _check_signature(token.text, key)
            self._remember(digest, token, key)
        return Admission(client, client.issuer, jti, expires_at)

    def use(self, admission: Admission, path: str, body: bytes) -> None:
        """Records that a token is used for a call of ``path`` with this body.

        Raises:
            RefusedError: the token was used for another call before (Z28).
        """
        if self._used_tokens is not None and not self._used_tokens.accept_use(
            admission.issuer, admission.jti, fingerprint(path, body), admission.expires_at
        ):
            raise RefusedError("replayed")

    def _client_of(self, claims: dict[str, Any]) -> Client:
        issuer, tenant = claims.get("iss"), claims.get("tenant")
        if not isinstance(issuer, str) or not self._clients.has_issuer(issuer):
            raise RefusedError("issuer")
        client = self._clients.find(issuer, tenant) if tenant is None or isinstance(tenant, str) else None
        if client is None:
            raise RefusedError("tenant")
        return client

    def _check_times(self, claims: dict[str, Any]) -> float:
        """The moment from which the token is refused, in seconds since 1970."""
        now, leeway = self._clock(), self._times.leeway
        expires, issued = _seconds(claims.get("exp")), _seconds(claims.get("iat"))
        if expires + leeway <= now:
            raise RefusedError("expired")
        if issued - leeway > now or ("nbf" in claims and _seconds(claims["nbf"]) - leeway > now):
            raise RefusedError("not yet valid")
        if not 0 < expires - issued <= self._times.max_life:
            raise RefusedError("life")
        return expires + leeway

    def _remember(self, digest: bytes, token: Token, key: Key) -> None:
        with self._lock:
            self._remembered[digest] = (token, key)
            self._remembered.move_to_end(digest)
            if len(self._remembered) > _MAX_REMEMBERED:
                self._remembered.popitem(last=False)


def _reach(host: str, clients: Clients, loopback: bool) -> Reach:
    """Where the addresses of the host of a key set may lie."""
    if host.lower() in clients.private_hosts:
        return Reach.PRIVATE
    return Reach.LOOPBACK if loopback and is_loopback_host(host) else Reach.PUBLIC


def _checked_header(header: dict[str, Any]) -> tuple[str, str, str]:
    """``alg``, ``kid`` and ``jku`` (``""`` without one) of a token. Keys in the header itself are not read (SEC-11)."""
    if "crit" in header or "b64" in header:  # these demand extensions, and we support none
        raise RefusedError("critical header")
    if not isinstance(header.get("alg"), str) or header["alg"] not in ALGORITHMS:
        raise RefusedError("algorithm")
    if str(header.get("typ")).upper() != "JWT":
        raise RefusedError("type")
    kid, jku = header.get("kid"), header.get("jku", "")
    if not isinstance(kid, str) or not kid or len(kid) > _MAX_ID_CHARACTERS:
        raise RefusedError("kid")
    if not isinstance(jku, str) or ("jku" in header and not jku):
        raise RefusedError("jku")
    return header["alg"], kid, jku


def _check_audience(audience: Any, client: Client, path: str) -> None:
    """The audience must be the URL that was called; for feedback it may be the URL of its service too (SEC-07, FB-16).

    The URL is made of the configured base URLs, not of the ``Host`` header, which anybody can set.
    """
    audiences = audience if isinstance(audience, list) else [audience]
    path = path.rstrip("/")
    paths = (path, path.removesuffix(_FEEDBACK))
    accepted = {base + below for base in client.base_urls for below in paths} | client.audiences
    if not any(isinstance(url, str) and (url in accepted or url.removesuffix("/") in accepted) for url in audiences):
        urls = " or ".join(sorted(base + path for base in client.base_urls))
        raise RefusedError("audience", expected=f"by base-urls in clients.toml aud must be {urls}")


def _seconds(value: Any) -> float:
    """A claim as seconds since 1970. The bounds keep out infinity and integers that no float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LAST_MOMENT < value < _LAST_MOMENT:
        raise RefusedError("times")
    return value


def _check_signature(text: str, key: Key) -> None:
    try:
        jws.deserialize_compact(text, key, registry=_registry)
    except (JoseError, ValueError, TypeError, OverflowError):
        raise RefusedError("signature") from None
