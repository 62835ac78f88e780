"""Edges of the machine that content leans on: shadow notes, withheld medications, strengths, shared searches."""

import re
import shutil

import pytest

from cds_service.content.load import load_pack
from cds_service.content.needs import searches_of
from cds_service.content.proof.versions import update_lock
from cds_service.packaged import packaged
from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.vocabulary.problems import ProblemsError
from tests.support.keys import KEY

ORDER_SELECT = "/cds-services/vitamin-b12-order-select"


@pytest.fixture
def cards(tmp_path):
    shutil.copytree(packaged("cards"), tmp_path / "cards")
    return tmp_path / "cards"


def change(cards, file, *changes):
    path = cards / "vitamin-b12" / file
    text = re.sub(r"\nversion: \S+", "\nversion: 9.0.0", path.read_text())
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text)


def served(cards):
    change(cards, "pack.yaml")
    assert update_lock(cards) == []
    return create_app(Settings(cards=cards, loopback=True, key=KEY)).test_client()


def test_a_shadow_note_neither_speaks_nor_withholds(cards, request_for):
    change(cards, "decisions/suggestionLimits/table.yaml", ("status: active", "status: shadow"))
    body = request_for("hannah-goldberg", "cyanocobalamin-im-daily-week")
    found = served(cards).post(ORDER_SELECT, json=body).json["cards"]
    assert any("suggestions" in card for card in found)
    assert not any("No B12 order is suggested" in card["detail"] for card in found)


def test_an_allergy_withholds_every_suggestion_that_leaves_the_drug_ordered(client, request_for):
    body = request_for("hannah-goldberg", "hydroxocobalamin-im-monthly")
    order = body["context"]["draftOrders"]["entry"][0]["resource"]
    order["dosageInstruction"][0]["timing"]["repeat"]["boundsDuration"] = {"value": 60, "unit": "d", "code": "d"}
    found = client.post(ORDER_SELECT, json=body).json["cards"]
    assert "loadingRegimenDiffers" in {card["source"]["topic"]["code"] for card in found}
    assert not any("suggestions" in card for card in found)


@pytest.mark.parametrize(
    ("strength", "fits"), [('"1000", unit: "ug"', True), ('"1", unit: "mg"', True), ('"1", unit: "ug"', False)]
)
def test_the_strength_of_a_product_is_in_its_own_unit(cards, request_for, strength, fits):
    row = (
        'code: "317106", display: "hydroxocobalamin 1 MG/ML Injectable Solution", agent: "hydroxocobalamin", '
        'form: "injection", strength: {value: "1000", unit: "ug"'
    )
    path = cards / "vitamin-b12/value-sets/cobalamin-medication.yaml"
    assert row in path.read_text()
    path.write_text(path.read_text().replace(row, row.replace('"1000", unit: "ug"', strength)))
    body = request_for("amara-okafor", "hydroxocobalamin-im-three-weekly")
    dosage = body["context"]["draftOrders"]["entry"][0]["resource"]["dosageInstruction"][0]
    dosage["doseAndRate"] = [{"doseQuantity": {"value": 1, "unit": "mL"}}]
    assert (served(cards).post(ORDER_SELECT, json=body).json["cards"] == []) is fits


def test_a_strength_in_a_unit_that_doses_have_not_is_a_fault(cards):
    path = cards / "vitamin-b12/value-sets/cobalamin-medication.yaml"
    path.write_text(path.read_text().replace('unit: "ug"', 'unit: "[oz_av]"', 1))
    with pytest.raises(ProblemsError, match="cobalamin-medication has strengths in"):
        load_pack(cards)


def test_a_search_asks_for_the_codes_of_all_facts_that_share_it(cards):
    facts = cards / "vitamin-b12/facts.yaml"
    facts.write_text(facts.read_text().replace("search: dialysisCreatinine", "search: creatinine"))
    pack = load_pack(cards)
    template = pack.searches["creatinine"].template
    assert "|2160-0" in template and "|11042-9" in template


def test_nothing_is_asked_for_what_only_retired_decisions_read(cards):
    for name in ("homocysteineTarget", "monitoringDue"):
        change(cards, f"decisions/{name}/table.yaml", ("status: active", "status: retired"))
    pack = load_pack(cards)
    assert "homocysteine" not in searches_of(pack, pack.services["vitamin-b12-patient-view"])
