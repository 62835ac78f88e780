"""Several drafts of one drug: the steps of one regimen are judged as one, and what holds alike is one card (Z72)."""

import copy

import pytest

from cds_service.protocol.profiles import Profile
from tests.support.scenarios import by_name, fire, request_of

KEY = {"system": "urn:com.epic.cdshooks.action.code.system.preference-list-item", "code": "4711", "display": "Hydroxo"}
DIFFERS = "loadingRegimenPaDiffers"


@pytest.fixture
def ask(prepared):
    """The cards of a story of several drafts, with the drafts changed as a test wants them."""

    def cards(scenario, change, profile=None):
        told = by_name(f"several-drafts/{scenario}")
        request = copy.deepcopy(request_of(prepared, told))
        change([entry["resource"] for entry in request["context"]["draftOrders"]["entry"]])
        fired = fire(prepared, request, told.now, *([profile] if profile else []))
        assert fired.status == 200, fired.body
        return fired.cards

    return cards


def topics(cards):
    return [card["source"]["topic"]["code"] for card in cards]


def with_days(*periods):
    """Gives each draft the first and the last day of its only step."""

    def change(orders):
        for order, (start, end) in zip(orders, periods, strict=True):
            repeat = order["dosageInstruction"][0]["timing"]["repeat"]
            repeat.pop("boundsDuration", None)
            repeat.pop("boundsRange", None)
            repeat["boundsPeriod"] = {"start": start, "end": end}

    return change


IN_ORDER = (("2026-11-23", "2026-11-29"), ("2026-11-30", "2026-12-13"), ("2026-12-14", "2026-12-30"))


def test_steps_follow_one_another_by_their_first_days_and_not_as_they_were_sent(ask):
    def backwards(orders):
        with_days(*IN_ORDER)(orders)
        steps = [order["dosageInstruction"] for order in orders]
        for order, step in zip(orders, reversed(steps), strict=True):
            order["dosageInstruction"] = step

    assert topics(ask("courseInThreeOrders", with_days(*IN_ORDER))) == []
    assert topics(ask("courseInThreeOrders", backwards)) == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(with_days(*[("2026-11-23", "2026-11-29")] * 3), id="all from the same day"),
        pytest.param(with_days(IN_ORDER[0], ("2026-11-28", "2026-12-13"), IN_ORDER[2]), id="before the first is over"),
        pytest.param(lambda orders: orders[1]["dosageInstruction"][0]["timing"]["repeat"].pop("count"), id="no end"),
        pytest.param(lambda orders: orders[1].update(status="stopped"), id="one is stopped"),
        pytest.param(lambda orders: orders[1].update(status="completed"), id="one is over"),
        pytest.param(
            lambda orders: orders[0]["dosageInstruction"][0].update(
                route={"coding": [{"system": "http://snomed.info/sct", "code": "34206005"}]}
            ),
            id="another route",
        ),
        pytest.param(
            lambda orders: [order["dosageInstruction"][0].update(route={"text": "by magic"}) for order in orders],
            id="routes that cannot be read",
        ),
        pytest.param(
            lambda orders: orders[0].update(medicationCodeableConcept={"text": "Cyanocobalamin"}), id="known by name"
        ),
    ],
)
def test_what_is_no_sequence_is_judged_order_by_order(ask, change):
    assert DIFFERS in topics(ask("courseInThreeOrders", change))


def test_a_regimen_takes_the_place_of_all_its_drafts(ask):
    (card,) = ask("laterStepsAlone", lambda orders: None)
    for suggestion in card["suggestions"]:
        update, delete = suggestion["actions"]
        assert (update["type"], update["resource"]["id"]) == ("update", "draft-1")
        assert (delete["type"], delete["resourceId"]) == ("delete", "MedicationRequest/draft-2")


def test_where_one_of_the_drafts_cannot_be_named_no_regimen_is_offered(ask):
    (card,) = ask("laterStepsAlone", lambda orders: orders[1].pop("id"))
    assert "suggestions" not in card


def test_epic_removes_each_draft_of_a_regimen_by_a_suggestion_of_its_own(ask):
    (card,) = ask("laterStepsAlone", lambda orders: None, Profile("epic", {"cyanocobalaminPaCourse": KEY}))
    actions = [(s["actions"][0]["type"], s["actions"][0].get("resourceId")) for s in card["suggestions"]]
    assert actions == [
        ("delete", "MedicationRequest/draft-1"),
        ("delete", "MedicationRequest/draft-2"),
        ("create", None),
    ]
    assert len({s["label"] for s in card["suggestions"]}) == len({s["uuid"] for s in card["suggestions"]}) == 3


def test_one_finding_on_two_drafts_is_one_card_with_the_uuid_of_the_first(ask):
    def without_the_second(orders):
        orders[1].update(doNotPerform=True)

    (both,) = ask("intravenousTwice", lambda orders: None)
    (first,) = ask("intravenousTwice", without_the_second)
    assert both["uuid"] == first["uuid"]
    assert [s["actions"][0]["resource"]["id"] for s in both["suggestions"]] == ["draft-1", "draft-2"]
    assert both["suggestions"][0]["uuid"] == first["suggestions"][0]["uuid"]
