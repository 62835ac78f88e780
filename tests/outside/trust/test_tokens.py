"""Tokens that are in order, and what each rule of the specification lets through (docs/conformance.md#security)."""

from __future__ import annotations

import time

import pytest

from cds_service.trust.clients import ALGORITHMS
from cds_service.trust.tokens import RefusedError
from tests.support.trust_parts import BASE, ISSUER, SERVICE, public

EPIC = 'profile = "epic"\nsubject = "our-id"'


def post(client, body, authorization, **more):
    headers = {"Authorization": authorization, **more.pop("headers", {})}
    return client.post(SERVICE, json=body, headers=headers, **more)


def reason(verifier, authorization, path=SERVICE):
    with pytest.raises(RefusedError) as caught:
        verifier.verify(authorization, path)
    return caught.value.reason


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_SEC_10_every_asymmetric_algorithm_passes(app_for, maker, body, cards_of, alg):
    assert cards_of(post(app_for(), body, maker.bearer(alg)))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
def test_SEC_03_the_scheme_in_any_case(app_for, maker, body, scheme):
    assert post(app_for(), body, f"{scheme} {maker.token()}").status_code == 200


def test_SEC_05_with_and_without_jku(app_for, server, maker, body):
    for jku in (None, f"{server.url}/jwks"):
        assert post(app_for(), body, maker.bearer(header={"jku": jku})).status_code == 200


def test_SEC_05_a_listed_jku_brings_keys_of_its_own(verifier_for, server, maker):
    verifier = verifier_for(source=f'jku = ["{server.url}/a", "{server.url}/b"]')
    assert verifier.verify(maker.bearer(header={"jku": f"{server.url}/b"}), SERVICE).client.name == "ehr"
    assert server.asked == ["/b"]
    assert reason(verifier, maker.bearer()) == "jku"  # which of the two?
    assert reason(verifier, maker.bearer(header={"jku": f"{server.url}/b?"})) == "jku"
    assert server.asked == ["/b"]


def test_SEC_05_keys_of_a_file_and_the_jku_that_goes_with_them(verifier_for, tmp_path, server, maker):
    import json

    (tmp_path / "keys.json").write_text(json.dumps(server.document))
    verifier = verifier_for(source='jwks-file = "keys.json"\njku = ["https://ehr.example/jwks"]')
    for jku in (None, "https://ehr.example/jwks"):
        assert verifier.verify(maker.bearer(header={"jku": jku}), SERVICE)
    assert reason(verifier, maker.bearer(header={"jku": f"{server.url}/jwks"})) == "jku"
    assert server.asked == []


@pytest.mark.parametrize(
    ("audience", "path", "passes"),
    [
        (BASE + SERVICE, SERVICE, True),
        ([BASE + SERVICE], SERVICE, True),
        (["urn:other", BASE + SERVICE], SERVICE, True),
        (BASE + SERVICE + "/", SERVICE, True),
        (BASE + SERVICE, SERVICE + "/", True),
        (BASE + SERVICE + "/feedback", SERVICE + "/feedback", True),
        (BASE + SERVICE, SERVICE + "/feedback", True),  # FB-16
        (BASE + SERVICE + "/feedback", SERVICE, False),
        (BASE + "/cds-services", SERVICE, False),
        (BASE + SERVICE.replace("select", "sign"), SERVICE, False),
        (BASE, SERVICE, False),
        ("http://localhost" + SERVICE, SERVICE, False),
        (BASE.upper() + SERVICE, SERVICE, False),
        ([], SERVICE, False),
        ([[BASE + SERVICE]], SERVICE, False),
        ({BASE + SERVICE: 1}, SERVICE, False),
        ("urn:example:b12", SERVICE, True),
    ],
)
def test_SEC_07_T_11_FB_16_the_audience_is_the_url_called(verifier_for, maker, audience, path, passes):
    verifier = verifier_for('audiences = ["urn:example:b12"]')
    authorization = maker.bearer(aud=audience)
    if passes:
        assert verifier.verify(authorization, path)
    else:
        assert reason(verifier, authorization, path) == "audience"


def test_SEC_07_the_host_header_says_nothing(app_for, maker, body):
    client = app_for()
    evil = maker.bearer(aud=f"https://evil.example{SERVICE}")
    assert (
        post(client, body, evil, headers={"Host": "evil.example"}, base_url="https://evil.example").status_code == 401
    )
    assert post(client, body, maker.bearer(), headers={"Host": "evil.example"}).status_code == 200


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"exp": 1_000_299.5, "iat": 999_999.5}, None),
        ({"exp": 999_941}, None),
        ({"exp": 999_940}, "expired"),
        ({"iat": 1_000_060}, None),
        ({"iat": 1_000_061}, "not yet valid"),
        ({"nbf": 1_000_060}, None),
        ({"nbf": 1_000_061}, "not yet valid"),
        ({"nbf": 999_700, "exp": 1_000_900}, None),  # Epic
        ({"exp": 1_003_600}, None),
        ({"exp": 1_003_601}, "life"),
        ({"exp": 1_000_000}, "life"),
        ({"exp": 1_000_000, "iat": 1_000_010}, "life"),
        ({"exp": 2**64}, "times"),
        ({"exp": 10**400}, "times"),
        ({"exp": 1e300}, "times"),
        ({"exp": True}, "times"),
        ({"exp": "1000300"}, "times"),
        ({"iat": [1_000_000]}, "times"),
        ({"nbf": None, "iat": None}, "times"),
        ({"nbf": {}}, "times"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_SEC_08_times_by_the_second(verifier_for, maker, change, refusal):
    life = {"iat": 999_900} if "exp" in change and change["exp"] in (999_940, 999_941) else {}
    verifier = verifier_for(clock=lambda: 1_000_000.0)
    authorization = maker.bearer(now=1_000_000, **(life | change))
    if refusal is None:
        assert verifier.verify(authorization, SERVICE)
    else:
        assert reason(verifier, authorization) == refusal


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "iat", "jti"])
def test_SEC_06_each_claim_is_required(app_for, maker, body, name):
    assert post(app_for(), body, maker.bearer(**{name: None})).status_code == 401


@pytest.mark.parametrize("name", ["kid", "typ"])
def test_SEC_04_each_header_is_required(app_for, maker, body, name):
    assert post(app_for(), body, maker.bearer(header={name: None})).status_code == 401


def test_SEC_15_tenants(verifier_for, maker):
    verifier = verifier_for()
    assert verifier.verify(maker.bearer(tenant="any"), SERVICE)
    listed = verifier_for('tenants = ["one", "two"]')
    assert listed.verify(maker.bearer(tenant="two"), SERVICE)
    for tenant in ("three", None, ["one"], 1, ""):
        assert reason(listed, maker.bearer(tenant=tenant)) == "tenant"


def test_SEC_15_V_02_two_clients_of_one_issuer_are_told_by_tenant(verifier_for, server, maker):
    verifier = verifier_for(
        'tenants = ["one"]\n'
        f'[clients.other]\nissuer = "{ISSUER}"\njwks-url = "{server.url}/other"\ntenants = ["two"]\nprofile = "3.0"'
    )
    assert verifier.verify(maker.bearer(tenant="one"), SERVICE).client.profile == "2.0"
    assert verifier.verify(maker.bearer(tenant="two"), SERVICE).client.profile == "3.0"
    assert server.asked == ["/jwks", "/other"]


def test_the_subject_is_looked_at_only_if_configured(verifier_for, maker):
    assert verifier_for().verify(maker.bearer(sub="any"), SERVICE)
    named = verifier_for(EPIC)
    assert named.verify(maker.bearer(sub="our-id"), SERVICE).client.profile == "epic"
    for sub in ("other", None, ["our-id"]):
        assert reason(named, maker.bearer(sub=sub)) == "subject"


def offers(answer):
    """Whether any card of an answer carries a suggestion; a client of the profile epic can carry out no update."""
    return any("suggestions" in card for card in answer.json["cards"])


def test_a_call_is_answered_by_the_profile_of_the_client_whose_token_it_has(app_for, maker, body):
    assert offers(post(app_for(), body, maker.bearer()))
    answer = post(app_for(EPIC), body, maker.bearer(sub="our-id"))
    assert answer.json["cards"]
    assert not offers(answer)


@pytest.mark.parametrize("profile", ["2.0", "epic"])
def test_Z25_without_clients_the_default_profile_is_that_of_all(body, profile):
    from cds_service.service.app import create_app
    from cds_service.settings import Settings

    answer = create_app(Settings(loopback=True, default_profile=profile)).test_client().post(SERVICE, json=body)
    assert answer.json["cards"]
    assert offers(answer) is (profile == "2.0")


def test_a_service_that_is_not_for_this_client_is_403(app_for, maker, body, assert_outcome):
    client = app_for('services = ["vitamin-b12-order-sign"]')
    answer = post(client, body, maker.bearer())
    assert assert_outcome(answer, 403)["issue"][0]["code"] == "forbidden"
    assert "WWW-Authenticate" not in answer.headers
    assert post(client, body, maker.bearer(exp=1)).status_code == 401  # who one is comes first


def test_SEC_14_Z28_a_retry_passes_and_another_use_does_not(app_for, maker, body, assert_outcome):
    client, authorization = app_for(), maker.bearer()
    first = post(client, body, authorization)
    again = post(client, body, authorization)
    assert (first.status_code, again.data) == (200, first.data)
    other = body | {"hookInstance": "0d1577c6-dfbe-44ad-ba6d-3e05e953b2ea"}
    assert_outcome(post(client, other, authorization), 401)
    assert_outcome(post(client, body | {"prefetch": {}}, authorization), 401)
    assert post(client, body, authorization).status_code == 200


def test_SEC_14_a_new_token_with_a_used_jti_is_a_replay_too(app_for, maker, body):
    client, jti = app_for(), "ab" * 32
    assert post(client, body, maker.bearer(jti=jti)).status_code == 200
    assert post(client, body | {"hookInstance": "x"}, maker.bearer("RS384", jti=jti)).status_code == 401


def test_SEC_14_I_05_replay_protection_can_be_turned_off(app_for, maker, body):
    client, authorization = app_for(replay_protection=False), maker.bearer()
    for instance in ("a", "b"):
        assert post(client, body | {"hookInstance": instance}, authorization).status_code == 200


def test_a_token_seen_before_costs_no_signature(verifier_for, maker):
    verifier, authorization = verifier_for(), maker.bearer()
    for _ in range(5):
        verifier.verify(authorization, SERVICE)
    assert (verifier.verified, verifier.remembered) == (1, 4)


def test_a_remembered_token_still_expires_and_is_still_for_one_url(verifier_for, maker, ticks):
    ticks.now = time.time()
    verifier, authorization = verifier_for(clock=ticks), maker.bearer()
    verifier.verify(authorization, SERVICE)
    assert reason(verifier, authorization, SERVICE.replace("select", "sign")) == "audience"
    ticks.now += 361
    assert reason(verifier, authorization) == "expired"


def test_what_is_remembered_is_bounded(verifier_for, maker, monkeypatch):
    monkeypatch.setattr("cds_service.trust.verifier._MAX_REMEMBERED", 3)
    verifier = verifier_for()
    tokens = [maker.bearer("Ed25519") for _ in range(5)]
    for authorization in tokens:
        verifier.verify(authorization, SERVICE)
    assert len(verifier._remembered) == 3
    assert verifier.verify(tokens[0], SERVICE)
    assert verifier.verified == 6


def test_two_keys_of_one_kid_are_told_by_their_kind(verifier_for, server, maker, keys):
    verifier = verifier_for()
    server.document = {"keys": [public(keys["RS384"], kid="same"), public(keys["ES384"], kid="same")]}
    for alg in ("RS384", "ES384"):
        assert verifier.verify(maker.bearer(alg, header={"kid": "same"}), SERVICE)


def test_only_the_algorithms_of_the_client_pass(verifier_for, maker):
    verifier = verifier_for('algorithms = ["RS384"]')
    assert verifier.verify(maker.bearer("RS384"), SERVICE)
    assert reason(verifier, maker.bearer("ES384")) == "algorithm"
