"""The site overlay (Z31): local codes, orderables, look-backs, decisions switched off without a restart."""

import copy
import time
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.service.app import create_app
from cds_service.service.start import begin
from cds_service.settings import Settings
from cds_service.vocabulary.problems import ProblemsError
from tests.support.keys import KEY
from tests.support.places import ROOT

ORDER_SELECT = "/cds-services/vitamin-b12-order-select"
LOCAL = "urn:example:laboratory"


@pytest.fixture
def with_site(tmp_path):
    """A client of a service under the given overlay."""

    def build(text):
        path = tmp_path / "site.toml"
        path.write_text(text, encoding="utf-8")
        return create_app(Settings(site=path, loopback=True, key=KEY)).test_client()

    return build


LOADED = {
    "resourceType": "MedicationRequest",
    "id": "loading",
    "status": "completed",
    "intent": "order",
    "subject": {"reference": "Patient/amara-okafor"},
    "authoredOn": "2026-01-10",
    "medicationCodeableConcept": {
        "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "317106"}]
    },
}


def topics(client, body):
    return [card["source"]["topic"]["code"] for card in client.post(ORDER_SELECT, json=body).json["cards"]]


def with_local_platelets(body, code):
    """The request with every platelet count coded by the laboratory alone."""
    body = copy.deepcopy(body)
    for entry in body["prefetch"]["platelets"]["entry"]:
        entry["resource"]["code"] = {"coding": [{"system": LOCAL, "code": code}]}
    return body


CODES = f"""
[[codes.platelet-count]]
system = "{LOCAL}"
code = "PLT"
display = "Platelets"
"""


def test_a_local_laboratory_code_is_asked_for_and_read(client, with_site, request_for):
    body = with_local_platelets(request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly"), "PLT")
    ours = with_site(CODES)
    asked = {s["id"]: s["prefetch"] for s in ours.get("/cds-services").json["services"]}["vitamin-b12-order-select"]
    assert f"{LOCAL}|PLT" in asked["platelets"]
    assert topics(ours, body) == ["imPlateletsTransfusionFirst"]
    assert topics(client, body) == ["imPlateletsMayBeLow"]  # without the overlay nobody knows what was counted


def test_a_local_drug_code_is_recognised_with_its_strength(with_site, request_for):
    ours = with_site(f"""
[[codes.cobalamin-medication]]
system = "{LOCAL}"
code = "HYDROX1"
display = "Hydroxocobalamin house brand"
agent = "hydroxocobalamin"
form = "injection"
strength = {{value = "1000", unit = "ug", per = "mL"}}
""")
    body = request_for("amara-okafor", "hydroxocobalamin-im-three-weekly")
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order["medicationCodeableConcept"] = {"coding": [{"system": LOCAL, "code": "HYDROX1"}]}
    order["dosageInstruction"][0]["doseAndRate"] = [{"doseQuantity": {"value": 1, "unit": "mL"}}]
    assert topics(ours, body) == []
    order["dosageInstruction"][0]["doseAndRate"] = [{"doseQuantity": {"value": 2, "unit": "mL"}}]
    assert topics(ours, body) == ["loadingRegimenDiffers"]


def test_an_orderable_stands_first_in_what_is_suggested_and_the_text_is_its_own(with_site, request_for):
    ours = with_site(f"""
[orderables.hydroxocobalaminThreeWeekly]
system = "{LOCAL}"
code = "4711"
display = "Hydroxocobalamin 1 mg inj"
""")
    body = request_for("amara-okafor", "cyanocobalamin-im-daily-week")
    (card,) = ours.post(ORDER_SELECT, json=body).json["cards"]
    order = card["suggestions"][0]["actions"][0]["resource"]["medicationCodeableConcept"]
    assert [coding["code"] for coding in order["coding"]] == ["4711", "317106"]
    assert order["text"] == "Hydroxocobalamin 1 mg inj"


def test_what_is_not_stocked_is_named_and_not_offered(with_site, request_for):
    ours = with_site("[orderables.hydroxocobalaminThreeWeekly]\nstocked = false\n")
    (card,) = ours.post(ORDER_SELECT, json=request_for("amara-okafor", "cyanocobalamin-im-daily-week")).json["cards"]
    assert [s["label"] for s in card["suggestions"]] == [
        "If there are neurological signs: hydroxocobalamin 1000 mcg IM every 2 days"
    ]
    assert "It is not stocked here" in card["detail"]


def test_a_spelling_of_a_unit_that_the_site_knows_is_read(client, with_site, request_for):
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    for entry in body["prefetch"]["platelets"]["entry"]:
        entry["resource"]["valueQuantity"] = {"value": 22, "unit": "tys/ul"}
    assert topics(client, body) == ["imPlateletsMayBeLow"]
    assert topics(with_site('[units.platelets]\n"tys/ul" = "10*3/uL"\n'), body) == ["imPlateletsTransfusionFirst"]


def test_a_word_for_how_often_that_the_site_knows_is_read(client, with_site, request_for):
    body = request_for("amara-okafor", "hydroxocobalamin-im-three-weekly")
    body["prefetch"]["medicationRequests"]["entry"].append({"resource": LOADED})
    (dosage,) = body["context"]["draftOrders"]["entry"][0]["resource"]["dosageInstruction"]
    dosage["timing"] = {"code": {"coding": [{"system": LOCAL, "code": "Q4MON"}], "text": "four-monthly clinic"}}
    assert topics(client, body) == []
    by_code, by_text = f'"{LOCAL}|Q4MON" = "every 4 mo"', '"Four-monthly clinic" = "every 4 mo"'
    assert topics(with_site(f"[schedules]\n{by_code}\n"), body) == ["maintenanceTooRare"]
    assert topics(with_site(f"[schedules]\n{by_text}\n"), body) == ["maintenanceTooRare"]
    assert (
        topics(with_site(f"[schedules]\n{by_code}\n{by_text.replace('4 mo', '1 wk')}\n"), body) == []
    )  # they disagree


SYSTEMS = f"""
[systems]
"{LOCAL}:loinc" = "urn:oid:2.16.840.1.113883.6.1"
"{LOCAL}:icd" = "http://hl7.org/fhir/sid/icd-10-cm"
"{LOCAL}:ndc" = "http://hl7.org/fhir/sid/ndc"
"""


def test_a_spelling_of_a_code_system_that_the_site_knows_is_asked_for_and_read(client, with_site, request_for):
    """Z42: in the record, by prefix in problems, and in drafts in every spelling of an NDC."""
    ours = with_site(SYSTEMS)
    asked = {s["id"]: s["prefetch"] for s in ours.get("/cds-services").json["services"]}["vitamin-b12-order-select"]
    assert "http://loinc.org|777-3" in asked["platelets"]
    assert f"{LOCAL}:loinc|777-3" in asked["platelets"]
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    for entry in body["prefetch"]["platelets"]["entry"]:
        entry["resource"]["code"] = {"coding": [{"system": f"{LOCAL}:loinc", "code": "777-3"}]}
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order["medicationCodeableConcept"] = {"coding": [{"system": f"{LOCAL}:ndc", "code": "00591-2888-30"}]}
    assert topics(ours, body) == ["imPlateletsTransfusionFirst"]
    assert topics(client, body) == []
    heparin = copy.deepcopy(body["prefetch"]["conditions"]["entry"][0])
    heparin["resource"] |= {"id": "hit", "code": {"coding": [{"system": f"{LOCAL}:icd", "code": "D75.829"}]}}
    body["prefetch"]["conditions"]["entry"].append(heparin)
    assert topics(ours, body) == ["imPlateletsTransfusionNotCovered"]


def test_a_code_under_a_known_spelling_of_its_system_is_not_the_sites_own(with_site):
    text = CODES.replace(LOCAL, "urn:oid:2.16.840.1.113883.6.1").replace("PLT", "777-3")
    with pytest.raises(ProblemsError, match="platelet-count holds '777-3' already"):
        with_site(text)


def test_a_look_back_within_its_bounds_reads_an_older_count(client, with_site, request_for):
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    del body["prefetch"]["platelets"]["entry"][1:]
    body["prefetch"]["platelets"]["total"] = 1
    newest = body["prefetch"]["platelets"]["entry"][0]["resource"]
    newest["effectiveDateTime"] = (datetime.now(UTC) - timedelta(days=50)).isoformat()
    assert topics(client, body) == ["imPlateletsOldLow"]
    assert topics(with_site('[look-backs]\nplatelets = "P60D"\n'), body) == ["imPlateletsTransfusionFirst"]


@pytest.mark.parametrize(
    ("length", "unit", "topic"),
    [
        ("20", "cm", []),
        ("20.0", "cm", []),
        ("200", "mm", []),
        ("20.1", "cm", ["ilealResectionMonthly"]),
        ("201", "mm", ["ilealResectionMonthly"]),
        (None, "cm", ["ilealResectionLengthNotKnown"]),
        ("30", "in", ["ilealResectionLengthNotKnown"]),
    ],
)
def test_the_length_of_a_resection_decides_its_interval(with_site, request_for, length, unit, topic):
    """S9, Z33: exactly 20 cm is not over 20."""
    ours = with_site(f"""
[[codes.ileal-resection-length]]
system = "{LOCAL}"
code = "ILEUM"
display = "Ileum removed"
""")
    asked = {s["id"]: s["prefetch"] for s in ours.get("/cds-services").json["services"]}["vitamin-b12-order-select"]
    assert f"code={LOCAL}|ILEUM" in asked["ilealResectionLength"]
    subject = {"reference": "Patient/amara-okafor"}
    surgery = {
        "resourceType": "Procedure",
        "id": "p",
        "status": "completed",
        "subject": subject,
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "307193005"}]},
    }
    measured = {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "subject": subject,
        "code": {"coding": [{"system": LOCAL, "code": "ILEUM"}]},
        "effectiveDateTime": "2019-05-02",
        "valueQuantity": {"value": float(length or 0), "unit": unit},
    }
    body = request_for(
        "amara-okafor",
        "hydroxocobalamin-im-two-monthly",
        prefetch={
            "procedures": {"resourceType": "Bundle", "entry": [{"resource": surgery}]},
            "ilealResectionLength": {
                "resourceType": "Bundle",
                "entry": [{"resource": measured}] if length else [],
            },
        },
    )
    body["prefetch"]["medicationRequests"]["entry"].append({"resource": LOADED})
    assert topics(ours, body) == topic


def test_without_a_code_for_it_the_length_cannot_be_known(client, request_for):
    """As shipped the value set is empty: the card asks."""
    surgery = {
        "resourceType": "Procedure",
        "id": "p",
        "status": "completed",
        "subject": {"reference": "Patient/amara-okafor"},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "307193005"}]},
    }
    body = request_for(
        "amara-okafor",
        "hydroxocobalamin-im-two-monthly",
        prefetch={"procedures": {"resourceType": "Bundle", "entry": [{"resource": surgery}]}},
    )
    (card,) = client.post(ORDER_SELECT, json=body).json["cards"]
    assert card["source"]["topic"]["code"] == "ilealResectionLengthNotKnown"
    assert "No code is configured" in card["detail"]


def test_the_digest_of_the_overlay_stands_on_the_card_and_in_readyz(client, with_site, request_for):
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    ours = with_site("[decisions]\noff = []\n")
    digest = ours.get("/readyz").json["site"]["digest"]
    assert len(digest) == 8
    assert f"Site settings {digest}." in ours.post(ORDER_SELECT, json=body).json["cards"][0]["detail"]
    assert "Site settings" not in client.post(ORDER_SELECT, json=body).json["cards"][0]["detail"]


def until(holds, seconds=5.0):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.05)
    return holds()


def test_a_decision_is_switched_off_and_on_without_a_restart(tmp_path, with_site, request_for):
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    site = tmp_path / "site.toml"
    ours = with_site("[decisions]\noff = []\n")
    assert topics(ours, body) == ["imPlateletsTransfusionFirst"]
    site.write_text('[decisions]\noff = ["imPlatelets"]\n')
    assert until(lambda: ours.get("/readyz").json["site"]["off"] == ["imPlatelets"])
    assert topics(ours, body) == []
    assert 'cds_service_decision_off{decision="imPlatelets",pack="vitamin-b12"} 1.0' in ours.get("/metrics").text
    site.write_text("[decisions]\noff = []  # again\n")
    assert until(lambda: ours.get("/readyz").json["site"]["off"] == [])
    assert topics(ours, body) == ["imPlateletsTransfusionFirst"]
    assert 'cds_service_decision_off{decision="imPlatelets",pack="vitamin-b12"} 0.0' in ours.get("/metrics").text


def test_a_hospital_can_have_every_info_at_signing(client, with_site, request_for):
    """What is best is said while the order is written, and at signing only where the hospital wants it (Z63)."""
    body = request_for("amara-okafor", "hydroxocobalamin-im-monthly", hook="order-sign")
    url = "/cds-services/vitamin-b12-order-sign"
    ours = with_site('[services]\nshow-infos = ["vitamin-b12-order-sign"]\n')
    assert client.post(url, json=body).json == {"cards": []}
    assert [card["source"]["topic"]["code"] for card in ours.post(url, json=body).json["cards"]] == [
        "loadingRegimenDiffers"
    ]


def test_a_broken_overlay_is_refused_whole_and_the_old_one_goes_on(tmp_path, with_site, request_for):
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    ours = with_site(CODES)
    digest = ours.get("/readyz").json["site"]["digest"]
    (tmp_path / "site.toml").write_text('[decisions]\noff = ["imPlatelets", "nothingOfTheKind"]\n')
    assert until(lambda: "nothingOfTheKind" in ours.get("/readyz").json["site"]["problem"])
    assert ours.get("/readyz").json["site"]["digest"] == digest
    assert topics(ours, body) == ["imPlateletsTransfusionFirst"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("codes = 1", "site.toml:1: site: codes: 1 is not of type 'object'"),
        ('[look-backs]\nplatelets = "P91D"\n', "site.toml:2: site: P91D is not within P1D to P90D for platelets"),
        (
            '[look-backs]\ncreatinine = "P9D"\n',
            "site.toml:2: site: the look-back of creatinine is not the site's to set",
        ),
        ('[decisions]\noff = ["adult"]\n', "site.toml:2: site: adult is a definition; others rest on it"),
        ('[services]\nshow-infos = ["b12-sign"]\n', "site.toml:2: site: show-infos: the content has no 'b12-sign'"),
        ("[orderables.elixir]\nstocked = false\n", "site.toml:1: site: orderables: the content has no 'elixir'"),
        (CODES.replace("platelet-count", "platelets"), "site.toml:2: site: codes: the content has no 'platelets'"),
        (
            CODES.replace("platelet-count", "cobalamin-medication"),
            "site.toml:4: site: 'PLT' needs an agent",
        ),
        (
            CODES.replace(LOCAL, "http://loinc.org").replace("PLT", "777-3"),
            "site.toml:4: site: platelet-count holds '777-3' already",
        ),
        ('[units.urea]\n"u" = "mg/dL"\n', "site.toml:1: site: units: the content has no 'urea'"),
        ('[units.platelets]\n"u" = "10*3/L"\n', "site.toml:2: site: '10*3/L' is not among the units of platelets"),
        ('[units.platelets]\n"K/uL" = "/uL"\n', "site.toml:2: site: 'K/uL' means '10*3/uL' already"),
        ('[schedules]\n"q3t" = "3 days"\n', "site.toml:2: site: '3 days' is no form such as 'every 3 d' or '3 per wk'"),
        ('[schedules]\n"monthly" = "every 28 d"\n', "site.toml:2: site: 'monthly' means something else already"),
        (
            f'[schedules]\n"{"long " * 20}" = "every 3 d"\n',
            f"site.toml:2: site: {'long ' * 20!r} is too long for a text",
        ),
        (
            '[systems]\n"urn:x" = "http://example.org/codes"\n',
            "site.toml:2: site: no code system 'http://example.org/codes' is known",
        ),
        (
            '[systems]\n"http://hl7.org/fhir/sid/icd-10-us" = "http://hl7.org/fhir/sid/icd-10"\n',
            "site.toml:2: site: 'http://hl7.org/fhir/sid/icd-10-us' means 'http://hl7.org/fhir/sid/icd-10-cm' already",
        ),
        ('[systems]\n"urn:a|1" = "http://loinc.org"\n', "site.toml:1: site: systems: 'urn:a|1' does not match"),
        ("off = [", "site.toml:1: site: "),
        (
            CODES + CODES.replace("PLT", "777-3").replace(LOCAL, "http://loinc.org"),
            "site.toml:9: site: platelet-count holds '777-3' already",
        ),
        (
            CODES + CODES.replace("platelet-count", "cobalamin-medication") + 'agent = "x"\nstrength = {value = "x"}\n',
            "site.toml:12: site: cobalamin-medication: ",
        ),
        ('[decisions]\noff = [\n  "imPlatelets",\n  "adult",\n]\n', "site.toml:4: site: adult is a definition"),
    ],
)
def test_a_fault_of_the_overlay_is_found_with_its_line(tmp_path, text, said):
    path = tmp_path / "site.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProblemsError) as caught:
        begin(Settings(site=path))
    assert any(said in str(problem) for problem in caught.value.problems), caught.value.problems
    checked = CliRunner().invoke(main, ["check", "--site", str(path)])
    assert checked.exit_code == 1
    assert said in checked.output


def test_a_sound_overlay_passes_the_check(tmp_path):
    path = tmp_path / "site.toml"
    path.write_text(CODES, encoding="utf-8")
    checked = CliRunner().invoke(main, ["check", "--site", str(path)])
    assert (checked.exit_code, checked.output.startswith("The content holds")) == (0, True), checked.output


def test_the_example_passes_the_check():
    example = ROOT / "deploy/site.example.toml"
    checked = CliRunner().invoke(main, ["check", "--site", str(example)])
    assert checked.exit_code == 0, checked.output


@pytest.mark.parametrize("value_set", ["cobalamin-medication", "folate-medication"])
@pytest.mark.parametrize("agent", ["?", "banana", "excluded"])
def test_an_agent_is_one_of_those_of_its_value_set(with_site, value_set, agent):
    """What is none of them would be judged as another drug, or as none."""
    with pytest.raises(ProblemsError, match=f"{value_set}: the agent '.*' should be one of"):
        with_site(f"""
[[codes.{value_set}]]
system = "{LOCAL}"
code = "1"
display = "House drug"
agent = "{agent}"
""")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('[[codes.cobalamin-medication]]\nagent = "folic-acid"', "should be one of"),
        ('[[codes.cobalamin-medication]]\nagent = "cyanocobalamin"\nform = "?"', "the form '.*' should be one of"),
        ('[[codes.cobalamin-allergy]]\nagent = "?"', "cobalamin-allergy has no agents"),
    ],
)
def test_what_a_value_set_does_not_tell_apart_is_refused(with_site, row, message):
    with pytest.raises(ProblemsError, match=message):
        with_site(f'{row}\nsystem = "{LOCAL}"\ncode = "1"\ndisplay = "House code"\n')


def test_a_drug_of_a_set_without_agents_needs_none(with_site):
    with_site(f'[[codes.antifolate-medication]]\nsystem = "{LOCAL}"\ncode = "1"\ndisplay = "House antifolate"\n')


def test_an_active_plan_is_told_and_counts_where_the_site_says_so(client, with_site, request_for):
    """Without the switch B12 is not taken to be under way, and the card says that a plan was found (Z55)."""
    body = request_for("amara-okafor", "folic-acid-5mg-oral")
    plan = {
        "resourceType": "MedicationRequest",
        "id": "plan",
        "status": "active",
        "intent": "plan",
        "authoredOn": datetime.now(UTC).date().isoformat(),
        "subject": {"reference": "Patient/amara-okafor"},
        "medicationCodeableConcept": {"text": "Hydroxocobalamin 1 mg/mL injection"},
    }
    body["prefetch"]["medicationRequests"].setdefault("entry", []).append({"resource": plan})
    assert topics(with_site('plans = "stated"\n'), body) == []
    cards = client.post(ORDER_SELECT, json=body).json["cards"]
    assert cards
    assert all("A plan was found and not counted." in card["detail"] for card in cards)
