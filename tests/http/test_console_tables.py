"""The pages of the content: tables in words, the map of them, the index and the review sheets, of both packs."""

import json
import re
import shutil
from collections import defaultdict
from datetime import UTC
from html import unescape

import pytest
import yaml
from markupsafe import escape

from cds_service.console.decision_table import fired_here
from cds_service.console.firing import FiredScenarios, answer_to
from cds_service.content.domains import JOINED
from cds_service.content.load import load_pack
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.content.proof.versions import update_lock
from cds_service.content.table_words import table_in_words
from cds_service.content.unary import parse_cell
from cds_service.content.value_words import cell_in_words, unit_in_words, value_in_words
from cds_service.replay.statements import rules_fired
from cds_service.service.app import create_app
from cds_service.settings import Settings
from tests.support.keys import KEY
from tests.support.places import ROOT, SECOND_PACK
from tests.support.reviews import EMPTY, review
from tests.support.scenarios import by_name, scenarios
from tests.support.shipped import shipped_pack

CARDS = {"shipped": ROOT / "cards", "second": SECOND_PACK / "cards"}
PACKS = {"shipped": shipped_pack(), "second": load_pack(CARDS["second"], is_proven=True)}
DECISIONS = [(which, name) for which, pack in PACKS.items() for name in pack.decisions]
SAMPLE = "platelets-and-im/sample"
HEAD = re.compile(r'<th scope="col" role="columnheader"[^>]*>(.*?)</th>', re.S)
ROW = re.compile(r'<tr role="row" id="([^"]+)" class="([^"]*)"(.*?)>(.*?)</tr>', re.S)


@pytest.fixture(scope="module")
def web():
    """A service of each pack."""
    return {name: create_app(Settings(cards=CARDS[name], loopback=True, key=KEY)).test_client() for name in CARDS}


def prepared_of(which):
    return Prepared.of(PACKS[which], zone=UTC, key=KEY.encode())


def in_words(html):
    """What a person reads of a piece of a page: the ids in small code are left out."""
    text = re.sub(r"<code>.*?</code>", "", html, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def lit(page):
    """The ids of the rules that are lit on a page."""
    return {found[1] for found in ROW.finditer(page) if "aria-current" in found[3]}


@pytest.mark.parametrize(("which", "name"), DECISIONS)
def test_a_page_of_cards_has_their_topics_as_clients_see_them(web, which, name):
    page = web[which].get(f"/content/decisions/{name}").text
    decision = PACKS[which].decisions[name]
    speak = [rule for rule in decision.rules if not rule.then.silent and decision.kind != "definition"]
    assert [rule.id for rule in speak if f"<code>{decision.topic(rule.id)}</code>" not in page] == []


# --- a table in words -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("which", "name"), DECISIONS)
def test_every_table_is_a_page_whose_heads_are_labels_and_whose_cells_name_no_id(web, which, name):
    answer = web[which].get(f"/content/decisions/{name}")
    assert answer.status_code == 200
    pack, decision = PACKS[which], PACKS[which].decisions[name]
    labels = {
        one: pack.decisions[one].title if one in pack.decisions else pack.facts[one].label for one in decision.inputs
    }
    heads = [in_words(head) for head in HEAD.findall(answer.text)]
    assert heads[:2] == ["#", "Then"]
    assert heads[-1] == "Rests on"
    for head in heads[2:-1]:
        assert any(head.startswith(label) for label in labels.values()), head
        assert head not in decision.inputs or head in labels.values()
    written = [rule for rule in decision.rules if not rule.is_added]
    rows = ROW.findall(answer.text)
    assert [row[0] for row in rows] == [rule.id for rule in written]
    camel = {value for other in pack.decisions.values() for value in other.values if re.search("[a-z][A-Z]", value)}
    for row in rows:
        assert not camel & set(in_words(row[3]).replace(",", " ").split())


@pytest.mark.parametrize(("which", "name"), DECISIONS)
def test_whatever_a_rule_asks_is_said_in_its_row_or_above_the_table(which, name):
    pack, decision = PACKS[which], PACKS[which].decisions[name]
    table = table_in_words(pack, prepared_of(which).regimens, decision)
    above = {guard.input.name: guard.cell for guard in table.guards}
    for words in table.rules:
        said = {column.name: cell for column, cell in table.asked(words)}
        for place, cell in words.rule.tests:
            asked = decision.inputs[place]
            assert asked in said or above[asked].written == cell.source
            if asked in said and said[asked].words == pack.table_words["as-above"]:
                guard = parse_cell(above[asked].written)
                assert (guard.strings, guard.states) == (cell.strings, cell.states)
    assert table.is_silent_otherwise == any(rule.is_added for rule in decision.rules)


@pytest.mark.parametrize(
    ("name", "cell", "words"),
    [
        ("platelets", "< 25", "below 25 ×10⁹/L"),
        ("platelets", "[25..50]", "25 to 50 ×10⁹/L"),
        ("platelets", "(25..50)", "above 25 to below 50 ×10⁹/L"),
        ("platelets", "<= 50, unusable", "at most 50 ×10⁹/L or not usable"),
        ("platelets", "undecidable", "a range across a limit"),
        ("dosage.dose", ">= 1000000", "at least 1,000,000 mcg"),
        ("dosage.daily-dose", "> 0.5", "above 0.5 mcg a day"),
        ("dosage.interval", "1", "1 day"),
        ("dosage.interval", "[1..2]", "1 to 2 days"),
        ("platelets", "> 50", "above 50 ×10⁹/L"),
        ("platelets", "absent, unknown", "none on record or not known"),
        ("b12-deficiency", '"present", "by-name"', "on record or by name"),
        ("dosage.days", "<= 93", "at most 93 days"),
        ("order.route", '"IM"', "IM"),
        ("order.route", '"nasal", "oral", absent', "by nose, by mouth or none"),
        ("order.is-cobalamin", '"present"', "yes"),
        ("order.agent", '"folic-acid"', "folic acid"),
        ("order.form", 'not("nasal")', "injection, oral or sublingual"),
        ("order.agent", 'not("combination", "excluded")', "other than combination or excluded"),
        ("administration", '"ifIntoMuscle", "notStated"', "if given IM or by a route that nothing tells"),
        ("regimenFit", '"alternateDaysUnderSkin"', "on alternate days under the skin"),
        ("doseUnit", '"silent"', "no card"),
        ("nasalStep", '"weekly then other"', "weekly then another"),
        ("adult", '"no", "unknown"', "no or not known"),
    ],
)
def test_a_cell_is_said_in_words_with_the_units_and_values_that_people_write(name, cell, words):
    assert cell_in_words(PACKS["shipped"], name, parse_cell(cell)) == words


@pytest.mark.parametrize("which", PACKS)
def test_no_unit_of_a_fact_is_ucum_alone(which):
    said = {name: unit_in_words(PACKS[which], name) for name in PACKS[which].facts}
    assert not {unit for unit in said.values() if re.fullmatch(r"d|ug|ug/d|10\*9/L", unit)}


# Answers to the definition's own question: "not stated" of a route is not what it is of a dosage.
OF_EACH_QUESTION = {"none", "low", "notStated"}


@pytest.mark.parametrize("which", PACKS)
def test_one_value_is_said_in_the_same_words_in_all_tables(which):
    pack, said = PACKS[which], defaultdict(set)
    for decision in pack.decisions.values():
        for value in decision.values:
            for part in value.split(JOINED):
                said[part].add(value_in_words(pack, decision.id, part))
    assert {value: words for value, words in said.items() if len(words) > 1}.keys() <= OF_EACH_QUESTION


@pytest.mark.parametrize("which", PACKS)
def test_two_values_of_one_definition_are_never_said_alike_but_for_a_word_that_means_the_same(which):
    """ "If given IM" and "if injected IM" stood for two values, and nobody could tell them apart."""
    pack = PACKS[which]
    for decision in pack.decisions.values():
        said = [re.sub("injected|given", "...", value_in_words(pack, decision.id, value)) for value in decision.values]
        assert len(set(said)) == len(said), decision.id


@pytest.mark.parametrize("which", PACKS)
def test_no_value_of_a_definition_is_shown_as_an_id_taken_apart(which):
    """Of a definition whose phrases are sentences of cards only a sentence could be shown instead."""
    for decision in PACKS[which].decisions.values():
        if any(phrase.endswith(".") for phrase in decision.phrases.values()):
            continue
        parts = {part for value in decision.values for part in value.split(JOINED)}
        assert [part for part in parts if re.search("[a-z][A-Z]", part) and part not in decision.phrases] == []


def test_a_guard_that_all_rules_repeat_is_said_once_above_the_table(web):
    page = web["shipped"].get("/content/decisions/loadingRegimen").text
    above, _, table = page.partition('<table class="rules"')
    assert "Whether dose and interval are judged</a>: <strong" in above
    assert "regimenJudged" not in table.partition("</table>")[0]
    assert "this table says nothing" in above


def test_the_exact_cell_stands_in_the_title_and_the_basis_and_quotation_in_the_row(web):
    page = web["shipped"].get("/content/decisions/imPlatelets").text
    (row,) = (found[4] for found in ROW.finditer(page) if found[1] == "ThinNeedle")
    assert 'title="[25..50]">25 to 50 ×10⁹/L' in unescape(row)
    statement = PACKS["shipped"].statements["S11"]
    assert "S11" in row
    assert "the source" in row
    assert str(escape(statement.quote)) in row


@pytest.mark.parametrize("kind", ["critical", "warning", "info"])
def test_a_severity_is_a_word_wherever_it_is_a_colour(web, kind):
    page = web["shipped"].get("/content/decisions/imPlatelets").text
    rows = [found for found in ROW.finditer(page) if kind in found[2].split()]
    assert rows
    assert all(f">{kind}</span>" in found[4] for found in rows)


# --- one request in a table -------------------------------------------------------------------------------------------


def test_the_rule_that_fired_is_lit_and_the_heads_say_what_was_read(web):
    page = web["shipped"].get("/content/decisions/imPlatelets", query_string={"scenario": SAMPLE}).text
    assert lit(page) == {"TransfusionFirst"}
    heads = " ".join(in_words(head) for head in HEAD.findall(page))
    assert "22 ×10⁹/L (2026-11-21)" in heads
    assert 'href="#TransfusionFirst"' in page
    assert f'<a href="/?scenario={SAMPLE}#story">Platelets 22, IM injection</a>: Hydroxocobalamin' in page


@pytest.mark.parametrize("scenario", scenarios()[::190], ids=lambda scenario: scenario.name)
def test_what_is_lit_is_what_fires_in_every_table(scenario):
    """Each table has an answer of its own: to ask for all its inputs makes more definitions known."""
    prepared = prepared_of("shipped")
    fired = rules_fired(prepared, scenario)
    for decision in prepared.pack.decisions.values():
        answer = answer_to(prepared, scenario)
        here = fired_here(prepared.pack, decision, answer)
        of_table = {name.partition(".")[2] for name in fired if name.startswith(f"{decision.id}.")}
        assert (here is None) == (not of_table)
        if here is not None:
            assert here.rules <= of_table
            assert set(here.values) == set(decision.inputs)
            assert all(here.values.values())


def test_the_sentence_of_a_statement_stands_where_a_table_first_rests_on_it(web):
    page = web["shipped"].get("/content/decisions/imPlatelets").text
    quoted = [in_words(said) for said in re.findall(r"<q>(.*?)</q>", page, re.S)]
    assert len(quoted) == len(set(quoted)) > 2
    rows = {found[1]: found[4] for found in ROW.finditer(page)}
    assert "<q>" in rows["TransfusionFirst"] and "<q>" not in rows["TransfusionUnlessNotCovered"]
    assert all('#S12">S12</a>' in rows[name] for name in ("TransfusionFirst", "TransfusionUnlessNotCovered"))


@pytest.mark.parametrize("name", ["imPlatelets", "administration"])
def test_a_table_begins_with_links_to_the_parts_of_its_page(web, name):
    page = web["shipped"].get(f"/content/decisions/{name}").text
    contents = re.search(r'<nav class="contents".*?</nav>', page, re.S)[0]
    targets = re.findall(r'href="#([^"]+)"', contents)
    assert targets and all(len(re.findall(f'id="{target}"', page)) == 1 for target in targets)
    assert ("scenarios" in targets) == (name == "imPlatelets")


def test_scenarios_are_named_by_their_titles_below_that_of_their_group(web):
    page = web["shipped"].get("/content/decisions/imPlatelets").text
    said = page[page.index('id="scenarios"') :]
    assert f'Platelets and an injection into the muscle: <a href="/?scenario={SAMPLE}#story">Sample</a>' in said
    assert "platelets-and-im/" not in re.sub(r"<[^>]+>", "", said)


def test_the_map_names_the_scenario_that_it_lights_as_its_story_does(web):
    page = web["shipped"].get("/content/map", query_string={"scenario": SAMPLE}).text
    assert f'“<a href="/?scenario={SAMPLE}#story">Platelets 22, IM injection</a>” is lit' in unescape(page)


def test_a_value_set_names_its_systems_and_folds_who_reads_it(web):
    page = web["shipped"].get("/content/value-sets/platelet-count").text
    assert page.count("<td>LOINC</td>") > 3 and "LOINC is <code>http://loinc.org</code>;" in page
    assert "<summary>Read by 5 facts</summary>" in page


def test_an_answer_leads_to_its_tables_with_what_fired_lit(web):
    page = web["shipped"].get("/", query_string={"scenario": SAMPLE}).text
    links = re.findall(r'href="(/content/decisions/imPlatelets[^"]*)"', page)
    assert links
    assert lit(web["shipped"].get(unescape(links[0])).text) == {"TransfusionFirst"}


def links_to_tables(page):
    """The links of an answer to tables, with the id of each."""
    found = re.findall(r'href="(/content/decisions/(\w+)[^"#]*)', page)
    return {unescape(link): decision for link, decision in found}


@pytest.mark.parametrize("name", [SAMPLE, "loading-regimen/threeWeekly", "folate-first/lowPlatelets"])
def test_an_answer_to_json_leads_to_the_same_rules_as_the_scenario_of_it(web, name):
    """What was entered stands in no address, so that a link names what fired."""
    prepared, scenario = prepared_of("shipped"), by_name(name)
    service = prepared.pack.service_for(scenario.hook)
    body = json.dumps(scenario.request(templates_of(prepared.pack, service)))
    form = {"request": body, "now": scenario.now.isoformat(), "profile": "2.0"}
    page = web["shipped"].post("/", data=form).text
    links = links_to_tables(page)
    assert any(lit(web["shipped"].get(link).text) for link in links)
    by_scenario = links_to_tables(web["shipped"].get("/", query_string={"scenario": name}).text)
    assert list(by_scenario.values()) == list(links.values())
    for link, other in zip(links, by_scenario, strict=True):
        assert lit(web["shipped"].get(link).text) == lit(web["shipped"].get(other).text), link


def test_an_answer_to_the_form_leads_to_a_table_with_what_fired_lit(web):
    links = links_to_tables(web["shipped"].get("/", query_string={"by": "form"}).text)
    assert any(lit(web["shipped"].get(link).text) for link in links)


def test_rules_that_are_named_are_lit_without_firing_anything(web):
    page = web["shipped"].get("/content/decisions/imPlatelets?fired=ThinNeedle&fired=Above").text
    assert lit(page) == {"ThinNeedle", "Above"}
    assert lit(web["shipped"].get("/content/decisions/imPlatelets?fired=None").text) == set()


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/content/decisions/imPlatelets?scenario=none/such", 404, "There is no such scenario."),
        ("/content/map?scenario=none/such", 404, "There is no such scenario."),
        ("/content/decisions/imPlatelets/try/None", 404, "<h1>"),
        ("/content/decisions/none/try/None", 404, "<h1>"),
        ("/content/decisions/none/review", 404, "<h1>"),
        ("/content/map?decision=none", 404, "<h1>"),
        ("/content/decisions/doseDue?scenario=platelets-and-im/sample", 200, "Nothing asked for this decision"),
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(web, path, status, said):
    answer = web["shipped"].get(path)
    assert answer.status_code == status
    assert said in answer.text


def test_a_request_that_is_refused_is_said_on_its_page(web):
    refused = next(one for one in scenarios() if isinstance(one.expect, dict) and one.expect["status"] == 412)
    for path in ("/content/map", "/content/decisions/imPlatelets"):
        answer = web["shipped"].get(path, query_string={"scenario": refused.name})
        assert answer.status_code == 200
        assert "The request was refused:" in answer.text


@pytest.mark.parametrize(
    ("name", "rule"),
    [("imPlatelets", "ThinNeedle"), ("imPlatelets", "Above"), ("administration", "Muscle"), ("doseSize", "TooHigh")],
)
def test_try_leads_to_a_request_that_fires_the_rule(web, name, rule):
    answer = web["shipped"].get(f"/content/decisions/{name}/try/{rule}")
    assert answer.status_code == 302
    scenario = answer.location.removesuffix("#story").partition("scenario=")[2].replace("%2F", "/")
    assert f"{name}.{rule}" in rules_fired(prepared_of("shipped"), by_name(scenario))


def test_try_takes_a_story_else_the_plainest_scenario_that_has_the_card(web):
    def led_to(name, rule):
        answer = web["shipped"].get(f"/content/decisions/{name}/try/{rule}")
        return by_name(answer.location.removesuffix("#story").partition("scenario=")[2].replace("%2F", "/"))

    assert led_to("imPlatelets", "TransfusionFirst").name == "platelets-and-im/sample"
    told = {one["scenario"] for one in yaml.safe_load((ROOT / "fixtures" / "stories.yaml").read_text())["stories"]}
    expecting = defaultdict(list)
    for one in scenarios():
        for card in one.expect if isinstance(one.expect, list) else ():
            expecting[card["topic"]].append(one)
    for decision in PACKS["shipped"].decisions.values():
        for rule in decision.rules:
            if found := expecting[decision.topic(rule.id)]:
                best = [one for one in found if one.name in told] or [one for one in found if len(one.expect) == 1]
                assert led_to(decision.id, rule.id) in (best or found)


def test_a_rule_that_no_scenario_fires_has_none_to_try():
    prepared = prepared_of("second")
    fired = FiredScenarios(lambda: prepared, SECOND_PACK / "fixtures")
    for decision, rule in (("levelAndNeedle", "Below"), ("howGiven", "Needle")):
        assert f"{decision}.{rule}" in rules_fired(
            prepared, fired.all()[fired.first(prepared.pack.decisions[decision], rule)]
        )
    retired = prepared.pack.decisions["oldAdvice"]
    assert fired.first(retired, retired.rules[0].id) == ""


# --- index and map ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", PACKS)
def test_the_index_leads_to_every_decision_once_and_to_the_map(web, which):
    page = web[which].get("/content").text
    for name in PACKS[which].decisions:
        assert len(re.findall(rf'<h4><a href="/content/decisions/{name}"', page)) == 1
    assert 'href="/content/map"' in page
    assert page.count("not reviewed by a clinician") == 2  # in the head of the page and at its beginning


def test_the_index_is_short_until_a_group_is_unfolded_and_a_search_unfolds_all(web):
    page = web["shipped"].get("/content").text
    folds = re.findall(r'<details class="group"( open)?>', page)
    assert len(folds) == 8 and folds.count(" open") == 1
    contents = re.search(r'<nav class="contents".*?</nav>', page, re.S)[0]
    targets = re.findall(r'href="#([^"]+)"', contents)
    assert len(targets) == len(folds) and all(f'id="{target}"' in page for target in targets)
    found = web["shipped"].get("/content", query_string={"q": "platelet"}).text
    folds = re.findall(r'<details class="group"( open)?>', found)
    assert folds and set(folds) == {" open"}


def test_a_search_leaves_what_has_all_its_words(web):
    page = web["shipped"].get("/content", query_string={"q": "Transfusion  NEEDLE"}).text
    assert re.findall(r"<h4><a href=\"/content/decisions/(\w+)\"", page) == ["imPlatelets", "plateletsUnderTreatment"]
    nothing = web["shipped"].get("/content", query_string={"q": '"><b>zebra'})
    assert nothing.status_code == 200
    assert "Nothing has all the words" in nothing.text
    assert "<b>zebra" not in nothing.text


@pytest.mark.parametrize("which", PACKS)
def test_the_map_leads_to_every_table_and_its_list_says_the_same(web, which):
    page = web[which].get("/content/map").text
    whole = page.partition("All tables in one picture")[2]
    picture, _, as_list = whole.partition("The same as a list")
    for name, decision in PACKS[which].decisions.items():
        assert picture.count(f'<a href="/content/decisions/{name}" aria-label="{escape(decision.title)}, ') == 1
        assert f'<a href="/content/decisions/{name}">{escape(decision.title)}</a>' in as_list
    edges = sum(len(decision.inputs) for decision in PACKS[which].decisions.values())
    assert picture.count('class="edge"') == edges


def test_the_way_of_a_request_is_lit_on_the_map_from_the_card_to_the_facts(web):
    page = web["shipped"].get("/content/map", query_string={"scenario": SAMPLE}).text
    page = page.partition('<details class="group whole">')[2]
    titles = set(re.findall(r'<g class="node [a-z]+ lit"><title>(.*?)</title>', page))
    assert {"Platelets and IM injection", "How the order is given", "Platelet count", "Route ordered"} <= titles
    assert "Oral B12" not in titles
    assert page.count('class="edge lit"') >= len(titles) - 1


def test_the_map_of_one_decision_holds_what_it_reads_and_what_reads_it(web):
    page = web["shipped"].get("/content/map?decision=plateletDoubt").text.partition('<details class="group whole">')[0]
    names = set(re.findall(r'<a href="/content/decisions/(\w+)" aria-label', page))
    assert names == {"plateletDoubt", "imPlatelets", "plateletsUnderTreatment"}


def test_the_map_shows_one_card_at_a_time_and_all_tables_only_when_unfolded(web):
    page = web["shipped"].get("/content/map").text
    shown, _, whole = page.partition('<details class="group whole">')
    assert whole
    boxes = re.findall(r'<g class="node [a-z]+"><title>', shown)
    assert 0 < len(boxes) < len(re.findall(r'<g class="node [a-z]+"><title>', whole)) / 2
    cards = [name for name, decision in PACKS["shipped"].decisions.items() if decision.kind != "definition"]
    for name in cards:
        assert f'href="/content/map?decision={name}"' in shown
    assert len(re.findall('aria-current="true"', shown)) == 1
    lit = web["shipped"].get("/content/map", query_string={"scenario": SAMPLE}).text
    assert "What &ldquo;Platelets and IM injection&rdquo; reads" in lit


# --- whether the content is reviewed, and where to sign ---------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/content", "/content/decisions/imPlatelets"])
def test_pages_say_that_nothing_is_reviewed_and_lead_to_how_to_review_it(web, path):
    page = web["shipped"].get(path).text
    assert '<a href="/content/review">not reviewed by a clinician</a>' in page
    if "decisions" not in path:
        assert '<a href="/content/review">How to review it, and where to sign</a>' in page


@pytest.mark.parametrize("which", PACKS)
def test_the_page_on_review_leads_to_every_sheet_and_says_where_the_signature_goes(web, which):
    page = web[which].get("/content/review").text
    pack = PACKS[which]
    for name in pack.decisions:
        assert f'href="/content/decisions/{name}/review"' in page
    assert f"<code>cards/{pack.id}/pack.yaml</code>" in page and f"version: {pack.version}" in page
    assert "cds-service export review" in page and "--update-lock" in page


def test_content_that_is_reviewed_is_said_to_be_and_by_whom(tmp_path):
    cards = shutil.copytree(CARDS["second"], tmp_path / "cards")
    head, version = cards / "examplol" / "pack.yaml", PACKS["second"].version
    head.write_text(head.read_text(encoding="utf-8").replace(EMPTY, review(version)), encoding="utf-8")
    assert update_lock(cards) == []
    web = create_app(Settings(cards=cards, loopback=True, key=KEY, state=tmp_path / "state")).test_client()
    page = web.get("/content/review").text
    assert f"{version}: reviewed." in page
    assert "Written by register 1, Pharmacist, 2026-11-20; checked by register 2, Haematologist, 2026-11-23." in page
    assert "How to review it, and where to sign</a>" not in web.get("/").text


def test_a_sheet_begins_with_its_question_and_ends_with_what_the_signature_is_for(web):
    page = web["shipped"].get("/content/decisions/imPlatelets/review").text
    said = PACKS["shipped"].decisions["imPlatelets"]
    places = [page.index(part) for part in (said.question, "The table", "Known gaps", "sha256", "Written by")]
    assert places == sorted(places)
    assert "vitamin-b12/decisions/imPlatelets/table.yaml" in page


# --- how far back, whose numbers, what a status means -----------------------------------------------------------------


def test_a_table_says_how_many_days_back_its_facts_are_read(web):
    page = unescape(web["shipped"].get("/content/decisions/imPlatelets").text)
    days = PACKS["shipped"].facts["platelets"].look_back_days
    assert f'<small class="look-back">newest within {days} days; older is “too old”</small>' in page
    assert "Vitamin B12 flagged by the laboratory: <strong>newest within 366 days; older is “too old”</strong>" in page


def test_a_table_quotes_the_whole_sentence_with_its_numbers(web):
    page = unescape(web["shipped"].get("/content/decisions/imPlatelets").text)
    assert "For severe thrombocytopenia (25-50 × 10⁹/L): Use smaller gauge needles" in page


def test_the_same_count_is_explained_where_it_is_critical_and_where_it_is_an_info(web):
    for name, other in (("imPlatelets", "plateletsUnderTreatment"), ("plateletsUnderTreatment", "imPlatelets")):
        said = PACKS["shipped"].decisions[name].why
        assert f"“{PACKS['shipped'].decisions[other].title}”" in said and "chart is opened" in said
        assert said in unescape(web["shipped"].get(f"/content/decisions/{name}").text)


@pytest.mark.parametrize("which", PACKS)
def test_the_hazard_log_is_a_page_that_says_what_remains_and_who_has_accepted_it(web, which):
    page = unescape(web[which].get("/content/hazards").text)
    log = PACKS[which].hazards
    for hazard in log.hazards.values():
        assert f'id="{hazard.id}"' in page and hazard.hazard in page and hazard.because in page
        assert f'<a href="#{hazard.id}">{hazard.id}</a> {hazard.hazard}' in page
    assert "Nobody has accepted this log" in page
    assert "open: nobody has accepted the risk that remains" in page


def test_a_sheet_leads_to_what_it_reads_and_to_its_hazards(web):
    page = web["shipped"].get("/content/decisions/imPlatelets/review").text
    assert '<a href="/content/decisions/plateletDoubt/review">What else is known of the platelet count</a>' in page
    assert '<a href="/content/hazards#HAZ-01"><strong>HAZ-01</strong></a>' in page


def test_a_reason_leads_to_the_statement_that_it_names(web):
    page = web["shipped"].get("/", query_string={"scenario": "platelets-and-im/exactlyFifty"}).text
    assert 'href="/content#S11"' in page and "“Platelets from 25 to 50”</a>" in page


# --- review sheets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("which", "name"), DECISIONS)
def test_every_decision_has_a_sheet_that_says_what_is_signed(web, which, name):
    answer = web[which].get(f"/content/decisions/{name}/review")
    assert answer.status_code == 200
    decision = PACKS[which].decisions[name]
    lock = json.loads((CARDS[which] / PACKS[which].id / "lock.json").read_text(encoding="utf-8"))
    assert (
        f"<strong>{name} {decision.version}</strong>, sha256 <code>{lock['digests'][f'decision:{name}']}" in answer.text
    )
    assert "not locked" not in answer.text
    for said in (decision.question, *decision.known_gaps):
        assert str(escape(said)) in answer.text
    assert all(role in answer.text for role in ("Written by", "Checked by", "Signature", "Next review by"))


def test_a_sheet_is_of_what_is_served_and_says_so_if_the_folder_has_moved_on(tmp_path):
    """The files may change under a service: what it shows is then not what they hold."""
    cards = shutil.copytree(CARDS["second"], tmp_path / "cards")
    web = create_app(Settings(cards=cards, loopback=True, key=KEY, state=tmp_path / "state")).test_client()
    path, lock = "/content/decisions/howGiven/review", cards / "examplol/lock.json"
    held = json.loads(lock.read_text(encoding="utf-8"))
    digest = held["digests"]["decision:howGiven"]
    table = cards / "examplol/decisions/howGiven/table.yaml"
    table.write_text(table.read_text(encoding="utf-8") + "# seen\n", encoding="utf-8")
    assert digest in web.get(path).text
    held["versions"]["decision:howGiven"] = "99.0.0"
    lock.write_text(json.dumps(held), encoding="utf-8")
    later = web.get(path).text
    assert digest not in later
    assert "Do not sign this" in later
    lock.write_text("{", encoding="utf-8")
    assert web.get(path).status_code == 503
