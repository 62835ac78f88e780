"""Synthetic populations are the same for one seed, are what they are said to be, and messy only where that is asked."""

import gzip
import json
import re
from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from fhir.resources.R4B import get_fhir_model_class

from cds_service.fhir.check_digits import fails_check_digit
from cds_service.packaged import packaged
from cds_service.replay.scenario import Scenario
from tests.support import messy_export as messy
from tests.support.scenarios import fire, request_of
from tests.support.synthetic_catalogue import AS_OF, FAMILY_NAMES, GIVEN_NAMES
from tests.support.synthetic_orders import NAME, PATIENT, told_by_patient
from tests.support.synthetic_population import id_of, is_of_interest, lines_of, main, one_patient, write_population

SEED = 7
OF_INTEREST = [number for number in range(1, 20_000) if is_of_interest(SEED, number)]
OTHERS = [number for number in range(1, 60) if not is_of_interest(SEED, number)]


@pytest.fixture
def export(tmp_path):
    """Forty patients in two gzipped parts."""
    write_population(tmp_path / "export", 40, seed=SEED, parts=2, gzipped=True)
    return tmp_path / "export"


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def lines_by_type(folder):
    """Every line of an export, sorted, by the type that the names of its files say."""
    lines = {}
    for path in folder.glob("*.ndjson*"):
        lines.setdefault(path.name.partition(".")[0], []).extend(messy.lines_in(path))
    return {kind: sorted(line for line in those if line.strip()) for kind, those in lines.items()}


def ordered(resources):
    """Those that were made of drafts, by session."""
    sessions = {}
    for resource in resources:
        if found := re.search(r"-o(\d)-\d+$", resource["id"]):
            sessions.setdefault(int(found[1]), []).append(resource)
    return sessions


def test_one_seed_gives_the_same_bytes_and_another_gives_others(tmp_path):
    for name, seed in (("first", 7), ("again", 7), ("other", 8)):
        write_population(tmp_path / name, 30, seed=seed, parts=2, gzipped=True)
    first, again, other = (content(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again
    assert {packed[4:8] for name, packed in first.items() if name.endswith(".gz")} == {bytes(4)}  # no time of writing
    assert all(first[name] != other[name] for name in first.keys() & other.keys() if "Observation" in name)
    assert one_patient(7, 1) != one_patient(8, 1)


def test_a_patient_is_the_same_whatever_the_size_and_the_parts(tmp_path):
    write_population(tmp_path / "small", 20, seed=SEED)
    write_population(tmp_path / "large", 60, seed=SEED, parts=4, gzipped=True)
    small, large = lines_by_type(tmp_path / "small"), lines_by_type(tmp_path / "large")
    expected = {}
    for number in range(1, 21):
        for kind, lines in lines_of(SEED, number).items():
            expected.setdefault(kind, []).extend(line.encode() for line in lines)
    of_the_first = re.compile(rb'"Patient/p00000(?:0\d|1\d|20)"|"Patient","id":"p00000(?:0\d|1\d|20)"')
    for kind, lines in expected.items():
        assert small[kind] == sorted(lines)
        assert [line for line in large[kind] if of_the_first.search(line)] == sorted(lines)


@pytest.mark.parametrize("numbers", [OF_INTEREST[:60], OTHERS[:20]], ids=["of interest", "others"])
def test_what_a_patient_has_is_valid_fhir_and_refers_to_what_is_there(numbers):
    for number in numbers:
        resources = one_patient(SEED, number)
        names = Counter(f"{resource['resourceType']}/{resource['id']}" for resource in resources)
        assert set(names.values()) == {1}, names
        for resource in resources:
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
            referred = set(
                re.findall(r'"reference": "((?:Patient|Encounter|Medication\w*)/[^"]+)"', json.dumps(resource))
            )
            assert referred <= names.keys()
            if resource["resourceType"] not in ("Patient", "Medication"):
                assert f"Patient/{id_of(number)}" in referred
                assert resource["id"].startswith(f"{id_of(number)}-")


def test_every_scenario_that_is_used_is_valid_fhir():
    lines = {line for own, _ in told_by_patient() for told in own for line in told.record.split("\n")}
    assert len(lines) > 1000
    for line in lines:
        resource = json.loads(line.replace(PATIENT, "p").replace(NAME, "A Name"))
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)


def test_sizes_and_shares_are_about_what_is_said(tmp_path):
    counts = write_population(tmp_path / "export", 1500, seed=SEED)
    size = sum(path.stat().st_size for path in (tmp_path / "export").glob("*.ndjson"))
    assert 42 < sum(counts.values()) / 1500 < 52
    assert 30_000 < size / 1500 < 40_000
    assert 26 < counts["Observation.ndjson"] / 1500 < 34
    text = (tmp_path / "export" / "Observation.ndjson").read_bytes()
    assert 2 < text.count(b'"code":"777-3"') / 1500 / 2 < 3
    local_only = text.count(b'"code":{"coding":[{"system":"urn:oid:2.16.840.1.113883.3.9999.7.1"')
    assert 0.01 < local_only / counts["Observation.ndjson"] < 0.05
    assert 0.027 < len(OF_INTEREST) / 20_000 < 0.033


def test_orders_are_signed_in_sessions_in_the_year_before_the_export():
    forms, statuses, sessions = Counter(), Counter(), Counter()
    for number in OF_INTEREST[:150]:
        of_the_patient = ordered(one_patient(SEED, number))
        sessions[len(of_the_patient)] += 1
        for orders in of_the_patient.values():
            times = [datetime.fromisoformat(order["authoredOn"]) for order in orders]
            assert AS_OF - timedelta(days=366) < min(times) < AS_OF
            assert max(times) - min(times) < timedelta(minutes=15)
            assert len({order["encounter"]["reference"] for order in orders}) == 1
            assert len({order["requester"]["reference"] for order in orders}) == 1
            assert {order["intent"] for order in orders} == {"order"}
            statuses.update(order["status"] for order in orders)
            forms.update("medicationReference" in order for order in orders)
    assert set(sessions) == {1, 2}
    assert statuses["active"] > 50 < statuses["completed"]
    assert statuses["draft"] == 0
    assert forms[True] > 30 < forms[False]


def test_rules_of_all_kinds_speak_of_the_orders(prepared):
    """Each first session is signed once more, with what is recorded of the patient before."""
    decisions, silent = set(), 0
    for number in OF_INTEREST[:200]:
        resources = one_patient(SEED, number)
        orders = ordered(resources)
        now = datetime.fromisoformat(orders[1][0]["authoredOn"])
        later = [order for each in orders.values() for order in each]
        record = [each for each in resources if each not in later and _seen(each) < now.isoformat()]
        drafts = [order | {"status": "draft"} for order in orders[1]]
        names = [f"{draft['resourceType']}/{draft['id']}" for draft in drafts]
        medications = [each for each in resources if each["resourceType"] == "Medication"]
        scenario = Scenario(
            "", Path(), "order-sign", now, id_of(number), record, drafts + medications, names, frozenset(), {}, True, []
        )
        fired = fire(prepared, request_of(prepared, scenario), now)
        assert fired.status == 200, (number, fired.body)
        decisions |= {card.decision.id for judged in fired.answer.judged for card in judged.decided.cards}
        silent += not fired.cards
    assert len(decisions) > 12
    assert 40 < silent < 160


def _seen(resource):
    dates = (resource.get(name) for name in ("issued", "effectiveDateTime", "recordedDate", "authoredOn"))
    return next((date for date in dates if date), "")


def test_nobody_has_a_name_of_the_fixtures():
    """Names that are looked for in tables and logs are those of the catalogue, and only those."""
    files = (packaged("fixtures") / "patients").glob("*.json")
    patients = [json.loads(file.read_text())["entry"][0]["resource"] for file in files]
    known = {word for patient in patients for word in (patient["id"], patient["name"][0]["family"])}
    assert len(known) > 80
    for number in OF_INTEREST[:150]:
        resources = one_patient(SEED, number)
        text = json.dumps(resources)
        assert not [name for name in known if name in text]
        name = next(each["name"][0] for each in resources if each["resourceType"] == "Patient")
        assert name["family"] in FAMILY_NAMES
        assert name["given"][0] in {*GIVEN_NAMES[True], *GIVEN_NAMES[False]}


def test_codes_of_the_background_end_in_their_check_digit():
    codings = set()
    for number in OTHERS:
        text = json.dumps(one_patient(SEED, number))
        codings |= set(re.findall(r'"system": "([^"]+)", "code": "([^"]+)"', text))
    assert len(codings) > 50
    assert not [coding for coding in codings if fails_check_digit(*coding)]


def test_files_are_as_an_exporter_writes_them(export):
    manifest = json.loads((export / "manifest.json").read_text())
    assert manifest.keys() >= {"transactionTime", "request", "requiresAccessToken", "output", "error"}
    assert {each["url"].rpartition("/")[2] for each in manifest["output"]} == set(content(export)) - {"manifest.json"}
    for each in manifest["output"]:
        name = each["url"].rpartition("/")[2]
        lines = messy.lines_in(export / name)
        assert re.fullmatch(rf"{each['type']}\.00[01]\.ndjson\.gz", name)
        assert {json.loads(line)["resourceType"] for line in lines} == {each["type"]}
        assert len(lines) == each["count"]


def test_the_lines_of_a_patient_stand_apart(export):
    for file in messy.files_of(export, "Observation"):
        patients = [json.loads(line)["subject"]["reference"] for line in messy.lines_in(file)]
        beside = sum(one == next_ for one, next_ in pairwise(patients))
        assert beside < len(patients) / 4


def test_a_folder_with_something_in_it_is_left_as_it_is(export):
    before = content(export)
    with pytest.raises(FileExistsError):
        write_population(export, 5)
    assert content(export) == before


def test_the_command_writes_what_the_function_does(tmp_path, capsys):
    main([str(tmp_path / "one"), "--patients", "12", "--seed", "3", "--parts", "2", "--gzip"])
    assert "12 patients" in capsys.readouterr().out
    write_population(tmp_path / "two", 12, seed=3, parts=2, gzipped=True)
    assert content(tmp_path / "one") == content(tmp_path / "two")


# --- what is wrong where that was asked for

ADDED = {
    "undated": messy.plant_undated,
    "future": messy.plant_future,
    "unknown patient": messy.plant_unknown_patient,
    "dangling": messy.plant_dangling_medication,
    "duplicate": messy.plant_duplicate,
}


@pytest.mark.parametrize("name", ADDED)
def test_a_resource_is_planted_beside_all_others_where_it_is_said_to_stand(export, name):
    before = lines_by_type(export)
    planted = ADDED[name](export)
    text = messy.lines_in(planted.file)[planted.line - 1]
    resource = json.loads(text)
    assert f"{resource['resourceType']}/{resource['id']}" == planted.reference
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    kind = resource["resourceType"]
    assert lines_by_type(export) == before | {kind: sorted([*before[kind], text])}
    assert_counts_are_right(export)


def test_what_is_planted_is_wrong_in_the_way_that_was_asked(export):
    def planted(how, *arguments):
        found = how(export, *arguments)
        return messy.lines_in(found.file)[found.line - 1]

    assert not re.search(rb"20\d\d-\d\d", planted(messy.plant_undated))
    assert not re.search(rb"20\d\d-\d\d", planted(messy.plant_undated, "Condition"))
    assert b"2027-11-30" in planted(messy.plant_future)
    assert b"2027-11-30" in planted(messy.plant_future, "Condition")
    assert b"Patient/p0000003" in planted(messy.plant_future, "Observation", "p0000003")
    assert b"Patient/not-there" in planted(messy.plant_unknown_patient)
    assert b"Medication/not-there" in planted(messy.plant_dangling_medication)
    again = planted(messy.plant_duplicate)
    assert sum(again in messy.lines_in(file) for file in messy.files_of(export, "Observation")) == 2
    with pytest.raises(json.JSONDecodeError):
        json.loads(planted(messy.plant_broken_line))


@pytest.mark.parametrize("change", [messy.plant_blank_lines, messy.end_lines_with_crlf, messy.leave_out_last_newline])
def test_the_ends_of_lines_can_be_others_and_the_resources_stay(export, change):
    before = content(export)
    change(export)
    after = content(export)
    for name in before.keys() - {"manifest.json"}:
        assert gzip.decompress(before[name]) != gzip.decompress(after[name])
        assert gzip.decompress(before[name]).split() == gzip.decompress(after[name]).split()
    assert before["manifest.json"] == after["manifest.json"]


def test_a_type_a_half_and_all_lines_of_a_file_can_be_missing(export):
    messy.leave_out_type(export, "Medication")
    assert not messy.files_of(export, "Medication")
    assert messy.files_of(export, "MedicationRequest")
    assert messy.lines_in(messy.empty_file(export, "Condition")) == []
    assert_counts_are_right(export)
    file = messy.files_of(export, "Condition")[0]
    messy.cut_off(file)
    with pytest.raises(EOFError):
        messy.lines_in(file)


def test_one_patient_can_have_many_results(export):
    before = lines_by_type(export)["Observation"]
    messy.plant_many_results(export, "p0000003", 500)
    more = [line for line in lines_by_type(export)["Observation"] if b"planted-many" in line]
    assert len({json.loads(line)["id"] for line in more}) == 500
    assert {json.loads(line)["subject"]["reference"] for line in more} == {"Patient/p0000003"}
    assert len(before) + 500 == len(lines_by_type(export)["Observation"])
    assert_counts_are_right(export)


def assert_counts_are_right(export):
    counts = {each["url"].rpartition("/")[2]: each["count"] for each in _output(export)}
    assert counts == {file.name: len(messy.lines_in(file)) for file in export.glob("*.ndjson*")}


def _output(export):
    return json.loads((export / "manifest.json").read_text())["output"]
