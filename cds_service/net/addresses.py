"""Which network addresses may be connected to, for FHIR servers and key sets alike (FA-08, SEC-11)."""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Ranges that IANA lists as not reachable from everywhere, and that one Python or another takes for public: those of
# protocols (RFC 6890) and of documentation (RFC 9637).
_NOT_PUBLIC = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "3fff::/20")))
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:]+)\]|([0-9A-Za-z.-]+))(?::[0-9]{1,5})?")
# Where a cloud keeps the secrets of its machines, outside the link-local range.
_METADATA = ipaddress.ip_address("fd00:ec2::254")


class Reach(StrEnum):
    """Where the addresses of a server may lie."""

    PUBLIC = "public"
    PRIVATE = "private"  # public addresses, private networks and this machine
    LOOPBACK = "loopback"  # this machine only

    def permits(self, address_text: str) -> bool:
        """Whether an IPv4 or IPv6 address, with or without a zone such as ``%eth0``, may be connected to.

        Link-local addresses (where clouds keep their metadata), multicast and reserved addresses are never permitted.
        An IPv6 address that only carries an IPv4 address is judged as that one.

        Raises:
            ValueError: the text is not an address.
        """
        address = _without_wrapping(ipaddress.ip_address(address_text.partition("%")[0]))
        if address.is_link_local or address.is_multicast or address.is_unspecified or address == _METADATA:
            return False
        if address.is_loopback:
            return self is not Reach.PUBLIC
        if address.is_reserved or self is Reach.LOOPBACK:
            return False
        site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
        is_public = address.is_global and not site_local and not any(address in network for network in _NOT_PUBLIC)
        return self is Reach.PRIVATE or is_public


def address_literal(host: str) -> Address | None:
    """The address that a host is written as; ``None`` if the host is a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_loopback_host(host: str) -> bool:
    """Whether a host is ``localhost`` or written as a loopback address; no other name is resolved for this."""
    address = address_literal(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


@lru_cache(maxsize=64)
def is_loopback_authority(text: str) -> bool:
    """Whether the value of a ``Host`` header, with or without a port, names this machine as itself (RFC 9110, 7.2)."""
    parts = _AUTHORITY.fullmatch(text)
    return parts is not None and is_loopback_host(parts[1] or parts[2])


def _without_wrapping(address: Address) -> Address:
    """The IPv4 address inside an IPv6 address that only carries it (mapped, NAT64, 6to4 or Teredo)."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address
