"""Nobody is found again by a de-identified recording: not by what it holds, its file, or when it was written.

Values that cannot be mistaken are planted everywhere that a request has a place, and searched for in every byte.
"""

from __future__ import annotations

import json
import random
import re
import stat
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.chart import statuses
from cds_service.content.needs import templates_of
from cds_service.fhir import lenient, medication_words, schedule_words, strict, treatments
from cds_service.fhir.codes import SYSTEMS
from cds_service.fhir.flags import OTHER_FLAGS
from cds_service.fhir.schedule_words import DAYS_OF_WEEK, UNITS, WHEN
from cds_service.recording import canonical
from cds_service.recording.deidentify import Deidentifier
from cds_service.recording.elements import DRAFTS, ELEMENTS
from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.vocabulary.json_text import encode
from tests.support.changed_value import with_value
from tests.support.every_element import DAY, NAME, NUMBER, NUMBERS, TEXTS, finds, planted
from tests.support.sample import sampled
from tests.support.scenarios import by_name, request_of

SELECT = "/cds-services/vitamin-b12-order-select"
KEY = "a key of more than thirty-two bytes, for tests"
PATIENT, DRAFT = "kwame-mensah", "hydroxocobalamin-im-three-weekly"
NOW = datetime(2026, 11, 23, 12, 34, 56, 789012, tzinfo=UTC)

# Of all scenarios these have between them nearly every element that one of them has.
RICH = [
    "drugs-in-the-field/stoppedBesideAnUnknownDraft",
    "beside-and-under-way/courseUnderWay",
    "course-of-treatment/statedInR5",
    "how-far-back/dialysisWithinAYear",
    "recognition/medicationReference",
    "course-of-treatment/dispensed",
]


@pytest.fixture
def recorded(tmp_path):
    """A service that keeps de-identified recordings: a call, and what has been written of all calls so far."""

    class Recorded:
        def __init__(self, **more):
            self.folder = tmp_path / "recordings"
            app = create_app(Settings(key=KEY, loopback=True, record=self.folder, record_deidentified=True, **more))
            self.client, self.recorder = app.test_client(), app.extensions["recorder"]

        def post(self, body, path=SELECT):
            return self.client.post(path, json=body)

        def files(self):
            self.recorder.settle()
            return sorted(self.folder.glob("**/*.*"))

        def outcomes(self):
            text = self.client.get("/metrics").text
            return {kind: int(float(n)) for kind, n in re.findall(r'recordings_total\{outcome="(\w+)"\} (\S+)', text)}

    return Recorded


@pytest.fixture(scope="module")
def by(pack):
    return Deidentifier(pack, b"a key for tests")


class Requests(list):
    """A list that a failing test does not print whole."""

    __repr__ = object.__repr__


class Closed(tuple):
    """Texts and words of closed lists, not printed either."""

    __slots__ = ()
    __repr__ = object.__repr__


@pytest.fixture(scope="module")
def rich(prepared):
    """Requests with many elements, as JSON, each with the prefetch that its service asks for."""
    requests = Requests()
    for name in RICH:
        scenario = by_name(name)
        service = prepared.pack.service_for(scenario.hook)
        request = json.loads(encode(request_of(prepared, scenario)))
        requests.append((request, templates_of(prepared.pack, service)))
    return requests


def forms(by, request, templates):
    """Every form that a request may be kept in, as JSON."""
    tree = msgspec.json.Decoder(dict, float_hook=Decimal).decode(json.dumps(request))
    for form in by.forms(tree, templates, NOW, random.Random(1)):  # noqa: S311  (no secret)
        yield encode([form.request, form.now, form.dropped]).decode()


def entry_beside(resource, whose):
    """An entry with a resource that says that it is of the patient, where one of its type says so."""
    return {
        "fullUrl": f"https://ehr.example/{NAME}/{NUMBER}",
        "resource": {**resource, "subject": whose, "patient": whose},
        "link": [{"relation": NAME, "url": NAME}],
        "request": {"method": NAME, "url": NAME},
        "response": {"status": NAME, "lastModified": DAY},
        "search": {"mode": NAME, "score": NUMBERS[0]},
    }


@pytest.mark.parametrize("resource_type", sorted({*ELEMENTS, *DRAFTS, "Encounter", "Practitioner"}))
def test_nothing_planted_in_any_element_of_a_resource_is_written(recorded, request_for, resource_type):
    """Every element of R4 and R5, in every prefetch key and among the drafts, of the patient and of another one."""
    service = recorded()
    ours = {"reference": f"Patient/{PATIENT}", "display": NAME, "identifier": {"value": NUMBER}}
    for resource, drafted in zip(planted(resource_type), planted(resource_type, extended=False), strict=True):
        for whose in (ours, {"reference": f"Patient/{NUMBER}"}):
            body = request_for(PATIENT, DRAFT)
            for bundle in body["prefetch"].values():
                if bundle["resourceType"] == "Bundle" and resource_type != "OperationOutcome":
                    bundle.setdefault("entry", []).append(entry_beside(resource, whose))
                    bundle |= {"id": NAME, "link": [{"relation": NAME, "url": NAME}], "timestamp": DAY}
            if resource_type != "Patient":
                body["prefetch"]["patient"] |= {
                    name: value
                    for name, value in next(planted("Patient")).items()
                    if name not in body["prefetch"]["patient"]
                }
            body["context"]["draftOrders"]["entry"].append(entry_beside(drafted, ours))
            body |= {NAME: NAME, "extension": {NAME: NUMBERS}, "fhirServer": f"https://{NAME}.example"}
            answer = service.post(body)
            assert answer.status_code in (200, 412), answer.text
    files = service.files()
    assert len(files) == service.outcomes().get("kept", 0) >= 1, service.outcomes()
    for file in files:
        assert not finds(f"{file.name} {file.read_text()}")


def leaves(tree, way=()):
    """The way to every value of a tree that has none below it."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if isinstance(value, dict | list) and value:
            yield from leaves(value, (*way, key))
        else:
            yield (*way, key)


@pytest.mark.parametrize("place", range(len(RICH)))
def test_nothing_planted_in_the_place_of_any_value_is_written(by, rich, place):
    """Each value of a call in turn, the envelope's too, replaced by what must not get out.

    That is one thing for each, or two where every case is asked for.
    """
    request, templates = rich[place]
    plants = (*TEXTS, *NUMBERS, {NAME: NAME}, [NAME, [NUMBERS]])
    for number, way in enumerate(leaves(request)):
        for plant in sampled((plants[number % len(plants)], plants[(number * 7 + 3) % len(plants)]), 2):
            form = next(forms(by, with_value(request, way, plant), templates))
            assert not finds(form), (way, plant)


def test_what_is_searched_for_would_be_found():
    said = json.dumps([list(planted("Observation")), TEXTS, NUMBERS])
    assert {NAME.casefold(), DAY} <= set(finds(said))
    assert finds(json.dumps(NUMBERS[0])) and finds("741-00-72 13") and finds("0.7410072") and finds(NAME.upper())
    assert not finds("7410 and 22.01 on 2037-09-13")


def at(way):
    """Changes what stands at a way, such as ``prefetch.platelets.entry.0``, to what is given."""

    def change(body, value):
        parent = body
        *above, last = way.split(".")
        for key in above:
            parent = parent[int(key)] if isinstance(parent, list) else parent.setdefault(key, {})
        parent[last] = value

    return change


ORDER = "context.draftOrders.entry.0.resource"
RESULT = "prefetch.platelets.entry.0.resource"
PROBLEM = "prefetch.conditions.entry.0.resource"
# Where names, numbers and dates came through before.
CAME_THROUGH = [
    ("prefetch.platelets.link", [{"relation": NAME, "url": "x"}, {"relation": [NAME, NUMBERS], "url": "x"}]),
    (f"{PROBLEM}.code", {"coding": [{"code": NAME}, {"code": NUMBER}]}),
    (f"{PROBLEM}.code", {"coding": [{"system": "http://hl7.org/fhir/sid/us-ssn", "code": "741-00-7213"}]}),
    (f"{PROBLEM}.code", {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": f"{NAME}.{NUMBER}"}]}),
    (f"{PROBLEM}.code", {"coding": [{"system": "http://snomed.info/sct", "code": NUMBER}]}),
    (f"{PROBLEM}.code", {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/v3-{NAME}", "code": "x"}]}),
    (f"{PROBLEM}.severity", f"JANE{NAME}-1950-01-01"),
    (f"{PROBLEM}.clinicalStatus", f"JANE{NAME}-1950-01-01"),
    (f"{ORDER}.priority", f"JANE{NAME}-1950-01-01"),
    (f"{ORDER}.dosageInstruction.0.timing", {"repeat": {"when": [f"JANE{NAME}"], "timeOfDay": [f"07:41:00.{NUMBER}"]}}),
    (f"{ORDER}.basedOn", [{"reference": f"{NAME}/{NUMBER}"}]),
    ("context.draftOrders.entry.0.fullUrl", f"https://ehr/wards/{NAME}/{NUMBER}"),
    ("prefetch.platelets.entry.0.resource.contained", [{"resourceType": NAME, "id": NUMBER}]),
    (f"{RESULT}.valueQuantity", {"value": NUMBERS[0], "unit": "10*9/L"}),
    (f"{RESULT}.valueQuantity", {"value": NUMBERS[1], "unit": f"10*9/L {NAME}", "code": "10*9/L"}),
    (f"{RESULT}.effectiveDateTime", f"{DAY}T07:41:00.{NUMBER}Z"),
    ("prefetch.patient.birthDate", "1941-07-13"),
    ("hookInstance", f"{NAME}-{NUMBER}"),
    ("prefetch.platelets.total", NUMBERS[0]),
    (NAME, NAME),
]


@pytest.mark.parametrize(("way", "value"), CAME_THROUGH)
def test_what_came_through_before_does_not(recorded, request_for, way, value):
    service = recorded()
    body = request_for(PATIENT, DRAFT)
    at(way)(body, value)
    status = service.post(body).status_code
    files = service.files()
    assert status in (200, 412)
    assert len(files) == (status == 200), service.outcomes()
    for file in files:
        assert not finds(file.read_text())
        assert "1941" not in file.read_text()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda body: body.update(hook={NAME: NUMBERS}), 400),
        (lambda body: body.update(hook=f"JANE{NAME}"), 400),
        (lambda body: body["context"].pop("selections"), 400),
        (lambda body: body["prefetch"].clear(), 412),
        (lambda body: body["prefetch"]["patient"].update(id=NAME), 422),
    ],
)
def test_nothing_of_a_refused_call_is_written(recorded, request_for, change, status):
    service = recorded()
    body = request_for(PATIENT, DRAFT)
    change(body)
    assert service.post(body).status_code == status
    assert service.files() == []
    assert service.outcomes() == {"refused": 1}


SITE = """
[[codes.platelet-count]]
system = "urn:example:laboratory"
code = "OURS-7"
display = "Platelets of ours"

[[codes.cobalamin-medication]]
system = "urn:example:pharmacy"
code = "OURS-8"
display = "Ours in ampoules"
agent = "hydroxocobalamin"
form = "injection"

[schedules]
"urn:example:orders|OURS-9" = "every 3 wk"
"as ours" = "every 3 wk"
"""


def test_what_is_a_site_s_own_becomes_what_it_maps_to(recorded, request_for, tmp_path):
    """A local code would tell the hospital (Z31)."""
    (tmp_path / "site.toml").write_text(SITE, encoding="utf-8")
    service = recorded(site=tmp_path / "site.toml")
    body = request_for(PATIENT, DRAFT)
    at(f"{RESULT}.code")(body, {"coding": [{"system": "urn:example:laboratory", "code": "OURS-7"}]})
    at(f"{ORDER}.medicationCodeableConcept")(body, {"coding": [{"system": "urn:example:pharmacy", "code": "OURS-8"}]})
    for frequency in ({"coding": [{"system": "urn:example:orders", "code": "OURS-9"}]}, {"text": "As  ours"}):
        at(f"{ORDER}.dosageInstruction.0.timing")(body, {"code": frequency})
        answer = service.post(body)
        assert answer.json["cards"][0]["indicator"] == "critical"
    files = service.files()
    assert len(files) == 2
    for file in files:
        text = file.read_text()
        assert "ours" not in text.casefold() and "urn:example" not in text
        timing = json.loads(text)["request"]["context"]["draftOrders"]["entry"][0]["resource"]["dosageInstruction"][0]
        assert "every 3 wk" in json.dumps(timing)


# --- closed lists -----------------------------------------------------------------------------------------------

_DATE = r"\d{4}(-\d\d(-\d\d)?)?"
_ID = r"#?(\d+ ?~?|[0-9a-f]{20}|other)"
_FORMED = re.compile(
    rf"{_DATE}|{_ID}|(urn:uuid:|[A-Z][A-Za-z]+/){_ID}|other[ -]\d+|[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}"
    rf"|Practitioner/user|\d\d:\d\d:00|-?\d[\d.]*(E[+-]?\d+)?|urn:other"
    r"|\d+ times per (\d+ )?[a-z]+|every [\d-]+ [a-z]+",
    re.ASCII,
)
_WORD = re.compile(r"[^\W_]+")


@pytest.fixture(scope="module")
def closed(pack):
    """Every text that a recording may hold whole, and every word of which one may be made."""
    sets = list(pack.value_sets.values())
    texts = {system.canonical for system in SYSTEMS} | {"http://unitsofmeasure.org", "Basic", *ELEMENTS, *DRAFTS}
    texts |= {part for each in sets for pair in each.codes for part in pair}
    texts |= {part for each in sets for prefix in each.prefixes for part in (prefix.system, prefix.code)}
    texts |= {f"{code}-00" for each in sets for system, code in each.codes if system.endswith("/ndc")}
    texts |= {service.hook for service in pack.services.values()} | {">", "<", ">=", "<=", "="}
    texts |= {unit for fact in pack.facts.values() if fact.analyte for unit in fact.analyte.factors}
    texts |= {meant for fact in pack.facts.values() for meant in fact.counted.values()}
    texts |= {
        text for name in dir(statuses) if isinstance(value := getattr(statuses, name), frozenset) for text in value
    }
    texts |= {system for system, _ in schedule_words._CODES} | {code for _, code in schedule_words._CODES}
    texts |= {*UNITS, *UNITS.values(), *DAYS_OF_WEEK, *WHEN, *(flag.upper() for flag in OTHER_FLAGS), *OTHER_FLAGS}
    texts |= {*canonical._EXAMPLES, "draft", "final", "Bundle", "Basic"}
    words = {word for each in sets for name in each.names for word in _WORD.findall(name.casefold())}
    words |= {*medication_words.FORM_WORDS, "other", "level", "glucose", "no", "known", "allergies", "problems"}
    words |= {word.casefold() for fact in pack.facts.values() for name in fact.naming for word in _WORD.findall(name)}
    words |= {word for each in sets for told in each.words.values() for word in told}
    words |= {word for flag in OTHER_FLAGS for word in flag.split()}
    words |= set(
        """
        male female unknown order proposal plan option original reflex filler instance routine urgent asap stat match
        include outcome next self get head post put delete patch fatal error warning information active inactive
        entered in taking not as directed on hold stopped user encounter
    """.split()  # noqa: SIM905  (a row of words)
    )
    return Closed((texts, words))


def strings_and_names(tree):
    """Every text in a tree, and every member's name."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield "name", name
            yield from strings_and_names(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from strings_and_names(value)
    else:
        yield "value", tree


def structures(module):
    return [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, msgspec.Struct)]


MEMBERS = {
    name
    for module in (lenient, treatments, strict)
    for structure in structures(module)
    for name in structure.__struct_encode_fields__
} | {
    *("hook", "hookInstance", "context", "prefetch", "userId", "patientId", "encounterId", "selections", "draftOrders"),
    *(
        "entry",
        "resource",
        "fullUrl",
        "search",
        "mode",
        "request",
        "method",
        "link",
        "relation",
        "total",
        "url",
        "other",
    ),
    *("issue", "severity", "reason", "doseSimpleQuantity", "dose"),
}


def assert_closed(text, keys, closed):
    texts, words = closed
    request, now, _ = json.loads(text, parse_float=Decimal)
    at_hour = datetime.fromisoformat(now)
    assert (at_hour.minute, at_hour.second, at_hour.microsecond) == (0, 0, 0)
    for kind, value in strings_and_names(request):
        if kind == "name":
            assert value in MEMBERS | set(keys), value
        elif isinstance(value, str):
            whole = value in texts or _FORMED.fullmatch(value) or not value.strip()
            assert whole or words.issuperset(_WORD.findall(value.casefold())), value
        elif isinstance(value, int | Decimal) and not isinstance(value, bool):
            assert len(Decimal(value).normalize().as_tuple().digits) <= 4, value


def test_a_recording_of_every_scenario_holds_words_of_closed_lists_only(by, prepared, scenarios, answers, closed):
    for scenario in scenarios[::7]:
        templates = templates_of(prepared.pack, prepared.pack.service_for(scenario.hook))
        request = json.loads(encode(answers[scenario.name].request))
        for form in forms(by, request, templates):
            assert_closed(form, templates, closed)


PLANTED_OR_NOT = st.one_of(
    st.sampled_from([*TEXTS, *NUMBERS, "Bundle", "Observation", "final", "http://loinc.org", "777-3", "2026-11-20"]),
    st.text(max_size=12),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
)
NAMES = st.sampled_from([*sorted(MEMBERS), NAME, NUMBER]) | st.text(max_size=8)
ANY_JSON = st.recursive(
    PLANTED_OR_NOT, lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=4), max_leaves=12
)


@settings(max_examples=400)
@given(st.integers(0, len(RICH) - 1), st.lists(st.tuples(st.integers(0, 5000), ANY_JSON), min_size=1, max_size=3))
def test_whatever_json_stands_wherever_a_recording_holds_words_of_closed_lists_only(by, rich, closed, which, changes):
    request, templates = rich[which]
    for place, value in changes:
        every = list(ways(request))
        request = with_value(request, every[place % len(every)], value)
    for form in forms(by, request, templates):
        assert not finds(form)
        assert_closed(form, templates, closed)


def ways(tree, way=()):
    """The way to every element of a tree."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield (*way, key)
        yield from ways(value, (*way, key))


@pytest.mark.parametrize(
    "structure",
    [
        *(
            lenient.Patient,
            lenient.Observation,
            lenient.DiagnosticReport,
            lenient.Condition,
            lenient.AllergyIntolerance,
        ),
        *(treatments.Procedure, treatments.MedicationRequest, treatments.MedicationDispense, treatments.Medication),
        *(treatments.MedicationAdministration, treatments.MedicationStatement, treatments.Immunization),
    ],
)
def test_what_is_kept_of_a_resource_is_what_is_read_of_it(structure):
    """An element that is read from now on must be given a rule, and one that is read no more is no longer kept."""
    read = set(structure.__struct_encode_fields__) - {" unread"}
    assert set(ELEMENTS[structure.__name__]) - {"resourceType", "modifierExtension"} == read - {
        "resourceType",
        "modifierExtension",
    }


# --- times and files --------------------------------------------------------------------------------------------


def days_in(text):
    return set(re.findall(r"\d{4}-\d\d-\d\d", text))


def test_no_time_of_day_and_no_true_day_is_written(recorded, request_for):
    service = recorded()
    body = request_for(PATIENT, DRAFT)
    assert service.post(body).status_code == 200
    (file,) = service.files()
    held = json.loads(file.read_text())
    now = datetime.fromisoformat(held["now"])
    assert (now.minute, now.second, now.microsecond) == (0, 0, 0)
    assert now < datetime.now(UTC) - timedelta(weeks=4)
    assert not re.search(r"\dT\d", json.dumps(held["request"]))
    assert days_in(json.dumps(held["request"])) and not days_in(json.dumps(held)) & days_in(json.dumps(body))


def test_days_are_moved_further_each_by_itself_but_keep_their_order(prepared, rich):
    """Who knows on which day a recording was made knows other days only to within three days."""
    by = Deidentifier(prepared.pack, b"key")
    request, templates = rich[0]
    apart = []
    moved = by.days(request)
    true = [datetime.fromisoformat(day).date() for day in sorted(days_in(json.dumps(request)))]
    chance = random.Random(4)  # noqa: S311  (no secret)
    form = next(by.forms(request, templates, NOW, chance))
    kept = {datetime.fromisoformat(day).date() for day in days_in(encode(form.request).decode())}
    for day in true:
        near = [other for other in kept if abs((other - day).days - moved) <= 3]
        apart += [min((other - day).days - moved for other in near)] if near else []
    assert len(set(apart)) > 2


@pytest.mark.parametrize(("born", "age"), [("1956-03-04", 70), ("1930-01-01", 90), ("1921-05", 90), ("1919", 90)])
def test_of_a_birth_date_the_age_in_years_is_kept_and_of_the_very_old_not_that(by, rich, born, age):
    request, templates = rich[0]
    changed = with_value(request, ("prefetch", "patient", "birthDate"), born)
    seen = set()
    for chance in range(12):
        for form in by.forms(changed, templates, NOW, random.Random(chance)):  # noqa: S311  (no secret)
            written = form.request["prefetch"]["patient"]["birthDate"]
            assert len(written) == len(born)
            assert form.now.year - int(written[:4]) in (age, age + 1)
            seen.add(written)
    assert len(seen) > 5 or len(born) < 10


def test_calls_are_written_together_later_and_in_another_order(recorded, request_for):
    service = recorded()
    numbers = list(range(20, 40))
    for number in numbers:
        body = request_for(PATIENT, DRAFT)
        body["prefetch"]["platelets"]["entry"][0]["resource"]["valueQuantity"]["value"] = number
        assert service.post(body).status_code == 200
    assert list(service.folder.glob("*/*")) == [], "nothing is written while calls come"
    files = service.files()
    assert len(files) == len(numbers)
    by_inode = sorted(files, key=lambda file: file.stat().st_ino)
    written = [
        json.loads(file.read_text())["request"]["prefetch"]["platelets"]["entry"][0]["resource"]["valueQuantity"][
            "value"
        ]
        for file in by_inode
    ]
    assert sorted(written) == numbers and written != numbers


def test_names_and_times_of_files_say_nothing_and_nobody_else_may_read_them(recorded, request_for, tmp_path):
    (tmp_path / "recordings").mkdir(mode=0o755)
    service = recorded()
    for _ in range(3):
        assert service.post(request_for(PATIENT, DRAFT)).status_code == 200
    files = service.files()
    assert len(files) == 3
    for file in files:
        at = file.stat()
        assert re.fullmatch(r"[0-9a-f]{16}\.json", file.name)
        assert {at.st_mtime, at.st_atime} == {datetime(2000, 1, 1, tzinfo=UTC).timestamp()}
        assert (stat.S_IMODE(at.st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)


def test_the_same_patient_is_another_one_to_every_process(recorded, request_for):
    """Who holds the key of the service cannot find a patient whose id is known."""
    patients = set()
    for _ in range(3):
        service = recorded()
        assert service.post(request_for(PATIENT, DRAFT)).status_code == 200
        for file in service.files():
            patients.add(json.loads(file.read_text())["request"]["context"]["patientId"])
    assert len(patients) == 3


def test_ids_keep_their_order_and_what_they_refer_to(by, rich):
    """Events of one day are told apart by the order of their ids."""
    request, templates = rich[1]
    kept = next(iter(by.forms(request, templates, NOW, random.Random(1)))).request  # noqa: S311  (no secret)
    for key, bundle in request["prefetch"].items():
        sent = [entry["resource"].get("id") for entry in bundle.get("entry", ())]
        written = [entry["resource"].get("id") for entry in kept["prefetch"][key].get("entry", ())]
        assert sorted(range(len(sent)), key=sent.__getitem__) == sorted(range(len(sent)), key=written.__getitem__)
    subjects = {
        entry["resource"].get("subject", {}).get("reference")
        for entry in chain(*(bundle.get("entry", ()) for bundle in kept["prefetch"].values()))
    } - {None}
    assert subjects == {f"Patient/{kept['context']['patientId']}"}
