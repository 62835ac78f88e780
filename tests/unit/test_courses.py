"""Courses: each short form as FHIR R4, the record at each moment, and one clear line for what is wrong."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml
from fhir.resources.R4B import get_fhir_model_class

from cds_service.packaged import packaged
from cds_service.replay.cases import read_cases
from cds_service.replay.course_record import RECORDED
from cds_service.replay.courses import course_of

FIXTURES = packaged("fixtures")
FILE = Path("ada.yaml")
HEAD = """
course: A course
statements: [S1]
person: {name: Ada Mary Sample, gender: female, born: 1970-05-01}
begins: 2025-01-01
moments:
"""
LOADING = """
  - name: loading
    why: a loading course
    on: 0
    hook: order-sign
    draft: hydroxocobalamin-im-three-weekly
    accept: draft
    expect: []
"""
OPENED = """
  - {name: opened, why: the end, on: 700, hook: patient-view, expect: []}
"""


def course(moments, head=HEAD):
    return course_of(FIXTURES, FILE, yaml.safe_load(head + moments))


def record(moments):
    """What is on record at the end, by ``Type/id``, without the patient; everything is valid FHIR."""
    resources = course(moments).record
    for resource in resources:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    return {f"{r['resourceType']}/{r['id']}": r for r in resources if r["resourceType"] != "Patient"}


def only(moments):
    (resource,) = record(moments).values()
    return resource


def test_a_few_lines_make_a_patient():
    (patient,) = course("  - {on: 0, allergy: none known}").scenarios or [
        course("  - {on: 0, allergy: none known}").record[0]
    ]
    assert patient["id"] == "ada-mary-sample"
    assert patient["name"] == [{"use": "official", "family": "Sample", "given": ["Ada Mary"]}]
    assert (patient["gender"], patient["birthDate"]) == ("female", "1970-05-01")


def test_problems_procedures_and_allergies_are_written_by_name():
    found = record("  - {on: 3, problem: [pernicious anaemia, pregnancy], procedure: total ileectomy, allergy: cobalt}")
    assert list(found) == [
        "Condition/ada-mary-sample-pernicious-anaemia-1",
        "Condition/ada-mary-sample-pregnancy-1",
        "Procedure/ada-mary-sample-total-ileectomy-1",
        "AllergyIntolerance/ada-mary-sample-cobalt-1",
    ]
    problem, _, procedure, allergy = found.values()
    assert problem["code"]["coding"][0]["code"] == "84027009"
    assert problem["recordedDate"] == procedure["performedDateTime"] == allergy["recordedDate"] == "2025-01-04"
    assert problem["subject"] == {"reference": "Patient/ada-mary-sample"} == allergy["patient"]


def test_a_problem_is_resolved():
    problem = only("  - {on: 0, problem: pregnancy}\n  - {on: 2025-09-20, resolved: pregnancy}")
    assert problem["clinicalStatus"]["coding"][0]["code"] == "resolved"
    assert (problem["onsetDateTime"], problem["abatementDateTime"]) == ("2025-01-01", "2025-09-20")


def test_a_result_is_a_number_a_unit_and_a_flag():
    found = record('  - {on: 1, at: "08:30", result: {platelets: < 10 10*9/L, vitamin B12: 92.5 ng/L low}}')
    count, level = found.values()
    assert count["effectiveDateTime"] == level["effectiveDateTime"] == "2025-01-02T08:30:00Z"
    quantity = {"unit": "10*9/L", "system": "http://unitsofmeasure.org", "code": "10*9/L"}
    assert count["valueQuantity"] == {"value": 10, "comparator": "<", **quantity}
    assert "interpretation" not in count
    assert level["valueQuantity"]["value"] == 92.5
    assert level["interpretation"][0]["coding"][0]["code"] == "L"


def test_a_signed_draft_is_an_active_order_from_that_day():
    order = only(LOADING)
    assert (order["id"], order["status"], order["authoredOn"]) == ("ada-mary-sample-loading", "active", "2025-01-01")
    assert order["subject"] == {"reference": "Patient/ada-mary-sample"}


def test_doses_of_an_order_are_given_on_their_days():
    found = record(
        LOADING + "  - {on: 1, given: loading, days: [0, 2, 4]}\n  - {on: 9, given: loading, times: 2, every: 5}"
    )
    doses = [resource for resource in found.values() if resource["resourceType"] == "MedicationAdministration"]
    days = ["2025-01-02", "2025-01-04", "2025-01-06", "2025-01-10", "2025-01-15"]
    assert [dose["effectiveDateTime"] for dose in doses] == days
    assert {dose["request"]["reference"] for dose in doses} == {"MedicationRequest/ada-mary-sample-loading"}
    assert doses[0]["dosage"]["dose"]["value"] == 1000
    assert doses[0]["dosage"]["route"]["coding"][0]["code"] == "78421000"
    assert doses[0]["medicationCodeableConcept"]["coding"][0]["code"] == "317106"
    assert [dose["id"] for dose in doses][-1] == "ada-mary-sample-dose-5"


def test_a_dose_without_an_order_names_its_drug():
    dose = only("  - {on: 0, given: {drug: cyanocobalamin injection, dose: 100 mcg, route: subcutaneous}}")
    assert "request" not in dose
    assert dose["dosage"]["dose"] == {"value": 100, "unit": "mcg", "system": "http://unitsofmeasure.org", "code": "ug"}
    assert dose["dosage"]["route"]["text"] == "Subcutaneous"


def test_a_dispense_names_its_order():
    found = record(LOADING + "  - {on: 2, dispensed: loading}")
    dispense = found["MedicationDispense/ada-mary-sample-dispense-1"]
    assert dispense["authorizingPrescription"] == [{"reference": "MedicationRequest/ada-mary-sample-loading"}]
    assert dispense["whenHandedOver"] == "2025-01-03"


@pytest.mark.parametrize(
    ("until", "status", "period"),
    [
        ("", "active", {"start": "2019-06-01"}),
        (", until: 2024-11-01", "completed", {"start": "2019-06-01", "end": "2024-11-01"}),
        (", status: stopped", "stopped", {"start": "2019-06-01"}),
    ],
)
def test_a_statement_of_others_says_dose_interval_and_time(until, status, period):
    said = (
        f"drug: hydroxocobalamin injection, dose: 1 mg, route: intramuscular, every: 3 months, since: 2019-06-01{until}"
    )
    statement = only(f"  - {{on: 0, stated: {{{said}}}}}")
    assert (statement["status"], statement["effectivePeriod"]) == (status, period)
    assert statement["dateAsserted"] == "2025-01-01"
    assert statement["dosage"][0]["timing"] == {"repeat": {"frequency": 1, "period": 3, "periodUnit": "mo"}}
    assert statement["dosage"][0]["text"] == "1 mg intramuscular every 3 months"


def test_an_order_of_others_needs_no_hook():
    said = "{drug: folic acid tablets, dose: 5 mg, route: oral, every: week, frequency: 1, count: 12, for: 3 months}"
    order = only(f"  - {{on: 0, ordered: {said}}}")
    assert (order["id"], order["status"], order["intent"]) == ("ada-mary-sample-folic-acid-tablets", "active", "order")
    repeat = order["dosageInstruction"][0]["timing"]["repeat"]
    assert (repeat["periodUnit"], repeat["count"], repeat["boundsDuration"]["code"]) == ("wk", 12, "mo")


@pytest.mark.parametrize("status", ["stopped", "completed", "on-hold"])
def test_an_order_on_record_ends_on_a_day(status):
    order = only(f"{LOADING}  - {{on: 14, {status}: loading}}")
    assert (order["status"], order["authoredOn"]) == (status, "2025-01-01")
    assert order["meta"]["lastUpdated"].startswith("2025-01-15")


def test_a_renewal_is_a_new_order_that_completes_the_old_one():
    renewal = """
  - name: again
    on: 30
    hook: order-sign
    draft: {renews: loading, dosage: {dose: 1000 mcg, route: intramuscular, every: month}}
    accept: draft
    expect: []
"""
    old, new = record(LOADING + renewal).values()
    assert (old["status"], new["status"], new["authoredOn"]) == ("completed", "active", "2025-01-31")
    assert new["priorPrescription"] == {"reference": "MedicationRequest/ada-mary-sample-loading"}


def test_an_order_on_record_can_be_drafted_again_and_stopped():
    stop = """
  - name: stop
    on: 30
    hook: order-sign
    draft: {order: loading, change: {status: stopped}}
    accept: draft
    expect: []
"""
    told = course(LOADING + stop)
    (draft,) = told.scenarios[1].drafts
    assert (draft["id"], draft["status"]) == ("ada-mary-sample-loading", "stopped")
    order = told.record[-1]
    assert (order["status"], order["meta"]["lastUpdated"][:10]) == ("stopped", "2025-01-31")


def test_what_a_suggestion_leaves_goes_onto_the_record():
    accepted = """
  - name: start
    on: 2
    hook: order-select
    draft: [hydroxocobalamin-im-three-weekly, folic-acid-5mg-oral]
    draft-change: {note: [{text: first}]}
    accept: Something else
    leaves: [{file: hydroxocobalamin-im-alternate-days, dosage: {dose: 1 mg, every: 2 days}}, folic-acid-5mg-oral]
    expect: [{topic: x, indicator: warning, suggestions: [Something else]}]
"""
    told = course(accepted)
    assert [draft.get("note") for draft in told.scenarios[0].drafts] == [[{"text": "first"}], None]
    assert told.scenarios[0].selections == ["MedicationRequest/draft-1", "MedicationRequest/draft-2"]
    orders = told.record[1:]
    assert [order["id"] for order in orders] == ["ada-mary-sample-start", "ada-mary-sample-start-2"]
    assert orders[0]["dosageInstruction"][0]["timing"]["repeat"]["period"] == 2
    assert told.accepted == {"ada/start": "Something else"}


def test_whole_resources_and_changes_say_what_no_short_form_does():
    whole = "{resourceType: Condition, id: own, code: {text: x}, subject: {reference: Patient/x}, recordedDate: P-3D}"
    added, changed = record(
        f"  - {{on: 5, add: {whole}}}\n  - {{on: 5, problem: pregnancy, with: {{recordedDate: P-1D}}}}"
    ).values()
    assert (added["recordedDate"], changed["recordedDate"]) == ("2025-01-03", "2025-01-05")


def test_a_moment_becomes_a_scenario():
    told = course(LOADING + OPENED)
    first, last = told.scenarios
    assert (first.name, first.hook, first.now) == (
        "ada/loading",
        "order-sign",
        datetime.fromisoformat("2025-01-01T12:00Z"),
    )
    assert first.drafts[0]["authoredOn"] == "2025-01-01"
    assert (first.why, first.statements, first.path) == ("a loading course", ("S1",), FILE)
    assert [r["resourceType"] for r in first.resources] == ["Patient"]
    assert [r["resourceType"] for r in last.resources] == ["Patient", "MedicationRequest"]


def test_the_record_at_a_hook_is_what_stands_above_it_and_is_not_dated_later():
    moments = (
        LOADING
        + "  - {on: 0, given: loading, times: 4, every: 2}\n  - {on: 4, problem: pregnancy}\n"
        + "  - {name: opened, on: 4, hook: patient-view, expect: []}\n  - {on: 4, procedure: total ileectomy}"
    )
    opened = course(moments).scenarios[1]
    kinds = [resource["resourceType"] for resource in opened.resources]
    assert kinds.count("MedicationAdministration") == 3
    assert "Condition" in kinds and "Procedure" not in kinds


def test_a_dose_later_on_the_day_of_a_hook_is_not_there_yet():
    moments = f'{LOADING}  - {{on: 0, at: "14:00", given: loading, times: 3}}\n'
    opened = course(moments + "  - {name: opened, on: 1, hook: patient-view, expect: []}").scenarios[1]
    assert [r["effectiveDateTime"] for r in opened.resources[2:]] == ["2025-01-01T14:00:00Z"]


def test_a_patient_of_the_fixtures_has_what_was_known_by_then():
    head = "course: Edith\npatient: edith-mwangi\nbegins: 2025-09-04\nmoments:\n"
    (told,) = course("  - {name: opened, on: 1, hook: patient-view, expect: []}", head).scenarios
    doses = [r for r in told.resources if r["resourceType"] == "MedicationAdministration"]
    assert [dose["effectiveDateTime"][:10] for dose in doses] == ["2025-09-01", "2025-09-03", "2025-09-05"]
    assert not any(r["id"].endswith("hydroxocobalamin") for r in told.resources)


def test_ids_are_the_same_each_time():
    moments = LOADING + "  - {on: 1, given: loading, times: 3}\n  - {on: 8, result: {platelets: 200 10*9/L}}" + OPENED
    assert course(moments) == course(moments)


@pytest.mark.parametrize(
    ("moments", "said"),
    [
        ("  - {on: 0, problem: plague}", "moment 1 (on 0): 'plague' is no problem; known are vitamin B12 deficiency,"),
        ("  - {on: 0, result: {platelets: many}}", "'many' is no result: write a number, a unit"),
        ("  - {on: 0, result: {platelets: 3 pints}}", "'pints' is no unit; known are mcg, mg"),
        ("  - {on: 0, result: {platelets: 3 10*9/L odd}}", "'odd' is no flag; known are low"),
        ("  - {on: 0, result: platelets}", "a result is written as its name and its value"),
        ("  - {on: 0, given: loading}", "no order 'loading' is on record by then; there are none"),
        ("  - {on: 0, given: {dose: 1 mg}}", "names an order, or its drug"),
        ("  - {on: 0, given: {drug: aspirin}}", "'aspirin' is no drug; known are hydroxocobalamin injection"),
        ("  - {on: 0, given: {drug: pemetrexed, dose: much}}", "'much' is no dose"),
        ("  - {on: 0, given: {drug: pemetrexed, route: ear}}", "'ear' is no route"),
        ("  - {on: 0, given: {drug: pemetrexed, often: 3}}", "'often' is not known in what is said of a drug"),
        ("  - {on: 0, given: {drug: pemetrexed}, times: 0}", "times and every are whole numbers"),
        ("  - {on: 0, given: {drug: pemetrexed}, days: [-1]}", "days are whole numbers of days"),
        ("  - {on: 0, stated: {drug: pemetrexed, every: fortnight}}", "'fortnight' is no length of time"),
        ("  - {on: 0, resolved: pregnancy}", "the problem 'pregnancy' is not on record by then"),
        ("  - {on: 0, stopped: loading}", "no order 'loading' is on record by then"),
        ("  - {on: 0, add: {id: x}}", "a whole resource with its resourceType and id"),
        ("  - {on: soon, problem: pregnancy}", "'soon' is no day: write a date such as 2025-03-01 or a number"),
        ("  - {problem: pregnancy}", "moment 1 (on ?): on is missing"),
        ("  - {on: 0}", "nothing happens"),
        ("  - {on: 0, problems: pregnancy}", "'problems' is not known in a moment at which something is recorded"),
        ("  - pregnancy", "a moment is written as names and values, not as str"),
        ("  - {on: 0, at: 8, problem: pregnancy}", "at is a time of day in quotes"),
        ("  - {on: 9, problem: pregnancy}\n  - {on: 8, problem: pregnancy}", "2025-01-09 is before 2025-01-10"),
        (
            '  - {on: 9, at: "15:00", problem: pregnancy}\n  - {name: x, on: 9, hook: patient-view, expect: []}',
            "x: 2025-01-10 12:00 is before 2025-01-10 15:00",
        ),
        ("  - {on: 0, hook: patient-view, expect: []}", "name is missing"),
        (
            "  - {name: x, on: 0, hook: order-review, expect: []}",
            "x: 'order-review' is no hook; known are order-select",
        ),
        ("  - {name: x, on: 0, hook: patient-view}", "x: expect is missing"),
        ("  - {name: x, on: 0, hook: patient-view, expect: [y]}", "x: expect is a list of cards"),
        ("  - {name: x, on: 0, hook: order-sign, draft: none, expect: []}", "x: no draft 'none' in drafts/"),
        ("  - {name: x, on: 0, hook: order-sign, draft: {order: y}, expect: []}", "x: no order 'y' is on record"),
        ("  - {name: x, on: 0, hook: order-sign, draft: {}, expect: []}", "x: a draft is either a file of drafts/"),
        ("  - {name: x, on: 0, hook: order-sign, accept: draft, expect: []}", "x: there is no draft to accept"),
        ("  - {name: x, on: 0, hook: order-sign, select: [1], expect: []}", "x: select names drafts by number"),
        (
            "  - {name: x, on: 0, hook: order-sign, draft: leucovorin, accept: it, expect: []}",
            "x: accept is 'draft' or the label of an expected suggestion, not 'it'",
        ),
        (
            "  - {name: x, on: 0, hook: order-sign, draft: leucovorin, leaves: leucovorin, expect: []}",
            "x: leaves says what an accepted suggestion leaves",
        ),
        (f"{LOADING}{LOADING}", "loading: two orders are named 'loading'"),
        (f"{OPENED}{OPENED}", "moments: two moments are named ada/opened"),
        ("  - {on: 99999999999, problem: pregnancy}", "days from the beginning is no day"),
        ("  - {on: 0, problem: pregnancy, with: 3}", "with is written as names and values, not as int"),
    ],
)
def test_what_is_wrong_is_one_line_with_file_and_moment(moments, said):
    with pytest.raises(ValueError, match=r"^ada\.yaml: ") as raised:
        course(moments)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("course: x\nbegins: 2025-01-01\nmoments:\n", "a course has either a patient"),
        ("course: x\npatient: nobody\nbegins: 2025-01-01\nmoments:\n", "no patient 'nobody' in patients/"),
        ("course: x\nperson: {name: A}\nmoments:\n", "begins is missing"),
        ("course: x\nperson: {nick: A}\nbegins: 2025-01-01\nmoments:\n", "'nick' is not known in a person"),
        ("course: x\nperson: A\nbegins: 2025-01-01\nmoments:\n", "a person is written as names and values"),
        ("course: x\nperson: {name: A}\nbegins: 3\nmoments:\n", "3 is no day"),
        ("course: x\nhead: y\nperson: {name: A}\nbegins: 2025-01-01\nmoments:\n", "'head' is not known in the head"),
        ("moments:\n", "course is missing"),
    ],
)
def test_a_wrong_head_is_named(head, said):
    with pytest.raises(ValueError, match=r"^ada\.yaml: head: ") as raised:
        course("  - {on: 0, problem: pregnancy}", head)
    assert said in str(raised.value)


def test_the_short_forms_are_missing_where_there_are_none(tmp_path):
    with pytest.raises(ValueError, match=r"short-forms\.yaml: not there"):
        course_of(tmp_path, FILE, yaml.safe_load(HEAD + OPENED))


def test_a_course_that_is_named_is_read_wherever_it_lies(tmp_path):
    (tmp_path / "mine.yaml").write_text(HEAD + LOADING + OPENED)
    cases = list(read_cases(FIXTURES, [tmp_path / "mine.yaml"]))
    assert [case.name for case in cases] == ["mine/loading", "mine/opened"]
    moved = cases[1].request(
        {"orders": "MedicationRequest?patient={{context.patientId}}"}, cases[1].now + timedelta(days=30)
    )
    (entry,) = moved["prefetch"]["orders"]["entry"]
    assert entry["resource"]["authoredOn"] == "2025-01-31"
    json.dumps(moved)


def test_the_example_of_the_readme_is_a_course():
    (example,) = re.findall(r"```yaml\n(course:.*?)```", (FIXTURES / "README.md").read_text(encoding="utf-8"), re.S)
    told = course_of(FIXTURES, FILE, yaml.safe_load(example))
    (renewal,) = told.scenarios
    assert [r["resourceType"] for r in renewal.resources].count("MedicationAdministration") == 3
    assert told.accepted == {"ada/renewal": "draft"}


def test_the_readme_names_every_key_that_records_something():
    readme = (FIXTURES / "README.md").read_text(encoding="utf-8")
    assert [key for key in RECORDED if f"`{key}`" not in readme] == []
