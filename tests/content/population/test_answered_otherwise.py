"""What a comparison says first: at how many events the new content answers otherwise, and how grave that is."""

import pytest

from cds_service.population.answered_otherwise import otherwise_in_words, said_before_and_after
from cds_service.population.shared_counts import Shown
from cds_service.population.summary import read_summary
from tests.support.judged_rows import event, run_of
from tests.support.judged_runs import spoken_card
from tests.support.shipped import shipped_pack

CRITICAL = ("imPlatelets", "TransfusionFirst")
WARNING = ("imPlatelets", "ThinNeedle")
SAID = {
    CRITICAL: spoken_card(*CRITICAL),
    WARNING: spoken_card(*WARNING) | {"indicator": "warning"},
}


def compared(folder, *answers, views=0):
    """A run of two contents: at each of the events the old one has the first cards, and the new one the second."""
    rows = [
        event(f"e{place}", *cards, content=name)
        for place, both in enumerate(answers)
        for name, cards in zip(("old", "new"), both, strict=True)
    ]
    rows += [event(f"v{n}", content=name, hook="patient-view") for n in range(views) for name in ("old", "new")]
    return read_summary(run_of(folder / "run", rows, "old", "new"))


def test_events_that_are_answered_otherwise_are_told_with_the_severity_before_and_after(tmp_path):
    graver, silenced, same = ([SAID[WARNING]], [SAID[CRITICAL]]), ([SAID[WARNING]], []), ([SAID[WARNING]],) * 2
    summary = compared(tmp_path, graver, graver, silenced, same, same, views=4)
    assert otherwise_in_words(summary, Shown()) == (
        "3 of 5 sets of orders signed together are answered otherwise "
        "(2 critical instead of warning, 1 no card instead of warning), 0 of 4 charts."
    )
    assert otherwise_in_words(summary, Shown(7)) == (
        "Some of 1 to 7 sets of orders signed together are answered otherwise "
        "(some critical instead of warning, some no card instead of warning), 0 of 1 to 7 charts."
    )


def test_counts_together_tell_no_more_than_is_shown_of_each(tmp_path):
    """Neither by a sum nor by an order: 3 and 6 are hidden, and 9 together would be 10."""
    silenced = ([SAID[WARNING]], []), ([SAID[CRITICAL]], [])
    one, other = (
        otherwise_in_words(compared(tmp_path / name, *silenced[:1] * times, *silenced[1:] * (9 - times)), Shown(7))
        for name, times in (("one", 3), ("other", 6))
    )
    assert one == other
    assert one.startswith("Some of 10 sets of orders signed together are answered otherwise (some no card instead")
    many = otherwise_in_words(compared(tmp_path / "many", *silenced[:1] * 11, *silenced[1:] * 3), Shown(7))
    assert many.startswith("10 or more of 15 sets")


def test_one_event_is_told_as_one(tmp_path):
    summary = compared(tmp_path, ([], [SAID[CRITICAL]]))
    assert otherwise_in_words(summary, Shown()) == (
        "1 of 1 set of orders signed together is answered otherwise (1 critical instead of no card)."
    )


def test_that_nothing_changes_is_said(tmp_path):
    summary = compared(tmp_path, ([SAID[WARNING]],) * 2, views=2)
    assert otherwise_in_words(summary, Shown()) == (
        "Nothing changes: every event has the same rules on its cards, of the same severity (1 set of orders signed "
        "together, 2 charts)."
    )


def test_the_same_rule_in_another_severity_is_another_answer(tmp_path):
    summary = compared(tmp_path, ([SAID[WARNING]], [SAID[WARNING] | {"indicator": "critical"}]))
    (change,) = summary.counted.changes
    assert change.old == change.new
    assert "(1 critical instead of warning)" in otherwise_in_words(summary, Shown())
    (old,), (new,) = said_before_and_after(summary, change)
    assert (old.severity, new.severity) == ("warning", "critical") and old.words == new.words


def test_each_answer_is_told_by_its_rules_and_silence_in_words(tmp_path):
    summary = compared(tmp_path, ([SAID[WARNING], SAID[CRITICAL]], []))
    (change,) = summary.counted.changes
    old, new = said_before_and_after(summary, change)
    assert [said.severity for said in old] == ["warning", "critical"]
    title = shipped_pack().decisions["imPlatelets"].title
    assert all(said.words.startswith(f"{title}: ") for said in old)
    assert [(said.severity, said.words) for said in new] == [("", "no card")]


@pytest.mark.parametrize(("before", "after"), [("not-judged", "silent"), ("defect", "not-judged")])
def test_what_is_no_answer_is_told_as_what_it_is(tmp_path, before, after):
    rows = [event("e", content="old", outcome=before), event("e", content="new", outcome=after)]
    summary = read_summary(run_of(tmp_path / "run", rows, "old", "new"))
    words = {"not-judged": "could not be judged", "defect": "failed", "silent": "no card"}
    assert f"(1 {words[after]} instead of {words[before]})" in otherwise_in_words(summary, Shown())


def test_a_run_of_one_content_says_nothing_of_it(tmp_path):
    assert otherwise_in_words(read_summary(run_of(tmp_path / "run", [event("e")])), Shown()) == ""
