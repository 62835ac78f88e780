"""Where we may connect to (SEC-11). Imports nothing of ours."""

from __future__ import annotations

import ipaddress
from enum import StrEnum

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Where clouds keep their secrets, outside the link-local range.
_METADATA = ipaddress.ip_address("fd00:ec2::254")


class Reach(StrEnum):
    """Which addresses the name of a host may stand for."""

    PUBLIC = "public"
    LOOPBACK = "loopback"  # public ones and this machine
    PRIVATE = "private"  # these and private networks


def permitted(text: str, reach: Reach) -> bool:
    """Whether a connection may be made to this address; never to link-local, multicast and reserved ones."""
    address = _meant(ipaddress.ip_address(text.partition("%")[0]))
    if address.is_link_local or address.is_multicast or address.is_unspecified or address == _METADATA:
        return False
    if address.is_loopback:
        return reach is not Reach.PUBLIC
    if address.is_reserved:
        return False
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return reach is Reach.PRIVATE or (address.is_global and not site_local)


def is_loopback_host(host: str) -> bool:
    """Whether a host is named as this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _meant(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address inside an IPv6 one that only carries it (mapped, NAT64, 6to4, Teredo)."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address
