"""Discovery and the prefetch templates it publishes (docs/conformance.md#discovery, Z22)."""

from __future__ import annotations

import re

import pytest

from cds_service.packaged import packaged
from cds_service.service.app import create_app
from cds_service.settings import Settings
from tests.support.keys import KEY


@pytest.fixture
def services(client):
    return client.get("/cds-services").json["services"]


@pytest.fixture
def every_template(services):
    """``(key, template)`` of every service."""
    found = [(key, template) for service in services for key, template in service["prefetch"].items()]
    assert {"homocysteine", "medicationRequests"} <= {key for key, _ in found}
    return found


@pytest.mark.parametrize("path", ["/cds-services", "/cds-services/"])
def test_D_01_discovery_answers_200_with_and_without_slash(client, path):
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/fhir+json", None])
def test_D_01_J_07_discovery_is_json_for_every_accept(client, accept):
    answer = client.get("/cds-services", headers={"Accept": accept} if accept else {})
    assert answer.status_code == 200
    assert answer.mimetype == "application/json"


def test_D_02_services_is_an_array(client):
    body = client.get("/cds-services").json
    assert list(body) == ["services"]
    assert isinstance(body["services"], list)
    assert body["services"]


def test_D_02_no_services_is_an_empty_array():
    from cds_service.protocol.discovery import discovery

    assert discovery([]) == {"services": []}


def test_D_03_D_04_D_06_hook_description_and_title_are_said(services):
    for service in services:
        for member in ("hook", "description", "title"):
            assert isinstance(service[member], str)
            assert service[member].strip()


def test_D_08_what_must_hold_before_a_call_is_said(services):
    said = {service["hook"]: service.get("usageRequirements", "") for service in services}
    assert "MedicationRequest" in said["order-select"]
    assert "412" in said["order-sign"]


def test_D_05_id_is_a_path_segment_that_is_served(client, services):
    for service in services:
        assert re.fullmatch(r"[A-Za-z0-9._-]+", service["id"])
        assert service["id"] != "feedback"
        assert client.post(f"/cds-services/{service['id']}", json={}).status_code == 400


def test_D_07_J_03_nothing_empty_and_only_known_members(services):
    known = {"hook", "id", "title", "description", "prefetch", "usageRequirements"}
    for service in services:
        assert set(service) <= known
        assert all(service.values())
        assert all(isinstance(t, str) and t for t in service.get("prefetch", {}).values())


def test_D_11_D_13_no_two_services_of_one_id_or_one_hook(services):
    for member in ("id", "hook"):
        assert len({service[member] for service in services}) == len(services)


def test_D_09_D_10_D_15_T_18_versions_are_told_to_clients_of_3_0_only(client, services):
    of_3_0 = create_app(Settings(loopback=True, key=KEY, default_profile="3.0")).test_client()
    told = of_3_0.get("/cds-services").json["services"]
    assert [(service.pop("version"), service.pop("hookVersion")) for service in told] == [("3.0.0", "1.0")] * 3
    assert told == services
    assert not any({"version", "hookVersion"} & set(service) for service in services)


def test_D_14_the_services_are_documented_for_people(services):
    page = (packaged("cards").parent / "docs/integrating.md").read_text(encoding="utf-8")
    for service in services:
        assert f"/cds-services/{service['id']}`" in page
        assert f"hook `{service['hook']}`" in page


def test_PF_01_templates_are_relative_reads_or_searches(every_template):
    braces = r"\{\{[^{}]+\}\}"
    for _, template in every_template:
        assert re.fullmatch(rf"[A-Z][A-Za-z]+(/{braces}|\?[^?\s]+)", template), template
        assert "://" not in template.partition("?")[0]


def test_PF_02_PF_03_V_03_T_15_the_only_token_is_the_patient(services):
    for service in services:
        for template in service["prefetch"].values():
            assert set(re.findall(r"\{\{(.*?)\}\}", template)) == {"context.patientId"}, template


def test_PF_05_PF_06_PF_07_only_the_safe_subset(every_template):
    for _, template in every_template:
        query = template.partition("?")[2]
        for part in filter(None, query.split("&")):
            name, equals, value = part.partition("=")
            assert equals and value
            assert re.fullmatch(r"patient|subject|code|status|category|_count|_sort", name), part
            assert not re.match(r"(ne|sa|eb|ap)\d", value)
            assert name != "_sort" or value == "-date"


def test_PF_11_keys_are_identifiers(every_template):
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key) for key, _ in every_template)


def test_Z22_Z55_at_most_14_templates_of_1500_characters_without_dates_or_in(services):
    for service in services:
        assert len(service["prefetch"]) <= 14
    for template in (template for service in services for template in service["prefetch"].values()):
        assert len(template) <= 1500
        assert ":in" not in template
        assert not re.search(r"[?&](date|recorded-date|authoredon)\b|(ge|le|gt|lt|eq)\d{4}|today\(", template)


def test_Z22_laboratory_templates_are_sorted_and_counted_with_room(every_template):
    for _, template in every_template:
        if template.startswith("Observation?"):
            assert "_sort=-date" in template
            assert int(re.search(r"_count=(\d+)", template)[1]) >= 5
            assert re.search(r"code=http://loinc\.org\|", template)
