"""How cards speak (Z76 to Z80): what ``check`` refuses, and what stands on the card of every scenario."""

import json
import re
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.content.load import load_pack
from cds_service.fhir.quantities import read_number, written
from cds_service.packaged import packaged
from tests.content.test_check import cards, edit, problems_of

__all__ = ["cards"]

PLATELETS, PLATELET_TEXTS = "decisions/imPlatelets/table.yaml", "decisions/imPlatelets/text.en.yaml"
RENAL = "decisions/renalAgent/text.en.yaml"
BELOW = "platelets: '< 25', transfusion-not-covered: absent"
LONG = "word " * 45


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (PLATELET_TEXTS, "consider platelet transfusion first.", f"{LONG}.", "the summary has 2"),
        (PLATELET_TEXTS, "an IM injection may bleed. {nonInj", f"{LONG} {{nonInj", "of at most 40 words"),
        ("decisions/maintenance/text.en.yaml", "for life, or monthly", LONG, "of at most 60 words stand before"),
        (RENAL, "hydroxocobalamin serves there too.", "see S22.", "'S22' is an id, which no clinician reads"),
        (RENAL, "hydroxocobalamin serves there too.", "see (84027009).", "'(84027009)' is an id"),
        (RENAL, "hydroxocobalamin serves there too.", "see Observation/egfr.", "'Observation/egfr' is an id"),
        (RENAL, "hydroxocobalamin serves there too.", "in umol/L.", "'umol/L' is UCUM, which is for machines"),
        (RENAL, "hydroxocobalamin serves there too.", "in ug.", "'ug' is UCUM, which is for machines"),
        (RENAL, "hydroxocobalamin serves there too.", "serves..", "punctuation is doubled or stands alone: '..'"),
        (RENAL, "hydroxocobalamin serves there too.", "serves . So", "punctuation is doubled or stands alone: ' .'"),
        (RENAL, "{limit.renalDysfunction.egfr}", "a limit", "the limit of 'renalDysfunction.egfr', which decides"),
        (PLATELET_TEXTS, "Critical below {limit.platelets}: an", "An", "the limit of 'platelets', which decides"),
        ("sources.yaml", "in-short: B12 is adjusted", "in-short: S23 is adjusted", "'S23' is an id"),
        (
            PLATELETS,
            "statement: S12\n    basis: source",
            "statement: S12\n    basis: hospital",
            "the detail does not say {whose} it is",
        ),
        (
            "decisions/oralTherapy/text.en.yaml",
            "No B12 injection is on record {whose}.",
            "The source says so {whose}.",
            "the text speaks for it: 'source'",
        ),
        (
            "decisions/oralTherapy/text.en.yaml",
            "No B12 injection is on record {whose}.",
            "No B12 injection is on record.",
            "the detail does not say {whose} it is",
        ),
        (
            "decisions/maintenance/text.en.yaml",
            "    detail: Maintenance is lifelong.\n    source: *lines\n",
            "    detail: Maintenance is lifelong.\n",
            "a card on a dose or an interval says what the source gives (source)",
        ),
        (
            "decisions/leberOpticNeuropathy/text.en.yaml",
            "action-completed",
            "patient-refuses",
            "no override reason says that it was acted on (action-completed)",
        ),
        (PLATELETS, BELOW, BELOW.replace("25", "30"), "is called the source's word, and S12 does not say 30"),
        ("orders/hydroxocobalaminMonthly.yaml", "value: 1000", "value: 500", "and S7 does not say 500"),
        ("units.yaml", '"ng/L": ng/L, ', "", "'ng/L' is not written for people"),
        ("facts.yaml", "value-sets: {IM: ", "value-sets: {intramuscular: ", "the route 'intramuscular' is not written"),
    ],
)  # fmt: skip
def test_a_breach_of_a_rule_of_words_is_refused_with_file_and_line(cards, file, old, new, expected):
    edit(cards, file, old, new)
    lines = [str(problem) for problem in problems_of(cards) if problem.kind not in ("version", "lock")]
    named = [line for line in lines if expected in line]
    assert named, lines
    path, line, _ = named[0].split(":", 2)
    assert path.startswith(str(cards / "vitamin-b12")) and path.endswith(".yaml")
    assert int(line) >= 1


IDS = re.compile(r"\b[SZCL]\d{1,2}\b|\b[A-Z][a-z]+[A-Za-z]*/[\w.-]+-\d+|\(\d{5,}\)")


def before_evidence(card):
    return card["detail"].partition("Read from the record:")[0]


def words(text):
    return len(re.findall(r"\S*\w\S*", text))


def test_cards_are_short_enough_for_five_seconds(answers):
    shown = [card for fired in answers.values() for card in fired.cards]
    assert len(shown) > 900
    assert statistics.median(len(card["summary"]) for card in shown) <= 100
    assert max(len(card["summary"]) for card in shown) <= 139
    counts = [words(before_evidence(card)) for card in shown]
    assert statistics.median(counts) <= 40
    assert max(counts) <= 60


def test_no_card_shows_ids_machine_units_or_a_refrain_to_clinicians(answers):
    for name, fired in answers.items():
        for card in fired.cards:
            prose = card["summary"] + card["detail"].partition("Rests on:")[0]
            labels = " ".join(suggestion["label"] for suggestion in card.get("suggestions", []))
            assert not re.search(r"\b[SZCL]\d{1,2}\b|\b[A-Z][a-z]+[A-Za-z]*/[\w.-]+-\d+|\(\d{5,}\)", prose), (
                name,
                prose,
            )
            assert not re.search(r"\bug\b|\{1\.73|umol", prose + labels), (name, prose)
            assert not re.search(r"\.\.(?!\.)|[?!]\.|,,| \.", prose), (name, prose)
            assert "the source says" not in card["summary"].casefold()


def test_every_line_of_what_was_read_says_what_it_is_about(answers):
    """A label stands before it, or the line is a sentence that names what it counts."""
    labelled = 0
    for name, fired in answers.items():
        for card in fired.cards:
            read = card["detail"].partition("Read from the record:\n")[2].partition("\n\n")[0]
            for line in filter(None, read.splitlines()):
                assert re.match(r"- ([^:.]+: |A plan was found|\S+ of \S+ \w+ were not)", line), (name, line)
                labelled += bool(re.match(r"- [^:.]+: The (dose|schedule|unit) ", line))
    assert labelled > 3


def test_a_card_reads_the_same_where_markdown_is_not_rendered(answers):
    """Epic and many clients of 2.0 show the text as it is: only signs of the chart's own words are escaped."""
    for name, fired in answers.items():
        sent = json.dumps(fired.request)
        for card in fired.cards:
            assert "**" not in card["detail"], name
            assert not re.search(r"&\w+;", card["detail"]), name
            for sign in re.findall(r"\\(.)", card["detail"]):
                assert sign in sent, (name, card["detail"])
            headings = [line for line in card["detail"].splitlines() if line.endswith(":") and line[0] != "-"]
            assert headings in (
                ["Read from the record:", "Rests on:"],
                ["Read from the record:", "To note:", "Rests on:"],
            ), (name, headings)


def test_every_card_on_a_dose_or_interval_shows_what_is_ordered_beside_what_the_source_gives(answers, pack):
    about_dosage = {
        decision.id + rule.id
        for decision in pack.decisions.values()
        for rule in decision.rules
        if rule.then.text and "{dosage." in "".join(decision.texts[rule.then.text].parts)
    }
    seen = 0
    for name, fired in answers.items():
        for card in fired.cards:
            if card["source"]["topic"]["code"] in about_dosage:
                lines = before_evidence(card).splitlines()
                assert any(line.startswith("- Ordered: ") for line in lines), (name, card["detail"])
                assert any(line.startswith("- Source: ") for line in lines), (name, card["detail"])
                seen += 1
    assert seen > 200


def test_every_critical_card_on_an_order_that_may_be_changed_has_a_way_out(answers):
    for name, fired in answers.items():
        for card in fired.cards:
            is_count_drafted = '"ServiceRequest"' in json.dumps(fired.request["context"].get("draftOrders"))
            if card["indicator"] == "critical" and not card.get("suggestions") and not is_count_drafted:
                assert re.search(r"No suggestion is made|Not offered|No B12 order is suggested", card["detail"]), name


def test_a_critical_on_low_platelets_never_offers_a_removal(answers):
    for fired in answers.values():
        for card in fired.cards:
            if card["indicator"] == "critical" and card["source"]["topic"]["code"].startswith("imPlatelets"):
                actions = [action for s in card.get("suggestions", []) for action in s["actions"]]
                assert all(action["type"] == "create" for action in actions)


ANALYTES = {
    fact.analyte.name: fact.analyte for fact in load_pack(packaged("cards")).facts.values() if fact.analyte is not None
}


@given(st.data(), st.sampled_from(sorted(ANALYTES)), st.decimals(0, 100_000, places=3))
def test_a_known_unit_is_written_as_the_content_spells_it_and_the_amount_stays_exact(data, name, number):
    analyte = ANALYTES[name]
    unit = data.draw(st.sampled_from(sorted(analyte.factors)))
    value = f"{number.normalize():f}"
    shown, sent = written(analyte, value, unit, "http://unitsofmeasure.org", "<b>any words</b>")
    written_here = analyte.written[unit if analyte.written_as_sent else analyte.canonical]
    assert shown.partition(" ")[2] == written_here
    amount = read_number(value) * (1 if analyte.written_as_sent else analyte.factors[unit])
    assert abs(float(shown.partition(" ")[0].replace(",", "")) - float(amount)) <= 0.00005
    assert sent == ("" if analyte.written[unit] == written_here else f"{value} {analyte.written[unit]}")


def test_a_value_in_another_spelling_of_the_same_unit_is_written_once():
    shown = ("10000 mL/min/1.73 m²", "")
    for unit in ("mL/min/{1.73_m2}", "mL/min/{1.73m2}"):
        assert written(ANALYTES["egfr"], "10000", unit, "http://unitsofmeasure.org", "") == shown


@pytest.mark.parametrize(("value", "shown"), [("24.999", "24.999"), ("24.9999999", "24.9999999"), ("25.0", "25")])
def test_a_count_just_below_a_limit_is_never_rounded_to_it(value, shown):
    assert written(ANALYTES["platelets"], value, "10*9/L", "", "") == (f"{shown} ×10⁹/L", "")
    thousandfold = str(float(value) * 1000).removesuffix(".0")
    assert written(ANALYTES["platelets"], thousandfold, "/uL", "", "")[0] == f"{shown} ×10⁹/L"
