"""Results as a picture: units for people, bands of the tables, dates on the axis, doses, and what nobody can draw."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.chart.kidney import creatinine_at, estimated_gfr
from cds_service.console.bands import Band, bands_of, ends_of
from cds_service.console.plots import plot_of
from cds_service.console.shown_units import rounded
from cds_service.console.timeline import TimelineEvent
from cds_service.content.load import load_pack
from cds_service.vocabulary.facts import Evidence, Fact, Interval, exact
from tests.support.places import SECOND_PACK

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
BANDS = (Band(None, 25.0, "critical", "first"), Band(25.0, 50.0, "warning", "then"), Band(50.0, None, "", ""))


def result(at, value=None, said="", **more):
    ends = {} if value is None else {"low": value, "high": value}
    return {"at": at, "said": said or f"{value} ×10⁹/L", "reference": "Observation/1", **ends, **more}


def series(*results):
    return {"fact": "count", "label": "Count", "unit": "10*9/L", "written": "×10⁹/L", "results": list(results)}


def plotted(*results, bands=BANDS, doses=(), now=NOW, analyte=None):
    return plot_of(series(*results), now, analyte, bands, doses, MONTHS)


@pytest.fixture
def person():
    return {"patient-age": Fact.of(Interval.point(58)), "patient-sex": Fact.of("female")}


def test_results_without_a_value_make_no_picture():
    assert plotted(result("2026-11-01T08:00:00+00:00", said="clotted")) is None


def test_bands_lie_between_their_limits_and_say_where_they_are():
    plot = plotted(result("2026-11-01T08:00:00+00:00", 22.0))
    low, high = plot.shades
    assert (low.indicator, high.indicator) == ("critical", "warning")
    assert low.top + low.height == pytest.approx(plot.bottom)
    assert high.top + high.height == pytest.approx(low.top)
    assert [line.at for line in plot.limits] == [low.top, high.top]
    assert plot.meanings == (
        ("critical", "below 25 ×10⁹/L", "first"),
        ("warning", "25 to 50 ×10⁹/L", "then"),
    )


def test_a_result_lies_in_the_band_that_its_number_is_in():
    plot = plotted(result("2026-11-01T08:00:00+00:00", 24.9), result("2026-11-02T08:00:00+00:00", 25.1))
    critical, warning = plot.shades
    below, above = plot.dots
    assert below.y > critical.top and warning.top < above.y < critical.top


def test_a_number_beside_a_dot_is_never_rounded_onto_a_limit():
    plot = plotted(result("2026-11-01T08:00:00+00:00", 24.96), result("2026-11-12T08:00:00+00:00", 31.26))
    assert [dot.value for dot in plot.dots] == ["24.96", "31.3"]


def test_a_limit_far_above_all_results_does_not_press_them_to_the_foot():
    plot = plotted(result("2026-11-01T08:00:00+00:00", 2.0))
    assert plot.limits == ()
    assert plot.dots[0].y < plot.bottom - 50


def test_what_cannot_be_used_stands_at_the_foot_with_its_reason_and_the_line_leaves_it_out():
    flawed = result("2026-11-02T08:00:00+00:00", said="22 pounds", because="Nobody knows the unit.")
    plot = plotted(result("2026-11-01T08:00:00+00:00", 30.0), flawed, result("2026-11-03T08:00:00+00:00", 20.0))
    assert [dot.usable for dot in plot.dots] == [True, False, True]
    assert plot.dots[1].y == plot.bottom
    assert len(plot.path.split()) == 2
    assert [(row.day, row.said, row.note) for row in plot.rows] == [
        ("2026-11-03", "20.0 ×10⁹/L", ""),
        ("2026-11-02", "22 pounds", "Nobody knows the unit."),
        ("2026-11-01", "30.0 ×10⁹/L", ""),
    ]


def test_what_the_laboratory_calls_low_says_so_in_words():
    plot = plotted(result("2026-11-01T08:00:00+00:00", 100.0, flag="low"), result("2026-11-02T08:00:00+00:00", 400.0))
    assert [dot.is_low for dot in plot.dots] == [True, False]
    assert plot.dots[0].words.endswith("flagged low")
    assert plot.rows[1].note == "The laboratory calls it low."


def test_values_that_stay_as_sent_are_drawn_in_the_unit_of_the_newest(pack):
    creatinine = pack.facts["creatinine"].analyte
    older = result("2026-10-01T08:00:00+00:00", 1.0, "1 mg/dL")
    newest = result("2026-11-01T08:00:00+00:00", 80 / 88.4, "80 µmol/L")
    plot = plotted(older, newest, analyte=creatinine, bands=(Band(1.5, None, "info", ""), Band(None, 1.5, "", "")))
    assert plot.unit == "µmol/L"
    assert [dot.value for dot in plot.dots] == ["88.4", "80"]
    assert [row.said for row in plot.rows] == ["80 µmol/L", "1 mg/dL"]


@pytest.mark.parametrize(
    ("number", "words"),
    [(0.904977, "0.905"), (22.0, "22"), (1234.5, "1234"), (0.0, "0"), (99.96, "100"), (150_000.0, "150000")],
)
def test_numbers_are_rounded_to_what_can_be_read(number, words):
    assert rounded(number) == words


@given(st.floats(1e-6, 1e9))
def test_a_rounded_number_is_within_half_a_percent(number):
    assert float(rounded(number)) == pytest.approx(number, rel=0.0051)


def test_dates_are_first_days_of_months_or_of_years():
    months = plotted(result("2026-06-10T08:00:00+00:00", 30.0)).dates
    assert [date.label for date in months] == ["Jul 2026", "Sep 2026", "Nov 2026"]
    years = plotted(result("2016-06-10T08:00:00+00:00", 30.0)).dates
    assert all(date.label.isdigit() for date in years) and "2020" in {date.label for date in years}
    days = plotted(result("2026-11-20T08:00:00+00:00", 30.0)).dates
    assert [date.label for date in days] == ["20 Nov", "21 Nov", "22 Nov", "23 Nov"]


@given(st.lists(st.integers(0, 20_000), min_size=1, max_size=12))
def test_dates_on_the_axis_are_apart_and_everything_is_in_the_picture(ago):
    moments = sorted(NOW - timedelta(days=days) for days in ago)
    plot = plotted(*(result(moment.isoformat(), 30.0) for moment in moments))
    places = [date.at for date in plot.dates]
    assert all(b - a >= 60 for a, b in pairwise(places))
    assert all(plot.left <= at <= plot.right for at in (*places, plot.today, *(dot.x for dot in plot.dots)))
    assert all(0 <= dot.y <= plot.bottom for dot in plot.dots)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00", "2200-01-01T00:00:00+00:00"])
def test_a_date_near_the_ends_of_the_calendar_is_at_the_edge_of_the_picture(at):
    plot = plotted(result(at, 30.0), doses=[TimelineEvent("Doses", "The drug", "dose", "", date.min)])
    assert plot.dots[0].x in (plot.left, plot.right)


def test_today_is_marked_where_the_answer_is_not_where_the_last_result_is():
    plot = plotted(result("2026-08-01T08:00:00+00:00", 30.0), result("2026-09-01T08:00:00+00:00", 30.0))
    assert plot.today == plot.right
    assert plot.dots[1].x < plot.right - 100


def test_doses_are_marks_and_those_long_before_the_first_result_are_left_out():
    def dose(kind, first, last=None):
        return TimelineEvent("Doses", "The drug", kind, "MedicationAdministration/1", first, last)

    doses = [
        dose("dose", date(2026, 10, 1)),
        dose("due", date(2026, 11, 1)),
        dose("doses", date(2026, 10, 1), date(2026, 11, 1)),
        dose("dose", date(2024, 1, 1)),
        dose("dose", None),
    ]
    plot = plotted(result("2026-10-10T08:00:00+00:00", 30.0), doses=doses)
    assert [mark.kind for mark in plot.doses] == ["dose", "due", "doses"]
    assert plot.doses[0].x == plot.left
    assert plot.doses[2].width == pytest.approx(plot.doses[1].x - plot.doses[0].x, abs=0.2)
    assert plot.doses[0].words == "2026-10-01: dose given, The drug"


def test_days_are_those_of_the_hospital():
    at = datetime(2026, 11, 20, 23, 30, tzinfo=UTC).isoformat()
    there = NOW.astimezone(datetime.fromisoformat("2026-11-23T12:00:00+02:00").tzinfo)
    assert plotted(result(at, 30.0), now=there).rows[0].day == "2026-11-21"


# --- what the tables say ------------------------------------------------------------------------------------------


def select(pack):
    return pack.service_for("order-select").decisions


def test_bands_have_the_severity_and_the_source_of_their_tables(pack):
    low, middle, high = bands_of(pack, select(pack), "platelets")
    assert [(b.low, b.high, b.indicator) for b in (low, middle, high)] == [
        (None, 25.0, "critical"),
        (25.0, 50.0, "warning"),
        (50.0, None, ""),
    ]
    assert low.words == f"“{pack.statements['S12'].quote}”" and middle.words == f"“{pack.statements['S11'].quote}”"
    assert high.words == ""  # no card calls an injection safe


def test_a_limit_of_a_derived_fact_is_that_of_the_results_it_is_derived_from(pack, person):
    assert ends_of(bands_of(pack, select(pack), "reported-egfr", person)) == [60.0]
    assert ends_of(bands_of(pack, select(pack), "homocysteine", person)) == [10.0]
    assert bands_of(pack, select(pack), "b12-flag", person) == ()


@pytest.mark.parametrize("sex", ["female", "male"])
@pytest.mark.parametrize("years", [18, 58, 97])
@pytest.mark.parametrize("gfr", [15.0, 60.0, 120.0])
def test_a_formula_is_reckoned_back_to_where_it_came_from(pack, sex, years, gfr):
    declared = pack.facts["computed-egfr"]
    age, of_sex = Fact.of(Interval.point(years)), Fact.of(sex)
    creatinine = creatinine_at(declared, gfr, age, of_sex)
    sent = Fact.of(Interval.point(exact(f"{creatinine:.9f}")), Evidence("Observation/1", "", "2026-11-01"))
    assert float(estimated_gfr(declared, sent, age, of_sex).value.low) == pytest.approx(gfr, rel=1e-4)


def test_creatinine_has_the_limit_of_the_person_and_none_where_age_or_sex_is_not_known(pack, person):
    below, above = bands_of(pack, select(pack), "creatinine", person)
    assert (below.indicator, above.indicator) == ("", "info")
    assert "Latest eGFR below 60 mL/min/1.73 m² at this age and sex" in above.words
    assert bands_of(pack, select(pack), "creatinine") == ()
    assert bands_of(pack, select(pack), "creatinine", person | {"patient-sex": Fact.absent()}) == ()
    child = person | {"patient-age": Fact.of(Interval.point(12))}
    assert bands_of(pack, select(pack), "creatinine", child) == ()


def test_another_pack_has_bands_of_its_own():
    second = load_pack(SECOND_PACK / "cards")
    bands = bands_of(second, second.service_for("order-select").decisions, "level")
    assert ends_of(bands) == [17.0, 23.0]
    assert [band.indicator for band in bands] == ["critical", "warning", ""]
