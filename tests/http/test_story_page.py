"""The first page as a story: tiles, search, patient, order, card, comparison, and the reasons in words."""

import json
import re
import shutil
from datetime import UTC, date, datetime
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.console.answer import shown_answer
from cds_service.console.plain_words import day_in_words
from cds_service.console.story_list import expected, found, reason_of, tiles_of
from cds_service.content.load import load_pack
from cds_service.content.lock import folder_digests
from cds_service.content.prepared import Prepared
from cds_service.judge.fact_words import rounded
from cds_service.packaged import packaged
from cds_service.replay.scenarios import read_scenarios
from cds_service.replay.stories import read_stories
from cds_service.service.app import create_app
from cds_service.settings import Settings
from tests.support.keys import KEY
from tests.support.places import SECOND_PACK

SCENARIOS = {scenario.name: scenario for scenario in read_scenarios(packaged("fixtures"))}
STORIES = read_stories(packaged("fixtures"), SCENARIOS)
NOW = "2026-11-23T12:00:00Z"


def words(html):
    """What a person reads of some HTML, with one space between words."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def part(page, name):
    """The words of the story or the cards, or of the fold with this heading."""
    start = page.index(f'id="{name}"') + len(f'id="{name}">')
    end = {"story": 'id="cards"', "cards": '<details class="fold"'}.get(name, "\n</details>")
    return words(page[start : page.index(end, start)])


def story(client, name, **query):
    answer = client.get("/", query_string={"scenario": name, **query})
    assert answer.status_code == 200
    return answer.text


# --- tiles and search ------------------------------------------------------------------------------------------------


def test_the_first_page_has_a_tile_for_each_story_with_what_it_shows_and_tells_the_first(client):
    page = client.get("/").text
    for told in STORIES:
        severity = expected(told.scenario)[0]
        tile = re.search(rf'<a class="tile[^>]*scenario={told.scenario.name}#story"[^>]*>(.*?)</a>', page)
        assert words(tile[1]) == f"{told.title} {severity}"
    assert f'<h2 id="story">{STORIES[0].title}</h2>' in page
    assert page.count('aria-current="true"') == 1
    assert 'class="choices"' in page  # a suggestion


def test_a_tile_says_what_the_content_that_is_served_shows(tmp_path):
    """Content of our pack without examples of its own answers ours, as it answers them."""
    cards = shutil.copytree(packaged("cards"), tmp_path / "cards")
    pack = cards / "vitamin-b12"
    for table in (pack / "decisions").glob("*/table.yaml"):
        table.write_text(table.read_text(encoding="utf-8").replace("indicator: critical", "indicator: warning"))
    lock = json.loads((pack / "lock.json").read_text(encoding="utf-8"))
    (pack / "lock.json").write_text(json.dumps(lock | {"digests": folder_digests(pack)}), encoding="utf-8")
    tiles = {
        name: re.findall(r'<a class="tile[^>]*>(.*?)</a>', web.get("/").text)
        for name, web in (
            ("ours", create_app(Settings(key=KEY, loopback=True)).test_client()),
            ("other", create_app(Settings(key=KEY, loopback=True, cards=cards)).test_client()),
        )
    }
    assert len(tiles["ours"]) == len(tiles["other"]) == len(STORIES)
    assert any("critical" in tile for tile in tiles["ours"]) and not any("critical" in tile for tile in tiles["other"])


def test_a_result_that_the_service_does_not_ask_for_is_not_called_missing(client):
    """Before an order is signed the service asks for no homocysteine, though one of its tables would read it."""
    page = client.get("/", query_string={"scenario": "falling-platelets/renewalAtTwentyOne"}).text
    banner = page[page.index('class="banner"') : page.index('class="order"')]
    assert "Platelet count" in banner and "Homocysteine" not in banner
    page = client.get("/", query_string={"scenario": "bad-data/nothingSentFolate"}).text
    banner = page[page.index('class="banner"') : page.index('class="order"')]
    assert "not sent: " in banner and "Platelet count" in banner


def test_a_search_lists_scenarios_by_group_with_the_severity_that_they_expect(client):
    page = client.get("/", query_string={"q": "kidney stage"}).text
    assert "Disease coded" in page and 'href="/?scenario=kidney/diseaseCoded#story"' in page
    assert re.search(r"<h3>Cyanocobalamin and kidney function</h3>", page)
    assert '<span class="tag info">info</span>' in page and '<span class="tag no-card">no card</span>' in page
    assert 'id="story"' not in page


def test_a_search_looks_for_every_word_in_title_reason_group_and_card_title_in_either_spelling(pack):
    def names(query):
        return {
            c.name for choices in found(SCENARIOS.values(), STORIES, pack, query).by_story.values() for c in choices
        }

    assert "folate-first/leucovorin" in names("leucovorin")  # a title
    assert names("RESCUE is not judged") == {"folate-first/leucovorin"}  # a reason
    assert names("pernicious anemia stepped life") == names("Pernicious ANAEMIA stepped life") != set()  # a group
    card = next(d.title for d in pack.decisions.values() if d.id == "ivCyanocobalamin")
    assert "iv-cyanocobalamin/push" in names(f"{card} push")
    assert STORIES[0].scenario.name in names(STORIES[0].title)  # the title of a story
    assert names("zzz") == set()


def test_a_search_finds_the_scenarios_of_a_card_by_its_title_in_a_pack_whose_topics_have_a_prefix():
    second = load_pack(SECOND_PACK / "cards", is_proven=True)
    told = found(read_scenarios(SECOND_PACK / "fixtures"), [], second, "Examplite and the needle")
    assert not told.is_partial and told.number > 0


def test_a_search_is_bounded_and_says_how_many_more_there_are(client, pack):
    everything = found(SCENARIOS.values(), STORIES, pack, "")
    assert not everything.is_partial
    assert found(SCENARIOS.values(), STORIES, pack, "zzz yyy").number == 0
    partial = found(SCENARIOS.values(), STORIES, pack, "treatment that stops zzz")
    assert partial.is_partial and 0 < partial.number < len(SCENARIOS) / 2
    shown = sum(len(choices) for choices in everything.by_story.values())
    assert (shown, everything.number, everything.more) == (50, len(SCENARIOS), len(SCENARIOS) - 50)
    assert f"And {len(SCENARIOS) - 50:,} more" in client.get("/?q=").text


def test_a_search_without_a_result_says_what_to_do(client):
    page = client.get("/?q=zzz").text
    assert "0 scenarios for" in page and "Use other words or fewer" in page


def test_a_search_shows_no_request_because_it_shows_no_case(client):
    assert "The request as JSON" in client.get("/").text
    for query in ("platelets", "zzz", ""):
        assert "The request as JSON" not in client.get("/", query_string={"q": query}).text


def test_the_words_of_a_search_stay_text(client):
    page = client.get("/", query_string={"q": '"><script>alert(1)</script>'}).text
    assert "<script>alert" not in page and "&lt;script&gt;" in page


def test_the_first_page_has_no_list_of_all_names(client):
    page = client.get("/").text
    assert len(set(re.findall(r"scenario=([\w/-]+)", page))) == len(STORIES)


def test_the_reason_of_a_scenario_has_no_references_to_decisions():
    said = {name: reason_of(scenario) for name, scenario in SCENARIOS.items()}
    assert said["stopping/endDate"].endswith("the order ends within three months.")
    assert not any(re.search(r"\(Z\d+\)", text) for text in said.values())
    assert said["kidney/normal"] == "eGFR 85."


def test_a_scenario_that_is_not_there_is_an_error_that_says_what_to_do(client):
    answer = client.get("/?scenario=none")
    assert answer.status_code == 404
    assert "There is no such scenario. Choose a story, or search for another." in answer.text


# --- the story itself ------------------------------------------------------------------------------------------------


def test_a_story_shows_the_patient_and_the_order_before_the_card(client):
    page = story(client, "platelets-and-im/sample")
    told = part(page, "story")
    assert "Kwame Mensah 64 years male born 1962-06-30" in told
    assert "Problems Vitamin B12 deficiency" in told
    assert re.search(r"Platelet count 22 ×10⁹/L(, low)? 21 Nov", told)
    assert "Ordered hydroxocobalamin Dose 1000 mcg Route IM How often 3 times a week How long for 2 weeks" in told
    assert "Doses 6 doses, 23 Nov to 4 Dec" in told
    assert "not sent" not in told
    assert page.index('id="story"') < page.index('id="cards"')


def test_results_that_were_not_sent_are_said_to_be_so(client):
    """None on record and not sent are two things, of which the second may hide the first."""
    told = part(story(client, "bad-data/plateletsNotSentBesideCard"), "story")
    assert "Results not sent: Platelet count" in told and "Platelet count 22" not in told


def banner_of(page):
    """The words of the head of the chart."""
    return words(page[page.index('<section class="banner') : page.index('<section class="order')])


def test_medicines_under_way_are_named_and_those_that_cards_read_come_first_with_their_dosage(client):
    assert (
        "Medicines Hydroxocobalamin 1 mg/mL injection, 1000 mcg IM every 2 months; Atorvastatin 20 mg tablet; "
        "Levothyroxine 50 mcg tablet" in banner_of(story(client, "iv-cyanocobalamin/monthly"))
    )
    never_any = banner_of(story(client, "pernicious-anaemia-for-life/tabletsAtStart"))
    assert "Medicines none under way on record" in never_any


def fired_with(client, change):
    """The head of the chart after a change of the prefetched medication orders of a scenario."""
    page = story(client, "iv-cyanocobalamin/monthly")
    body = json.loads(unescape(re.search(r'<textarea id="request"[^>]*>(.*?)</textarea>', page, re.S)[1]))
    change(body["prefetch"])
    return banner_of(client.post("/", data={"request": json.dumps(body), "now": NOW, "profile": "2.0"}).text)


def test_many_medicines_are_counted_and_each_is_named_once(client):
    def more(prefetch):
        entries = prefetch["medicationRequests"]["entry"]
        other = next(each for each in entries if "Atorvastatin" in str(each))
        for number in range(9):
            copy = json.loads(json.dumps(other).replace("Atorvastatin 20 mg tablet", f"Medicine {number}"))
            copy["resource"]["id"] = f"other-{number}"
            entries += [copy, json.loads(json.dumps(copy).replace(f"other-{number}", f"same-{number}"))]

    said = fired_with(client, more)
    assert "Medicines Hydroxocobalamin" in said and "; Medicine 4; and 4 more" in said
    assert said.count("Medicine 4") == 1 and "Medicine 5" not in said


def test_medicines_that_were_not_sent_and_those_that_are_over_are_not_called_current(client):
    assert "Medicines not sent, so nobody knows" in fired_with(client, lambda sent: sent.pop("medicationRequests"))

    def over(prefetch):
        for entry in prefetch["medicationRequests"]["entry"]:
            entry["resource"]["status"] = "completed" if "Atorvastatin" in str(entry) else "stopped"

    assert "Medicines none under way on record" in fired_with(client, over)

    def ended(prefetch):
        for entry in prefetch["medicationRequests"]["entry"]:
            if "cobalamin" in str(entry):
                repeat = entry["resource"]["dosageInstruction"][0]["timing"]["repeat"]
                repeat["boundsPeriod"] = {"start": "2026-01-05", "end": "2026-10-05"}

    assert re.search(r"Medicines Hydroxocobalamin [^;]* \(ended \d+ \w+\); ", fired_with(client, ended))


def test_a_chart_that_is_opened_has_a_patient_and_no_order(client):
    assert "Ordered Nothing: the chart is opened." in part(story(client, "patient-view/everythingInLine"), "story")


def test_a_refused_request_shows_the_patient_and_what_to_do(client):
    page = story(client, "folate-first/problemsNotSent")
    assert "Emily Carter" in part(page, "story") and "Ordered Folic acid 5 mg tablet" in part(page, "story")
    assert "Problems not sent, so nobody knows" in part(page, "story")
    said = part(page, "cards")
    assert "Refused 412" in said and "Add what is missing to the prefetch" in said


def test_the_card_ends_before_its_evidence_which_is_folded(client):
    page = story(client, "loading-regimen/dailyForAWeek")
    card = page[page.index('<article class="card') : page.index("</article>")]
    before, _, evidence = card.partition('<details class="evidence">')
    assert "Ordered: cyanocobalamin 1000 mcg IM daily for 7 days" in before
    assert "Read from the record:" not in before and "Rests on:" not in before
    assert "Read from the record:" in evidence and "Rests on:" in evidence and "not been reviewed" in evidence


def test_what_is_to_note_is_no_evidence(client):
    """A suggestion that is withheld is a thing to know before acting."""
    page = story(client, "folate-first/lowPlatelets")
    card = page[page.index('<article class="card') : page.index("</article>")]
    assert "Not offered:" in card.partition('<details class="evidence">')[0]


def compared_in(page):
    rows = re.findall(r'<tr role="row"(?: class="(differs)")?><th scope="row"[^>]*>(.*?)</th>(.*?)</tr>', page, re.S)
    return {
        label: (bool(differs), *map(words, re.findall(r"<td[^>]*>(.*?)</td>", cells, re.S)))
        for differs, label, cells in rows
    }


def test_a_suggestion_stands_beside_what_is_ordered(client):
    page = story(client, "loading-regimen/dailyForAWeek")
    first = page[page.index('<table class="compare"') : page.index("</table>", page.index('<table class="compare"'))]
    assert compared_in(first) == {
        "Drug": (True, "cyanocobalamin", "changed: hydroxocobalamin"),
        "Dose": (False, "1000 mcg", "1000 mcg"),
        "Route": (False, "IM", "IM"),
        "How often": (True, "daily", "changed: 3 times a week"),
        "How long": (True, "for 7 days", "changed: for 2 weeks"),
        "Doses": (True, "7 doses, 23 Nov to 29 Nov", "changed: 6 doses, 23 Nov to 4 Dec"),
    }


def test_an_order_without_an_end_says_so_and_words_beyond_the_schedule_are_kept(client):
    page = story(client, "loading-regimen/dailyForAWeek")
    second = compared_in(page[page.index("If there are neurological signs") :])
    assert second["Doses"][2] == "changed: from 23 Nov on, without an end"
    assert second["As written"][2] == "changed: until no further improvement; prescriber to review"


def test_the_steps_of_a_course_stand_in_their_order(client):
    page = story(client, "pernicious-anaemia-for-life/tabletsAtStart")
    course = compared_in(page[page.index("<summary", page.index("cyanocobalamin 100 mcg")) :])
    assert course["How often"][2] == "changed: daily every 2 days every 3-4 days"
    assert course["Dose"][2] == "changed: 100 mcg"  # once, where all steps say the same


def test_a_new_order_and_a_removal_have_one_side(client):
    page = words(story(client, "folate-first/treatFirst"))
    assert "Suggested, a new order hydroxocobalamin Dose 1000 mcg Route IM" in page
    assert "Ordered, and taken away Folic acid 5 mg tablet" in page


def test_the_change_of_fhir_is_folded(client):
    page = story(client, "loading-regimen/dailyForAWeek")
    assert re.search(r"<details><summary>The change as FHIR \(update\)</summary>\s*<pre", page)


def test_drafts_without_ids_are_all_listed(client, request_for):
    body = request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")
    (entry,) = body["context"]["draftOrders"]["entry"]
    second = json.loads(json.dumps(entry))
    for one in (entry, second):
        del one["resource"]["id"]
    body["context"]["draftOrders"]["entry"].append(second)
    page = client.post("/", data={"request": json.dumps(body), "now": NOW, "profile": "2.0"}).text
    assert part(page, "story").count("Ordered hydroxocobalamin") == 2


# --- silence and reasons ---------------------------------------------------------------------------------------------


def test_silence_says_what_is_as_the_source_has_it(client, pack):
    said = part(story(client, "loading-regimen/threeWeekly"), "cards")
    title = pack.decisions["loadingRegimen"].title
    assert f"As the source has it: {title}" in said and pack.statements["S4"].quote in said
    assert "three times weekly for 2 weeks" in said


def test_a_draft_that_is_not_judged_says_why(client):
    said = part(story(client, "iv-cyanocobalamin/antidote"), "cards")
    assert "No card" in said and ("is not judged." in said or "nothing is to be said" in said)


def test_why_names_what_spoke_what_it_found_and_what_would_change_it_in_words(client, pack):
    said = part(story(client, "platelets-and-im/sample"), "why")
    assert f"What spoke {pack.decisions['imPlatelets'].title} : Transfusion first" in said
    assert "Platelet count: 22 ×10⁹/L" in said
    title = pack.decisions["imPlatelets"].title
    change = said[said.index("What would change it") : said.index("What would bring another card")]
    assert f"Platelet count is 22 ×10⁹/L ; were it 25 to 50 ×10⁹/L : warning {title} : Platelets" in change
    assert f"were it above 50 ×10⁹/L : no card {title}" in change
    assert change.index("25 to 50") < change.index("above 50")  # the nearest first
    assert "not usable" not in change and "not known" not in change
    doubts = said[said.index("could not be told") :]
    assert f"were it not usable : info {title}" in doubts and "a range across a limit (25 ×10⁹/L)" in doubts


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (
            "kidney/creatinineOnly",
            ["Latest eGFR is 27.7 mL/min/1.73 m² ; were it at least 60", "were it hydroxocobalamin"],
        ),
        (
            "pernicious-anaemia-for-life/tabletsAtStart",
            ["Pernicious anaemia is on record: Pernicious anaemia ; were it none on record", "were it IM"],
        ),
    ],
)
def test_what_would_change_it_names_what_the_card_is_about(client, name, changes):
    said = part(story(client, name), "why")
    change = said[said.index("What would change it") : said.index("What would bring another card")]
    assert [each for each in changes if each not in change] == []


@pytest.mark.parametrize("told", STORIES, ids=lambda told: told.scenario.name)
def test_one_condition_has_one_line_with_all_that_comes_of_it(client, told):
    page = story(client, told.scenario.name)
    why = page[page.index('id="why"') :].partition('<details class="fold"')[0]
    for fact in re.findall(r"<ul>(<li>were it.*?</li>)</ul>", why, re.S):
        conditions = re.findall(r"were it <em>(.*?)</em>", fact)
        assert conditions and len(set(conditions)) == len(conditions)


def test_why_of_silence_begins_with_the_reason_for_it(client, pack):
    said = part(story(client, "loading-regimen/threeWeekly"), "why")
    title = pack.decisions["loadingRegimen"].title
    assert said.startswith("Why, and what would change it There is no card about Hydroxocobalamin")
    assert said.index(f"As the source has it: {title}") < said.index("The decisions that kept silent")
    assert "What would bring a card" in said


@pytest.mark.parametrize("told", STORIES, ids=lambda told: told.scenario.name)
def test_reasons_have_no_ucum_and_ids_only_as_code(client, told):
    page = story(client, told.scenario.name)
    start = page.index('id="why"')
    why = page[start : page.index('<details class="fold"', start)]
    prose = words(re.sub(r"<code>.*?</code>", "", why))
    assert not re.search(r"10\*9|\{1\.73|\bumol|\bug/", prose)
    assert [w for w in re.findall(r"\b[a-z]+[A-Z]\w+", prose) if w not in ("mL", "eGFR", "dL")] == []


def test_facts_have_rounded_values_with_their_unit(client):
    said = part(story(client, "loading-regimen/dailyForAWeek"), "why")
    assert re.search(r"eGFR computed by CKD-EPI 2021 computed-egfr 85\.4 mL/min/1\.73 m² 85\.35", said)
    assert "58 years" in said and "1000 mcg a day" in said


# --- words -----------------------------------------------------------------------------------------------------------

numbers = st.floats(min_value=0.001, max_value=1e6, allow_nan=False)


def test_medications_of_another_code_system_are_not_said_to_be_unreadable(client):
    """Amlodipine and paracetamol in SNOMED CT are known; only whether they are an antifolate cannot be looked up."""
    why = part(story(client, "platelets-and-im/sample"), "why")
    assert "not fully understood" not in why
    assert (
        "Whether 2 of 2 medications are such cannot be told: this content has no code for it in the code system that "
        "is used there, and does not know the name."
    ) in why


@given(value=numbers, limits=st.lists(st.sampled_from([10, 25, 50, 60, 93, 300]), max_size=4))
def test_a_rounded_number_stays_on_its_side_of_every_threshold(value, limits):
    value = float(f"{value:.6g}")
    near = float(rounded(value, limits).replace(",", ""))
    assert abs(near - value) <= value * 0.005
    assert [(value < limit, value > limit) for limit in limits] == [(near < limit, near > limit) for limit in limits]


@pytest.mark.parametrize(
    ("value", "limits", "text"),
    [
        (0.904977, [], "0.905"),
        (24.96, [25], "24.96"),
        (59.9, [60], "59.9"),
        (25, [25], "25"),
        (12345.6, [], "12,346"),
        (1332, [], "1332"),
        (-1332, [], "-1332"),
        (1234567, [], "1,234,567"),
        (0, [], "0"),
    ],
)
def test_numbers_are_written_for_people(value, limits, text):
    assert rounded(value, limits) == text


def test_a_day_has_its_year_where_it_is_not_this_one(pack):
    assert day_in_words(pack, date(2026, 11, 3), date(2026, 11, 23)) == "3 Nov"
    assert day_in_words(pack, date(2027, 1, 3), date(2026, 11, 23)) == "3 Jan 2027"


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"hook":\n  "x", }', "The body is not JSON: line 2, column 8: "),
        ("{", "The body is not JSON: line 1, column 2: "),
        ('{"hook": "order-select"}', "A required member is missing. At hookInstance"),
    ],
)
def test_an_error_begins_with_a_capital_says_where_and_what_to_do(client, text, said):
    answer = client.post("/", data={"request": text, "now": NOW, "profile": "2.0"})
    assert answer.status_code == 400
    told = part(answer.text, "cards")
    assert said in told and "Correct the request as JSON, below, and fire it again." in told
    assert "What was entered Nothing of it could be read." in part(answer.text, "story")  # and no heading over nothing


def test_content_without_stories_begins_with_the_first_scenarios(pack):
    prepared = Prepared.of(pack, zone=UTC, key=b"a key for tests")
    tiles = tiles_of(prepared, [], SCENARIOS.values())
    assert [tile.name for tile in tiles] == list(SCENARIOS)[:8]


numbers_sent = st.sampled_from([0, 1, 3, -1, 1e-9, 0.5, 1_000_000_000, 10**30, "3", None, [], {}])
days_sent = st.sampled_from(
    ["2026-11-23", "9999-12-31", "9999-12-01", "9999-06-01", "0001-01-01", "1900", "2026-13-45", "", 5, None]
)
units_sent = st.sampled_from(["h", "d", "wk", "mo", "a", "s", "x", None, 1])
repeats = st.fixed_dictionaries(
    {},
    optional={
        "frequency": numbers_sent,
        "period": numbers_sent,
        "periodMax": numbers_sent,
        "periodUnit": units_sent,
        "count": numbers_sent,
        "boundsDuration": st.fixed_dictionaries({"value": numbers_sent, "code": units_sent}),
        "boundsPeriod": st.fixed_dictionaries({}, optional={"start": days_sent, "end": days_sent}),
        "dayOfWeek": st.sampled_from([["mon"], "mon", [1], None]),
    },
)
drafts_sent = st.fixed_dictionaries(
    {
        "resourceType": st.sampled_from(["MedicationRequest", "ServiceRequest", "Medication", "", 5]),
        "dosageInstruction": st.lists(
            st.fixed_dictionaries({}, optional={"timing": st.builds(lambda repeat: {"repeat": repeat}, repeats)}),
            max_size=3,
        ),
    },
    optional={
        "id": st.sampled_from(["a", 5, None]),
        "status": st.sampled_from(["draft", "stopped", 5]),
        "code": st.sampled_from([{"text": "A test"}, [], "x"]),
        "medicationCodeableConcept": st.sampled_from([{"text": "Hydroxocobalamin"}, {"text": "Other"}, [], None]),
    },
)
_calls = next(iter(SCENARIOS.values())).request({})


@settings(max_examples=150, deadline=None)
@given(draft=drafts_sent)
def test_any_draft_is_shown_or_refused_and_never_a_fault_of_the_page(prepared, draft):
    """What is not judged is shown too, so that its schedule is read where nothing else reads it."""
    body = json.loads(json.dumps(_calls))
    body["context"]["draftOrders"]["entry"] = [{"resource": draft}]
    answer = shown_answer(prepared, json.dumps(body).encode(), datetime.fromisoformat(NOW), "2.0")
    assert answer.fault is None or answer.advice
