"""A card says each thing once and in one way: a dose a day, a long number, a range across a limit, the order read."""

import re
import shutil
from zoneinfo import ZoneInfo

import pytest

from cds_service.content.load import load_pack
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.replay.scenarios import read_scenarios
from cds_service.vocabulary.json_text import encode
from tests.support.places import SECOND_PACK

SCENARIOS = {scenario.name: scenario for scenario in read_scenarios(SECOND_PACK / "fixtures")}
CEILING = "decisions/dailyCeiling/table.yaml"
AMOUNT = "decisions/dailyAmount.yaml"
COURSE = "orders/tabletCourse.yaml"


@pytest.fixture
def card_with(tmp_path):
    """The one card of a topic that a changed scenario gets, of the second pack with other text in some of its files."""
    shutil.copytree(SECOND_PACK / "cards", tmp_path / "cards")

    def card(topic, scenario, change, changes=()):
        for name, old, new in changes:
            file = tmp_path / "cards/examplol" / name
            text = file.read_text(encoding="utf-8")
            assert old in text, old
            file.write_text(text.replace(old, new), encoding="utf-8")
        pack = load_pack(tmp_path / "cards")
        told = SCENARIOS[scenario]
        service = pack.service_for(told.hook)
        request = told.request(templates_of(pack, service))
        change(request)
        prepared = Prepared.of(pack, zone=ZoneInfo("UTC"), key=b"a key for tests")
        cards = evaluate(prepared, service, encode(request), told.now).body["cards"]
        (found,) = [card for card in cards if card["source"]["topic"]["code"] == topic]
        return found

    return card


def over_the_ceiling(card_with, *changes, tablets=3):
    """The card that is over a ceiling, which reads nothing but the dosage."""

    def as_many(request):
        (entry,) = request["context"]["draftOrders"]["entry"]
        entry["resource"]["dosageInstruction"][0]["doseAndRate"] = [
            {"doseQuantity": {"value": tablets, "unit": "tablet"}}
        ]

    shown = (CEILING, "status: shadow", "status: active")
    return card_with("examplolDailyCeilingOver", "course/dailyOnly", as_many, [shown, *changes])["detail"]


def test_a_dose_a_day_is_one_line_that_says_how_much_and_how_often(card_with):
    detail = over_the_ceiling(card_with)
    assert re.findall(r"- Amount a day: .*", detail) == ["- Amount a day: 300 mcg daily (sent as 3 tablet)"]
    assert "SHADOW 300 mcg daily is too much." in detail


def test_a_card_that_rests_on_the_dosage_alone_names_the_order_it_was_read_from(card_with):
    assert "- Resources read: MedicationRequest/draft-1\n" in over_the_ceiling(card_with)


def test_a_number_of_five_digits_is_in_groups_as_a_dose_and_as_a_limit_and_in_what_is_offered(card_with):
    limit = (AMOUNT, "50'", "20000'")
    text = ("decisions/dailyCeiling/text.en.yaml", "is too much.", "is over {limit.dailyAmount.step.daily}.")
    source = ("decisions/dailyCeiling/text.en.yaml", "less than that", '"{dosage-of.tabletCourse}"')
    course = (COURSE, "value: 300", "value: 30000")
    detail = over_the_ceiling(card_with, limit, text, source, course, tablets=300)
    assert "SHADOW 30,000 mcg daily is over 20,000." in detail
    assert "an examplol drip 30,000 mcg by mouth daily for 10 doses\n" in detail
    assert "- Source: 30,000 mcg by mouth daily for 10 doses, then" in detail
    assert not re.search(r"\d{5}", detail)


def test_why_a_dose_is_not_used_stands_behind_the_dose_and_not_once_more_by_itself(card_with):
    def in_another_unit(request):
        (entry,) = request["context"]["draftOrders"]["entry"]
        entry["resource"]["dosageInstruction"][0]["doseAndRate"] = [{"doseQuantity": {"value": 3, "unit": "ells"}}]

    shown = [(CEILING, "status: shadow", "status: active"), (CEILING, "dailyAmount: much}", "dailyAmount: unreadable}")]
    shown += [(CEILING, "[little, unreadable, absent]", "[little, much, absent]")]
    shown += [(AMOUNT, "NotReadable, then", "NotReadable, when: {step.daily: [unusable, absent, unknown]}, then")]
    detail = card_with("examplolDailyCeilingOver", "course/dailyOnly", in_another_unit, shown)["detail"]
    assert re.findall(r"- .*ells is not known.*", detail) == [
        "- Amount a day: 3 ells not used. The unit ells is not known for it."
    ]


@pytest.mark.parametrize(
    ("value", "comparator", "sentence"),
    [
        (20, "<", "The range <20 mmol per litre lies on both sides of 17 mmol per litre."),
        (17, "<=", "The range <=17 mmol per litre lies on both sides of 17 mmol per litre."),
        (16, ">", "The range >16 mmol per litre lies on both sides of 17-23 mmol per litre."),
    ],
)
def test_a_range_across_a_limit_is_the_reason_why_a_value_cannot_be_used(card_with, value, comparator, sentence):
    def as_a_range(request):
        (entry,) = request["prefetch"]["levels"]["entry"]
        entry["resource"]["valueQuantity"] |= {"value": value, "comparator": comparator}

    card = card_with("examplolLevelAndNeedleNotUsable", "level-and-needle/notToBeDecided", as_a_range)
    assert card["summary"] == f"Examplite of no use. {sentence}"
