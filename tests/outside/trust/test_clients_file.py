"""The registry, ``clients.toml``: what may stand in it, and what is said of what may not."""

from __future__ import annotations

import json
import re

import pytest

from cds_service.trust.clients import ALGORITHMS, read_clients
from cds_service.vocabulary.problems import ProblemsError
from tests.support.places import ROOT
from tests.support.trust_parts import ISSUER

EXAMPLE = ROOT / "deploy" / "clients.example.toml"
SCHEMA = json.loads((ROOT / "cds_service/trust/schemas/clients.json").read_text(encoding="utf-8"))


def test_the_example_holds_for_the_content(pack):
    clients = read_clients(EXAMPLE)
    clients.refuse_unknown(pack.services, pack.templates)
    ward, ehr = clients.clients
    assert (ward.profile, ehr.profile) == ("2.0", "epic")
    assert ward.algorithms == frozenset(ALGORITHMS)
    assert ehr.fhir_servers == ("https://ehr.example.org/fhir/R4",)
    assert (ward.fhir_budget_ms, ehr.fhir_budget_ms) == (1_500, 3_000)
    assert ehr.preference_list["hydroxocobalaminThreeWeekly"]["code"] == "4711"
    assert ehr.base_urls == ward.base_urls == ("https://cds.hospital.example",)
    assert clients.private_hosts == {"keys.hospital.example"}


def test_the_example_names_every_member():
    text = EXAMPLE.read_text(encoding="utf-8")
    client = SCHEMA["properties"]["clients"]["additionalProperties"]["properties"]
    for name in [*SCHEMA["properties"], *client]:
        assert re.search(rf"\b{name}\b", text), name


def test_the_schema_knows_the_algorithms_and_profiles_of_the_code():
    from cds_service.protocol.profiles import NAMES

    client = SCHEMA["properties"]["clients"]["additionalProperties"]["properties"]
    assert tuple(client["algorithms"]["items"]["enum"]) == ALGORITHMS
    assert tuple(client["profile"]["enum"]) == NAMES


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('profile = "fhir"', 6, "'fhir' is not one of"),
        ('algorithms = ["HS256"]', 6, "'HS256' is not one of"),
        ('algorithms = ["none"]', 6, "'none' is not one of"),
        ("algorithms = []", 6, "should be non-empty"),
        ('colour = "red"', 3, "'colour' was unexpected"),
        ('origins = ["*"]', 6, "does not match"),
        ('origins = ["https://ehr.example/"]', 6, "does not match"),
        ('jku = ["http://ehr.example/jwks"]', 6, "over https, except from this machine"),
        ('jku = ["https://user@ehr.example/jwks"]', 6, "does not match"),
        ('jwks-file = "keys.json"', 6, "beside a jwks-url"),
        ('fhir-servers = ["ftp://x"]', 6, "does not match"),
        ('# a comment with profile\nprofile = "x"', 7, "is not one of"),
        ("[clients.ehr.preference-list.a]\ncode = 1", 6, "'system' is a required property"),
        (f'[clients.other]\nissuer = "{ISSUER}"\njwks-url = "https://x.example/"', 7, "ehr has the same issuer"),
        ("fhir-budget-ms = -1", 6, "-1 is less than the minimum of 0"),
        ("fhir-budget-ms = 1.5", 6, "is not of type 'integer'"),
        ("profile = 2.0.0", 6, "(at line 6, column"),
        ("tenants = [", 6, "this is not TOML: invalid value"),
    ],
)
def test_faults_are_named_with_file_and_line(clients_file, text, line, message):
    path = clients_file(text)
    with pytest.raises(ProblemsError) as caught:
        read_clients(path)
    assert f"{path}:{line}: clients: " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "ending",
    ["", "/", "/vitamin-b12-order-select", "/vitamin-b12-order-select/", "/vitamin-b12-order-select/feedback"],
)
@pytest.mark.parametrize("where", ["of all", "of one"])
def test_a_base_url_that_is_that_of_a_service_is_refused_with_what_is_meant(clients_file, tmp_path, ending, where):
    """It was accepted, and no token of the client ever was."""
    base = "https://cds.example/b12"
    said = f'base-urls = ["https://other.example", "{base}/cds-services{ending}"]'
    path = tmp_path / "clients.toml"
    client = '[clients.ehr]\nissuer = "urn:ehr"\njwks-url = "https://x.example/"\n'
    path.write_text(f"{said}\n{client}" if where == "of all" else f"{client}{said}\n")
    with pytest.raises(ProblemsError) as caught:
        read_clients(path)
    (problem,) = caught.value.problems
    assert f"{path}:{1 if where == 'of all' else 4}: clients: " in str(problem)
    assert "base-urls: " in str(problem) and str(problem).endswith(f"before /cds-services: {base}")


@pytest.mark.parametrize(
    "base", ["https://cds.example", "https://cds.example/cds", "https://cds-services.example/b12/"]
)
def test_other_base_urls_are_taken(tmp_path, base):
    path = tmp_path / "clients.toml"
    path.write_text(f'base-urls = ["{base}"]\n[clients.ehr]\nissuer = "urn:ehr"\njwks-url = "https://x.example/"\n')
    assert read_clients(path).clients[0].base_urls == (base.rstrip("/"),)


def test_a_fault_is_named_in_the_table_of_its_own_client(tmp_path):
    """The name of one client may begin the name of another, and stand in a comment or in a value."""
    path = tmp_path / "clients.toml"
    path.write_text(
        'base-urls = ["https://x.example"]\n'
        "# [clients.a] comes last\n"
        "[clients.ab]\n"
        'issuer = "https://ab.example"\n'
        'jwks-url = "https://ab.example/jwks"\n'
        "\n"
        "[clients.a]\n"
        'issuer = "https://a.example/jwks-url"\n'
        'jwks-url = "http://a.example/jwks"\n'
    )
    with pytest.raises(ProblemsError) as caught:
        read_clients(path)
    (problem,) = caught.value.problems
    assert (problem.path, problem.line, problem.kind) == (path, 9, "clients")
    assert problem.text == "clients/a/jwks-url: key sets are fetched over https, except from this machine"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "clients/ehr: no keys: one of"),
        ('jwks-file = "none.json"', "No such file"),
        ('jwks-file = "clients.toml"', "is not a JWK set"),
        ('jwks-url = "http://ehr.example/jwks"', "over https, except from this machine"),
        ('jwks-url = "ehr.example/jwks"', "does not match"),
    ],
)
def test_a_key_source_is_needed(tmp_path, source, message):
    path = tmp_path / "clients.toml"
    path.write_text(f'base-urls = ["https://x.example"]\n[clients.ehr]\nissuer = "{ISSUER}"\n{source}\n')
    with pytest.raises(ProblemsError, match=re.escape(message)):
        read_clients(path)


def test_our_own_address_is_needed(tmp_path):
    path = tmp_path / "clients.toml"
    path.write_text(f'[clients.ehr]\nissuer = "{ISSUER}"\njwks-url = "https://x.example"\n')
    with pytest.raises(ProblemsError, match=r"clients\.toml:1: clients: clients/ehr: no base-urls"):
        read_clients(path)


@pytest.mark.parametrize("text", ["", "base-urls = []", "[clients]", "\xff"])
def test_a_file_without_clients_is_refused(tmp_path, text):
    path = tmp_path / "clients.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ProblemsError, match=r"clients\.toml:1: clients: "):
        read_clients(path)
    with pytest.raises(ProblemsError, match="No such file"):
        read_clients(tmp_path / "other.toml")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('services = ["vitamin-b12"]', 6, "clients/ehr/services/vitamin-b12: the content has no 'vitamin-b12'"),
        (
            '[clients.ehr.preference-list.slip]\nsystem = "x"\ncode = "1"\ndisplay = "x"',
            6,
            "clients/ehr/preference-list/slip: the content has no 'slip'",
        ),
    ],
)
def test_what_the_content_does_not_have_is_refused_at_the_start(app_for, pack, text, line, message):
    with pytest.raises(ProblemsError) as caught:
        app_for(text)
    assert f"clients.toml:{line}: clients: {message}" in str(caught.value)
