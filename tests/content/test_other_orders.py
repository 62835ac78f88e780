"""Orders of tests and of nutrition, judged by a pack that names them: which are judged, what is read and offered."""

from __future__ import annotations

import copy
import json
import re
from datetime import datetime, timedelta
from functools import reduce
from zoneinfo import ZoneInfo

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cds_service.content.load import load_pack
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.content.site import read_site
from cds_service.fhir.order_types import NUTRITION, SERVICE
from cds_service.judge.explanation import explain
from cds_service.protocol.profiles import Profile
from cds_service.recording.deidentify import Deidentifier, comparable_decisions
from cds_service.replay.accepted import accepted
from cds_service.replay.coverage import cover
from cds_service.replay.scenarios import read_scenarios
from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.vocabulary.json_text import encode
from tests.support.keys import KEY
from tests.support.places import SECOND_PACK
from tests.support.planting import finds, planted
from tests.support.scenarios import fire

CARDS, FIXTURES = SECOND_PACK / "cards", SECOND_PACK / "fixtures"
SCENARIOS = {scenario.name: scenario for scenario in read_scenarios(FIXTURES)}
OF_OTHER_ORDERS = [name for name in SCENARIOS if name.startswith(("level-order/", "pap/"))]
NOW = datetime.fromisoformat("2026-11-23T12:00:00Z")
LEVELS, PAP = "examplolLevelOrderTooOften", "examplolPapOrderTooOften"
SEVERAL = "pap/besideLevelAndTablets"
WITHOUT_END = {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}}


def prepared_of(site=None):
    return Prepared.of(load_pack(CARDS, site), zone=ZoneInfo("UTC"), key=KEY.encode())


@pytest.fixture(scope="module")
def second():
    return prepared_of()


@pytest.fixture(scope="module")
def body_of(second):
    """A scenario as a request that can be changed."""

    def build(name):
        scenario = SCENARIOS[name]
        service = second.pack.service_for(scenario.hook)
        return json.loads(encode(scenario.request(templates_of(second.pack, service))))

    return build


@pytest.fixture(scope="module")
def ask(second):
    def ask(body, profile=Profile()):  # noqa: B008  (it is frozen)
        return fire(second, body, NOW, profile)

    return ask


def draft_in(body, number=0):
    return body["context"]["draftOrders"]["entry"][number]["resource"]


def topics(fired):
    return [card["source"]["topic"]["code"] for card in fired.cards]


# --- which are judged ---------------------------------------------------------------------------------------------


def test_only_what_is_selected_is_judged(body_of, ask):
    body = body_of(SEVERAL)
    for name, topic in (("NutritionOrder/draft-1", PAP), ("ServiceRequest/draft-2", LEVELS)):
        body["context"]["selections"] = [name]
        assert topics(ask(body)) == [topic]
    body["context"]["selections"] = []
    assert topics(ask(body)) == []


@pytest.mark.parametrize(
    ("selection", "judged"),
    [("NutritionOrder/nowhere", True), ("ServiceRequest/nowhere", True), ("nowhere", True), ("Device/nowhere", False)],
)
def test_a_selection_that_names_no_draft_and_may_be_an_order_that_is_judged_lets_every_draft_be(
    body_of, ask, selection, judged
):
    body = body_of("pap/tooOften")
    body["context"]["selections"] = [selection]
    assert topics(ask(body)) == ([PAP] if judged else [])


def test_before_signing_every_draft_is_judged(second, body_of, ask):
    body = body_of(SEVERAL)
    body["hook"] = "order-sign"
    del body["context"]["selections"]
    assert set(topics(ask(body))) == {PAP, LEVELS}


def test_a_type_that_the_pack_does_not_name_is_passed_over(body_of, ask, prepared):
    body = body_of("pap/tooOften")
    draft_in(body)["resourceType"] = "SupplyRequest"
    assert (ask(body).status, topics(ask(body))) == (200, [])
    told = explain(prepared_of(), encode(body), NOW)["not-judged"]
    assert [entry["because"] for entry in told] == [
        "It is a SupplyRequest; only a MedicationRequest or a ServiceRequest or a NutritionOrder is judged."
    ]
    shipped = fire(prepared, body_of("pap/tooOften"), NOW)
    assert (shipped.status, shipped.cards) == (200, [])


@pytest.mark.parametrize(
    "concept", [{"code": {"concept": {"coding": [{"system": "http://example.org/labs", "code": "examplite"}]}}}]
)
def test_a_test_is_known_as_R5_writes_its_code(body_of, ask, concept):
    body = body_of("level-order/tooOften")
    draft_in(body).update(concept)
    assert topics(ask(body)) == [LEVELS]


def test_an_order_for_somebody_else_is_refused_whichever_element_says_so(body_of, ask):
    for element in ("patient", "subject"):
        body = body_of("pap/tooOften")
        draft_in(body)[element] = {"reference": "Patient/another"}
        fired = ask(body)
        assert fired.status == 422
        assert f"context.draftOrders.entry[0].resource.{element}" in json.dumps(fired.body)
    body = body_of("pap/tooOften")
    del draft_in(body)["patient"]
    assert ask(body).status == 422
    draft_in(body)["subject"] = {"reference": "Patient/ada-sample"}
    assert topics(ask(body)) == [PAP]


def test_an_order_among_many_drafts_is_seen_beside_the_one_that_is_judged(body_of, ask):
    """Where there are many drafts, those that no fact looks for are not read; a level is looked for."""
    body = body_of("level-and-needle/ordered")
    entries = body["context"]["draftOrders"]["entry"]
    other = {"resourceType": SERVICE, "status": "draft", "code": {"coding": [{"system": "urn:x", "code": "x"}]}}
    entries += [{"resource": {**other, "id": f"other-{number}"}} for number in range(30)]
    body["context"]["selections"] = ["MedicationRequest/draft-1"]
    assert topics(ask(body)) == []
    draft_in(body, 1)["status"] = "revoked"
    assert topics(ask(body)) == ["examplolLevelAndNeedleNeeded"]


# --- what is not understood ----------------------------------------------------------------------------------------


def missed_in(second, body):
    return [
        (item["kind"], item["reason"], item.get("code", ""), item.get("site.toml", ""))
        for item in explain(second, encode(body), NOW)["not-understood"]
        if item["kind"] != "code"
    ]


@pytest.mark.parametrize(
    ("scenario", "change", "line"),
    [
        (
            "pap/tooOften",
            {"supplement": [{"type": {"coding": [{"system": "urn:house", "code": "7"}]}}]},
            "examplol-food",
        ),
        ("level-order/tooOften", {"code": {"coding": [{"system": "urn:house", "code": "7"}]}}, "examplite"),
    ],
)
def test_a_code_that_is_not_known_is_counted_as_not_understood_and_can_be_mapped(
    second, body_of, ask, tmp_path, scenario, change, line
):
    body = body_of(scenario)
    draft_in(body).update(change)
    fired = ask(body)
    assert fired.cards == []
    assert [item.counted_as for item in fired.answer.not_understood] == [("order", "other")]
    ((_, reason, code, lines),) = missed_in(second, body)
    assert (reason, code) == ("orderNotKnown", "7")
    assert f"[[codes.{line}]]" in lines
    (told,) = explain(second, encode(body), NOW)["not-judged"]
    assert told["because"].startswith("What it orders was not recognised.")
    path = tmp_path / "site.toml"
    path.write_text(lines, encoding="utf-8")
    mapped = fire(prepared_of(read_site(path)), body, NOW)
    assert mapped.answer.not_understood == ()


def test_what_is_something_else_by_its_code_is_understood(second, body_of):
    for scenario in ("pap/otherFood", "level-order/another"):
        assert missed_in(second, body_of(scenario)) == []
        (told,) = explain(second, encode(body_of(scenario)), NOW)["not-judged"]
        assert told["because"].startswith("It is known to be something else")


def test_an_order_that_is_known_by_its_name_only_is_counted_and_told_apart(second, body_of):
    assert missed_in(second, body_of("pap/byName")) == [("order", "knownByName", "", "")]
    assert explain(second, encode(body_of("pap/byName")), NOW)["drafts"][0]["recognised"] == "by name"


def test_no_name_counts_that_is_not_the_whole_of_a_text(body_of, ask):
    body = body_of("pap/byName")
    draft_in(body)["supplement"][0]["productName"] = "No Examplol pap"
    fired = ask(body)
    assert (fired.cards, [item.aside.reason.key for item in fired.answer.not_understood]) == ([], ["orderNotKnown"])


def test_a_status_that_no_order_of_this_type_has_is_said(second, body_of):
    body = body_of("pap/tooOften")
    draft_in(body)["status"] = "revoked"
    assert missed_in(second, body) == []
    draft_in(body)["status"] = "stopped"
    assert [item[:3] for item in missed_in(second, body)] == [("status", "statusNotKnown", "stopped")]


def test_a_schedule_that_cannot_be_read_is_counted_and_a_hospital_can_say_what_it_means(second, body_of, tmp_path):
    body = body_of("pap/notReadable")
    ((kind, reason, _, lines),) = missed_in(second, body)
    assert (kind, reason) == ("schedule", "scheduleNotReadable")
    path = tmp_path / "site.toml"
    path.write_text(lines.replace('"?"', '"3 per d"'), encoding="utf-8")
    assert topics(fire(prepared_of(read_site(path)), body, NOW)) == [PAP]


def test_coverage_reads_orders_of_every_type_that_is_judged(second, tmp_path):
    orders = [
        {"resourceType": NUTRITION, "id": "n", "patient": {"reference": "Patient/p"}, "supplement": [{"type": concept}]}
        for concept in (
            {"coding": [{"system": "http://example.org/foods", "code": "PAP"}]},
            {"coding": [{"system": "urn:house", "code": "7"}], "text": "pap of the house"},
        )
    ]
    file = tmp_path / "orders.ndjson"
    file.write_text("\n".join(map(json.dumps, orders)), encoding="utf-8")
    covered = cover(second, FIXTURES, [file], NOW)
    read = {(str(spelling.kind), spelling.code, bool(spelling.reason)) for spelling in covered.times}
    assert {("order", "PAP", False), ("order", "7", True)} <= read


# --- what is offered ------------------------------------------------------------------------------------------------


def suggestion_of(fired, label):
    return next(one for one in fired.suggestions if one["label"].startswith(label))


@pytest.mark.parametrize(
    ("scenario", "label", "kind"),
    [
        ("level-order/tooOften", "Order an examplite level", "ServiceRequest"),
        ("pap/tooOften", "Order examplol pap once a day", "NutritionOrder"),
        ("pap/tooOften", "Give tablets", "MedicationRequest"),
    ],
)
def test_what_replaces_such_an_order_deletes_it_and_creates_another_and_leaves_nothing_to_say(
    body_of, ask, scenario, label, kind
):
    body = body_of(scenario)
    suggestion = suggestion_of(ask(body), label)
    assert [action["type"] for action in suggestion["actions"]] == ["delete", "create"]
    deleted, created = suggestion["actions"]
    assert deleted["resourceId"] == f"{draft_in(body)['resourceType']}/draft-1"
    resource = created["resource"]
    assert resource["resourceType"] == kind
    get_fhir_model_class(kind).model_validate(resource)
    assert resource.get("dateTime") == ("2026-11-23" if kind == NUTRITION else None)
    whose = "patient" if kind == NUTRITION else "subject"
    assert resource[whose] == {"reference": "Patient/ada-sample"}
    following = accepted(body, suggestion)
    backwards = accepted(body, {**suggestion, "actions": [created, deleted]})
    assert topics(ask(following)) == topics(ask(backwards)) == []


def test_a_draft_that_cannot_be_named_is_not_deleted_and_the_card_says_so(body_of, ask):
    body = body_of("pap/tooOften")
    del draft_in(body)["id"]
    body["context"]["selections"] = []
    body["hook"] = "order-sign"
    del body["context"]["selections"]
    (action,) = suggestion_of(ask(body), "Order examplol pap")["actions"]
    assert action["type"] == "create"
    assert "Remove the draft." in action["description"]
    assert not any(one["label"] == "Leave it out" for one in ask(body).suggestions)


def test_a_client_that_takes_one_action_gets_the_removal_and_the_order_of_its_own_list(body_of, ask):
    coding = {"system": "urn:client", "code": "pap-1"}
    fired = ask(body_of("pap/tooOften"), Profile("epic", {"dailyPap": coding}))
    assert all(len(one["actions"]) == 1 for one in fired.suggestions)
    assert [one["actions"][0]["type"] for one in fired.suggestions] == ["delete", "create", "delete"]
    created = fired.suggestions[1]["actions"][0]["resource"]
    assert created["supplement"][0]["type"]["coding"][0] == coding


def test_what_a_site_orders_stands_first_in_an_order_of_nutrition(body_of, tmp_path):
    path = tmp_path / "site.toml"
    path.write_text(
        '[orderables]\ndailyPap = {system = "urn:house", code = "9", display = "Pap of the house"}\n', encoding="utf-8"
    )
    fired = fire(prepared_of(read_site(path)), body_of("pap/tooOften"), NOW)
    created = suggestion_of(fired, "Order examplol pap")["actions"][1]["resource"]
    assert created["supplement"][0]["type"]["text"] == "Pap of the house"
    assert [coding["code"] for coding in created["supplement"][0]["type"]["coding"]] == ["9", "PAP"]


def test_the_console_shows_what_is_ordered_beside_what_takes_its_place():
    pages = create_app(Settings(cards=CARDS, loopback=True, key=KEY)).test_client()

    def rows_of(name):
        page = pages.get(f"/?scenario={name}")
        assert page.status_code == 200
        tables = re.findall(r'<table class="compare".*?</table>', page.text, re.DOTALL)
        rows = [re.findall(r"<tr.*?</tr>", table, re.DOTALL)[1:] for table in tables]
        return [[" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in table] for table in rows]

    daily, tablets = rows_of("pap/tooOften")
    assert daily == ["Order examplol pap examplol pap", "How often 3 times a day changed: daily"]
    assert tablets[0].startswith("Order examplol pap changed: an examplol")
    ((name, how_often, how_many),) = rows_of("level-order/tooOften")
    assert name == "Order examplite changed: an examplite level"
    assert (how_often, how_many) == ("How often daily changed: not stated", "How many 9 changed: not stated")
    assert "When 30 Nov" in " ".join(re.sub(r"<[^>]+>", " ", pages.get("/?scenario=level-order/onOneDay").text).split())


# --- whatever is sent -----------------------------------------------------------------------------------------------

FIXED = [None, True, -1, 10**30, "", "x", "2026-02-30", [], {}, [None], [{}], [[]], {"timing": 1}, [{"timing": []}]]
# What the warning rests on, in each of the two orders; what is replaced at or above it may take the warning away.
LOAD_BEARING = {
    "pap/tooOften": ("supplement", "patient", "resourceType", "status"),
    "level-order/tooOften": ("code", "occurrenceTiming", "subject", "resourceType", "status"),
}


def nodes_of(tree, at=()):
    if at:
        yield at
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from nodes_of(value, (*at, key))


def changed(body, way, value):
    """The body with another value at a way in its first draft; with ``...`` the node is left out."""
    body = copy.deepcopy(body)
    parent = reduce(lambda inner, key: inner[key], way[:-1], draft_in(body))
    if value is ...:
        del parent[way[-1]]
    else:
        parent[way[-1]] = value
    return body


def assert_no_wrong_card(scenario, way, fired):
    assert fired.status in (200, 400, 412, 422), fired.body
    allowed = {LEVELS, "examplolLevelOrderNotReadable", "examplolLevelOrderDayNotReadable"}
    allowed |= {PAP, "examplolPapOrderNotReadable", "examplolPapOrderByName"}
    assert set(topics(fired)) <= allowed
    if way[0] not in LOAD_BEARING[scenario] and fired.status == 200:
        assert topics(fired) == [LEVELS if scenario.startswith("level") else PAP]


@pytest.mark.parametrize("scenario", LOAD_BEARING)
def test_any_node_replaced_or_left_out_gives_no_fault_and_no_wrong_card(body_of, ask, scenario):
    body = body_of(scenario)
    ways = list(nodes_of(draft_in(body)))
    assert len(ways) > 10
    for way in ways:
        for value in (..., *FIXED):
            assert_no_wrong_card(scenario, way, ask(changed(body, way, value)))


@pytest.mark.parametrize(
    ("scenario", "way"),
    [
        *(("pap/tooOften", ("supplement", 0, "schedule", 0, "repeat", key)) for key in ("period", "periodUnit")),
        *(("pap/tooOften", ("supplement", 0, *rest)) for rest in (("schedule",), ("type",), ("type", "coding"))),
        *(("level-order/tooOften", ("occurrenceTiming", *rest)) for rest in ((), ("repeat",), ("repeat", "count"))),
        ("level-order/tooOften", ("code", "coding", 0, "code")),
    ],
)
def test_a_warning_is_given_for_nothing_that_cannot_be_read(body_of, ask, scenario, way):
    body = body_of(scenario)
    for value in (..., *FIXED):
        if value != 10**30:
            assert not {PAP, LEVELS} & set(topics(ask(changed(body, way, value)))), (way, value)


@pytest.mark.parametrize(
    "timing",
    [
        {"repeat": {"count": 3, "frequency": 1, "period": 1, "periodUnit": "d", "boundsPeriod": {"start": "soon"}}},
        {"repeat": {"count": 3, "frequency": 1, "period": 1, "periodUnit": "d", "boundsPeriod": {"start": 7}}},
    ],
)
def test_a_first_day_that_cannot_be_read_is_not_as_if_none_were_stated(body_of, ask, timing):
    body = body_of("level-order/tooSoon")
    draft_in(body)["occurrenceTiming"] = timing
    assert topics(ask(body)) == ["examplolLevelOrderDayNotReadable"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["coding", "concept", "timing", "repeat", "schedule", "start", "type", "event"])
            | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
ELEMENTS = st.sampled_from(
    [
        *("code", "occurrenceTiming", "occurrencePeriod", "occurrenceDateTime", "supplement", "oralDiet"),
        *("enteralFormula", "reasonCode", "subject", "patient", "status", "dosageInstruction"),
    ]
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(scenario=st.sampled_from(sorted(LOAD_BEARING)), element=ELEMENTS, value=JSON)
def test_whatever_stands_in_an_element_is_no_fault(body_of, ask, scenario, element, value):
    fired = ask(changed(body_of(scenario), (element,), value))
    assert fired.status in (200, 400, 412, 422), fired.body


def test_a_dosage_on_such_an_order_is_not_there(body_of, ask):
    dosage = [{"timing": WITHOUT_END, "doseAndRate": [{"doseQuantity": {"value": 7, "unit": "tablet"}}]}]
    for scenario, topic in (("pap/tooOften", PAP), ("level-order/tooOften", LEVELS)):
        body = body_of(scenario)
        draft_in(body)["dosageInstruction"] = dosage
        fired = ask(body)
        assert topics(fired) == [topic]
        assert fired.answer.judged[0].facts.dosages == []


@pytest.mark.parametrize("element", ["supplement", "schedule", "type"])
def test_an_order_with_a_list_that_is_longer_than_any_real_one_is_refused(body_of, ask, element):
    body = body_of("pap/tooOften")
    supplement = draft_in(body)["supplement"]
    if element == "supplement":
        draft_in(body)["supplement"] = supplement * 65
    elif element == "schedule":
        supplement[0]["schedule"] *= 65
    else:
        draft_in(body)["oralDiet"] = {"type": [supplement[0]["type"]] * 65}
    fired = ask(body)
    assert (fired.status, fired.body["issue"][0]["code"]) == (400, "too-costly")
    assert element in json.dumps(fired.body)


# --- recordings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in OF_OTHER_ORDERS if name != SEVERAL])  # that has a drug as well
def test_a_deidentified_order_is_decided_as_before_and_says_nothing_of_a_patient(second, body_of, ask, name):
    by = Deidentifier(second.pack, b"a key for tests")
    body = body_of(name)
    templates = templates_of(second.pack, second.pack.service_for(body["hook"]))
    written = by.request(planted(body, names=True), templates)
    assert not finds(encode(written))
    before = ask(body)
    after = fire(second, by.request(body, templates), NOW + timedelta(days=by.days(body)))
    assert after.status == before.status
    if before.status == 200:
        assert comparable_decisions(after.cards) == comparable_decisions(before.cards)
