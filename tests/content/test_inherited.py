"""What every pack has from the framework, words and units, and how a pack says single things in another way (Z82)."""

import re
import shutil
from zoneinfo import ZoneInfo

import pytest
import yaml

from cds_service.content import inherited
from cds_service.content.files import read_yaml, repeated_keys, schema
from cds_service.content.grounds import rests_also
from cds_service.content.inherited import COMMON, UNITS, WORDS, common_units, common_words, words_with
from cds_service.content.load import load_pack
from cds_service.fhir.schedule_words import DAYS_OF_WEEK, WHEN
from cds_service.fhir.schedule_words import UNITS as TIME_WORDS
from cds_service.packaged import packaged
from cds_service.prove import prove
from cds_service.vocabulary.problems import ProblemsError
from tests.support.places import SECOND_PACK
from tests.unit.test_rules_of_the_house import CLINICAL_WORDS


@pytest.fixture
def folder(tmp_path):
    """The folder of the invented pack, to be changed."""
    shutil.copytree(SECOND_PACK / "cards", tmp_path / "cards")
    return tmp_path / "cards" / "examplol"


def problems_of(folder):
    """What a proof finds, but for versions and lock, which any change breaks."""
    found = prove(folder.parent, site=None, fixtures=None, zone=ZoneInfo("UTC")).problems
    return [problem for problem in found if problem.kind not in ("version", "lock")]


# --- the framework's own ----------------------------------------------------------------------------------------------


def test_the_words_of_the_framework_are_all_that_a_pack_may_override():
    words = read_yaml(COMMON / WORDS, "words")
    sections = schema("words").schema["properties"]
    assert words.keys() == sections.keys()
    for name, section in sections.items():
        if "properties" in section:
            assert words[name].keys() == section["properties"].keys(), name
    members = schema("words").schema["$defs"]["unit-of-time"]["properties"]
    assert all(unit.keys() == members.keys() for unit in words["units-of-time"].values())


def test_nothing_of_the_shipped_pack_is_named_in_the_framework(pack):
    """What is measured in more than one pack is no pack's own."""
    codes = [concept for value_set in pack.value_sets.values() for concept in value_set.codes.values()]
    own = {*pack.statements, *pack.settlements, *pack.decisions, *pack.templates, *pack.names.values()}
    own |= {concept.agent for concept in codes} - {""} | read_yaml(
        packaged("cards") / "vitamin-b12" / UNITS, "units"
    ).keys()
    words, units = ((COMMON / name).read_text(encoding="utf-8") for name in (WORDS, UNITS))
    for text in (words, units.partition("\nplatelets:")[2]):
        assert [name for name in sorted(own) if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)] == []
    assert CLINICAL_WORDS.findall(words) == []
    assert [*repeated_keys(COMMON / WORDS), *repeated_keys(COMMON / UNITS)] == []


def test_whatever_a_schedule_can_say_has_words():
    words = common_words()
    assert words["when"].keys() == WHEN
    assert words["days"].keys() == DAYS_OF_WEEK.keys()
    assert words["units-of-time"].keys() == set(TIME_WORDS.values())


def test_the_units_of_the_framework_are_whole():
    for name, entry in read_yaml(COMMON / UNITS, "units").items():
        assert entry["units"].keys() == entry["written"].keys(), name
        assert entry["units"][entry["canonical"]] == "1", name


def test_what_stands_in_the_framework_stands_in_no_pack_that_is_shipped():
    """Nothing is said twice: a pack has a line of its own where it says something else."""
    cards = packaged("cards")
    own_units = read_yaml(cards / "vitamin-b12" / UNITS, "units")
    assert own_units.keys().isdisjoint(common_units())
    assert not (cards / "vitamin-b12" / WORDS).exists()


def test_check_looks_at_the_words_of_the_framework_too(folder, tmp_path, monkeypatch):
    common = tmp_path / "common"
    shutil.copytree(COMMON, common)
    words = (common / WORDS).read_text(encoding="utf-8")
    (common / WORDS).write_text(words.replace('  noted: "To note:"', "  noted: See E-3.."), encoding="utf-8")
    monkeypatch.setattr(inherited, "COMMON", common)
    inherited.common_words.cache_clear()
    try:
        found = problems_of(folder)
    finally:
        inherited.common_words.cache_clear()
    assert {(problem.path, problem.kind) for problem in found} == {(common / WORDS, "wording")}
    assert {problem.text.partition(" ")[0] for problem in found} == {"'E-3'", "punctuation"}
    assert words.splitlines()[found[0].line - 1] == '  noted: "To note:"'


# --- a pack's own laid over it ----------------------------------------------------------------------------------------


def test_a_pack_without_words_of_its_own_has_those_of_the_framework(pack):
    assert pack.words == common_words()["words"]
    assert pack.reasons == common_words()["reasons"]
    assert pack.dosage_words.units["d"].each == "daily"


def test_a_pack_overrides_single_keys_and_keeps_the_others():
    second = load_pack(SECOND_PACK / "cards")
    assert (second.words["read"], second.words["noted"]) == ("Looked at", "To note:")
    weekly = second.dosage_words.units["wk"]
    assert (weekly.each, weekly.many) == ("once a week", "weeks")
    assert (second.routes["needle"], second.routes["IM"]) == ("by needle", "IM")
    dose = second.facts["step.amount"].analyte
    assert dose.aliases == {"micro": "ug"} and dose.factors["mg"] == 1000


def test_what_names_its_own_canonical_unit_has_no_factor_of_the_framework(folder):
    units = {"dose": {"canonical": "mg", "units": {"mg": "1"}, "written": {"mg": "milligrams"}}}
    merged = inherited.units_with(units)
    assert merged["dose"] == units["dose"]
    assert merged["length"] == common_units()["length"]


def test_nothing_of_the_framework_is_changed_by_a_pack():
    before = yaml.safe_dump(dict(common_words()))
    words_with({"words": {"read": "Seen:"}, "units-of-time": {"d": {"each": "every day"}}, "months": ["J"] * 12})
    assert yaml.safe_dump(dict(common_words())) == before


@pytest.mark.parametrize(
    ("written", "line", "said"),
    [
        ("words: {nonsense: x}", 1, "schema: words: 'nonsense' is no key here"),
        ("reasons:\n  other: x", 2, "schema: reasons: 'other' is no key here; did you mean 'sentOther'?"),
        ("nothing: {}", 1, "schema: 'nothing' is no key here; the keys are days, dosages, elements, months, "),
        ("words:\n  dated: '{label} on {day}'", 2, "placeholder: nothing fills 'day'; there may stand one of date, l"),
        ("words: {noted: '{label}'}", 1, "placeholder: nothing fills 'label'; there may stand none at all"),
        ("dosages:\n  every: 'each {number'", 2, "placeholder: a brace stands alone"),
        ("tables:\n  below: See E-1", 2, "wording: 'E-1' is an id, which no clinician reads"),
        ("words:\n  noted: 'In umol/L:'", 2, "wording: 'umol/L' is UCUM, which is for machines"),
        ("reasons:\n  dateMissing: No date..", 2, "wording: punctuation is doubled or stands alone: '..'"),
        ("units-of-time:\n  d: {one: <b>day</b>}", 2, "wording: only plain text and emphasis may stand in words"),
        ("routes: {needle: x, mouth: x}\nmonths: [J]", 2, "schema: months: the list needs at least 12 entries"),
        ("routes: {needle: x, mouth: x, ear: x}", 1, "reference: no fact of facts.yaml has a route 'ear'"),
        ("routes: {needle: x}", 1, "reference: the route 'mouth' is not written for people: write it here"),
    ],
)  # fmt: skip
def test_a_word_that_a_pack_gets_wrong_is_refused_with_file_and_line(folder, written, line, said):
    routes = "" if "routes" in written else "\nroutes: {needle: by needle, mouth: by mouth}"
    (folder / WORDS).write_text(written + routes + "\n", encoding="utf-8")
    found = {
        (problem.path, problem.line, f"{problem.kind}: {problem.text}"[: len(said)]) for problem in problems_of(folder)
    }
    assert (folder / WORDS, line, said) in found


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("doses: {units: {kg: '1'}}", "'doses' needs 'canonical'; only what adds to platelets, creatinine,"),
        ("dose: {units: {kg: '1000000000'}}", "'kg' is not written for people"),
        ("dose: {written: {kg: kg}}", "'kg' is none of its units"),
        ("dose: {canonical: mg, units: {mg: '1'}}", "'dose' needs 'written'"),
        ("dose: {canonical: mg, units: {ug: '1'}, written: {ug: mcg}}", "'mg' is not among the units"),
    ],
)  # fmt: skip
def test_units_that_a_pack_gets_wrong_are_refused_with_file_and_line(folder, written, said):
    own = (folder / UNITS).read_text(encoding="utf-8").partition("# A spelling")[0]
    (folder / UNITS).write_text(own + written + "\n", encoding="utf-8")
    (found,) = [problem for problem in problems_of(folder) if problem.text.startswith(said)]
    assert (found.path, found.line) == (folder / UNITS, own.count("\n") + 1)


def test_a_pack_needs_no_file_of_units(folder):
    (folder / UNITS).unlink()
    facts = (folder / "facts.yaml").read_text(encoding="utf-8")
    (folder / "facts.yaml").write_text(facts.replace("analyte: examplite", "analyte: creatinine"), encoding="utf-8")
    with pytest.raises(ProblemsError, match=r"facts.yaml:\d+: reference: unit is not the analyte's canonical 'mg/dL'"):
        load_pack(folder.parent)


# --- statements -------------------------------------------------------------------------------------------------------


def test_statements_and_settlements_have_whatever_ids_the_pack_gives_them(folder):
    for path in folder.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8").replace("E-8", "the last page").replace("T-1", "a clash")
        path.write_text(text, encoding="utf-8")
    assert problems_of(folder) == []
    assert load_pack(folder.parent).rests_also == ("the last page",)


def test_a_short_form_that_no_card_shows_is_found(folder):
    head = (folder / "pack.yaml").read_text(encoding="utf-8")
    (folder / "pack.yaml").write_text(head.replace("rests-also: [E-8]", "rests-also: []"), encoding="utf-8")
    (found,) = problems_of(folder)
    assert (found.path.name, found.kind) == ("sources.yaml", "unused")


def test_what_a_card_rests_on_beside_its_own_is_quoted_where_it_has_no_short_form(folder):
    assert rests_also(load_pack(folder.parent)) == ("Every rule has its exception. (E-8)",)
    sources = (folder / "sources.yaml").read_text(encoding="utf-8")
    (folder / "sources.yaml").write_text(sources.replace("in-short: Every rule has its exception., ", ""), "utf-8")
    assert rests_also(load_pack(folder.parent)) == ("E-8 (page 7): 'every rule has its exception'",)
