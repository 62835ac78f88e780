"""``cds-service coverage``: what of real data is understood, what is not, and the lines that map it (Z54)."""

import json
import tomllib

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from tests.support.keys import KEY
from tests.support.places import ROOT

FIXTURES = ROOT / "fixtures"

LABORATORY = "urn:oid:1.2.3.4.5"
PATIENT = "kwame-mensah"


@pytest.fixture
def run(monkeypatch):
    def run(*arguments, site=None):
        if site is not None:
            monkeypatch.setenv("CDS_SERVICE_SITE", str(site))
        result = CliRunner().invoke(main, ["coverage", *map(str, arguments)])
        assert result.exit_code == 0, result.output
        return result.output

    return run


def house_coded(request):
    """The request of a laboratory that has not mapped its platelet count to LOINC."""
    for entry in request["prefetch"]["platelets"]["entry"]:
        entry["resource"]["code"] = {"coding": [{"system": LABORATORY, "code": "PLT"}], "text": "Thrombo"}
    return request


@pytest.fixture
def captured(tmp_path, request_for):
    request = house_coded(request_for(PATIENT, "hydroxocobalamin-im-three-weekly"))
    file = tmp_path / "captured" / "request.json"
    file.parent.mkdir()
    file.write_text(json.dumps(request))
    return file


def test_a_code_of_the_house_is_counted_with_the_lines_that_map_it(run, captured):
    found = json.loads(run("--format", "json", captured))
    (row,) = [row for row in found["not-understood"] if row["kind"] == "code"]
    assert row["system"] == LABORATORY
    assert row["code"] == "PLT"
    assert row["times"] == 3
    assert row["site.toml"].startswith("[[codes.platelet-count]]\n")
    text = run(captured)
    assert f'{LABORATORY}|PLT "Thrombo"' in text
    assert f"First in {captured} Observation/{PATIENT}-platelets-" in text
    assert "\n[[codes.platelet-count]]\n" in text


def test_the_lines_that_are_pasted_into_a_site_file_map_the_code(run, captured, tmp_path, request_for):
    """The whole way: what coverage prints goes into site.toml, then nothing is left and the card comes."""
    from cds_service.service.app import create_app
    from cds_service.settings import Settings

    site = tmp_path / "site.toml"
    site.write_text(run("--format", "site", captured))
    assert site.read_text() in run(captured)
    found = json.loads(run("--format", "json", captured, site=site))
    assert found["not-understood"] == []
    assert {"kind": "code", "times": 3, "system": LABORATORY, "code": "PLT", "value-sets": ["platelet-count"]} in found[
        "understood"
    ]
    service = create_app(Settings(loopback=True, key=KEY, site=site)).test_client()
    body = house_coded(request_for(PATIENT, "hydroxocobalamin-im-three-weekly"))
    cards = service.post("/cds-services/vitamin-b12-order-select", json=body).json["cards"]
    assert [card["source"]["topic"]["code"] for card in cards] == ["imPlateletsTransfusionFirst"]


def test_what_only_a_person_can_choose_is_refused_until_it_is_chosen(run, captured, tmp_path):
    """A unit may be any of several: nobody who pastes without reading gives it a meaning."""
    request = json.loads(captured.read_text())
    request["prefetch"]["platelets"]["entry"][0]["resource"] |= {
        "code": {"coding": [{"system": "http://loinc.org", "code": "777-3"}]},
        "valueQuantity": {"value": 22, "unit": "zorkmid"},
    }
    (order,) = [entry["resource"] for entry in request["context"]["draftOrders"]["entry"]]
    order["medicationCodeableConcept"] = {"coding": [{"system": "urn:oid:1.2.3.6", "code": "B12"}]}
    captured.write_text(json.dumps(request))
    site = tmp_path / "site.toml"
    lines = run("--format", "site", captured)
    for placeholder, meant, message in (
        ('[[codes."?"]]', "[[codes.cobalamin-medication]]", "the content has no '?': replace the question mark"),
        ('agent = "?"', 'agent = "hydroxocobalamin"', "the agent '?' should be one of"),
        ('"zorkmid" = "?"', '"zorkmid" = "10*3/uL"', "'?' is not among the units of platelets"),
    ):
        site.write_text(lines)
        result = CliRunner().invoke(main, ["check", "--site", str(site)])
        assert result.exit_code == 1
        assert message in result.output
        assert placeholder in lines
        lines = lines.replace(placeholder, meant)
    site.write_text(lines)
    assert CliRunner().invoke(main, ["check", "--site", str(site)]).exit_code == 0


def a_result(folder, codings, **more):
    concept = {"coding": [{"system": system, "code": code} for system, code in codings], **more}
    head = {"resourceType": "Observation", "id": "1", "status": "final", "subject": {"reference": "Patient/1"}}
    value = {"valueQuantity": {"value": 200, "unit": "pg/mL"}, "effectiveDateTime": "2026-11-01"}
    (folder / "Observation.ndjson").write_text(json.dumps({**head, **value, "code": concept}) + "\n")


def test_a_code_of_a_laboratory_is_mapped_to_results_and_never_to_a_drug(run, tmp_path):
    """B12 is a result and a drug, and facts look at both."""
    a_result(tmp_path, [(LABORATORY, "B12")], text="Vitamin B12")
    lines = run("--format", "site", tmp_path)
    assert tomllib.loads(lines)["codes"] == {
        "vitamin-b12-level": [{"system": LABORATORY, "code": "B12", "display": "Vitamin B12"}]
    }


def test_for_a_code_that_is_known_and_contradicts_its_name_no_lines_are_offered(run, tmp_path):
    a_result(tmp_path, [("http://loinc.org", "2132-9")], text="Ferritin")
    (row,) = json.loads(run("--format", "json", tmp_path))["not-understood"]
    assert "mean different things" in row["reason"]
    assert "site.toml" not in row


def test_what_is_proposed_for_many_things_is_one_valid_file(run, tmp_path):
    """Each table stands there once, whatever was met; pasted as it is, only the placeholders are refused."""
    lines = run("--format", "site", FIXTURES)
    assert lines.count("[schedules]") == 1
    tables = tomllib.loads(lines)
    assert len(tables["schedules"]) > 1
    assert len(tables["codes"]["?"]) > 3


def test_a_drug_of_a_bulk_export_is_counted_once(run, tmp_path):
    order = {
        "resourceType": "MedicationRequest",
        "id": "1",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/1"},
        "medicationCodeableConcept": {"coding": [{"system": "urn:oid:1.2.3.6", "code": "B12"}]},
    }
    (tmp_path / "MedicationRequest.ndjson").write_text(json.dumps(order) + "\n")
    (row,) = [r for r in json.loads(run("--format", "json", tmp_path))["not-understood"] if r["kind"] == "drug"]
    assert row["times"] == 1
    assert row["first"] == "MedicationRequest/1"


def test_nothing_read_is_not_everything_understood(run, tmp_path):
    (tmp_path / "a.json").write_text('{"foo": 1}')
    assert "Nothing was read that any decision looks at." in run(tmp_path)
    body = {"hook": "order-select", "hookInstance": "00000000-0000-4000-8000-000000000000", "context": {}}
    (tmp_path / "a.json").write_text(json.dumps(body))
    text = run(tmp_path)
    assert "1 refused: context.userId: a required member is missing" in text
    assert str(tmp_path / "a.json") in text
    assert "Everything was understood" not in text


def test_resources_of_a_bulk_export_are_read_by_patient(run, tmp_path):
    """NDJSON and Bundles give the same as the records that they hold."""
    bundle = json.loads((FIXTURES / "patients" / f"{PATIENT}.json").read_text())
    resources = [entry["resource"] for entry in bundle["entry"]]
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "all.json").write_text(json.dumps(bundle))
    (tmp_path / "export").mkdir()
    for kind in {resource["resourceType"] for resource in resources}:
        lines = [json.dumps(resource) for resource in resources if resource["resourceType"] == kind]
        (tmp_path / "export" / f"{kind}.ndjson").write_text("\n".join(lines) + "\n")
    as_bundle, as_export = (json.loads(run("--format", "json", tmp_path / name)) for name in ("bundle", "export"))
    assert as_bundle == as_export
    assert as_bundle["resources"] == len(resources)
    (row,) = [row for row in as_bundle["understood"] if row["code"] == "26515-7"]
    assert row == {
        "kind": "code",
        "times": 3,
        "system": "http://loinc.org",
        "code": "26515-7",
        "value-sets": ["platelet-count"],
    }
    assert "LOINC|26515-7  as platelet-count" in run(tmp_path / "bundle")


def test_the_requests_that_the_project_keeps_are_all_understood_but_for_a_name(run):
    found = json.loads(run("--format", "json", FIXTURES / "captured"))
    assert found["requests"] > 20
    assert {row["kind"] for row in found["not-understood"]} == {"drug"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("a.json", "{", "a.json"), ("b.ndjson", "{}\nnothing\n", "b.ndjson"), ("c.yaml", "- 1", "c.yaml")],
)
def test_what_cannot_be_read_is_said_with_its_file(tmp_path, name, content, message):
    (tmp_path / "good.json").write_text(json.dumps({"resourceType": "Patient", "id": "1"}))
    (tmp_path / name).write_text(content)
    result = CliRunner().invoke(main, ["coverage", str(tmp_path)])
    assert result.exit_code == 1
    assert message in result.output
