"""Tokens that must not pass: each is refused alike, cheaply, and without a word of it in answer or log."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from functools import cache

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, RSAKey

from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.trust.tokens import RefusedError
from tests.support.keys import KEY
from tests.support.trust_parts import BASE, MARKER, SERVICE, KeyServer, b64, public, write_clients

STRANGER = ECKey.generate_key("P-384", {"kid": "key-ES384"})


@cache
def stranger_of_rsa():
    return RSAKey.generate_key(2048)


def hmac_token(maker, secret, **header):
    segments = f"{b64(maker.header(alg='HS256', **header))}.{b64(maker.claims())}"
    return f"{segments}.{b64(hmac.new(secret, segments.encode(), hashlib.sha256).digest())}"


def pem(key):
    return key.as_pem(private=False)


def raw(maker, text):
    """Claims as text, in a token that is signed well."""
    now = maker.claims()
    return maker.sign(maker.header(), text.replace("NOW", json.dumps(now)[1:-1]).encode())


# What it is, and the token. Unless the name says "signature" none of them costs one.
HOSTILE = {
    "alg none": lambda m: f"{b64(m.header(alg='none'))}.{b64(m.claims())}.",
    "alg None": lambda m: f"{b64(m.header(alg='None'))}.{b64(m.claims())}.AA",
    "alg none with a signature": lambda m: m.token().replace(b64(m.header()), b64(m.header(alg="none"))),
    "alg missing": lambda m: f"{b64(m.header(alg=None))}.{b64(m.claims())}.AA",
    "alg a list": lambda m: f"{b64(m.header(alg=['ES384']))}.{b64(m.claims())}.AA",
    "alg null": lambda m: f"{b64({'alg': None, 'typ': 'JWT', 'kid': 'x'})}.{b64(m.claims())}.AA",
    "alg in small letters": lambda m: f"{b64(m.header(alg='es384'))}.{b64(m.claims())}.AA",
    "alg ES256K": lambda m: f"{b64(m.header(alg='ES256K'))}.{b64(m.claims())}.AA",
    "alg of encryption": lambda m: f"{b64(m.header(alg='RSA-OAEP', enc='A256GCM'))}.{b64(m.claims())}.AA",
    "five segments": lambda m: f"{b64(m.header())}.AA.AA.AA.AA",
    "HS256 with the public key as PEM": lambda m: hmac_token(m, pem(m.keys["RS384"]), kid="key-RS384"),
    "HS256 with the public key as DER": lambda m: hmac_token(m, m.keys["RS384"].as_der(private=False), kid="key-RS384"),
    "HS256 with the JWK": lambda m: hmac_token(m, json.dumps(public(m.keys["ES384"])).encode()),
    "HS256 with nothing": lambda m: hmac_token(m, b""),
    "issuer unknown": lambda m: m.token(iss="https://sandbox.cds-hooks.org"),
    "issuer with a slash more": lambda m: m.token(iss="https://ehr.example/fhir/"),
    "issuer a list": lambda m: m.token(iss=["https://ehr.example/fhir"]),
    "audience of another": lambda m: m.token(aud="https://other.example" + SERVICE),
    "expired": lambda m: m.token(now=1_000_000),
    "of the future": lambda m: m.token(now=4_000_000_000),
    "living too long": lambda m: m.token(exp=4_000_000_000),
    "infinite": lambda m: raw(m, '{NOW, "nbf": 1e999}'),
    "not a number": lambda m: raw(m, '{NOW, "nbf": NaN}'),
    "jti empty": lambda m: m.token(jti=""),
    "jti a number": lambda m: m.token(jti=7),
    "jti endless": lambda m: m.token(jti="x" * 257),
    "duplicate claim": lambda m: raw(m, '{"iss": "https://evil.example", NOW}'),
    "duplicate claim deep down": lambda m: raw(m, '{NOW, "x": {"a": 1, "a": 2}}'),
    "duplicate header": lambda m: m.sign(b'{"alg":"ES384","typ":"JWT","kid":"other","kid":"key-ES384"}', m.claims()),
    "claims a list": lambda m: m.sign(m.header(), b"[]"),
    "claims a string": lambda m: m.sign(m.header(), b'"x"'),
    "claims no JSON": lambda m: m.sign(m.header(), b"{"),
    "claims not UTF-8": lambda m: m.sign(m.header(), b'{"iss": "\xff"}'),
    "claims UTF-16": lambda m: m.sign(m.header(), json.dumps(m.claims()).encode("utf-16")),
    "claims after a byte order mark": lambda m: m.sign(m.header(), b"\xef\xbb\xbf" + json.dumps(m.claims()).encode()),
    "claims nested": lambda m: m.sign(m.header(), b"[" * 3000 + b"]" * 3000),
    "header nested": lambda m: f"{b64(b'[' * 3000)}.AA.AA",
    "header empty": lambda m: f".{b64(m.claims())}.AA",
    "base64 with padding": lambda m: m.token() + "=",
    "base64 of the other alphabet": lambda m: f"{b64(m.header())}.{b64(m.claims())}.+/+/",
    "base64 with a length that cannot be": lambda m: f"{b64(m.header())}A.{b64(m.claims())}.AA",
    "critical header": lambda m: m.token(header={"crit": ["exp"], "exp": 1}),
    "critical header that is known": lambda m: m.token(header={"crit": ["kid"]}),
    "critical header of nothing": lambda m: m.token(header={"crit": []}),
    "unencoded payload": lambda m: m.token(header={"crit": ["b64"], "b64": True}),
    "type of another token": lambda m: m.token(header={"typ": "at+jwt"}),
    "type a list": lambda m: m.token(header={"typ": ["JWT"]}),
    "kid of a path": lambda m: m.token(header={"kid": "../../../../etc/passwd"}),
    "kid of a URL": lambda m: m.token(header={"kid": "https://evil.example/jwks#key-ES384"}),
    "kid of SQL": lambda m: m.token(header={"kid": "' OR 1=1 --"}),
    "kid of control characters": lambda m: m.token(header={"kid": "key-ES384\x00\n"}),
    "kid a number": lambda m: m.token(header={"kid": 7}),
    "kid endless": lambda m: m.token(header={"kid": "k" * 300}),
    "kid unknown": lambda m: m.token(header={"kid": "nobody"}),
    "kid of a key of another kind": lambda m: m.token(header={"kid": "key-RS384"}),
    "jku empty": lambda m: m.token(header={"jku": ""}),
    "jku a list": lambda m: m.token(header={"jku": ["https://ehr.example/jwks"]}),
    "jwk in place of kid": lambda m: m.token(header={"kid": None, "jwk": public(STRANGER)}, key=STRANGER),
    "oversized": lambda m: m.token(padding="x" * 8192),
    "signature of a stranger": lambda m: m.token(key=STRANGER),
    "signature of a stranger whose jwk is with it": lambda m: m.token(header={"jwk": public(STRANGER)}, key=STRANGER),
    "signature of a stranger whose x5c is with it": lambda m: m.token(header={"x5c": ["MIIB"]}, key=STRANGER),
    "signature of other claims": lambda m: f"{b64(m.header())}.{b64(m.claims())}.{m.token().rpartition('.')[2]}",
    "signature too short": lambda m: f"{m.token().rpartition('.')[0]}.AA",
    "signature of zeroes": lambda m: f"{m.token().rpartition('.')[0]}.{b64(bytes(96))}",
    "signature of another algorithm": lambda m: m.sign(
        m.header(alg="RS384", kid="key-RS384"), m.claims(), stranger_of_rsa()
    ),
    "signature under a curve of another algorithm": lambda m: m.token("ES256", header={"kid": "key-ES384"}),
    "signature under a hash of another algorithm": lambda m: m.sign(
        m.header(alg="RS256", kid="key-PS256"), m.claims(), m.keys["PS256"]
    ).replace(b64(m.header(alg="RS256", kid="key-PS256")), b64(m.header(alg="PS256", kid="key-PS256"))),
}


@pytest.fixture
def service(app_for):
    return app_for()


@pytest.fixture(scope="module")
def shared(tmp_path_factory, keys):
    """A service for calls that leave nothing behind, because all of them are refused."""
    server = KeyServer()
    path = write_clients(tmp_path_factory.mktemp("shared") / "clients.toml", keys, server)
    yield create_app(Settings(clients=path, loopback=True, key=KEY)).test_client()
    server.close()


@pytest.mark.parametrize("name", HOSTILE)
def test_SEC_09_SEC_16_ERR_04_all_are_refused_alike(shared, maker, body, assert_outcome, caplog, name):
    token = HOSTILE[name](maker)
    with caplog.at_level(logging.DEBUG):
        answer = shared.post(SERVICE, json=body, headers={"Authorization": f"Bearer {token}"})
        none = shared.post(SERVICE, json=body)
    assert_outcome(answer, 401)
    assert answer.data == none.data
    assert answer.headers["WWW-Authenticate"] == none.headers["WWW-Authenticate"] == "Bearer"
    for part in filter(lambda part: len(part) > 8, token.split(".")):
        assert part not in answer.text
        assert part not in caplog.text


@pytest.mark.parametrize("name", HOSTILE)
def test_each_costs_at_most_what_it_must(verifier_for, server, maker, name):
    """Counts, not seconds: one fetch brings the keys, after which no token brings another or more than a signature."""
    verifier = verifier_for()
    verifier.verify(maker.bearer(), SERVICE)
    for _ in range(3):
        with pytest.raises(RefusedError):
            verifier.verify(f"Bearer {HOSTILE[name](maker)}", SERVICE)
    assert server.asked == ["/jwks"]
    assert verifier.verified == 1 + (3 if name.startswith("signature") else 0)
    assert verifier.remembered == 0


def test_a_key_in_the_header_is_ignored_and_does_no_harm(verifier_for, maker):
    for header in ({"jwk": public(STRANGER)}, {"x5c": ["MIIB"]}, {"x5u": "https://evil.example/x"}, {"other": 1}):
        assert verifier_for().verify(maker.bearer(header=header), SERVICE)


def test_SEC_11_T_12_a_foreign_jku_is_never_asked(verifier_for, server, maker):
    foreign = KeyServer()
    try:
        foreign.document = {"keys": [public(STRANGER)]}
        verifier = verifier_for()
        own = f"{server.url}/jwks"
        for jku in (
            foreign.url, f"{foreign.url}/jwks", f"{own}/", f"{own}?x", f"{own}#x", own.upper(),
            own.replace("//", "//x@"), own.replace("127.0.0.1", "localhost"), f" {own}", f"{server.url}/a/../jwks", "file:///etc/passwd",
            f"{own}@{foreign.url.removeprefix('http://')}/jwks",
        ):  # fmt: skip
            with pytest.raises(RefusedError, match="jku"):
                verifier.verify(maker.bearer(header={"jku": jku}, key=STRANGER), SERVICE)
        assert (foreign.asked, server.asked, verifier.verified) == ([], [], 0)
    finally:
        foreign.close()


@pytest.mark.parametrize(
    "authorization",
    [
        "", "Bearer", "Bearer ", "Bearer  ", "Basic dTpw", "Bearer a", "Bearer a.b", "Bearer a.b.c.d", "Bearer ...",
        "Bearer a.b.c", "Bearer\ta.b.c", "Bearera.b.c", "Bearer a.b.c x", "Bearer \xff.\xff.\xff", "a.b.c",
        "Token a.b.c", "Bearer " + "a" * 9000, "Bearer " + "." * 8000,
    ],
    ids=lambda value: repr(value[:20]),
)  # fmt: skip
def test_SEC_03_headers_without_a_token(shared, body, assert_outcome, authorization):
    answer = shared.post(SERVICE, json=body, environ_overrides={"HTTP_AUTHORIZATION": authorization})
    assert_outcome(answer, 401)


def test_a_token_anywhere_else_is_ignored(service, maker, body):
    token = maker.token()
    service.set_cookie("token", token)
    for path in (f"{SERVICE}?access_token={token}", f"{SERVICE}?Authorization=Bearer {token}"):
        assert service.post(path, json=body | {"access_token": token}).status_code == 401
    assert service.post(SERVICE, json=body, headers={"X-Authorization": f"Bearer {token}"}).status_code == 401
    assert service.post(SERVICE, json=body, headers={"Proxy-Authorization": f"Bearer {token}"}).status_code == 401


def test_two_authorization_headers_are_none(service, maker, body):
    good = maker.bearer()
    for pair in ([good, good], [good, "Bearer x"], ["Bearer x", good], ["Basic dTpw", good]):
        headers = [("Authorization", value) for value in pair]
        assert service.post(SERVICE, json=body, headers=headers).status_code == 401


def test_SEC_16_the_log_says_who_and_why(service, maker, body, caplog):
    with caplog.at_level(logging.DEBUG):
        token = maker.token(iss=f"https://x.example/\n{'y' * 400}", tenant="north", jti="id-1", sub=MARKER, aud=MARKER)
        service.post(SERVICE, json=body, headers={"Authorization": f"Bearer {token}"})
    (record,) = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert record.startswith('a call was refused: issuer (iss "https://x.example/\\nyyy')
    assert 'tenant "north", jti "id-1"' in record
    assert "\n" not in record and len(record) < 300
    assert MARKER not in caplog.text and token not in caplog.text


def test_SEC_16_the_log_says_which_audience_is_right_and_not_which_was_sent(service, maker, body, caplog):
    with caplog.at_level(logging.DEBUG):
        service.post(SERVICE, json=body, headers={"Authorization": maker.bearer(aud=f"https://{MARKER}.example")})
    (record,) = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert record.startswith("a call was refused: audience")
    assert record.endswith(f"aud must be {BASE}{SERVICE})")
    assert MARKER not in caplog.text


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("Bearer abc", "malformed"),
        ("bearer", "malformed"),
        ("Basic dTpw", "no bearer token"),
        ("Bearerx a.b.c", "no bearer token"),
    ],
)
def test_what_is_no_token_is_called_what_it_is(service, body, header, reason):
    service.post(SERVICE, json=body, headers={"Authorization": header})
    assert f'cds_service_refusals_total{{reason="{reason}"}} 1.0' in service.get("/metrics").text


def test_refusals_are_counted_by_reason(service, maker, body):
    service.post(SERVICE, json=body)
    service.post(SERVICE, json=body, headers={"Authorization": maker.bearer(aud="x")})
    metrics = service.get("/metrics").text
    assert 'cds_service_refusals_total{reason="no token"} 1.0' in metrics
    assert 'cds_service_refusals_total{reason="audience"} 1.0' in metrics


RELAXED = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=300, **RELAXED)
@given(value=st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda b: b"Bearer " + b), st.text(
    "abcXYZ019-_.= ", max_size=120).map(lambda t: f"bearer {t}".encode())))  # fmt: skip
def test_any_bytes_in_the_header_are_401(shared, value):
    answer = shared.post(SERVICE, json={}, environ_overrides={"HTTP_AUTHORIZATION": value.decode("latin-1")})
    assert answer.status_code == 401


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=4,
)


@settings(max_examples=200, **RELAXED)
@given(data=st.data())
def test_any_value_in_any_member_is_never_5xx(service, maker, body, data):
    """Signed well, so that all that comes after the signature is reached too."""
    header, claims = maker.header(), maker.claims()
    where = data.draw(st.sampled_from([header, claims]))
    name = data.draw(st.sampled_from([*where, "jku", "crit", "tenant", "sub", "nbf"]))
    where[name] = data.draw(JSON)
    token = f"{b64(header)}.{b64(claims)}"
    signature = maker.sign(maker.header(), claims).rpartition(".")[2] if where is claims else "AAAA"
    answer = service.post(SERVICE, json=body, headers={"Authorization": f"Bearer {token}.{signature}"})
    free = where is claims and name not in ("iss", "aud", "exp", "iat")
    assert answer.status_code in ((200, 401) if free else (401,))


@settings(max_examples=150, **RELAXED)
@given(at=st.integers(0, 10_000), other=st.sampled_from("ABQgwxyz019-_"))
def test_no_character_of_a_token_can_be_changed(verifier_for, maker, at, other):
    verifier, token = verifier_for(), maker.token("ES384", exp=4_000_000_000, iat=3_999_999_000)
    verifier._clock = lambda: 3_999_999_500.0
    place = at % len(token)
    assume(token[place] != other)
    assert verifier.verify(f"Bearer {token}", SERVICE)
    with pytest.raises(RefusedError):
        verifier.verify(f"Bearer {token[:place]}{other}{token[place + 1 :]}", SERVICE)


def test_the_base_of_the_fixtures_is_not_that_of_the_test_client():
    assert "localhost" not in BASE
