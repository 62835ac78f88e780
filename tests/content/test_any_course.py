"""Any course that can be written: it is read or refused in one line, and no record knows what is still to come."""

from datetime import date
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.packaged import packaged
from cds_service.replay.course_record import known_from
from cds_service.replay.courses import course_of

FIXTURES = packaged("fixtures")
FILE = Path("ada.yaml")
PERSON = "course: x\nperson: {name: Ada}\nbegins: 2025-01-01\nmoments:\n"
PATIENT = "course: x\npatient: edith-mwangi\nbegins: 2025-09-01\nmoments:\n"
FACTS = st.sampled_from(
    [
        "problem: pernicious anaemia",
        "result: {platelets: 200 10*9/L}",
        "procedure: total ileectomy",
        "allergy: cobalt",
        "given: {drug: hydroxocobalamin injection, dose: 1 mg}, times: 9, every: 11",
        "given: {drug: hydroxocobalamin injection}, days: [0, 50, 3]",
        'at: "23:50", result: {platelets: 100 10*9/L}',
        "dispensed: {drug: hydroxocobalamin injection}",
        "stated: {drug: hydroxocobalamin injection, since: 2020-01-01}",
        "hook: patient-view, expect: []",
    ]
)


@given(st.lists(st.tuples(st.integers(-400, 730), FACTS), min_size=1, max_size=12).map(sorted), st.booleans())
@settings(max_examples=80, deadline=None)
def test_no_record_holds_anything_dated_after_its_moment(moments, of_the_fixtures):
    lines = [f"  - {{name: m{n}, on: {on}, {fact}}}" for n, (on, fact) in enumerate(moments)]
    ends = "\n  - {name: last, on: 731, hook: patient-view, expect: []}"
    sorted_by_time = "\n".join(line.replace('at: "23:50", ', "") for line in lines)
    told = yaml.safe_load((PATIENT if of_the_fixtures else PERSON) + sorted_by_time + ends)
    for scenario in course_of(FIXTURES, FILE, told).scenarios:
        assert all(known_from(resource) <= scenario.now.date() for resource in scenario.resources)
        assert later_dates(scenario.resources, scenario.now.date()) == []


def later_dates(tree, day):
    """Every date in a tree that is after a day."""
    if isinstance(tree, dict):
        return [found for value in tree.values() for found in later_dates(value, day)]
    if isinstance(tree, list):
        return [found for item in tree for found in later_dates(item, day)]
    is_date = isinstance(tree, str) and len(tree) >= 10 and tree[4:5] == tree[7:8] == "-" and tree[:4].isdigit()
    return [tree] if is_date and date.fromisoformat(tree[:10]) > day else []


ANY_YAML = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 900) | st.text(max_size=6) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["on", "drug", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = ["name", "on", "at", "hook", "draft", "draft-change", "select", "without", "expect", "accept", "leaves", "with"]
KEYS += ["problem", "result", "given", "dispensed", "stated", "ordered", "stopped", "resolved", "add", "times", "days"]


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), ANY_YAML, max_size=6), max_size=3))
@settings(max_examples=120, deadline=None)
def test_whatever_is_written_is_a_course_or_one_clear_line(moments):
    head = yaml.safe_load(PERSON)
    whole = [{"on": 1, "problem": "pregnancy"}, *({"on": 2, "name": f"n{n}"} | m for n, m in enumerate(moments))]
    try:
        course_of(FIXTURES, FILE, head | {"moments": whole})
    except ValueError as error:
        assert str(error).startswith("ada.yaml: ")
