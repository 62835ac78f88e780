"""Which addresses we may connect to (FA-08, SEC-11), FHIR servers and key sets alike. Imports nothing of ours."""

from __future__ import annotations

import ipaddress
from enum import StrEnum

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Where a cloud keeps its secrets, outside the link-local range.
_METADATA = ipaddress.ip_address("fd00:ec2::254")


class Reach(StrEnum):
    """Where the addresses that the name of a host stands for may lie."""

    PUBLIC = "public"
    PRIVATE = "private"  # in private networks and on this machine too
    LOOPBACK = "loopback"  # on this machine only

    def permits(self, text: str) -> bool:
        """Whether a connection to this address may be made.

        Link-local addresses, where clouds keep their metadata, multicast and reserved ones never.
        """
        address = _meant(ipaddress.ip_address(text.partition("%")[0]))
        if address.is_link_local or address.is_multicast or address.is_unspecified or address == _METADATA:
            return False
        if address.is_loopback:
            return self is not Reach.PUBLIC
        if address.is_reserved or self is Reach.LOOPBACK:
            return False
        site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
        return self is Reach.PRIVATE or (address.is_global and not site_local)


def literal(host: str) -> Address | None:
    """The address that a host is named by; ``None`` for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_loopback_host(host: str) -> bool:
    """Whether a host is named as this machine itself."""
    address = literal(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _meant(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that only carries it (mapped, NAT64, 6to4, Teredo)."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address
