"""Which FHIR servers may be called, and at which network addresses (FA-08, SEC-11). Imports what judges addresses.

A server is called only if its base URL is one that the deployer listed, spelled alike but for case, a default port
and a closing slash. The address that its name stands for is judged again whenever a connection is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from cds_service.net.addresses import Reach, is_loopback_host, literal

_LONGEST = 8192  # characters of a URL; links to further pages can be long
_PORTS = {"https": 443, "http": 80}
_SCHEMES = frozenset(_PORTS)
# What a URL of a FHIR server holds; spaces, controls, backslashes and userinfo are what parsers disagree about.
_PLAIN = re.compile(r"[A-Za-z0-9._~:/?#\[\]!$&'()*+,;=%|{}^-]+")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?")


class NotAllowedError(Exception):
    """A server, a page or an address that must not be called; the message holds no path and no query."""


@dataclass(frozen=True, slots=True)
class Server:
    """One FHIR server that may be called. ``path`` is that of its base URL, without a closing slash.

    ``open`` servers are also called without a token (FA-01).
    """

    scheme: str
    host: str
    port: int
    path: str
    reach: Reach = Reach.PUBLIC
    open: bool = False

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    @property
    def base(self) -> str:
        return self.origin + self.path

    def page(self, link: str, asked: str) -> str:
        """The URL of a further page, that ``link`` names in the answer to ``asked`` (PF-25).

        Raises:
            NotAllowedError: it lies elsewhere than below this server's base.
        """
        try:
            parts = _parts(urljoin(asked, link))
        except ValueError:  # a host in brackets that is no address
            raise NotAllowedError("not a plain http or https URL") from None
        there = _place(parts)
        below = there.path == self.path or there.path.startswith(f"{self.path}/")
        if (there.scheme, there.host, there.port) != (self.scheme, self.host, self.port) or not below:
            raise NotAllowedError("a further page lies on another server")
        return f"{self.origin}{parts.path}" + (f"?{parts.query}" if parts.query else "")


@dataclass(frozen=True, slots=True)
class AllowedServers:
    """The FHIR servers that may be called for one client; without any, none."""

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
        """The servers at these base URLs.

        ``open_bases`` are allowed too, and without a token. Only hosts of ``private_hosts``, and hosts that are listed
        as an address or as localhost, may have private addresses. With ``loopback`` any server on this machine is
        allowed, without a token too: for development.

        Raises:
            ValueError: a base that is no plain http or https URL.
        """
        private = {host.lower().rstrip(".") for host in private_hosts}
        servers: dict[str, Server] = {}
        for bases_given, is_open in ((bases, False), (open_bases, True)):
            for base in bases_given:
                try:
                    parts = _parts(base)
                    there = _place(parts)
                except NotAllowedError as error:
                    raise ValueError(f"{base!r} cannot be the base URL of a FHIR server: {error}") from None
                if parts.query:
                    raise ValueError(f"{base!r} cannot be the base URL of a FHIR server: it has a query")
                named = there.host in private or there.host == "localhost" or literal(there.host) is not None
                reach = Reach.PRIVATE if named else Reach.PUBLIC
                servers[there.base] = Server(there.scheme, there.host, there.port, there.path, reach, is_open)
        return cls(servers, loopback)

    def find(self, url: str) -> Server:
        """The server that ``url``, the ``fhirServer`` of a call, names.

        Raises:
            NotAllowedError: it is none of these.
        """
        parts = _parts(url)
        there = _place(parts)
        listed = self.servers.get(there.base)
        if listed is not None and not parts.query:
            return listed
        if self.loopback and is_loopback_host(there.host) and not parts.query:
            return Server(there.scheme, there.host, there.port, there.path, Reach.LOOPBACK, open=True)
        raise NotAllowedError(f"{there.origin} is not an allowed FHIR server, or not with this path")


def _parts(url: str) -> SplitResult:
    """The parts of a URL that every parser reads alike.

    Raises:
        NotAllowedError: it is none.
    """
    try:
        if len(url) > _LONGEST or not _PLAIN.fullmatch(url):
            raise ValueError
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname or "@" in parts.netloc or parts.port == 0:
            raise ValueError
    except ValueError:
        raise NotAllowedError("not a plain http or https URL") from None
    if any(unquote(segment) in (".", "..") or "%2f" in segment.lower() for segment in parts.path.split("/")):
        raise NotAllowedError("a path that leads elsewhere")
    return parts


def _place(parts: SplitResult) -> Server:
    host = (parts.hostname or "").rstrip(".")
    if literal(host) is None and not _HOST.fullmatch(host):
        raise NotAllowedError("not a plain http or https URL")
    return Server(parts.scheme, host, parts.port or _PORTS[parts.scheme], parts.path.rstrip("/"))
