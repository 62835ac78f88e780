"""The form over HTTP: every choice is answered, and what was entered is what the service reads."""

import re
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.console.form import AS_ORDERED, AS_RECORDED, LOW, NONE, UNSTATED, choices_of, entered_of
from cds_service.console.form_beginning import begun_with
from cds_service.console.form_request import scenario_of
from cds_service.content.load import load_pack
from cds_service.content.needs import templates_of
from cds_service.packaged import packaged
from cds_service.replay.scenarios import read_scenarios
from cds_service.service.app import create_app
from cds_service.settings import Settings
from tests.support.keys import KEY
from tests.support.places import SECOND_PACK
from tests.support.shipped import shipped_pack

FIXTURES = packaged("fixtures")
SCENARIOS = {scenario.name: scenario for scenario in read_scenarios(FIXTURES)}
SAMPLE = "platelets-and-im/sample"
NEWS = re.compile(r'id="news"[^>]*>([^<]*)<')


@cache
def choices():
    return choices_of(shipped_pack(), FIXTURES)


@cache
def second_choices():
    return choices_of(load_pack(SECOND_PACK / "cards"), SECOND_PACK / "fixtures")


@pytest.fixture(scope="module")
def second():
    """The console of a pack about another drug, with the patients and drafts beside it."""
    return create_app(Settings(cards=SECOND_PACK / "cards", loopback=True, key=KEY)).test_client()


def news(client, **fields):
    """The status of the page and what it says of the answer."""
    answer = client.get("/", query_string={"by": "form", **fields})
    return answer.status_code, NEWS.search(answer.text)[1].replace("&#39;", "'").replace("&lt;", "<")


def resources(**fields):
    """The record that a form makes, and its order."""
    scenario = scenario_of(choices(), entered_of(fields, choices()), FIXTURES)
    return scenario.resources, scenario.drafts[0]


def of_kind(kind, **fields):
    return [each for each in resources(**fields)[0] if each["resourceType"] == kind]


def forms(offered):
    """Forms of closed choices alone, with numbers that can be entered."""
    amounts = st.one_of(st.just(""), st.integers(0, 3000).map(str), st.floats(0, 500).map("{:.3f}".format))
    closed = {
        name: st.sampled_from(sorted(getattr(offered, attribute)))
        for name, attribute in [
            ("hook", "hooks"),
            ("patient", "patients"),
            ("drug", "drugs"),
            ("rhythm", "rhythms"),
            ("route", "routes"),
            ("unit", "units"),
            ("problem", "problems"),
            ("treatment", "treatments"),
        ]
    }
    for name, result in offered.results.items():
        closed |= {f"result-{name}": amounts, f"unit-{name}": st.sampled_from(sorted(result.units))}
        flags = ["", LOW] if result.flag else [""]
        closed[f"flag-{name}"] = st.sampled_from(flags)
    return st.fixed_dictionaries({**closed, "dose": amounts, "weeks": st.integers(1, 520).map(str)})


@settings(max_examples=40)
@given(st.data())
def test_every_choice_of_the_form_is_answered(client, data):
    fields = data.draw(forms(choices()))
    for name in choices().results:
        if fields[f"flag-{name}"] and not fields[f"result-{name}"]:
            fields[f"flag-{name}"] = ""
    assert client.get("/", query_string={"by": "form", **fields}).status_code == 200


@settings(max_examples=30)
@given(st.data())
def test_every_choice_of_the_form_of_another_pack_is_answered(second, data):
    fields = data.draw(forms(second_choices()))
    assert second.get("/", query_string={"by": "form", **fields}).status_code == 200


def test_each_choice_of_each_list_is_answered_once(client):
    """What hypothesis may leave out: each drug, rhythm, route, unit, problem and treatment."""
    for name, offered in [
        ("drug", choices().drugs),
        ("rhythm", choices().rhythms),
        ("route", choices().routes),
        ("unit", choices().units),
        ("problem", choices().problems),
        ("treatment", choices().treatments),
    ]:
        for value in offered:
            assert news(client, **{name: value, "weeks": "12"})[0] == 200, (name, value)


HOSTILE = ["-1", "1e5", "nan", "inf", "1,000", "24,9", "1_000", "１２", "<b>", "9" * 20, "1.", ".5", "\x00", "0x10"]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", ["dose", "result-platelets", "weeks"])
def test_what_is_no_number_is_said_at_its_field_and_kept(client, field, text):
    """A comma is refused and not guessed: 1,000 is a thousand in one country and one in another."""
    answer = client.get("/", query_string={"by": "form", field: text, "patient": "amara-okafor"})
    assert answer.status_code == 400
    assert re.search(rf'id="fault-{field}">Enter a [^<]+<', answer.text)
    assert 'aria-invalid="true"' in answer.text
    assert "<b>" not in answer.text.partition('id="decide"')[2].partition("</form>")[0]


@pytest.mark.parametrize(
    "field",
    ["hook", "patient", "drug", "rhythm", "route", "unit", "problem", "treatment", "unit-platelets", "flag-b12-flag"],
)
def test_what_is_not_among_the_choices_is_said_at_its_field(client, field):
    answer = client.get("/", query_string={"by": "form", field: "../none", "weeks": "3"})
    assert answer.status_code == 400
    assert f'id="fault-{field}">Choose one of the list.<' in answer.text


def test_a_treatment_needs_its_weeks_and_a_flag_its_number(client):
    assert news(client, treatment=AS_ORDERED)[0] == 400
    assert news(client, treatment=AS_ORDERED, weeks="12")[0] == 200
    assert news(client, treatment=NONE)[0] == 200
    assert news(client, **{"flag-b12-flag": LOW})[0] == 400
    assert news(client, **{"flag-b12-flag": LOW, "result-b12-flag": "90"})[0] == 200


def test_it_begins_with_an_order_that_gets_a_card_with_a_suggestion(client):
    page = client.get("/?by=form").text
    assert re.search(r'id="news"[^>]*>1 card. Info: Start with 1000 mcg weekly', page)
    assert "Order hydroxocobalamin 1000 mcg IM 3 times a week for 2 weeks" in page


def test_platelets_decide_at_the_limits_of_the_tables(client):
    said = {number: news(client, **{"result-platelets": number})[1] for number in ("24.9", "25", "50", "50.1")}
    assert "consider platelet transfusion first" in said["24.9"]
    assert "thin 25-27G needle" in said["25"] and "thin 25-27G needle" in said["50"]
    assert said["50.1"] == news(client)[1]


def test_a_number_that_was_set_aside_is_said_before_the_card(client):
    status, said = news(client, story=SAMPLE, **{"result-platelets": "250000"})
    assert status == 200
    assert said.startswith("Platelet count was not used: 250000 ×10⁹/L is not plausible; perhaps cells per µL.")
    assert re.search(r" 1 card\. \w+: ", said)
    assert "not used" not in news(client, story=SAMPLE, **{"result-platelets": "25"})[1]


def test_a_slider_has_the_limits_of_the_tables_and_no_result_has_one_without():
    sliders = {name: list(result.limits) for name, result in choices().results.items() if result.bands}
    assert sliders == {"platelets": [25.0, 50.0], "reported-egfr": [60.0], "homocysteine": [10.0]}
    assert {name: result.most for name, result in choices().results.items() if result.bands}["platelets"] == 100
    assert {"b12-flag", "creatinine"} <= choices().results.keys()


def test_units_are_written_for_people():
    assert "×10⁹/L" in choices().results["platelets"].units.values()
    assert choices().results["reported-egfr"].units == {"mL/min/{1.73_m2}": "mL/min/1.73 m²"}
    assert choices().units["ug"] == "mcg" and "tablet" in choices().units


def test_the_diagnosis_that_is_chosen_is_the_only_problem():
    assert len(of_kind("Condition", problem=AS_RECORDED)) == 3
    assert of_kind("Condition", problem=NONE) == []
    (only,) = of_kind("Condition", problem="pernicious-anaemia")
    assert only["code"]["text"].startswith("Pernicious anemia")


def test_treatment_is_an_order_and_its_doses_before_today():
    weekly = {"treatment": AS_ORDERED, "weeks": "4"}
    (order,) = [each for each in of_kind("MedicationRequest", **weekly) if each["id"] == "form-treatment"]
    assert (order["status"], order["authoredOn"]) == ("active", "2026-10-26")
    given_on = [each["effectiveDateTime"] for each in of_kind("MedicationAdministration", **weekly)]
    assert given_on == ["2026-10-26", "2026-11-02", "2026-11-09", "2026-11-16"]
    loading = {"treatment": "hydroxocobalaminThreeWeekly", "weeks": "10"}
    (order,) = [each for each in of_kind("MedicationRequest", **loading) if each["id"] == "form-treatment"]
    assert order["status"] == "completed"
    assert len(of_kind("MedicationAdministration", **loading)) == 6


@pytest.mark.parametrize("path", sorted((FIXTURES / "patients").glob("*.json")), ids=lambda path: path.stem)
def test_no_treatment_takes_the_drugs_of_the_content_away_and_nothing_else(path):
    before = resources(patient=path.stem, treatment=AS_RECORDED)[0]
    after = resources(patient=path.stem, treatment=NONE)[0]
    taken = [each for each in before if each not in after]
    assert not any(re.search("cobal|B12|folic", str(each.get("medicationCodeableConcept"))) for each in after)
    for each in taken:
        assert re.search("cobal|b.?12|folic", str(each), re.I), each


def test_what_is_not_stated_is_not_in_the_order():
    _, order = resources(rhythm=UNSTATED, route=UNSTATED, dose="")
    assert order["dosageInstruction"] == [{"sequence": 1}]
    _, order = resources(unit="tablet", dose="2")
    assert order["dosageInstruction"][0]["doseAndRate"] == [{"doseQuantity": {"value": 2, "unit": "tablet"}}]


def test_an_order_without_a_dose_is_said_to_be_without(client):
    """An empty dose is entered: it is no absence that the beginning fills."""
    assert news(client, dose="")[1] != news(client)[1]


def test_the_choices_are_those_of_the_content():
    other = second_choices()
    assert other.drugs == {
        "examplol-injection": "Examplol, injection",
        "examplol-oral": "Examplol, oral",
        "sampline-injection": "Sampline, injection",
        "sampline-oral": "Sampline, oral",
    }
    assert list(other.results["level"].limits) == [17.0, 23.0]
    assert other.problems.keys() == {AS_RECORDED, NONE, "examplosis"}
    assert other.routes == {UNSTATED: "Not stated", "needle": "By needle", "mouth": "By mouth"}
    assert other.beginning == replace(other.beginning, patient="ada-sample", drug="examplol-injection")


def test_the_page_of_another_pack_offers_nothing_of_this_one(second):
    form = second.get("/?by=form").text.partition('id="decide"')[2].partition("</form>")[0]
    assert "Examplite" in form and not re.search(r"cobal|platelet|b12", form, re.I)


def test_the_policy_lets_a_page_ask_this_service_and_the_library_runs_no_text_as_code(client):
    answer = client.get("/?by=form")
    assert "connect-src 'self'" in answer.headers["Content-Security-Policy"]
    assert '"allowEval": false' in answer.text and '"includeIndicatorStyles": false' in answer.text


# --- the form that begins with a story -------------------------------------------------------------------------------


def chosen(page, name):
    """What is chosen in a list of the form, in words."""
    return re.search(rf'<select id="{name}".*?<option [^>]*selected>([^<]*)<', page, re.S)[1]


def test_the_form_opens_on_the_patient_and_the_order_of_the_story(client):
    for name, patient, drug, rhythm in [
        (SAMPLE, "Kwame Mensah, 64, male (as shown)", "Hydroxocobalamin, injection", "3 times a week for 2 weeks"),
        ("folate-first/treatFirst", "Nadia Petrova, 44, female (as shown)", "Folic acid 5 mg tablet", "Daily"),
        ("stopping/endDate", "Priya Raman, 51, female (as shown)", "Hydroxocobalamin, injection", "Monthly until"),
    ]:
        page = client.get("/", query_string={"scenario": name}).text
        assert chosen(page, "patient") == patient
        assert chosen(page, "drug").startswith(drug) and chosen(page, "rhythm").startswith(rhythm)
        assert f'<input type="hidden" name="story" value="{name}">' in page


def test_a_form_that_is_left_as_it_begins_asks_what_its_scenario_asks():
    pack = shipped_pack()
    for scenario in SCENARIOS.values():
        begun = begun_with(choices(), scenario)
        entered = entered_of({}, begun)
        assert entered.faults == {}
        templates = templates_of(pack, pack.service_for(scenario.hook))
        assert scenario_of(begun, entered, FIXTURES).request(templates) == scenario.request(templates), scenario.name


def test_one_thing_that_is_changed_leaves_all_else_as_the_story_has_it():
    told = SCENARIOS["pernicious-anaemia-for-life/tabletsAtStart"]  # its patient stands in no file, its time is past
    begun = begun_with(choices(), told)
    made = scenario_of(begun, entered_of({"route": "IM"}, begun), FIXTURES)
    assert (made.now, made.patient, made.resources) == (told.now, told.patient, told.resources)
    (before,), (after,) = told.drafts, made.drafts
    (step,) = after["dosageInstruction"]
    assert (
        step["timing"] == before["dosageInstruction"][0]["timing"]
        and step["doseAndRate"][0]["doseQuantity"]["value"] == 1000
    )
    made = scenario_of(begun, entered_of({"patient": "kwame-mensah"}, begun), FIXTURES)
    assert made.patient == "kwame-mensah" and made.drafts == [
        {**before, "subject": {"reference": "Patient/kwame-mensah"}}
    ]


def test_another_draft_of_the_story_stays_when_the_order_is_changed():
    told = SCENARIOS["platelets-and-im/countAlreadyDrafted"]
    begun = begun_with(choices(), told)
    made = scenario_of(begun, entered_of({"dose": "500"}, begun), FIXTURES)
    assert [draft["resourceType"] for draft in made.drafts] == ["MedicationRequest", "ServiceRequest"]
    assert made.drafts[1] == told.drafts[1] and made.selections == told.selections


def test_a_story_that_is_not_there_is_said(client):
    answer = client.get("/?by=form&story=no/such")
    assert answer.status_code == 404 and "There is no such scenario" in answer.text


def test_no_tile_is_marked_where_a_case_of_ones_own_is_shown(client):
    assert 'aria-current="true"' in client.get("/", query_string={"scenario": SAMPLE}).text
    page = client.get("/", query_string={"by": "form", "story": SAMPLE, "result-platelets": "51"}).text
    assert 'aria-current="true"' not in page
    assert "#tiles:innerHTML" in re.search('hx-select-oob="([^"]*)"', page)[1]


# --- units of the record ---------------------------------------------------------------------------------------------


def unit_asked(page, name):
    """The unit in which a field asks for a result."""
    return re.search(rf'<select id="unit-{name}".*?<option value="([^"]*)" selected>', page, re.S)[1]


def on_record(page, name):
    return re.sub("<[^>]+>", "", re.search(rf'id="recorded-{name}">(.*?)</p>', page)[1])


def test_each_field_asks_in_the_unit_in_which_the_head_of_the_chart_has_the_result(client):
    kwame = client.get("/", query_string={"scenario": SAMPLE}).text
    assert "<strong>80 µmol/L</strong>" in kwame and unit_asked(kwame, "creatinine") == "umol/L"
    assert "<strong>96 ng/L, low</strong>" in kwame and unit_asked(kwame, "b12-flag") == "ng/L"
    assert on_record(kwame, "creatinine") == "On record: 80 µmol/L (21 Nov)"
    assert on_record(kwame, "homocysteine") == "On record: none that was read"
    assert unit_asked(kwame, "dialysis-creatinine") == "umol/L"  # the same analyte
    assert (unit_asked(kwame, "platelets"), unit_asked(kwame, "homocysteine")) == ("10*9/L", "umol/L")
    gloria = client.get("/", query_string={"scenario": "kidney/creatinineOnly"}).text
    assert "<strong>1.9 mg/dL</strong>" in gloria and unit_asked(gloria, "creatinine") == "mg/dL"


def test_another_patient_is_asked_for_in_the_units_of_that_record(client):
    page = client.get("/", query_string={"by": "form", "story": SAMPLE, "patient": "gloria-washington"}).text
    assert (unit_asked(page, "creatinine"), on_record(page, "creatinine")) == (
        "mg/dL",
        "On record: 1.9 mg/dL (16 Nov)",
    )
    # A browser without script sends the units of empty fields, as they were for the patient before.
    sent = {"by": "form", "story": SAMPLE, "patient": "gloria-washington", "unit-creatinine": "umol/L"}
    assert unit_asked(client.get("/", query_string={**sent, "result-creatinine": ""}).text, "creatinine") == "mg/dL"
    assert unit_asked(client.get("/", query_string={**sent, "result-creatinine": "90"}).text, "creatinine") == "umol/L"


def test_a_number_is_judged_in_the_unit_that_stands_beside_it(client):
    """170 µmol/L of creatinine are weak kidneys; 170 mg/dL are no result of a living patient."""
    story = {"by": "form", "story": "kidney/creatinineOnly", "result-creatinine": "170"}
    page = client.get("/", query_string={**story, "unit-creatinine": "umol/L"}).text
    assert unit_asked(page, "creatinine") == "umol/L"
    assert "<strong>170 µmol/L</strong>" in page and re.search(r'id="news"[^>]*>1 card', page)
    page = client.get("/", query_string=story).text
    assert unit_asked(page, "creatinine") == "mg/dL"
    assert "<strong>170 mg/dL</strong>" in page


@pytest.mark.parametrize("path", sorted((FIXTURES / "patients").glob("*.json"))[::4], ids=lambda path: path.stem)
def test_a_field_and_the_head_of_the_chart_have_one_unit_for_every_patient(client, path):
    page = client.get("/", query_string={"by": "form", "patient": path.stem}).text
    head = page[page.index('<section class="banner') : page.index('<section class="order')]
    for name, result in choices().results.items():
        shown = re.search(rf"<dt>{re.escape(result.label)}</dt><dd><strong>([^<]*)</strong>", head)
        if shown and len(result.units) > 1:
            assert result.units[unit_asked(page, name)] in shown[1], (name, shown[1])


# --- what the order comes to with another result ---------------------------------------------------------------------


def strips(page):
    """The bands of each result that matters to the order, each with the severities of its cards."""
    found = {}
    for label, items in re.findall(r'<h3>([^<]*)</h3>\s*<ol class="strip">(.*?)</ol>', page, re.S):
        for item in re.findall("<li.*?</li>", items, re.S):
            where = re.search(r'<a href="([^"]*)">([^<]*)</a>', item)
            found.setdefault(label, []).append(
                (where[2], re.findall(r'<span class="tag[^>]*>([^<]*)<', item), where[1])
            )
    return found


def test_a_story_says_what_its_order_comes_to_in_each_band_of_a_result(client):
    page = client.get("/", query_string={"scenario": SAMPLE}).text
    ((label, bands),) = strips(page).items()
    assert label == "Platelet count"
    assert [(where, tags) for where, tags, _ in bands] == [
        ("Below 25 ×10⁹/L", ["critical"]),
        ("25 to 50 ×10⁹/L", ["warning"]),
        ("Above 50 ×10⁹/L", ["no card"]),
    ]
    assert "these results leave the cards as they are: eGFR as reported, Homocysteine." in page
    assert "For this order: below 25 ×10⁹/L: critical; 25 to 50 ×10⁹/L: warning; above 50 ×10⁹/L: no card." in page


def test_where_no_result_matters_that_is_one_sentence_and_no_section(client):
    page = client.get("/", query_string={"scenario": "patient-view/untreated"}).text
    assert "A new result leaves the cards as they are, whatever its number: Platelet count, eGFR as reported" in page
    assert "comes to with another result" not in page


def test_an_opened_chart_is_not_called_an_order(client):
    page = client.get("/", query_string={"scenario": "falling-platelets/dueAtFifty"}).text
    assert "What this chart comes to with another result" in page and "What this order" not in page


@pytest.mark.parametrize(
    "name", [SAMPLE, "loading-regimen/dailyForAWeek", "kidney/creatinineOnly", "iv-cyanocobalamin/monthly"]
)
def test_each_band_leads_to_the_answer_that_it_names(client, name):
    for bands in strips(client.get("/", query_string={"scenario": name}).text).values():
        for _, severities, address in bands:
            page = client.get(address.replace("&amp;", "&")).text
            shown = re.findall(r'<article class="card (\w+)"', page)
            assert list(dict.fromkeys(shown)) == [word for word in severities if word != "no card"]


def test_bands_are_those_of_the_order_and_not_of_the_tables_alone(client):
    page = client.get(
        "/", query_string={"by": "form", "story": SAMPLE, "route": "oral", "drug": "cyanocobalamin-oral"}
    ).text
    assert "Platelet count" not in strips(page)
    assert 'id="comes-to-platelets">It does not matter for this order.<' in page


def test_the_bands_of_another_pack_are_its_own(second):
    assert re.search(r'id="comes-to-level">(For this order: below 17|It does not matter)', second.get("/?by=form").text)


def test_every_band_of_every_scenario_is_said_in_ascending_order_or_not_at_all(prepared):
    from cds_service.console.outcomes import outcomes_of

    for scenario in list(SCENARIOS.values())[::40]:
        begun = begun_with(choices(), scenario)
        for result in outcomes_of(prepared, begun, scenario, "2.0"):
            assert [float(band.value) for band in result.bands] == sorted(float(band.value) for band in result.bands)
