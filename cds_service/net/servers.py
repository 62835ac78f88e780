"""Which FHIR servers may be called, and at which network addresses (FA-08, SEC-11).

A server is called only if the deployer listed its base URL; on a development machine also if it lies on that machine,
its base URL looks like one of FHIR, and it proves to be a FHIR server. Spellings that differ only in the case of scheme
and host, in a default port or in a closing slash are the same URL. The address that the name of a server stands for is
judged whenever a connection is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from cds_service.net.addresses import Reach, address_literal, is_loopback_host

_MAX_URL_CHARACTERS = 8192  # links to further pages can be long
_PORTS = {"https": 443, "http": 80}
_SCHEMES = frozenset(_PORTS)
# The characters of a URL of a FHIR server. Parsers disagree about spaces, controls, backslashes and userinfo.
_PLAIN_URL = re.compile(r"[A-Za-z0-9._~:/?#\[\]!$&'()*+,;=%|{}^-]+")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?")
# The path of a FHIR server on this machine that nobody listed: none at all, or few plain segments of which one says
# FHIR, or a version as servers write it: /fhir, /r4, /baseR4, /stores/NAME/fhir.
_PLAIN_SEGMENT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FHIR_SEGMENT = re.compile(r".*fhir.*|(base|dstu)?r?[2-5]b?", re.IGNORECASE)
_MAX_SEGMENTS = 4


class NotAllowedError(Exception):
    """A server, a page or an address that must not be called. The message holds no path and no query of a URL."""


@dataclass(frozen=True, slots=True)
class Server:
    """One FHIR server that may be called.

    ``path`` is the path of its base URL without a closing slash, ``reach`` where its addresses may lie. An ``open``
    server is called without a token too (FA-01). One that is not ``listed`` must prove to be a FHIR server first.
    """

    scheme: str
    host: str
    port: int
    path: str
    reach: Reach = Reach.PUBLIC
    open: bool = False
    listed: bool = True

    @property
    def origin(self) -> str:
        """Scheme, host and port, the latter only if it is not the default one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    @property
    def base(self) -> str:
        """The base URL, without a closing slash."""
        return self.origin + self.path

    def next_page_url(self, link: str, asked_url: str) -> str:
        """The URL of the further page that ``link`` in the answer to ``asked_url`` names (PF-25).

        ``link`` may be absolute or relative to ``asked_url``.

        Raises:
            NotAllowedError: the page does not lie below the base URL of this server.
        """
        try:
            parts = _split_url(urljoin(asked_url, link))
        except ValueError:  # a host in brackets that is not an address
            raise NotAllowedError("not a plain http or https URL") from None
        linked = _server_at(parts)
        below = linked.path == self.path or linked.path.startswith(f"{self.path}/")
        if (linked.scheme, linked.host, linked.port) != (self.scheme, self.host, self.port) or not below:
            raise NotAllowedError("a further page lies on another server")
        return f"{self.origin}{parts.path}" + (f"?{parts.query}" if parts.query else "")


@dataclass(frozen=True, slots=True)
class AllowedServers:
    """The FHIR servers that may be called for one client, by base URL.

    With ``loopback`` every server on this machine whose base URL looks like one of FHIR may be called too, also without
    a token, if it proves to be a FHIR server.
    """

    servers: Mapping[str, Server] = field(default_factory=dict)
    loopback: bool = False

    @classmethod
    def of(
        cls,
        bases: Iterable[str],
        *,
        open_bases: Iterable[str] = (),
        private_hosts: Iterable[str] = (),
        loopback: bool = False,
    ) -> AllowedServers:
        """The servers at the base URLs ``bases``, and those at ``open_bases``, which are called without a token too.

        Private addresses are permitted only for hosts of ``private_hosts`` and for hosts that are listed as an address
        or as ``localhost``. ``loopback`` is meant for development.

        Raises:
            ValueError: a base is not a plain http or https URL.
        """
        private = {host.lower().rstrip(".") for host in private_hosts}
        servers: dict[str, Server] = {}
        for listed_bases, is_open in ((bases, False), (open_bases, True)):
            for base in listed_bases:
                try:
                    parts = _split_url(base)
                    listed = _server_at(parts)
                except NotAllowedError as error:
                    raise ValueError(f"{base!r} cannot be the base URL of a FHIR server: {error}") from None
                if parts.query:
                    raise ValueError(f"{base!r} cannot be the base URL of a FHIR server: it has a query")
                by_address = listed.host == "localhost" or address_literal(listed.host) is not None
                reach = Reach.PRIVATE if by_address or listed.host in private else Reach.PUBLIC
                servers[listed.base] = replace(listed, reach=reach, open=is_open)
        return cls(servers, loopback)

    def find(self, url: str) -> Server:
        """The allowed server that ``url``, the ``fhirServer`` of a request, names.

        Raises:
            NotAllowedError: ``url`` names none of these servers, or cannot be the base URL of a server at all.
        """
        parts = _split_url(url)
        named = _server_at(parts)
        listed = self.servers.get(named.base)
        if listed is not None and not parts.query:
            return listed
        if self.loopback and is_loopback_host(named.host) and not parts.query:
            if not _looks_like_fhir(named.path):
                raise NotAllowedError(f"{named.origin} is not listed, and this path is not plainly one of FHIR")
            return replace(named, reach=Reach.LOOPBACK, open=True, listed=False)
        raise NotAllowedError(f"{named.origin} is not an allowed FHIR server, or not with this path")


def _split_url(url: str) -> SplitResult:
    """The parts of a URL that every parser splits in the same way.

    Raises:
        NotAllowedError: it is not a plain http or https URL, or its path has segments that lead upwards.
    """
    try:
        if len(url) > _MAX_URL_CHARACTERS or not _PLAIN_URL.fullmatch(url):
            raise ValueError
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname or "@" in parts.netloc or parts.port == 0:
            raise ValueError
    except ValueError:
        raise NotAllowedError("not a plain http or https URL") from None
    if any(unquote(segment) in (".", "..") or "%2f" in segment.lower() for segment in parts.path.split("/")):
        raise NotAllowedError("a path that leads elsewhere")
    return parts


def _server_at(parts: SplitResult) -> Server:
    """A server with the host, port and path of a URL.

    Raises:
        NotAllowedError: the host is neither a name nor an address.
    """
    host = (parts.hostname or "").rstrip(".")
    if address_literal(host) is None and not _HOST.fullmatch(host):
        raise NotAllowedError("not a plain http or https URL")
    return Server(parts.scheme, host, parts.port or _PORTS[parts.scheme], parts.path.rstrip("/"))


def _looks_like_fhir(path: str) -> bool:
    """Whether the path of a base URL, without a closing slash, is one that FHIR servers have."""
    segments = path.split("/")[1:]
    if not all(map(_PLAIN_SEGMENT.fullmatch, segments)) or len(segments) > _MAX_SEGMENTS:
        return False
    return not segments or any(map(_FHIR_SEGMENT.fullmatch, segments))
