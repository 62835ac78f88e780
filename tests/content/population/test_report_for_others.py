"""A report that may be shown to others: nobody can work out from it a count that it hides."""

import json
from datetime import date, timedelta
from itertools import product

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.cli import main
from cds_service.population.run_folder import SUMMARY, write_file
from cds_service.population.shared_counts import Shown, can_hide
from cds_service.population.summary import (
    ChangedEvents,
    ContentSummary,
    Funnel,
    RuleTimes,
    RunCounts,
    UnitCount,
    UnreadFact,
    Week,
)
from tests.support.judged_rows import card, event, run_of

SHOWN = Shown(7)
FORMS = ("text", "json", "csv", "html")
ALLOWED = [hidden for hidden in range(1, 101) if can_hide(hidden)]
counts = st.one_of(st.integers(0, 8), st.integers(0, 60), st.integers(500, 600))


def report(run, form="text", *more):
    done = CliRunner().invoke(main, ["population", "report", str(run), "--suppress", "7", "--format", form, *more])
    assert done.exit_code == 0, done.output
    return done.output


def alike(count):
    """Every count that is shown as this one is."""
    return [other for other in range(max(count - 7, 0), count + 8) if SHOWN.text(other) == SHOWN.text(count)]


@st.composite
def two(draw, *, rows=counts):
    """Two counts that are shown alike."""
    count = draw(rows)
    return count, draw(st.sampled_from(alike(count)))


@st.composite
def two_rules(draw):
    """How often a rule was shown, and for the first time: twice, shown alike, as is how often it repeated itself."""
    first, again = draw(counts), draw(counts)
    alikes = [
        (f + r, f) for f, r in product(alike(first), alike(again)) if SHOWN.text(f + r) == SHOWN.text(first + again)
    ]
    return (first + again, first), draw(st.sampled_from(alikes))


@st.composite
def shuffled(draw, *kinds):
    """Rows of counts, and the same counts in other rows, each of which is shown as before."""
    rows = draw(st.lists(st.tuples(*kinds), min_size=1, max_size=8))
    others = list(rows)
    for _ in range(4):
        one, other = draw(st.integers(0, len(rows) - 1)), draw(st.integers(0, len(rows) - 1))
        if [*map(SHOWN.text, others[one])] == [*map(SHOWN.text, others[other])]:
            others[one], others[other] = others[other], others[one]
    return rows, others


@st.composite
def two_runs(draw):
    """What is counted of two runs, of which every count is shown alike."""
    scalars = [draw(two()) for _ in range(30)]
    rules = draw(st.lists(st.tuples(two_rules(), two()), min_size=1, max_size=5))
    units, weeks = draw(shuffled(counts, counts, counts)), draw(shuffled(counts, counts, counts))
    unread, missing, changes, problems = (draw(shuffled(*[counts] * n)) for n in (2, 1, 1, 1))
    return [
        RunCounts(
            tuple(
                content(name, [pair[way] for pair in scalars], [(*r[way], o[way]) for r, o in rules], *of_lists)
                for name in ("old", "new")
            ),
            tuple(
                ChangedEvents("order-sign", (f"a{n}",), (), times, events_of(times))
                for n, (times,) in falling(changes[way])
            ),
            tuple(("undated", f"Type{n}", times) for n, (times,) in enumerate(problems[way])),
        )
        for way in (0, 1)
        for of_lists in [(units[way], weeks[way], unread[way], missing[way])]
    ]


def falling(rows):
    """Rows with their number, the highest counts first, as a run keeps them."""
    return sorted(enumerate(rows), key=lambda row: [*(-count for count in row[1]), row[0]])


def events_of(times):
    """The examples that a run has of so many events."""
    return tuple(f"event-{n}" for n in range(min(times, 10)))


def content(name, scalars, rules, units, weeks, unread, missing):
    patients, prescribers, orders, *others = scalars
    named = [
        RuleTimes(
            "d", "R", f"topic{n}", "active", "info", "order-sign", *[shown, shown, first, patients], events_of(shown)
        )
        for n, (shown, first, patients) in falling(rules)
    ]
    return ContentSummary(
        name,
        "order-sign",
        patients,
        prescribers,
        orders,
        Funnel(*others[:9]),
        Funnel(*others[9:18]),
        tuple(Week(date(2026, 1, 5) + timedelta(7 * n), *of) for n, of in enumerate(weeks)),
        tuple(named),
        {"order-sign": answered} if (answered := others[3] + others[4]) else {},
        tuple(UnitCount(f"Ward {n}", *of) for n, of in falling(units)),
        tuple(UnreadFact("topic0", f"fact{n}", "unknown", *of) for n, of in falling(unread)),
        {f"key{n}": times for n, (times,) in falling(missing)},
        ("e-unjudged",),
        selected=Funnel(*others[18:]),
    )


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """The folder of a run that compared two contents."""
    rows = [event("e", card("a"), content=name) for name in ("old", "new")]
    return run_of(tmp_path_factory.mktemp("run") / "compared", rows, "old", "new")


@settings(max_examples=60, deadline=None)
@given(two_runs())
def test_runs_whose_counts_are_shown_alike_have_the_same_report_in_every_form(compared, both):
    said = []
    for counted in both:
        write_file(compared, SUMMARY, counted)
        said.append([report(compared, form) for form in FORMS])
    assert said[0] == said[1]


@pytest.mark.parametrize("hidden", ALLOWED)
def test_what_is_hidden_cannot_be_told_by_subtracting_what_is_shown_from_a_total(hidden):
    """A total of two counts of which one is hidden, for each pair of what is shown: the hidden one may be several."""
    shown, possible = Shown(hidden), {}
    for other, count in product(range(3 * hidden + 30), range(1, hidden + 1)):
        parts = shown.number(other), shown.number(other + count)
        if None not in parts:
            possible.setdefault(parts, set()).add(count)
    assert possible and min(map(len, possible.values())) > 1


@pytest.mark.parametrize("hidden", ALLOWED)
def test_no_number_that_is_shown_stands_for_one_count_alone_or_for_one_that_is_hidden(hidden):
    shown = [Shown(hidden).number(count) for count in range(1, 5 * hidden + 20)]
    assert shown[:hidden] == [None] * hidden and min(shown[hidden:]) > hidden
    assert min(shown.count(number) for number in set(shown[:-5]) - {None}) > 2


@pytest.mark.parametrize("hidden", [1, 4, 6, 9, 99])
def test_how_many_to_hide_must_not_be_a_number_by_which_subtraction_tells_one(compared, hidden):
    done = CliRunner().invoke(main, ["population", "report", str(compared), "--suppress", str(hidden)])
    assert done.exit_code == 2 and "7" in done.output and "subtract" in done.output


def test_exact_counts_of_the_run_and_where_the_export_was_are_left_out(tmp_path):
    run = run_of(tmp_path / "run", [event("e", card("a"))])
    manifest = json.loads((run / "run.json").read_text())
    manifest["counts"] = {"events": 1055, "findings": 65, "lines": 45848}
    manifest["export"] = {"folder": "/home/a.mustermann/export", "files": {"Patient.ndjson": 4711}}
    write_file(run, "run.json", manifest)
    for form in FORMS:
        said = report(run, form)
        assert "mustermann" not in said and "4711" not in said and "1055" not in said
    told = json.loads(report(run, "json"))
    assert told["run"]["counts"] == {} and told["run"]["export"] == {}
    assert told["note"] == Shown(7).note


def test_every_report_for_people_says_that_counts_are_hidden(tmp_path):
    run = run_of(tmp_path / "run", [event("e", card("a"))])
    sentence = "Counts from 1 to 7 are hidden, and the others are rounded to the nearest 5."
    assert sentence in report(run) and sentence in report(run, "html")
    whole = CliRunner().invoke(main, ["population", "report", str(run)]).output
    assert "hidden" not in whole


def units_of(run):
    return [row["unit"] for row in json.loads(report(run, "json"))["contents"][0]["units"]]


def at(unit, number, cards=()):
    return [event(f"{unit}-{n}", *cards, unit=unit) for n in range(number)]


def test_units_with_a_hidden_count_are_one_row_without_their_names(tmp_path):
    rows = [*at("Ward 1", 20, [card("a")]), *at("Ward 2", 6), *at("Ward 3", 5), *at("Ward 4", 30)]
    run = run_of(tmp_path / "run", rows)
    for form in ("text", "html"):
        said = report(run, form)
        assert "Ward 1" in said and "Ward 4" in said and "other units (2)" in said
        assert "Ward 2" not in said and "Ward 3" not in said
    data = json.loads(report(run, "json"))["contents"][0]["units"]
    assert {"unit": "", "events": 10, "with_card": 0, "cards": 0, "others": 2} in data
    assert len(data) == 3


def test_where_every_unit_is_among_the_others_they_are_still_a_row(tmp_path):
    run = run_of(tmp_path / "run", [*at("Ward 1", 6), *at("Ward 2", 6)])
    assert "other units (2)" in report(run) and "other units (2)" in report(run, "html")


def test_where_the_row_of_the_other_units_would_be_hidden_the_next_unit_is_among_them(tmp_path):
    run = run_of(tmp_path / "run", [*at("Ward 1", 40), *at("Ward 2", 20), *at("Ward 3", 5)])
    said = report(run)
    assert "Ward 1" in said and "other units (2)" in said and "Ward 2" not in said


def test_orders_of_which_no_unit_is_said_are_among_the_others_where_their_count_is_hidden(tmp_path):
    said = report(run_of(tmp_path / "run", [*at("Ward 1", 40), *at("Ward 2", 20), *at(None, 3), *at("Ward 3", 7)]))
    assert "not said" not in said and "other units (1)" in said and "Ward 2" in said
    assert "other units" not in report(run_of(tmp_path / "none", at(None, 3)))


def test_a_unit_that_cannot_help_to_hide_the_others_keeps_its_name(tmp_path):
    rows = [*at("Ward 1", 40, [card("a")]), *at("Ward 2", 20), *at("Ward 3", 30), *at("Ward 4", 7, [card("a")])]
    said = report(run_of(tmp_path / "run", rows))
    assert "Ward 2" in said and "Ward 3" in said and "other units (2)" in said


def test_a_picture_in_which_nothing_can_be_drawn_is_a_sentence(tmp_path):
    rows = [event(f"e{n}", card("a")) for n in range(6)]
    run = run_of(tmp_path / "run", rows)
    said = " ".join(report(run, "html").split())
    assert "No week has more than 7 cards of one severity" in said
    assert "at most 0" not in said and 'class="weeks"' not in said


def test_a_picture_of_some_weeks_says_what_is_not_drawn(tmp_path):
    rows = [event(f"e{n}", card("a", "critical")) for n in range(14)] + [event(f"i{n}", card("b")) for n in range(6)]
    said = " ".join(report(run_of(tmp_path / "run", rows), "html").split())
    assert "at most 15 are drawn in a week, without counts from 1 to 7" in said
    assert said.count('<rect class="critical"') == 1 and '<rect class="info"' not in said
