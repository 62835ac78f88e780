"""What is left out of an export changes no answer, whatever is in a record and however it is written."""

import json
import re
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cds_service.chart.sent_entries import ChartEntry
from cds_service.population.selection import TREATMENTS, medications_of, referred
from tests.support.exports import answers, read, resources_of, write

PATIENTS = ("agnes-thornton", "beatriz-santos", "emily-carter", "linda-fischer", "zoe-papadakis")
SNOMED, LOCAL = "http://snomed.info/sct", "http://hospital.example/codes"
RXNORM, ICD = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://hl7.org/fhir/sid/icd-10-cm"


def coded(system, code, display):
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


PROBLEMS = [
    coded(SNOMED, "38341003", "Hypertension"),
    coded(SNOMED, "84027009", "Pernicious anaemia"),
    coded(ICD, "I10", "Hypertension"),
    coded("urn:oid:2.16.840.1.113883.6.96", "38341003", "Hypertension"),
    coded(LOCAL, "HTN", "Hypertension"),
    {"text": "Hypertension"},
    {"text": "Pernicious anaemia"},
    {"text": "No known problems"},
    {"coding": {"system": SNOMED, "code": "38341003"}},
    {"coding": [{"system": None, "code": "I10"}]},
    {"coding": [{"code": "D51.0"}]},
    {"coding": []},
    "hypertension",
    5,
    None,
]
PROCEDURES = [
    coded(SNOMED, "430193006", "Medication reconciliation"),
    coded(SNOMED, "302497006", "Haemodialysis"),
    coded(LOCAL, "P1", "Vitamin B12 injection"),
    coded(LOCAL, "P2", "Dressing"),
    {"text": "Hydroxocobalamin given"},
]
DRUGS = [
    coded(RXNORM, "314076", "Lisinopril 10 MG Oral Tablet"),
    coded(RXNORM, "11248", "Vitamin B12"),
    coded(LOCAL, "L1", "Lisinopril"),
    {"text": "Methotrexate"},
    {"text": "Hydroxocobalamin 1 mg/mL injection"},
    {"coding": {"system": RXNORM, "code": "314076"}},
    {"coding": [{"system": RXNORM}]},
    7,
]
MEDICATIONS = {
    "lisinopril": {"code": coded(RXNORM, "314076", "Lisinopril")},
    "local": {"code": coded(LOCAL, "X", "X")},
    "made": {"ingredient": [{"itemCodeableConcept": {"text": "Hydroxocobalamin"}}]},
}
REFERENCES = [
    {"reference": "Medication/lisinopril"},
    {"reference": "https://fhir.example/Medication/local/_history/2", "display": "Lisinopril"},
    {"reference": "Medication/made"},
    {"reference": "Medication/missing"},
    {"reference": "Medication/missing", "display": "Lisinopril 10 MG"},
    {"reference": "#in"},
    {"display": "Lisinopril"},
]
DATES = ["2026-10-01", "2026-10", "2019", "soon", "2027-05-05", 3, None]
CLINICAL = [None, *({"coding": [{"code": code}]} for code in ("active", "resolved", "odd")), "active", 5]
STATUSES = ["completed", "active", "stopped", "in-progress", "not-done", "odd", None, {"code": "x"}]

problem = st.fixed_dictionaries(
    {"resourceType": st.just("Condition"), "code": st.sampled_from(PROBLEMS)},
    optional={
        "clinicalStatus": st.sampled_from(CLINICAL),
        "verificationStatus": st.sampled_from([{"coding": [{"code": "confirmed"}]}, {"text": "refuted"}]),
        "recordedDate": st.sampled_from(DATES),
        "modifierExtension": st.just([{"url": "x"}]),
        "note": st.just([{"text": "é"}]),
    },
)
procedure = st.fixed_dictionaries(
    {"resourceType": st.just("Procedure"), "code": st.sampled_from(PROCEDURES), "status": st.sampled_from(STATUSES)},
    optional={"performedDateTime": st.sampled_from(DATES)},
)
treatment = st.fixed_dictionaries(
    {
        "resourceType": st.sampled_from(
            ["MedicationRequest", "MedicationAdministration", "MedicationDispense", "MedicationStatement"]
        ),
        "status": st.sampled_from(STATUSES),
    },
    optional={
        "medicationCodeableConcept": st.sampled_from(DRUGS),
        "medicationReference": st.sampled_from(REFERENCES),
        "medication": st.sampled_from([{"concept": DRUGS[0]}, {"reference": REFERENCES[0]}, "x"]),
        "contained": st.sampled_from([[{"resourceType": "Medication", "id": "in", "code": DRUGS[4]}], {}]),
        "intent": st.sampled_from(["order", "plan", "proposal"]),
        "authoredOn": st.sampled_from(DATES),
        "effectiveDateTime": st.sampled_from(DATES),
        "whenHandedOver": st.sampled_from(DATES),
        "derivedFrom": st.just([{"reference": "MedicationRequest/x-0"}]),
        "request": st.just({"reference": "MedicationRequest/x-1"}),
    },
)
SPOILED = {
    "as it is": lambda text: text,
    "half a letter": lambda text: text[:-1] + ',"language":"\\ud800"}',
    "half a letter that is read": lambda text: text[:-1] + ',"status":"\\ud800"}',
    "a member twice": lambda text: text[:-1] + ',"code":{"text":"Pernicious anaemia"}}',
    "a comma too many": lambda text: text[:-1] + ',"x":[1,]}',
    "no number": lambda text: text[:-1] + ',"x":NaN}',
}
line = st.tuples(
    st.one_of(problem, procedure, treatment), st.sampled_from([*["as it is"] * 6, *SPOILED]), st.booleans()
)


def texts_of(patient, drawn):
    """The lines of a patient: those of the fixtures, unless left out, and what was drawn."""
    texts = [json.dumps(resource) for resource in resources_of(patient)]
    for number, (resource, spoiled, absolute) in enumerate(drawn):
        subject = {
            "reference": f"https://fhir.example/Patient/{patient}/_history/1" if absolute else f"Patient/{patient}"
        }
        text = json.dumps({**resource, "id": f"x-{number}", "subject": subject})
        texts.append(SPOILED[spoiled](re.sub(r'(["/]x-)', rf"\1{patient}-", text)))  # ids are of one patient each
    return [text for text in texts if is_json(text)]


def is_json(text):
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return False
    return True


def words(found):
    return json.dumps(found, indent=1, ensure_ascii=False).split("\n")


def by_type_and_id(text):
    resource = json.loads(text)
    return resource["resourceType"], resource["id"]


def medications_beside(texts):
    """The Medications to which the treatments that can be read refer."""
    kinds = [(json.loads(text)["resourceType"], text.encode()) for text in texts]
    read_ones = [ChartEntry.read(raw, kind).resource for kind, raw in kinds if kind in TREATMENTS]
    named = [referred(name) for resource in read_ones if resource is not None for name in medications_of(resource)]
    return [
        json.dumps({"resourceType": "Medication", "id": name, **medication})
        for name, medication in MEDICATIONS.items()
        if name in named
    ]


@settings(
    max_examples=15,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to make an example smaller takes minutes
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(st.lists(line, max_size=6), min_size=len(PATIENTS), max_size=len(PATIENTS)), st.booleans())
def test_an_answer_is_the_same_with_what_was_left_out_and_without_it(drawn, medications_apart):
    whole = {patient: texts_of(patient, extra) for patient, extra in zip(PATIENTS, drawn, strict=True)}
    medications = [json.dumps({"resourceType": "Medication", "id": name, **one}) for name, one in MEDICATIONS.items()]
    with tempfile.TemporaryDirectory() as folder:
        export = Path(folder) / "export"
        texts = [text for patient in PATIENTS for text in whole[patient]]
        if medications_apart:
            write(export / "Medication.ndjson", medications)
        write(export / "all.ndjson.gz", texts if medications_apart else [*texts, *medications])
        kept, _, _ = read(export, Path(folder) / "aside")
    for patient, everything in whole.items():
        in_order = sorted([*everything, *medications_beside(everything)], key=by_type_and_id)
        assert words(answers(patient, kept[patient])) == words(answers(patient, in_order))


def test_most_of_what_is_about_something_else_is_left_out(tmp_path):
    resource = {"resourceType": "Condition", "subject": {"reference": "Patient/emily-carter"}, "code": PROBLEMS[0]}
    others = [json.dumps({**resource, "id": f"other-{number}"}) for number in range(50)]
    write(tmp_path / "export" / "Condition.ndjson", [*map(json.dumps, resources_of("emily-carter")), *others])
    kept, _, _ = read(tmp_path / "export", tmp_path / "aside")
    assert not any("other-" in text for text in kept["emily-carter"])
    assert len(kept["emily-carter"]) < 15


@pytest.mark.parametrize(
    "odd", [{"code": PROBLEMS[4]}, {"code": PROBLEMS[0], "clinicalStatus": 5}, {"code": PROBLEMS[6]}], ids=str
)
def test_the_whole_list_stays_where_an_entry_is_not_understood(tmp_path, odd):
    of = {"resourceType": "Condition", "subject": {"reference": "Patient/emily-carter"}}
    others = [json.dumps({**of, "id": f"other-{number}", "code": PROBLEMS[0]}) for number in range(5)]
    texts = [*map(json.dumps, resources_of("emily-carter")), *others, json.dumps({**of, "id": "odd", **odd})]
    write(tmp_path / "export" / "all.ndjson", texts)
    kept, _, _ = read(tmp_path / "export", tmp_path / "aside")
    assert sum('"other-' in text for text in kept["emily-carter"]) == 5
