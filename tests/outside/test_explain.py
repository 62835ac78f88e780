"""``explain`` begins with what a clinician sees, or with why nothing is shown; each reason is one of the evaluation."""

from __future__ import annotations

import copy
import json
import re
import textwrap

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from cds_service.cli import main
from cds_service.commands.card_text import cards_as_text, plain_text
from cds_service.content.render import escaped
from cds_service.judge.explanation import explain
from cds_service.vocabulary.json_text import encode
from tests.support.scenarios import request_of

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


@pytest.fixture
def explained(tmp_path):
    """What the command prints of a request."""

    def run(body, *more):
        file = tmp_path / "request.json"
        file.write_text(json.dumps(body))
        done = CliRunner().invoke(main, ["explain", str(file), *more])
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def drafted(body, **change):
    """The request with another draft: ``None`` takes a member away."""
    body = copy.deepcopy(body)
    draft = body["context"]["draftOrders"]["entry"][0]["resource"]
    draft |= change
    for name in [name for name, value in change.items() if value is None]:
        del draft[name]
    return body


@pytest.fixture
def in_line(request_for):
    return request_for("amara-okafor", "hydroxocobalamin-im-three-weekly")


def test_the_cards_come_first_as_people_read_them(explained, request_for):
    lines = explained(request_for("kwame-mensah", "hydroxocobalamin-im-three-weekly")).splitlines()
    assert re.fullmatch(
        r"Vitamin B12 orders [\d.]+, vitamin-b12-order-select, as of \d{4}-\d\d-\d\d \d\d:\d\d UTC", lines[0]
    )
    assert lines[2].startswith("CRITICAL: Platelets 22 ")
    text = "\n".join(lines)
    assert "**" not in text and "\\*" not in text
    assert text.index("CRITICAL") < text.index("Read from the record") < text.index("What decided on Hydroxocobalamin")
    assert "  - Platelets and IM injection: TransfusionFirst, rests on S12" in lines
    assert "      Platelet count: 22 (Observation/kwame-mensah-platelets-1)" in lines
    assert "pregnancy" not in text  # everything else is behind --all


def test_suggestions_are_named_by_their_labels(explained, request_for):
    text = explained(request_for("nadia-petrova", "folic-acid-5mg-oral"))
    assert "  To accept one of:\n  - " in text
    assert "Remove the order with folic acid" in text


def test_all_adds_every_fact_definition_and_rule(explained, in_line):
    brief, whole = explained(in_line).splitlines()[1:-1], explained(in_line, "--all").splitlines()[1:]
    assert whole[: len(brief)] == brief
    assert {"    pregnancy = absent", "    treatmentPhase = start"} <= set(whole)
    assert any(line.startswith("      not ThinNeedle: platelets is ") for line in whole)
    assert len(whole) > 2 * len(brief)


def test_an_order_that_is_right_already_names_the_rule_that_said_so(explained, in_line):
    lines = explained(in_line).splitlines()
    assert "No card." in lines
    joined = " ".join(" ".join(lines).split())
    assert "Loading regimen: in line with S4, “1000 mcg hydroxocobalamin IM three times weekly for 2 weeks”." in joined
    assert "Which regimen the order fits: threeWeekly, from Route ordered: IM" in joined
    assert "Platelet count: 236 (Observation/amara-okafor-platelets-1)" in joined


def test_a_drug_that_is_not_recognised_says_what_was_sent_and_what_would_map_it(explained, in_line):
    """The first thing that every hospital meets is its own drug codes."""
    concept = {"coding": [{"system": "urn:oid:1.2.3", "code": "HYDROX"}], "text": "House injection 7"}
    text = explained(drafted(in_line, medicationCodeableConcept=concept))
    assert "No card." in text
    joined = " ".join(text.split())
    assert "House injection 7 (MedicationRequest/draft-1) is not judged. Its drug was not recognised." in joined
    assert "It was sent as urn:oid:1.2.3|HYDROX." in joined
    assert '    [[codes."?"]]\n    system = "urn:oid:1.2.3"\n    code = "HYDROX"' in text
    assert "was judged" not in text


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"status": "cancelled"}, "Its status is cancelled: there is nothing left to decide on."),
        ({"doNotPerform": True}, "It says that the drug is not to be given (doNotPerform)."),
        ({"resourceType": "ServiceRequest"}, "It is a ServiceRequest; only a MedicationRequest is judged."),
        (
            {"medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": "83367"}]}},
            "It is known to be another drug than those that this content is about.",
        ),
        (
            {"medicationCodeableConcept": None, "medicationReference": {"reference": "Medication/elsewhere"}},
            "Its drug was not recognised. ",
        ),
    ],
)
def test_a_draft_that_is_not_judged_says_why(explained, in_line, change, why):
    text = explained(drafted(in_line, **change))
    assert "No card." in text
    assert f"is not judged. {why}" in " ".join(text.split())


def test_a_draft_that_is_not_selected_says_so_beside_one_that_is(explained, in_line):
    body = copy.deepcopy(in_line)
    body["context"]["selections"] = []
    text = " ".join(explained(body).split())
    assert "is not judged. It is not selected: context.selections does not name it." in text


def test_a_request_without_drafts_says_so(explained, in_line):
    body = copy.deepcopy(in_line)
    body["context"] |= {"draftOrders": {"resourceType": "Bundle", "type": "collection"}, "selections": []}
    assert "The request holds no draft order." in explained(body)


def test_what_is_not_shown_at_signing_is_told(explained, prepared, scenarios):
    """An info that the service of order-sign leaves out (Z63)."""
    (scenario,) = (s for s in scenarios if s.name == "course-of-treatment/loadingInfoSigned")
    text = " ".join(explained(request_of(prepared, scenario), "--now", scenario.now.isoformat()).split())
    assert "No card." in text
    assert (
        "Loading regimen: Differs is an info, and of this decision the service shows nothing below a warning." in text
    )


def test_no_reason_of_silence_is_guessed(prepared, scenarios):
    """Whichever scenario has no card: what is told are the rules that were silent, and drafts that were not judged."""
    silent = [s for s in scenarios if s.expect == []]
    assert len(silent) > 400
    for scenario in silent[::7]:
        told = explain(prepared, encode(request_of(prepared, scenario)), scenario.now)
        assert told["orders"] or told["not-judged"] or not scenario.drafts, scenario.name
        for order in told["orders"]:
            rules = {d["decision"]: {r["rule"]: r for r in d["fired"]} for d in order["decisions"]}
            for entry in order["silence"]:
                rule = rules[entry["decision"]][entry["rule"]]
                is_note = prepared.pack.decisions[entry["decision"]].kind == "note"
                assert (entry["kind"] == "noted") is is_note
                assert rule["silent"] or "shown-from" in rule or is_note
                assert "." not in entry["rule"]  # a card that does not apply is no reason


def test_json_tells_the_same_as_data(explained, in_line):
    told = json.loads(explained(in_line, "--format", "json"))
    assert told["cards"] == [] and told["not-judged"] == []
    (order,) = told["orders"]
    kinds = {entry["decision"]: entry["kind"] for entry in order["silence"]}
    assert kinds["imPlatelets"] == "in line" and kinds["cobalaminAllergy"] == "nothing found"
    assert {"facts", "definitions", "decisions", "steps"} <= order.keys()


# --- Markdown as plain text --------------------------------------------------------------------------------------


def test_a_detail_in_markdown_is_plain_text():
    detail = "First line\nand more.\n- one 10\\*9/L\n- two &lt;60\n\n**Read**\n- a\\_b\n  - deeper"
    assert plain_text(detail) == [
        "",
        "First line and more.",
        "- one 10*9/L",
        "- two <60",
        "",
        "Read",
        "- a_b",
        "  - deeper",
    ]


WORDS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12).map(lambda word: f"x{word}")


@given(st.lists(WORDS, min_size=1, max_size=30))
def test_whatever_a_chart_says_stands_in_the_text_as_it_was_said(words):
    said = " ".join(words)
    shown = " ".join(" ".join(plain_text(f"- {escaped(said)}")).split())
    assert shown.removeprefix("- ").replace("\u200b", "") == said.replace("\u200b", "")


def test_no_line_is_longer_than_a_terminal_and_none_ends_in_blanks():
    long = " ".join(["word"] * 100)
    card = {"indicator": "info", "summary": long, "detail": f"{long}\n- {long}", "suggestions": [{"label": long}]}
    lines = cards_as_text([card, card])
    assert max(map(len, lines)) <= 102
    assert lines == [line.rstrip() for line in lines]
    assert textwrap.dedent("\n".join(lines)).count("INFO: ") == 2


def test_of_one_suggestion_none_has_to_be_chosen():
    card = {"indicator": "info", "summary": "s", "detail": "d", "suggestions": [{"label": "l", "isRecommended": True}]}
    assert cards_as_text([card]) == ["INFO: s", "", "  d", "", "  To accept:", "  - l (recommended)"]
    assert cards_as_text([]) == ["No card."]
