"""What a run says in words: parts of the funnel, rates that tell something, rules that never spoke, and what was not
there to be judged by.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from cds_service.commands.population_text import as_csv, as_data, as_text
from cds_service.population.manifest import LIMITS, limits_of
from cds_service.population.records import ORDER_NOT_KNOWN
from cds_service.population.run_folder import MANIFEST, SUMMARY
from cds_service.population.shared_counts import Shown
from cds_service.population.silent_rules import NOT_KEPT, not_exported_in_words, silent_rules
from cds_service.population.summary import Summary, UnitCount, read_summary
from cds_service.population.words import (
    NOTHING_UNREAD,
    charts_in_words,
    funnel_steps,
    not_understood_in_words,
    orders_in_window,
    selected_in_words,
    sentence_of,
    unit_rate,
)
from tests.support.judged_rows import card, event, record, run_of

RULE, OTHER = "imPlateletsTransfusionFirst", "imPlateletsThinNeedle"
ALL = Shown()


def summary_of(tmp_path: Path, *rows) -> Summary:
    return read_summary(run_of(tmp_path / "run", rows))


def with_manifest(summary: Summary, **changed) -> Summary:
    """The summary with other members of its content in the manifest."""
    (name, named) = next(iter(summary.manifest.contents.items()))
    contents = {name: msgspec.structs.replace(named, **changed)}
    return msgspec.structs.replace(summary, manifest=msgspec.structs.replace(summary.manifest, contents=contents))


def text_of(summary: Summary) -> str:
    return "\n".join(as_text(summary, ALL))


def test_the_sentence_says_how_many_get_a_card_and_how_many_are_interrupted(tmp_path):
    rows = [event("a", card(RULE, "critical")), event("b", card(OTHER)), event("c"), event("d")]
    summary = summary_of(tmp_path, *rows)
    said = sentence_of(summary, summary.counted.contents[0], ALL)
    assert "50.0 % of 4 sets of orders signed together get a card, and 25.0 % a warning or a critical one; " in said


def test_each_part_of_the_funnel_is_a_part_of_the_last_one_of_less_depth(tmp_path):
    rows = [
        event("a", card(RULE, "critical")),
        event("b", card(RULE, "critical", nth=2)),
        event("c", card(OTHER)),
        event("d"),
        event("e", outcome="not-judged"),
        event("f", outcome="defect"),
    ]
    summary = summary_of(tmp_path, *rows)
    steps = funnel_steps(summary.counted.contents[0])
    assert [(step.events, step.depth) for step in steps] == [
        (6, 0), (1, 1), (1, 1), (1, 1), (3, 1), (2, 2), (1, 3), (0, 1),
    ]  # fmt: skip
    whole: list[int] = []
    for step in steps:
        whole[step.depth :] = [step.events]
        assert whole == sorted(whole, reverse=True)
    lines = [line for line in text_of(summary).splitlines() if " of these" in line]
    assert len({len(line) - len(line.lstrip("0123456789 ")) for line in lines}) == 2  # each further in than the other


def test_a_rule_that_never_spoke_is_told_by_its_words_severity_and_topic_in_every_form(tmp_path):
    summary = summary_of(tmp_path, event("a", card(RULE, "critical")), event("v", hook="patient-view"))
    (content,) = summary.counted.contents
    named = summary.manifest.contents["content"]
    on_orders = silent_rules(content, named, "order-sign")
    assert on_orders.of == len([rule for rule in named.judged if "order-sign" in rule.hooks])
    assert on_orders.told == f"{on_orders.of - 1} of {on_orders.of} rules never spoke"
    topics = [one.rule.topic for one in on_orders.rules]
    assert OTHER in topics and RULE not in topics
    severities = [one.rule.indicator for one in on_orders.rules]
    assert severities == sorted(severities, key=["critical", "warning", "info"].index)
    on_charts = silent_rules(content, named, "patient-view")
    assert len(on_charts.rules) == on_charts.of > 0
    assert not {one.rule.topic for one in on_charts.rules} & set(topics)
    text = text_of(summary)
    assert on_orders.told in text and on_charts.told in text
    assert f"  warning: {named.rules['doseUnitTooHigh']} (doseUnitTooHigh)" in text
    rows = [line for line in as_csv(summary, ALL).splitlines() if ",ThinNeedle,active,warning," in line]
    assert rows and all(row.endswith(",0,0,0,0,0") for row in rows)
    data = as_data(summary, ALL)["contents"][0]["silent"]
    assert [one["topic"] for one in data["order-sign"]] == topics
    assert list(data) == ["order-sign", "patient-view"]


def test_a_rule_that_fired_and_was_shown_to_nobody_is_no_silent_one(tmp_path):
    summary = summary_of(tmp_path, event("a", card(RULE, "critical", status="shadow", shown=False)))
    found = silent_rules(summary.counted.contents[0], summary.manifest.contents["content"], "order-sign")
    assert RULE not in [one.rule.topic for one in found.rules]


def test_why_a_rule_could_not_speak_is_said(tmp_path):
    summary = summary_of(tmp_path, event("a"))
    named = summary.manifest.contents["content"]
    barred = tuple(
        msgspec.structs.replace(rule, barred_by=("platelets", "thrombocytopenia")) if rule.topic == RULE else rule
        for rule in named.judged
    )
    summary = with_manifest(summary, judged=barred, not_found={"platelets": "", "thrombocytopenia": "Condition"})
    assert (
        "It cannot speak here: it rests on Platelet count, and no result in this export has a code of it; it rests on "
        "Thrombocytopenia, and this export has no Condition." in text_of(summary)
    )


def test_types_that_are_not_exported_stand_right_below_the_sentence(tmp_path):
    summary = summary_of(tmp_path, event("a"))
    assert "Not in this export" not in text_of(summary)
    summary = with_manifest(summary, not_exported={"AllergyIntolerance": ("cobalaminAllergy",), "Condition": ()})
    said = not_exported_in_words(summary.manifest.contents["content"])
    assert said == "Not in this export, so that nothing is known of it: AllergyIntolerance, Condition."
    lines = text_of(summary).splitlines()
    assert lines[lines.index(sentence_of(summary, summary.counted.contents[0], ALL)) + 1] == said
    assert "  AllergyIntolerance: Allergy to cobalamin or cobalt" in lines


def test_a_run_of_before_the_rules_were_kept_can_be_read(tmp_path):
    run = run_of(tmp_path / "run", [event("a", card(RULE, "critical")), event("v", hook="patient-view")])
    manifest, summary = (json.loads((run / name).read_text()) for name in (MANIFEST, SUMMARY))
    for content in manifest["contents"].values():
        del content["judged"], content["not_exported"], content["not_found"]
    for content in summary["contents"]:
        del content["selected"]
        for funnel in (content["funnel"], content["view"]):
            del funnel["not_understood"]
    (run / MANIFEST).write_text(json.dumps(manifest))
    (run / SUMMARY).write_text(json.dumps(summary))
    told = read_summary(run)
    text = text_of(told)
    assert NOT_KEPT in text and "rules never spoke:" not in text
    assert "was understood" not in text and "was not understood" not in text and "were signed in the window" not in text
    assert as_data(told, ALL)["contents"][0]["silent"] == {"order-sign": None, "patient-view": None}


@pytest.mark.parametrize(("sets", "told"), [(9, "too few"), (10, "30.0")])
def test_of_few_sets_of_orders_no_rate_is_told(sets, told):
    assert unit_rate(UnitCount("3B", sets, 3, 3), ALL) == told


def test_that_sets_of_orders_are_few_tells_no_more_than_their_number_as_it_is_shown():
    rates = [unit_rate(UnitCount("3B", sets, 8, 8), Shown(7)) for sets in (8, 9, 10, 11, 12)]  # each is shown as 10
    assert len(set(rates)) == 1


def test_orders_that_nobody_can_tell_stand_beside_those_that_the_content_is_about(tmp_path):
    summary = summary_of(tmp_path, event("a", orders=2), record(**{ORDER_NOT_KNOWN: 5}))
    (content,) = summary.counted.contents
    assert orders_in_window(summary, content, ALL) == ""  # nobody counted all orders
    counted = msgspec.structs.replace(summary.manifest, counts={"ordered": 30})
    summary = msgspec.structs.replace(summary, manifest=counted)
    assert orders_in_window(summary, content, ALL) == (
        "30 orders of drugs were signed in the window, and 2 orders are about this content. Of 5 nobody can tell what "
        "they order: they are in no other number here."
    )
    none = msgspec.structs.replace(summary, counted=msgspec.structs.replace(summary.counted, problems=()))
    assert orders_in_window(none, content, ALL).endswith("What the others order is known.")


def test_charts_say_how_many_answers_depend_on_statuses(tmp_path):
    view = {"hook": "patient-view"}
    rows = [event("a", card(RULE), **view, status_dependent=True), event("b", **view, status_dependent=True)]
    (content,) = summary_of(tmp_path, *rows, *[event(str(n), **view) for n in range(6)]).counted.contents
    assert charts_in_words(content, ALL) == (
        "Opened once, at the end: 12.5 % of 8 charts opened get a card, and 0.0 % a warning or a critical one; "
        "the answers to 2 depend on statuses that the export no longer has."
    )


def test_selected_orders_have_a_part_of_their_own_beside_signed_ones(tmp_path):
    select = {"hook": "order-select"}
    rows = [event("s"), event("a", card(RULE, "critical"), **select), event("b", **select)]
    summary = summary_of(tmp_path, *rows)
    (content,) = summary.counted.contents
    assert (content.hook, content.selected.events, content.selected.interrupting) == ("order-sign", 2, 1)
    said = selected_in_words(content, ALL)
    assert "50.0 % of 2 sets of orders selected together get a card, and 50.0 %" in said
    assert said in text_of(summary)
    (alone,) = read_summary(run_of(tmp_path / "alone", rows[1:])).counted.contents
    assert (alone.hook, alone.funnel.events, selected_in_words(alone, ALL)) == ("order-select", 2, "")


def test_what_was_not_understood_is_counted_by_events_and_nothing_is_said_in_words(tmp_path):
    rows = [event("a", not_understood=3), event("b"), event("v", hook="patient-view", not_understood=1)]
    summary = summary_of(tmp_path, *rows)
    assert not_understood_in_words(summary.counted.contents[0], ALL) == (
        "Something that may concern the patient was not understood at 1 of 2 sets of orders signed together, "
        "1 of 1 charts opened."
    )
    assert NOTHING_UNREAD in text_of(summary)
    unknown = summary_of(tmp_path / "other", event("a", card(RULE, unknown=["platelets"])))
    assert NOTHING_UNREAD not in text_of(unknown)
    assert "All that is on record and may concern a patient was understood." in text_of(unknown)


def test_the_limits_are_those_of_the_hooks_that_were_judged():
    assert set(limits_of(["order-select", "order-sign", "patient-view"])) == set(LIMITS)
    signed, opened = limits_of(["order-sign"]), limits_of(["patient-view"])
    assert not any("order-select" in limit or "chart was opened" in limit for limit in signed)
    assert not any("order-select" in limit or "Prescribers" in limit for limit in opened)
    assert any("Prescribers" in limit for limit in signed)
