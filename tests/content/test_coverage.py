"""``cds-service coverage``: what of real data is understood, what is not, and the lines that map it (Z54)."""

import json

import pytest
from click.testing import CliRunner

from cds_service.cli import main
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
    assert "| [[codes.platelet-count]]" in text


def test_the_lines_that_are_pasted_into_a_site_file_map_the_code(run, captured, tmp_path, request_for):
    """The whole way: what coverage prints goes into site.toml, then nothing is left and the card comes."""
    from cds_service.service.app import create_app
    from cds_service.settings import Settings

    text = run(captured)
    lines = [line.partition("| ")[2] for line in text.splitlines() if line.strip().startswith("|")]
    site = tmp_path / "site.toml"
    site.write_text("\n".join(lines) + "\n")
    found = json.loads(run("--format", "json", captured, site=site))
    assert found["not-understood"] == []
    assert {"kind": "code", "times": 3, "system": LABORATORY, "code": "PLT"} in found["understood"]
    service = create_app(Settings(loopback=True, key="tests", site=site)).test_client()
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
    captured.write_text(json.dumps(request))
    lines = [line.partition("| ")[2] for line in run(captured).splitlines() if line.strip().startswith("|")]
    assert '"zorkmid" = "?"' in "\n".join(lines)
    site = tmp_path / "site.toml"
    site.write_text("\n".join(lines) + "\n")
    result = CliRunner().invoke(main, ["check", "--site", str(site)])
    assert result.exit_code == 1
    assert "'?' is not among the units of platelets" in result.output


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
    assert {"kind": "code", "times": 3, "system": "http://loinc.org", "code": "26515-7"} in as_bundle["understood"]


def test_the_requests_that_the_project_keeps_are_all_understood_but_for_a_name(run):
    found = json.loads(run("--format", "json", FIXTURES / "captured"))
    assert found["requests"] > 20
    assert {row["kind"] for row in found["not-understood"]} == {"drug"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("a.json", "{", "a.json"), ("b.ndjson", "{}\nnothing\n", "b.ndjson"), ("c.txt", "", "neither JSON")],
)
def test_what_cannot_be_read_is_said_with_its_file(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    result = CliRunner().invoke(main, ["coverage", str(tmp_path)])
    assert result.exit_code == 1
    assert message in result.output
