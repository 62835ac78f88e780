"""The picture of a history: where marks stand, what is said instead of drawn, and that it has a bound."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.console.bands import Band
from cds_service.console.result_lane import Ruler
from cds_service.console.timeline import KINDS, WIDTH, TimelineEvent, timeline_of

UNTIL = date(2026, 11, 23)
A_YEAR_AGO = date(2025, 11, 23)


def event(lane="Lane", kind="dose", first=UNTIL, label="a thing", **more):
    return TimelineEvent(lane, label, kind, "Type/id", first, **more)


def marks(timeline):
    return [mark for lane in timeline.lanes for mark in lane.marks]


def test_days_stand_in_their_order_between_the_edges():
    days = [A_YEAR_AGO + timedelta(days=n) for n in (0, 100, 200, 365)]
    picture = timeline_of("x", [event(first=day) for day in reversed(days)], UNTIL)
    places = [mark.x for mark in marks(picture)]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (picture.left, picture.right)


def test_each_severity_has_a_shape_and_a_word_of_its_own():
    kinds = ["critical", "warning", "info", "silence", "refused"]
    picture = timeline_of("x", [event(kind=kind, first=A_YEAR_AGO) for kind in kinds], UNTIL)
    assert len({(mark.shape, mark.letter) for mark in marks(picture)}) == len(kinds)
    called = ["critical", "warning", "info", "no card", "refused"]
    assert [mark.words.rpartition(", ")[2] for mark in marks(picture)] == called
    assert {words for _, _, words in picture.key} == set(called)


def test_what_overlaps_gets_a_row_of_its_own_and_doses_stand_side_by_side():
    periods = [event(kind="order", first=A_YEAR_AGO, goes_on=True), event(kind="order", first=UNTIL, goes_on=True)]
    rows = {mark.y for mark in marks(timeline_of("x", periods, UNTIL))}
    assert len(rows) == 2
    doses = [event(first=UNTIL - timedelta(days=n)) for n in range(6)] + [event(first=A_YEAR_AGO)]
    assert len({mark.y for mark in marks(timeline_of("x", doses, UNTIL))}) == 1


def test_results_are_joined_from_the_least_to_the_greatest():
    values = [232.0, None, 21.0, 141.0]
    results = [event(kind="result", first=A_YEAR_AGO + timedelta(days=60 * n), value=v) for n, v in enumerate(values)]
    picture = timeline_of("x", results, UNTIL)
    first, unread, least, _ = marks(picture)
    assert first.y < least.y and unread.shape == "ring"
    assert (first.text, least.text) == ("232", "21")
    assert len(picture.lanes[0].paths[0].split()) == 3


BANDS = (Band(None, 150.0, "warning", ""), Band(150.0, None, "", ""))


def test_a_lane_of_results_says_its_unit_its_axis_and_the_limits_of_rules_once():
    values = [120.0, 180.0, 200.0]
    results = [event("B12, ng/L", "result", A_YEAR_AGO + timedelta(days=60 * n), value=v) for n, v in enumerate(values)]
    picture = timeline_of("x", results, UNTIL, rulers={"B12, ng/L": Ruler("ng/L", BANDS)})
    (lane,) = picture.lanes
    assert (lane.lines, lane.unit) == (("B12", "ng/L"), "ng/L")
    assert [limit.label for limit in lane.axis.limits] == ["150"]
    assert picture.limits == (("B12", (("below 150 ng/L", "warning"),)),)
    assert "in 1 lane: B12, ng/L (its axis has 150, 200; limits of rules: 150)." in picture.description
    assert marks(picture)[0].words == f"{A_YEAR_AGO}: a thing, result, below 150 ng/L"


def test_a_result_far_above_the_others_is_said_to_lie_above_the_scale():
    values = [174.0, 180.0, 2150.0, 190.0]
    results = [event("B12, ng/L", "result", A_YEAR_AGO + timedelta(days=60 * n), value=v) for n, v in enumerate(values)]
    picture = timeline_of("x", [*results, event()], UNTIL, rulers={"B12, ng/L": Ruler("ng/L")})
    (note,) = picture.notes
    assert note.startswith("B12, ng/L: 2150 ng/L (2026-03-23) lies above the scale of the picture")
    assert [mark.words.endswith(", above the scale") for mark in marks(picture)] == [False, False, True, False, False]
    assert ("above", "", "above the scale") in picture.key


def test_the_label_of_results_stands_in_whole_lines_left_of_them():
    label = "Total vitamin B12 in serum, plasma or blood, pg/mL"
    picture = timeline_of("x", [event(label, "result", value=174.0), event("w" * 80)], UNTIL)
    of_results, others = picture.lanes
    assert " ".join(of_results.lines) == label
    assert max(map(len, of_results.lines)) <= 22
    assert len(others.lines) == 1 and len(others.lines[0]) <= 22  # its row has the height of one


def test_lanes_come_in_the_order_asked_for():
    picture = timeline_of("x", [event("C"), event("A"), event("B")], UNTIL, ("A", "B"))
    assert [lane.label for lane in picture.lanes] == ["A", "B", "C"]


def span(picture, x, label):
    """From where to where a date is written, eight pixels a letter, as the template places it."""
    length = 8 * len(label)
    if x < picture.left + 40:
        return x, x + length
    return (x - length, x) if x > picture.right - 40 else (x - length / 2, x + length / 2)


@given(st.integers(1, 3 * 366), st.dates(date(2016, 1, 1), date(2036, 1, 1)))
def test_dates_on_the_axis_never_run_into_each_other(days, until):
    picture = timeline_of("x", [event(first=until - timedelta(days=days))], until)
    spans = [span(picture, x, label) for x, label in picture.ticks]
    assert spans and all(end + 4 <= begin for (_, end), (begin, _) in pairwise(spans))


@pytest.mark.parametrize(
    ("flawed", "reason"),
    [
        (event(first=None), "it has no date"),
        (event(first=None, flaw="its date, 'x', cannot be read"), "its date, 'x', cannot be read"),
        (event(first=UNTIL + timedelta(days=1)), "its date, 2026-11-24, is in the future"),
        (event(first=UNTIL, last=A_YEAR_AGO), "it ends on 2025-11-23, before it begins on 2026-11-23"),
    ],
)
def test_what_cannot_be_placed_is_said_with_the_reason(flawed, reason):
    picture = timeline_of("x", [event(), flawed], UNTIL)
    assert picture.not_drawn == (("Type/id", "a thing", reason),)
    assert len(picture.rows) == len(marks(picture)) == 1
    alone = timeline_of("x", [flawed], UNTIL)
    assert (alone.lanes, alone.not_drawn) == ((), picture.not_drawn)


def test_nothing_has_no_picture():
    assert timeline_of("x", [], UNTIL) is None


def test_what_is_too_much_or_too_old_is_counted():
    many = [event(first=UNTIL - timedelta(days=n % 900), label=str(n)) for n in range(1000)]
    old = [event(first=date(1990, 1, 1)), event(kind="problem", first=date(1985, 5, 5), goes_on=True)]
    lanes = [event(f"lane {n}", first=UNTIL) for n in range(40)]
    picture = timeline_of("x", [*lanes, *many, *old], UNTIL, ("Lane",), ("said before",))
    assert len(picture.rows) == len(marks(picture)) == 400
    assert picture.notes[0] == "said before"
    assert any("1 entry from before" in note for note in picture.notes)
    assert any("that are older than those shown" in note for note in picture.notes)
    assert any("more lanes" in note for note in picture.notes)
    assert len(picture.not_drawn) == 0
    undated = timeline_of("x", [event(first=None)] * 1000, UNTIL)
    assert len(undated.not_drawn) == 400 and "600 entries that cannot be drawn" in undated.notes[0]


EVENTS = st.builds(
    TimelineEvent,
    lane=st.sampled_from(["A", "B"]) | st.text(max_size=80),
    label=st.text(max_size=200),
    kind=st.sampled_from(KINDS),
    source=st.text(max_size=20),
    first=st.none() | st.dates(),
    last=st.none() | st.dates(),
    goes_on=st.booleans(),
    value=st.none() | st.floats(),
)


@given(st.lists(EVENTS, max_size=25), st.dates())
@settings(max_examples=80, deadline=None)
def test_whatever_the_events_every_mark_lies_in_the_picture(events, until):
    picture = timeline_of("x", events, until)
    if picture is None:
        assert not events
        return
    for mark in marks(picture):
        assert picture.left <= mark.x <= picture.right
        assert mark.x + mark.width <= picture.right + 3
        assert 0 <= mark.y <= picture.height
    assert all(0 <= x <= WIDTH for x, _ in picture.ticks)
    assert len(marks(picture)) == len(picture.rows) <= len(events) - len(picture.not_drawn)
