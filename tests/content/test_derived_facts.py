"""``check`` refuses facts that cannot be derived as they are declared, and says why."""

import shutil
from datetime import date

import pytest

from cds_service.chart.dosage import daily
from cds_service.content.load import load_pack
from cds_service.content.render import Speech
from cds_service.vocabulary.facts import Evidence, Fact, Interval, Reason
from cds_service.vocabulary.problems import ProblemsError
from tests.support.places import ROOT, SECOND_PACK

GAP = "inputs: {subtrahend: level}\n    constants: {minuend: {value: 30, unit: mmol/L}}"
BETWEEN = "inputs: {from: weight, to: level}"


@pytest.fixture
def problems_with(tmp_path):
    cards = tmp_path / "cards"
    shutil.copytree(SECOND_PACK / "cards", cards)

    def problems(old, new):
        facts = cards / "examplol/facts.yaml"
        text = facts.read_text()
        assert text.count(old) == 1, old
        facts.write_text(text.replace(old, new))
        try:
            load_pack(cards)
        except ProblemsError as error:
            return "\n".join(map(str, error.problems))
        return ""

    return problems


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("amount: step.amount, weight: weight", "amount: step.amount", "needs amount and weight, and has amount"),
        ("amount: step.amount, weight: weight", "amount: step.amount, weight: nothing", "no fact 'nothing'"),
        ("amount: step.amount, weight: weight", "amount: step.amount, weight: level", "weight has no unit of mass"),
        (
            "amount: step.amount, weight: weight",
            "amount: drug, weight: weight",
            "'drug' has no numbers that per-kilogram",
        ),
        ("unit: mmol\n", "unit: mg\n", "'mg' is no unit of the product of its operands"),
        ("unit: mmol\n", "unit: examples\n", "it cannot be reckoned with: 'examples' in 'examples' is no unit"),
        (GAP, GAP.replace("mmol/L", "g/L"), "of what has different kinds of units"),
        (GAP, GAP.replace("subtrahend", "minuend"), "minuend is an input and a constant"),
        (GAP, "constants: {minuend: 3, subtrahend: 2}", "difference of constants alone is no fact"),
        ("{weight: weight, gap: gap}", "{weight: weight, gap: shortfall}", "'shortfall' is derived from itself"),
        (
            "{weight: weight, gap: gap}",
            "{weight: weight, gap: step.amount}",
            "what is derived from it is of the kind dosage",
        ),
        ("{weight: weight, gap: gap}", "{}", "product needs two operands"),
        (BETWEEN, "inputs: {from: age, to: level}", "'age' has no day"),
        (BETWEEN, "inputs: {from: weight}\n    constants: {to: 3}", "takes facts with days, and no constants"),
        (
            "    label: Examplite that is wanting\n    unit: mmol\n",
            "    label: Examplite that is wanting\n",
            "product needs a unit",
        ),
        ("    statuses: [active]", "    steps: {step.share: '> 1'}", "a fact of the patient, which events of the past"),
    ],
)
def test_what_cannot_be_derived_is_refused(problems_with, old, new, expected):
    assert expected in problems_with(old, new)


@pytest.mark.parametrize(
    ("old", "new", "at"),
    [
        ("unit: mmol\n", "unit: mg\n", "unit: mg"),
        ("inputs: {weight: weight, gap: gap}", "inputs: {weight: weights, gap: gap}", "inputs: {weight: weights"),
        ("inputs: {weight: weight, gap: gap}", "inputs: {weight: weight, share: gap}", "constants: {share"),
        (BETWEEN, "inputs: {from: age, to: level}", "inputs: {from: age"),
    ],
)
def test_what_cannot_be_derived_is_named_at_its_line(problems_with, tmp_path, old, new, at):
    problem = problems_with(old, new).splitlines()[0]
    line = int(problem.partition("facts.yaml:")[2].partition(":")[0])
    assert at in (tmp_path / "cards/examplol/facts.yaml").read_text().splitlines()[line - 1]


def test_events_of_the_past_have_the_facts_of_a_dosage_that_no_fact_of_the_patient_is_behind():
    of_steps = load_pack(SECOND_PACK / "cards").facts["prescribed"].of_steps
    assert {"step.amount", "step.daily", "step.lasts"} <= of_steps.keys()
    assert of_steps.keys().isdisjoint({"step.share", "step.drug-speed"})


def test_constants_without_a_unit_are_numbers(problems_with):
    assert problems_with("constants: {share: {value: 0.2, unit: L/kg}}", "constants: {share: 2}") != ""
    assert problems_with("unit: mmol\n", "unit: mmol.kg/L\n") == ""


@pytest.mark.parametrize(
    ("name", "line"),
    [
        # each operand of an operator has a line of its own
        ("computed-saturation", "{label}: not known. That of 2026-05-01 is older than 90 days."),
        (
            "saturation",
            "{label}: Iron 12 µmol/L 2026-11-20; Binding capacity 60 µmol/L 2026-05-01 not used. "
            "That of 2026-05-01 is older than 90 days.",
        ),
    ],
)
def test_what_was_read_of_several_operands_that_are_of_no_use_does_not_run_together(name, line):
    pack = load_pack(ROOT / "examples/iron")
    read = [
        Evidence("Observation/iron", "12 µmol/L", "2026-11-20", label="Iron"),
        Evidence("Observation/capacity", "60 µmol/L", "2026-05-01", label="Binding capacity"),
    ]
    fact = Fact.unusable(Reason("tooOld", {"date": "2026-05-01", "days": "90"}), *read)
    speech = Speech(pack, {}, None, "", date(2026, 11, 23))
    assert speech.evidence({name: fact}) == [line.format(label=pack.facts[name].label)]


@pytest.mark.parametrize(
    ("days", "often", "shown", "sent"),
    [
        (Interval.point(7), "weekly", "20 mEq", "140 mEq weekly"),
        (Interval(28, 35), "monthly", "4-5 mEq", "140 mEq monthly"),
        (Interval.point(1), "daily", "140 mEq daily", ""),
    ],
)
def test_a_dose_a_day_is_shown_as_the_amount_of_a_day_and_what_was_sent_behind_it(days, often, shown, sent):
    declared = load_pack(ROOT / "examples/potassium").facts["step.daily"]
    dose = Fact.of(Interval.point(140), Evidence("dosageInstruction", "140 mEq"))
    fact = daily(declared, dose, Fact.of(days, Evidence("dosageInstruction", often)))
    (read,) = fact.evidence
    assert read.display.startswith(shown)
    assert read.sent == sent
