"""Defects of other services about tokens, each with a test that this one does not have it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest
from joserfc.jwk import ECKey

from cds_service.trust.clients import SANDBOX_ISSUER, read_clients
from tests.support.trust_parts import SERVICE, KeyServer, Maker, public


def test_nobody_brings_his_own_keys_and_none_is_stored_under_the_name_of_another(app_for, maker, body):
    """One fetches the key from whatever ``jku`` the caller names and keeps it by ``kid``, so that anybody may sign."""
    elsewhere = KeyServer()
    try:
        forged = ECKey.generate_key("P-384", {"kid": "key-ES384"})
        elsewhere.document = {"keys": [public(forged)]}
        client = app_for()
        assert client.post(SERVICE, json=body, headers={"Authorization": maker.bearer()}).status_code == 200
        intruder = Maker({"ES384": forged})
        for more in ({"jku": f"{elsewhere.url}/jwks"}, {}):
            token = intruder.sign(intruder.header(**more), intruder.claims())
            answer = client.post(SERVICE, json=body, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 401
        assert elsewhere.asked == []
        assert client.post(SERVICE, json=body, headers={"Authorization": maker.bearer()}).status_code == 200
    finally:
        elsewhere.close()


@pytest.mark.parametrize(
    "claim", [{"iss": "https://nobody.example"}, {"aud": "https://elsewhere.example/cds-services"}]
)
def test_issuer_and_audience_are_compared_and_not_only_there(app_for, maker, body, claim):
    """One looks only whether ``iss`` and ``aud`` are there."""
    assert app_for().post(SERVICE, json=body, headers={"Authorization": maker.bearer(**claim)}).status_code == 401


def test_there_is_no_shared_secret_and_no_service_is_left_open(app_for, maker, body):
    """One checks HS256 with a secret that everybody can read, in a dependency that no route uses."""
    client = app_for()

    def part(data):
        return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()

    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'key-ES384'})}.{part(maker.claims())}"
    for secret in (b"default-secret-change-me", b"secret", b""):
        digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        token = f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
        assert client.post(SERVICE, json=body, headers={"Authorization": f"Bearer {token}"}).status_code == 401
    ids = [service["id"] for service in client.get("/cds-services").json["services"]]
    rules = [rule.rule for rule in client.application.url_map.iter_rules() if "POST" in (rule.methods or ())]
    assert len(rules) >= 2
    for rule in rules:
        for service in ids:
            assert client.post(rule.replace("<service_id>", service), json=body).status_code == 401, rule


def test_a_client_whose_private_key_is_public_is_warned_of(clients_file, tmp_path):
    """The public sandbox signs with a key that stands in its repository."""
    text = clients_file().read_text().replace('issuer = "', f'issuer = "{SANDBOX_ISSUER}"\n#')
    path = tmp_path / "sandbox.toml"
    path.write_text(text)
    (warning,) = read_clients(path).warnings(8080)
    assert "private key" in warning and "demonstrations only" in warning
