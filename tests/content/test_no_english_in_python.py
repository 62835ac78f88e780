"""Every word of a card is the content's: no English of the code stands between the words of a pack.

The invented pack is served with all of its own words and, through its overrides, all of the framework's in other
letters. What then still stands in ordinary letters is the patient's, or an id, or it comes from Python.
"""

import json
import re
import shutil
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
import yaml

from cds_service.chart.order import read_order
from cds_service.content.files import read_yaml
from cds_service.content.inherited import common_words, units_with, words_with
from cds_service.content.load import load_pack
from cds_service.content.needs import templates_of
from cds_service.content.prepared import Prepared
from cds_service.content.rule_words import reason_words, rule_words
from cds_service.content.table_words import table_in_words
from cds_service.content.value_words import id_in_words, interval_in_words, state_in_words
from cds_service.judge.evaluate import evaluate
from cds_service.judge.ordered import order_in_words
from cds_service.protocol.faults import Fault
from cds_service.replay.scenarios import read_scenarios
from cds_service.vocabulary.facts import Interval, State
from cds_service.vocabulary.json_text import encode
from tests.support.places import SECOND_PACK

PACK = SECOND_PACK / "cards/examplol"
SCENARIOS = list(read_scenarios(SECOND_PACK / "fixtures"))
ORDINARY = (*range(ord("A"), ord("Z") + 1), *range(ord("a"), ord("z") + 1))
FULL_WIDTH = {code: chr(code + ord("Ａ") - ord("A")) for code in ORDINARY}
WORD = re.compile(r"[A-Za-z]{2,}")
PLACEHOLDER = re.compile(r"(\{[^}]*\})")
# What people read of each kind of file: the texts under these keys.
SPOKEN = {
    "sources": {"label", "place", "quote", "in-short"},
    "facts": {"label"},
    "order": {"name", "dosage-text"},
    "table": {"title"},
    "text": {"summary", "detail", "source", "display", "suggestions", "phrases"},
}
# Each way to say how often and how long.
TIMINGS = [
    {"frequency": 1, "period": 1, "periodUnit": "h", "count": 6},
    {"frequency": 3, "period": 2, "periodUnit": "wk", "boundsDuration": {"value": 1, "unit": "month", "code": "mo"}},
    {"frequency": 2, "period": 1, "periodUnit": "d", "dayOfWeek": ["mon", "thu"], "when": ["MORN", "HS"]},
    {"period": 3, "periodUnit": "mo", "boundsRange": {"low": {"value": 1}, "high": {"value": 2, "code": "a"}}},
    {"period": 1, "periodUnit": "d", "timeOfDay": ["08:00:00", "20:30:00"], "boundsPeriod": {"end": "2026-12-01"}},
]


def in_other_letters(tree, keys=None, *, spoken=False):
    """A tree with its texts in other letters, placeholders aside: all of them, or those under some keys."""
    if isinstance(tree, str):
        parts = PLACEHOLDER.split(tree)
        is_meant = spoken or keys is None
        return "".join(p if p.startswith("{") else p.translate(FULL_WIDTH) for p in parts) if is_meant else tree
    if isinstance(tree, dict):
        return {
            k: in_other_letters(v, keys, spoken=spoken or (keys is not None and k in keys)) for k, v in tree.items()
        }
    return [in_other_letters(each, keys, spoken=spoken) for each in tree] if isinstance(tree, list | tuple) else tree


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """The invented pack in other letters."""
    cards = tmp_path_factory.mktemp("other") / "cards"
    shutil.copytree(SECOND_PACK / "cards", cards)
    kinds = [("sources", "sources.yaml"), ("facts", "facts.yaml"), ("order", "orders/*.yaml")]
    kinds += [("table", "decisions/*/table.yaml"), ("text", "decisions/*/text.en.yaml")]
    files = {path: in_other_letters(read_yaml(path, k), SPOKEN[k]) for k, form in kinds for path in PACK.glob(form)}
    files[PACK / "words.en.yaml"] = in_other_letters(words_with(read_yaml(PACK / "words.en.yaml", "words")))
    files[PACK / "units.yaml"] = in_other_letters(units_with(read_yaml(PACK / "units.yaml", "units")), {"written"})
    for path, tree in files.items():
        text = yaml.safe_dump(tree, allow_unicode=True)
        (cards / path.relative_to(SECOND_PACK / "cards")).write_text(text, encoding="utf-8")
    return load_pack(cards)


@pytest.fixture(scope="module")
def prepared(pack):
    return Prepared.of(pack, zone=ZoneInfo("UTC"), key=b"a key for tests")


def words_of(*trees):
    """The words in ordinary letters of the texts of trees, but for the names of their members."""
    return {word for tree in trees for text in texts_of(tree) for word in WORD.findall(text)}


def texts_of(tree):
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict | list | tuple):
        for each in tree.values() if isinstance(tree, dict) else tree:
            yield from texts_of(each)


@pytest.fixture(scope="module")
def known(pack):
    """The words in ordinary letters that any card may have: of codes and of the orders offered, and ids."""
    coded = [concept.display for value_set in pack.value_sets.values() for concept in value_set.codes.values()]
    offered = [json.loads(encode(template.resource)) for template in pack.templates.values()]
    return words_of(coded, offered, [pack.id, *pack.names.values(), *pack.decisions])


def test_what_is_known_leaves_the_words_of_the_framework_to_be_found(known):
    """Else a word of the code would pass for one of a code."""
    shared = words_of(bare(common_words())) & known
    assert shared == {"an", "by", "draft", "drugs", "mouth", "order", "ways", "with"}


def bare(tree):
    """A tree of texts without their placeholders."""
    if isinstance(tree, str):
        return PLACEHOLDER.sub("", tree)
    return {k: bare(v) for k, v in tree.items()} if isinstance(tree, dict) else [bare(each) for each in tree]


def said_on(card):
    """What a person reads of a card."""
    yield from (card["summary"], card["detail"], card["source"]["label"], card["source"]["topic"]["display"])
    yield from (reason["display"] for reason in card.get("overrideReasons", []))
    for suggestion in card.get("suggestions", []):
        yield suggestion["label"]
        for action in suggestion["actions"]:
            yield action["description"]
            yield from (step.get("text", "") for step in action.get("resource", {}).get("dosageInstruction", []))


def test_no_word_of_a_card_comes_from_python(prepared, known):
    cards, unknown = 0, {}
    for scenario in SCENARIOS:
        service = prepared.pack.service_for(scenario.hook)
        body = encode(scenario.request(templates_of(prepared.pack, service)))
        try:
            answer = evaluate(prepared, service, body, scenario.now)
        except Fault:
            continue
        for card in answer.body["cards"]:
            cards += 1
            left = words_of(list(said_on(card))) - known - words_of(json.loads(body))
            unknown |= dict.fromkeys(left, scenario.name)
    assert cards > 20
    assert unknown == {}


@pytest.mark.parametrize("repeat", TIMINGS)
def test_no_word_of_a_dosage_comes_from_python(prepared, known, repeat):
    text = (SECOND_PACK / "fixtures/drafts/examplol-tablets-course.json").read_text(encoding="utf-8")
    draft = json.loads(text, parse_float=Decimal)
    draft["dosageInstruction"][1]["timing"] = {"repeat": repeat}
    said = order_in_words(prepared.pack, read_order("", draft, {}))
    assert words_of([said]) - known == set()
    assert ", then ".translate(FULL_WIDTH) in said


def test_no_word_of_a_table_comes_from_python(prepared, known):
    """Values of facts and decisions without words of their own are their ids, taken apart."""
    pack, regimens = prepared.pack, prepared.regimens
    said = [rule_words(pack, regimens, "levelAndNeedle", "").says]
    said += [reason_words(pack, "levelAndNeedle", "Below", "1.1.0", code, "") for code in ("", "?")]
    for decision in pack.decisions.values():
        table = table_in_words(pack, regimens, decision)
        said += [cell.words for rule in table.rules for cell in rule.cells]
        said += [piece.text for rule in table.rules for piece in (*rule.then, *rule.detail)]
        said += [part for guard in table.guards for part in (guard.cell.words, guard.input.unit)]
        said += [column.unit for column in table.columns]
    ends = [(None, None), (None, 1), (1, None), (1, 1), (1, 2)]
    said += [interval_in_words(pack, Interval(*both, open_, open_), "") for both in ends for open_ in (False, True)]
    said += [state_in_words(pack, name, state) for name in pack.facts for state in State if state is not State.VALUE]
    both = (*pack.facts.values(), *pack.decisions.values())
    ids = [id_in_words(value) for one in both for value in one.values] + [fact.unit for fact in pack.facts.values()]
    assert len(said) > 100
    assert words_of(said) - known - words_of(ids) == set()
