"""Which addresses may be connected to, for FHIR servers and key sets alike."""

import pytest

from cds_service.net.addresses import Reach, is_loopback_host

PUBLIC = ["8.8.8.8", "2001:4860:4860::8888", "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"]
PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "fd12::1",
    "fec0::1",
    "198.18.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::",
    "fc00::1",
    "192.0.0.8",
    "3fff::1",
]
LOOPBACK = ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"]
NEVER = [
    "169.254.169.254",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "0.0.0.0",  # noqa: S104
    "::",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "240.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "64:ff9b:1::1",
    "5f00::1",
]


@pytest.mark.parametrize(
    ("addresses", "by"),
    [
        (PUBLIC, {Reach.PUBLIC, Reach.PRIVATE}),
        (PRIVATE, {Reach.PRIVATE}),
        (LOOPBACK, {Reach.PRIVATE, Reach.LOOPBACK}),
        (NEVER, set()),
    ],
    ids=["public", "private", "loopback", "never"],
)
def test_FA_08_and_SEC_11_which_addresses_may_be_connected_to(addresses, by):
    for address in addresses:
        assert {reach for reach in Reach if reach.permits(address)} == by, address


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_by_its_names(host):
    assert is_loopback_host(host)


@pytest.mark.parametrize("host", ["localhost.example", "127.0.0.1.example", "10.0.0.1", "::2", ""])
def test_other_machines_by_names_that_look_alike(host):
    assert not is_loopback_host(host)
