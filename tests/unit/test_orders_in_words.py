"""A draft as people read it: in which unit its dose stands (Z76)."""

import json
from decimal import Decimal

import pytest

from cds_service.chart.order import read_order
from cds_service.judge.ordered import order_in_words
from tests.support.places import ROOT
from tests.support.shipped import shipped_pack

UCUM = "http://unitsofmeasure.org"


def quantity(value, unit, code=None):
    return {"value": value, "unit": unit, "system": UCUM, "code": code or unit}


def said(draft, dose_and_rate):
    """The words of a draft of the fixtures with another dose."""
    resource = json.loads((ROOT / "fixtures" / "drafts" / f"{draft}.json").read_text(encoding="utf-8"))
    resource["dosageInstruction"][0].pop("text", None)
    resource["dosageInstruction"][0]["doseAndRate"] = [dose_and_rate]
    return order_in_words(shipped_pack(), read_order("", resource, {}))


@pytest.mark.parametrize(
    ("dose", "words"),
    [
        ({"doseQuantity": quantity(5, "mg")}, "5 mg by mouth daily"),
        ({"doseQuantity": quantity(Decimal("0.4"), "mg")}, "0.4 mg by mouth daily"),
        ({"doseQuantity": quantity(400, "mcg", "ug")}, "400 mcg by mouth daily"),
        ({"doseRange": {"low": quantity(1, "mg"), "high": quantity(5, "mg")}}, "1-5 mg by mouth daily"),
        ({"doseQuantity": quantity(1, "tablet", "{tablet}")}, "5 mg by mouth daily"),
        ({"doseQuantity": quantity(2, "sachets", "{sachet}")}, "2 sachets by mouth daily"),
    ],
)
def test_folic_acid_stays_in_the_unit_it_was_ordered_in(dose, words):
    assert said("folic-acid-5mg-oral", dose).endswith(words)


@pytest.mark.parametrize("dose", [quantity(1, "mg"), quantity(1000, "mcg", "ug"), quantity(Decimal("0.001"), "g")])
def test_b12_stands_in_the_unit_of_the_regimens_that_it_is_compared_with(dose):
    assert said("cyanocobalamin-im-monthly", {"doseQuantity": dose}).startswith("cyanocobalamin 1000 mcg IM")
