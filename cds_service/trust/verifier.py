"""Who calls: a token held against the registry, its claims, its key and its earlier uses (SEC-04 to SEC-16).

What is cheap comes first: nothing is fetched and no signature is computed for a token that could not pass anyway.
Imports this room.
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
from cds_service.trust.replay_protection import Replays, fingerprint
from cds_service.trust.tokens import LONGEST, RefusedError, Token, bearer, read

_LONGEST_ID = 256  # characters of kid and jti
_MOST_REMEMBERED = 4096
_FEEDBACK = "/feedback"
_LATEST = 1e12  # seconds since 1970


class _Registry(jws.JWSRegistry):
    """Our list of algorithms, and headers that the specification tells to ignore are ignored."""

    max_header_length = max_payload_length = max_signature_length = LONGEST

    def __init__(self) -> None:
        super().__init__(algorithms=ALGORITHMS, strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        """The algorithm; without the library's warning that EdDSA has a newer name."""
        if name not in ALGORITHMS:
            raise RefusedError("algorithm")
        return self.algorithms[name]


_registry = _Registry()
_kinds = {name: _registry.get_alg(name).key_type for name in ALGORITHMS}


@dataclass(frozen=True, slots=True)
class Admission:
    """A call whose token is in order. ``expires_at`` is when the token is of no more use, in seconds since 1970."""

    client: Client
    issuer: str
    jti: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Rules:
    """What the deployer may set about time, in seconds: skew of clocks, and longest life of a token (SEC-08)."""

    leeway: float = 60.0
    longest_life: float = 3600.0


class Verifier:
    """Tells which client a call is of. May be asked from many threads.

    ``verified`` and ``remembered`` count signatures computed and spared.
    """

    def __init__(
        self,
        clients: Clients,
        *,
        replays: Replays | None,
        rules: Rules | None = None,
        limits: KeySetLimits | None = None,
        loopback: bool = False,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clients, self._replays, self._clock = clients, replays, clock
        self._rules, limits = rules or Rules(), limits or KeySetLimits()
        self._sets: dict[tuple[str, str], KeySet] = {}  # by client and jku, "" for none
        for client in clients.clients:
            own = key_set_in(client.jwks_file, limits, ticks) if client.jwks_file else None
            for url in sorted({client.jwks_url, *client.jku} - {""}):
                reach = _reach(urlsplit(url).hostname or "", clients, loopback)
                self._sets[client.name, url] = own or key_set_at(url, reach, limits, ticks)
            default = own or self._sets.get((client.name, client.jwks_url))
            if default is not None:
                self._sets[client.name, ""] = default
        self._lock = threading.Lock()
        self._remembered: OrderedDict[bytes, tuple[Token, Key]] = OrderedDict()
        self.verified = self.remembered = 0

    def verify(self, authorization: str | None, path: str) -> Admission:
        """The client whose token this is, made for a call of ``path`` below our base URL.

        Raises:
            RefusedError: it is not in order.
        """
        text = bearer(authorization)
        mark = hashlib.sha256(text.encode()).digest()
        with self._lock:
            known = self._remembered.get(mark)
        token = known[0] if known else read(text)
        try:
            return self._admit(token, path, mark, known[1] if known else None)
        except RefusedError as error:
            raise RefusedError(error.reason, token.claims) from None

    def _admit(self, token: Token, path: str, mark: bytes, known: Key | None) -> Admission:
        """``known`` is the key that this very token was verified with before."""
        claims = token.claims
        algorithm, kid, jku = _header(token.header)
        client = self._client(claims)
        if algorithm not in client.algorithms:
            raise RefusedError("algorithm")
        expires_at = self._times(claims)
        _audience(claims.get("aud"), client, path)
        if client.subject and claims.get("sub") != client.subject:
            raise RefusedError("subject")
        jti = claims.get("jti")
        if not isinstance(jti, str) or not jti or len(jti) > _LONGEST_ID:
            raise RefusedError("jti")
        keys = self._sets.get((client.name, jku))
        if keys is None:
            raise RefusedError("jku")
        key = keys.find(kid, _kinds[algorithm])
        if key is None:
            raise RefusedError("key")
        if known is not None and known == key:
            self.remembered += 1
        else:
            self.verified += 1
            _signature(token.text, key)
            self._remember(mark, token, key)
        return Admission(client, client.issuer, jti, expires_at)

    def use(self, admission: Admission, path: str, body: bytes) -> None:
        """Notes that a token was used for this call.

        Raises:
            RefusedError: it was used for another one (Z28).
        """
        if self._replays is not None and not self._replays.seen(
            admission.issuer, admission.jti, fingerprint(path, body), admission.expires_at
        ):
            raise RefusedError("replayed")

    def _client(self, claims: dict[str, Any]) -> Client:
        issuer, tenant = claims.get("iss"), claims.get("tenant")
        if not isinstance(issuer, str) or not self._clients.knows(issuer):
            raise RefusedError("issuer")
        client = self._clients.of(issuer, tenant) if tenant is None or isinstance(tenant, str) else None
        if client is None:
            raise RefusedError("tenant")
        return client

    def _times(self, claims: dict[str, Any]) -> float:
        """When the token is of no more use."""
        now, leeway = self._clock(), self._rules.leeway
        expires, issued = _seconds(claims.get("exp")), _seconds(claims.get("iat"))
        if expires + leeway <= now:
            raise RefusedError("expired")
        if issued - leeway > now or ("nbf" in claims and _seconds(claims["nbf"]) - leeway > now):
            raise RefusedError("not yet valid")
        if not 0 < expires - issued <= self._rules.longest_life:
            raise RefusedError("life")
        return expires + leeway

    def _remember(self, mark: bytes, token: Token, key: Key) -> None:
        with self._lock:
            self._remembered[mark] = (token, key)
            self._remembered.move_to_end(mark)
            if len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.popitem(last=False)


def _reach(host: str, clients: Clients, loopback: bool) -> Reach:
    if host.lower() in clients.private_hosts:
        return Reach.PRIVATE
    return Reach.LOOPBACK if loopback and is_loopback_host(host) else Reach.PUBLIC


def _header(header: dict[str, Any]) -> tuple[str, str, str]:
    """``alg``, ``kid`` and ``jku`` (or ``""``). Keys that the header itself brings are never looked at (SEC-11)."""
    if "crit" in header or "b64" in header:  # we understand none of the extensions that it could demand
        raise RefusedError("critical header")
    if not isinstance(header.get("alg"), str) or header["alg"] not in ALGORITHMS:
        raise RefusedError("algorithm")
    if str(header.get("typ")).upper() != "JWT":
        raise RefusedError("type")
    kid, jku = header.get("kid"), header.get("jku", "")
    if not isinstance(kid, str) or not kid or len(kid) > _LONGEST_ID:
        raise RefusedError("kid")
    if not isinstance(jku, str) or ("jku" in header and not jku):
        raise RefusedError("jku")
    return header["alg"], kid, jku


def _audience(audience: Any, client: Client, path: str) -> None:
    """The URL called, whatever ``Host`` says; for feedback that of its service too (SEC-07, FB-16)."""
    named = audience if isinstance(audience, list) else [audience]
    path = path.rstrip("/")
    paths = (path, path.removesuffix(_FEEDBACK))
    wanted = {base + below for base in client.base_urls for below in paths} | client.audiences
    if not any(isinstance(name, str) and (name in wanted or name.removesuffix("/") in wanted) for name in named):
        raise RefusedError("audience")


def _seconds(value: Any) -> float:
    """Seconds since 1970. Neither infinity nor an integer that no float can hold gets past the bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LATEST < value < _LATEST:
        raise RefusedError("times")
    return value


def _signature(text: str, key: Key) -> None:
    try:
        jws.deserialize_compact(text, key, registry=_registry)
    except (JoseError, ValueError, TypeError, OverflowError):
        raise RefusedError("signature") from None
