"""Fixtures of the tests of trust: keys, their server, a registry, and a service that knows one client."""

from __future__ import annotations

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.trust.clients import ALGORITHMS, read_clients
from cds_service.trust.keysets import KeySetLimits
from cds_service.trust.replay_protection import UsedTokensInMemory
from cds_service.trust.verifier import Verifier
from tests.support.keys import KEY
from tests.support.trust_parts import KeyServer, Maker, Ticks, public, write_clients

QUICK = KeySetLimits(wait=0.5)


@pytest.fixture
def server():
    opened = KeyServer()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def keys():
    """A private key for each algorithm, told by a kid of its own."""
    rsa = RSAKey.generate_key(2048)
    curves = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
    made = {}
    for name in ALGORITHMS:
        if name in curves:
            made[name] = ECKey.generate_key(curves[name], {"kid": f"key-{name}"})
        elif name.startswith("Ed"):
            made[name] = OKPKey.generate_key("Ed25519", {"kid": f"key-{name}"})
        else:
            made[name] = RSAKey.import_key(rsa.as_dict(private=True) | {"kid": f"key-{name}"})
    return made


@pytest.fixture
def maker(keys):
    return Maker(keys)


@pytest.fixture
def clients_file(tmp_path, server, keys):
    """Writes a clients.toml for one client whose keys the server has."""
    server.document = {"keys": [public(key) for key in keys.values()]}

    def write(text="", *, source=None, top=""):
        return write_clients(tmp_path / "clients.toml", keys, server, text, source=source, top=top)

    return write


@pytest.fixture
def app_for(clients_file):
    """A client of a service that knows the client of the fixtures."""

    def build(text="", *, source=None, top="", **settings):
        path = clients_file(text, source=source, top=top)
        return create_app(Settings(clients=path, loopback=True, key=KEY, **settings)).test_client()

    return build


@pytest.fixture
def verifier_for(clients_file):
    def build(text="", *, source=None, top="", limits=QUICK, used_tokens=None, loopback=True, **more):
        clients = read_clients(clients_file(text, source=source, top=top))
        return Verifier(
            clients, used_tokens=used_tokens or UsedTokensInMemory(), limits=limits, loopback=loopback, **more
        )

    return build


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def body(request_for):
    return request_for("amara-okafor", "hydroxocobalamin-100-im")
