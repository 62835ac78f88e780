"""If a suggestion is taken: the page of the order that it leaves, and what the service answers to that order."""

import json
import re
from html import unescape

import pytest

from cds_service.console.taken import names_of
from cds_service.replay.accepted import accepted
from tests.support.sample import sampled
from tests.support.scenarios import by_name, fire, request_of, scenarios

LOADING = "loading-regimen/dailyForAWeek"
NOT_OFFERED = "The answer has no such suggestion. Choose a story, and take a suggestion of its cards."


def words(html):
    """What a person reads of some HTML, with one space between words."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def follow(page):
    """The links to what follows from each suggestion of a page."""
    return [unescape(link) for link in re.findall(r'<a class="if-taken" href="([^"]+)"', page)]


def cards_part(page):
    """The words of the answer: its heading, and its cards or the reasons why there are none."""
    section = page[page.index('<section aria-labelledby="cards">') :]
    return words(section[: section.index("</section>\n")])


def story(client, name, *taken, **query):
    answer = client.get("/", query_string={"scenario": name, "taken": taken, **query})
    assert answer.status_code == 200
    return answer.text


def note(page):
    """The line that says what was taken."""
    return words(page[page.index('role="note"') - 20 :].partition("</div>")[0].partition(">")[2])


def summaries(page):
    return [words(said).partition(" ")[2] for said in re.findall(r'<h3 class="summary"[^>]*>(.*?)</h3>', page, re.S)]


@pytest.mark.parametrize("scenario", sampled(scenarios(), 40), ids=lambda scenario: scenario.name)
def test_each_suggestion_leads_to_the_answer_of_the_service_to_the_order_that_it_leaves(client, prepared, scenario):
    request = request_of(prepared, scenario)
    offered = [s for card in fire(prepared, request, scenario.now).cards for s in card.get("suggestions", [])]
    links = follow(client.get("/", query_string={"scenario": scenario.name}).text)
    assert len(links) == len(offered)
    for suggestion, link in zip(offered, links, strict=True):
        answer = client.get(link)
        assert answer.status_code == 200
        assert note(answer.text).startswith(f"Taken: “{suggestion['label']}”.")
        heading = words(re.search(r'<h2 id="cards">(.*?)</h2>', answer.text)[1])
        if scenario.hook == "patient-view":
            assert re.fullmatch(r"\d+ cards?|Nothing more to say", heading)
            continue
        after = fire(prepared, accepted(request, suggestion), scenario.now)
        assert summaries(answer.text) == [card["summary"] for card in after.cards]
        if after.status != 200:
            assert heading == "Refused"
        elif after.cards:
            assert heading == f"{len(after.cards)} card{'' if len(after.cards) == 1 else 's'}"
        else:
            assert heading == "Nothing more to say"
            assert re.search("nothing is to be said|is not judged|No order is left", cards_part(answer.text))


def test_an_answer_after_a_suggestion_word_for_word(client):
    first = follow(story(client, LOADING))[0]
    assert first == f"/?scenario={LOADING}&taken=loadingRegimenDiffers.1#story"
    page = client.get(first).text
    assert note(page) == (
        "Taken: “Order hydroxocobalamin 1000 mcg IM 3 times a week for 2 weeks”. Below are the order that this leaves, "
        "and what the service answers to that order. Back to the answer before"
    )
    order = page[page.index('aria-label="The order that is left"') :]
    assert words(order[order.index(">") + 1 : order.index("</section>")]) == (
        "Ordered hydroxocobalamin Dose 1000 mcg Route IM How often 3 times a week How long for 2 weeks "
        "Doses 6 doses, 23 Nov to 4 Dec"
    )
    assert cards_part(page).startswith("Nothing more to say hydroxocobalamin 1 MG/ML Injectable Solution: looked at,")
    assert f'<a href="/?scenario={LOADING}#cards">Back to the answer before</a>' in page
    assert "<title>If this is taken: Loading ordered daily for a week" in page
    assert 'id="outcomes"' not in page


def test_what_is_left_of_the_cards_and_what_is_new_is_told_apart(client):
    page = client.get(follow(story(client, "platelets-and-im/sample"))[0]).text
    assert "This card was there before." in cards_part(page)


def test_where_the_order_is_taken_away_nothing_is_left_to_judge(client):
    page = story(client, "folate-first/perniciousAnaemia")
    link = next(each for each in follow(page) if "Remove" in note(client.get(each).text))
    after = client.get(link).text
    assert "Ordered Nothing is left." in words(after)
    assert cards_part(after) == "Nothing more to say No order is left that could be judged."


def test_what_is_ordered_as_a_chart_is_opened_is_answered_as_that_order(client):
    page = story(client, "patient-view/problemsNotSent")
    after = client.get(follow(page)[0]).text
    assert json.loads(unescape(re.search(r"<textarea[^>]*>(.*?)</textarea>", after, re.S)[1]))["hook"] == "order-select"
    assert "Ordered Nothing: the chart is opened." not in words(after)


def test_one_suggestion_after_another_is_followed_and_each_has_its_way_back(client):
    first = follow(story(client, "iv-cyanocobalamin/start"))[1]
    after = client.get(first).text
    (second, *_) = follow(after)
    both = client.get(second).text
    taken = "“Change the route to IM”, and then “Order hydroxocobalamin 1000 mcg IM 3 times a week for 2 weeks”"
    assert note(both).startswith(f"Taken: {taken}. ")
    assert ("1 card" in cards_part(after), "Nothing more to say" in cards_part(both)) == (True, True)
    back = unescape(re.search(r'<a href="([^"]+)">Back to the answer before', both)[1])
    assert back == first.replace("#story", "#cards")


def test_a_case_of_ones_own_is_followed_as_it_was_entered(client):
    entered = {"by": "form", "story": LOADING, "result-platelets": "30", "unit-platelets": "10*9/L"}
    page = client.get("/", query_string=entered).text
    after = client.get(follow(page)[0])
    assert after.status_code == 200 and note(after.text).startswith("Taken: ")
    assert "30 ×10⁹/L" in words(after.text)
    assert '<details class="box decide">' in after.text  # folded above the answer


@pytest.mark.parametrize(
    "taken",
    [
        ["none"],
        [""],
        ["loadingRegimenDiffers"],
        ["loadingRegimenDiffers.0"],
        ["loadingRegimenDiffers.3"],
        ["loadingRegimenDiffers.1"] * 2,
        ["<script>alert(1)</script>"],
    ],
)
def test_a_suggestion_that_is_not_offered_is_not_found(client, taken):
    for query in ({"scenario": LOADING}, {"by": "band", "story": LOADING}):
        answer = client.get("/", query_string={**query, "taken": taken})
        assert answer.status_code == 404
        assert NOT_OFFERED in answer.text and "<script>alert" not in answer.text
        assert 'id="cards"' not in answer.text


def test_nothing_is_taken_of_an_answer_that_was_refused(client):
    assert ">Refused</h2>" in story(client, "bad-data/nothingSent")
    query = {"scenario": "bad-data/nothingSent", "taken": "imPlateletsTransfusionFirst.1"}
    assert client.get("/", query_string=query).status_code == 404


def test_a_request_as_json_has_no_address_and_so_nothing_to_follow(client, prepared):
    sample = by_name("platelets-and-im/sample")
    sent = {"request": json.dumps(request_of(prepared, sample)), "now": sample.now.isoformat(), "profile": "2.0"}
    page = client.post("/", data=sent).text
    assert 'class="choices"' in page and not follow(page)


def test_another_client_is_answered_as_that_client(client):
    (link, *_) = follow(story(client, LOADING, profile="sandbox"))
    assert "profile=sandbox" in link
    assert "<strong>the CDS Hooks sandbox</strong>" in client.get(link).text


# --- names and the call after -----------------------------------------------------------------------------------------


def card(topic, *suggestions):
    return {"source": {"topic": {"code": topic}}, "suggestions": [*suggestions]}


def test_suggestions_are_named_by_the_topic_of_their_card_and_one_without_actions_is_not():
    one, none = {"actions": [{"type": "delete"}]}, {"actions": []}
    cards = [card("a", one, none, one), card("b", one), card("a", one), {"source": {"topic": {"code": "c"}}}]
    assert names_of(cards) == [["a.1", "", "a.3"], ["b.1"], ["a.4"], []]


ORDER = {"resourceType": "MedicationRequest", "id": "draft-1"}
TEST = {"resourceType": "ServiceRequest", "id": "new"}


def call(*selections):
    context = {"draftOrders": {"entry": [{"resource": ORDER}]}}
    return {"hookInstance": "x", "context": {**context, "selections": [*selections]} if selections else context}


def taking(request, *actions):
    context = accepted(request, {"label": "It", "actions": [*actions]})["context"]
    return [entry["resource"] for entry in context["draftOrders"]["entry"]], context.get("selections")


@pytest.mark.parametrize(
    "selection",
    ["MedicationRequest/draft-1", "draft-1", "https://ehr.example/r4/MedicationRequest/draft-1/_history/2"],
)
def test_an_order_that_is_deleted_is_not_selected_any_more_however_it_was_named(selection):
    delete = {"type": "delete", "resourceId": "MedicationRequest/draft-1"}
    assert taking(call(selection, "MedicationRequest/draft-10"), delete) == ([], ["MedicationRequest/draft-10"])


def test_an_order_that_is_changed_keeps_its_place_and_one_that_is_created_is_selected_too():
    changed = {**ORDER, "status": "draft"}
    actions = [{"type": "update", "resource": changed}, {"type": "create", "resource": TEST}]
    request = call("MedicationRequest/draft-1")
    assert taking(request, *actions) == ([changed, TEST], ["MedicationRequest/draft-1", "ServiceRequest/new"])
    assert taking(call(), *actions) == ([changed, TEST], None)
    assert request == call("MedicationRequest/draft-1")  # what was sent stays as it was


def test_the_call_after_is_a_call_of_its_own_and_the_same_each_time():
    suggestion = {"label": "It", "actions": []}
    one, other = accepted(call(), suggestion), accepted(call(), suggestion)
    assert one == other and one["hookInstance"] != "x"


@pytest.mark.parametrize(
    "action",
    [
        {"type": "delete", "resourceId": "MedicationRequest/other"},
        {"type": "update", "resource": TEST},
        {"type": "create", "resource": ORDER},
    ],
)
def test_an_action_that_cannot_be_carried_out_is_an_error(action):
    with pytest.raises(ValueError, match="which is"):
        taking(call(), action)
