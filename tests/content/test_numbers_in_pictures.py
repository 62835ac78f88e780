"""A number in a picture of results is that of the table, and stands in the unit that the picture names."""

from dataclasses import replace
from datetime import timedelta

import pytest

from cds_service.console.answer import shown_answer
from cds_service.console.bands import bands_of, ends_of
from cds_service.content.needs import templates_of
from cds_service.fhir.quantities import UCUM
from cds_service.vocabulary.json_text import encode
from tests.support.scenarios import by_name
from tests.support.shipped import shipped_pack

NORMAL = {
    "10*9/L": 22,
    "pg/mL": 174,
    "mL/min/{1.73_m2}": 72,
    "mg/dL": 0.9,
    "umol/L": 12,
    "cm": 60,
}  # by the canonical unit
OF_RESULTS = ("observation", "flag")
MEASURED = {
    fact.name: fact.analyte
    for fact in shipped_pack().facts.values()
    if fact.kind in OF_RESULTS and fact.analyte is not None and not fact.element
    if any(value_set.codes for value_set in fact.value_sets.values())  # a site fills those that have none
}
UNITS = [(name, code) for name, analyte in MEASURED.items() for code in analyte.factors]


def answer_with(prepared, name, *results):
    """The answer to the sample with these results alone, each a number with the code of its unit, 30 days apart."""
    pack, sample = prepared.pack, by_name("platelets-and-im/sample")
    concept = next(iter(next(iter(pack.facts[name].value_sets.values())).codes.values()))
    resources = [each for each in sample.resources if each["resourceType"] != "Observation"]
    for place, (number, code) in enumerate(results):
        resources.append(
            {
                "resourceType": "Observation",
                "id": f"result-{place}",
                "status": "final",
                "code": {"coding": [{"system": concept.system, "code": concept.code}]},
                "subject": {"reference": f"Patient/{sample.patient}"},
                "effectiveDateTime": (sample.now - timedelta(days=30 * (len(results) - place) - 29)).isoformat(),
                "valueQuantity": {"value": number, "unit": code, "system": UCUM, "code": code},
            }
        )
    service = pack.service_for(sample.hook)
    body = replace(sample, resources=resources).request(templates_of(pack, service))
    return shown_answer(prepared, encode(body), sample.now, "2.0")


def read_off(axis, y):
    """The number at a height of a lane, as a person reads it off between the lowest and the highest on its axis."""
    numbers = sorted({(line.at, float(line.label)) for line in (*axis.ticks, *axis.limits)})
    (one, low), (other, high) = numbers[0], numbers[-1]
    return low + (high - low) * (y - one) / (other - one)


@pytest.mark.parametrize(("name", "code"), UNITS)
def test_a_result_at_a_limit_of_a_rule_lies_on_the_line_of_that_limit_in_whatever_unit(prepared, name, code):
    """A limit is in the canonical unit in the tables, and reckoned back by a formula for what they do not compare."""
    analyte = MEASURED[name]
    shown = code if analyte.written_as_sent else analyte.canonical
    known = answer_with(prepared, name, (NORMAL[analyte.canonical], analyte.canonical)).behind.answer.judged[0]
    limits = ends_of(
        bands_of(prepared.pack, prepared.pack.service_for("order-select").decisions, name, known.facts.order)
    )
    for limit in limits:
        sent = float(f"{limit / float(analyte.factors[code]):.10g}")
        (lane,) = (one for one in answer_with(prepared, name, (sent, code)).timeline.lanes if one.axis)
        (line,) = (line for line in lane.axis.limits if line.at == pytest.approx(lane.marks[0].y, abs=0.1))
        assert float(line.label) == pytest.approx(limit / float(analyte.factors[shown]), rel=0.005)
        assert lane.unit == analyte.written[shown]


@pytest.mark.parametrize(("name", "code"), UNITS)
def test_a_lane_and_a_plot_have_the_number_of_the_table_in_the_unit_that_they_name(prepared, name, code):
    analyte = MEASURED[name]
    normal = NORMAL[analyte.canonical]
    sent = float(f"{normal / float(analyte.factors[code]):.4g}")
    answer = answer_with(prepared, name, (normal * 1.1, analyte.canonical), (sent, code))
    shown = code if analyte.written_as_sent else analyte.canonical
    numbers = [normal * 1.1 / float(analyte.factors[shown]), normal / float(analyte.factors[shown])]

    lane = next(lane for lane in answer.timeline.lanes if len(lane.marks) == 2 and lane.paths)
    plot = next(plot for plot in answer.plots if plot.fact == name)
    assert lane.label == f"{plot.label}, {plot.unit}" and plot.unit == analyte.written[shown]
    assert [float(mark.text) for mark in lane.marks] == pytest.approx(numbers, rel=0.005)
    assert [float(dot.value) for dot in plot.dots] == pytest.approx(numbers, rel=0.005)

    assert [read_off(lane.axis, mark.y) for mark in lane.marks] == pytest.approx(numbers, rel=0.01)
    assert lane.unit == lane.lines[-1] == plot.unit

    number, _, unit = plot.rows[0].said.partition(" ")
    assert unit == plot.unit and float(number) == pytest.approx(numbers[1], rel=0.005)
    (row,) = (row for row in answer.timeline.rows if row.source == "Observation/result-1")
    assert (row.lane, row.label.removesuffix(", low")) == (lane.label, plot.rows[0].said)
