"""Placeholders of texts: a wrong one is named with what may have been meant, and never ends a proof."""

import copy
import shutil
from dataclasses import replace
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.content.load import compiled, read_pack
from cds_service.content.model import PLACEHOLDER
from cds_service.content.prepared import Prepared
from cds_service.content.proof.consistency import problems_within
from cds_service.content.site import Site
from cds_service.prove import prove
from cds_service.replay.run import in_process
from cds_service.replay.scenarios import read_scenarios
from tests.support.places import SECOND_PACK

NEEDLE, SHARE = "decisions/levelAndNeedle/text.en.yaml", "decisions/byWeight/text.en.yaml"
DUE, HOW = "decisions/levelDue/text.en.yaml", "decisions/howGiven/text.en.yaml"
OF_A_TABLE = "{limit.shareOfWeight.step.share}"
# The file of the second pack, the placeholder that stands there, another in place of it, its line, and the sentence.
WRONG = [
    (SHARE, OF_A_TABLE, "{limit.share}", 8, "no limit 'share' of this rule's inputs; did you mean " + OF_A_TABLE + "?"),
    (
        SHARE,
        OF_A_TABLE,
        "{limit.shareOfHeft.step.share}",
        8,
        "no limit 'shareOfHeft.step.share' of this rule's inputs; did you mean " + OF_A_TABLE + "?",
    ),
    (
        SHARE,
        OF_A_TABLE,
        "{limit.shareOfWeight.step.shares}",
        8,
        "no limit 'shareOfWeight.step.shares' of this rule's inputs; did you mean " + OF_A_TABLE + "?",
    ),
    (
        DUE,
        "{limit.level-days}",
        "{limit}",
        2,
        "{limit} alone names nothing; there can be {limit.level-days}, {limit.byWeight.weighed-before}, "
        "{limit.byWeight.shortfall} and others",
    ),
    (
        DUE,
        "{limit.level-days}",
        "{limit.prescribed}",
        2,
        "'prescribed' has no limit: no rule of its table compares it with a number",
    ),
    (NEEDLE, "{name.needle}", "{name.needel}", 2, "no name 'needel' in pack.yaml; did you mean {name.needle}?"),
    (NEEDLE, "{name.needle}", "{name}", 2, "{name} alone names nothing; there can be {name.needle}"),
    (
        NEEDLE,
        "{regimen.tabletCourse}",
        "{regimen.tabletCurse}",
        2,
        "no order template 'tabletCurse'; did you mean {regimen.tabletCourse}?",
    ),
    (
        NEEDLE,
        "{dosage-of.tabletCourse}",
        "{dosage-of.tabletsCourse}",
        2,
        "no order template 'tabletsCourse'; did you mean {dosage-of.tabletCourse}?",
    ),
    (NEEDLE, "{level.date}", "{levels.date}", 2, "nothing is called 'levels.date'; did you mean 'level.date'"),
    (NEEDLE, "{level.reason}", "{level.reasons}", 16, "nothing is called 'level.reasons'; did you mean 'level.reason'"),
    (NEEDLE, "{level}", "{level.send}", 2, "nothing is called 'level.send'; did you mean 'level.sent'"),
    (NEEDLE, "{order}", "{order.name}", 2, "nothing is called 'order.name'"),
    (NEEDLE, "{whose}", "{ whose }", 12, "a brace stands alone; placeholders stand in pairs of them, such as {order}"),
    (
        NEEDLE,
        "{howGiven}",
        "{course}",
        2,
        "'course' would be shown as nothing: it has no phrases, which say its values in words",
    ),
    (HOW, "by needle", "by {howGiven}", 2, "the phrases of 'howGiven' say themselves, by {howGiven}"),
    (HOW, "by needle", "over {limit.level}", 2, "no limit 'level' of this rule's inputs; did you mean {limit.levelAn"),
    (HOW, "by needle", "by {name.thorn}", 2, "no name 'thorn' in pack.yaml; there can be {name.needle}"),
    (
        SHARE,
        "{limit.shortfall} mmol",
        "{limit.shortfall}",
        8,
        "{limit.shortfall} would be shown as '100' without a unit: give the fact 'shortfall' an analyte of units.yaml "
        "that writes mmol, or write 'mmol' behind it",
    ),
    (
        "decisions/drip/text.en.yaml",
        "{limit.dripSpeed.step.drug-speed} mcg",
        "{limit.dripSpeed.step.drug-speed}",
        2,
        "{limit.dripSpeed.step.drug-speed} would be shown as '100' without a unit: give the fact 'step.drug-speed' an "
        "analyte of units.yaml that writes ug/h, or write 'mcg an hour' behind it",
    ),
]


@pytest.fixture
def cards(tmp_path):
    shutil.copytree(SECOND_PACK / "cards", tmp_path / "cards")
    return tmp_path / "cards"


@pytest.mark.parametrize(("file", "right", "wrong", "line", "said"), WRONG, ids=lambda value: str(value)[:30])
def test_a_placeholder_that_nothing_fills_is_named_with_what_was_meant(cards, file, right, wrong, line, said):
    path = cards / "examplol" / file
    text = path.read_text(encoding="utf-8")
    assert right in text, f"{right!r} is not in {file}"
    path.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    problems = prove(cards, site=None, fixtures=None, zone=ZoneInfo("UTC")).problems
    found = [problem for problem in problems if problem.kind == "placeholder"]
    assert (found[0].path, found[0].line) == (path, line)
    assert found[0].text.startswith(said), found[0].text


# --- any damage -------------------------------------------------------------------------------------------------------


@cache
def whole():
    return read_pack(SECOND_PACK / "cards")


@cache
def scenarios():
    return list(read_scenarios(SECOND_PACK / "fixtures"))


def placeholders():
    """Where placeholders stand in texts and phrases: the path of the table, and the way to the text."""
    for path, words in whole().texts.items():
        for key, text in words.get("texts", {}).items():
            parts = [(("texts", key, part), said) for part, said in text.items() if isinstance(said, str)]
            labels = text.get("suggestions", {})
            for way, said in [*parts, *((("texts", key, "suggestions", label), labels[label]) for label in labels)]:
                yield from ((path, way, found.span(1)) for found in PLACEHOLDER.finditer(said))
        for key, phrase in words.get("phrases", {}).items():
            yield path, ("phrases", key), (0, len(phrase))


def words_of_placeholders():
    """Parts of placeholders, of the pack's own names and of none."""
    pack = compiled(whole(), Site())
    named = [*pack.facts, *pack.decisions, *pack.templates, *pack.names, *pack.value_sets]
    parts = [part for name in named for part in name.split(".")]
    return [*named, *parts, "limit", "name", "regimen", "dosage-of", "order", "whose", "date", "sent", "reason", "x"]


PLACES, PARTS = list(placeholders()), words_of_placeholders()


@given(st.sampled_from(PLACES), st.lists(st.sampled_from(PARTS), min_size=1, max_size=3))
@settings(max_examples=120, deadline=None)
def test_a_damaged_placeholder_is_a_problem_or_is_filled_and_no_proof_breaks(place, parts):
    path, way, (start, end) = place
    texts = copy.deepcopy(dict(whole().texts))
    *outer, last = way
    holder = texts[path]
    for step in outer:
        holder = holder[step]
    name = ".".join(parts)
    named = f"{{{name}}}" if way[0] == "phrases" else name
    holder[last] = holder[last][:start] + named + holder[last][end:]
    pack = compiled(replace(whole(), texts=texts), Site())
    problems = list(problems_within(pack, whole().folder))
    assert all(problem.path.is_relative_to(whole().folder) for problem in problems)
    if not any(problem.kind == "placeholder" for problem in problems):
        fire = in_process(Prepared.of(pack, zone=ZoneInfo("UTC"), key=b"no uuid is looked at"))
        for scenario in scenarios()[:12]:
            fire(scenario)
