"""``cds-service export review``: what two people see before they sign for a decision, and what they sign for."""

import json
import re
import shutil
from html import unescape

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.content.load import load_pack
from cds_service.content.look_backs import look_backs_of
from cds_service.content.site import Site
from cds_service.export.review_sheet import in_order
from tests.support.places import ROOT, SECOND_PACK
from tests.support.reviews import EMPTY, review
from tests.support.scenarios import by_name

PLACES = {"shipped": ROOT / "cards", "second": SECOND_PACK / "cards"}
PACKS = {name: load_pack(cards, is_proven=True) for name, cards in PLACES.items()}


def run(*arguments):
    done = CliRunner().invoke(main, ["export", "review", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The sheets of both packs as files, by pack and name."""
    folder = tmp_path_factory.mktemp("sheets")
    said = {name: run("--content", cards, "--out", folder / name) for name, cards in PLACES.items()}
    files = {name: {path.name: path.read_text(encoding="utf-8") for path in (folder / name).iterdir()} for name in said}
    for name, lines in said.items():
        assert sorted(lines.splitlines()) == sorted(str(folder / name / file) for file in files[name])
    return files


@pytest.fixture
def copy(tmp_path):
    """A copy of the content of the second pack, with its examples beside it, and the file of one of its decisions."""
    shutil.copytree(SECOND_PACK / "fixtures", tmp_path / "fixtures")
    cards = shutil.copytree(SECOND_PACK / "cards", tmp_path / "cards")
    return cards, cards / "examplol" / "decisions" / "levelAndNeedle" / "table.yaml"


@pytest.mark.parametrize("which", PLACES)
def test_each_decision_is_a_file_and_the_index_leads_to_it(written, which):
    pack, files = PACKS[which], written[which]
    assert set(files) == {"index.html", "hazards.html", *(f"{name}.html" for name in pack.decisions)}
    assert set(re.findall(r'<th scope="row"><a href="(\w+)\.html"', files["index.html"])) == set(pack.decisions)


@pytest.mark.parametrize("which", PLACES)
def test_sheets_stand_in_the_order_that_they_say_safety_first_then_by_title(written, which):
    pack, files = PACKS[which], written[which]
    named = re.findall(r'<td>(\d+)</td><th scope="row"><a href="(\w+)\.html"', files["index.html"])
    ordered = sorted(pack.decisions.values(), key=lambda one: (not one.safety, one.title.casefold()))
    assert named == [(str(place), one.id) for place, one in enumerate(ordered, 1)]
    assert "The safety decisions stand first, then all others, both by title." in files["index.html"]
    for place, one in enumerate(ordered, 1):
        assert f"review sheet {place} of {len(ordered)}. The safety decisions stand first" in files[f"{one.id}.html"]


@pytest.mark.parametrize("which", PLACES)
def test_a_sheet_loads_nothing_and_keeps_its_own_style(written, which):
    for name, text in written[which].items():
        assert "default-src 'none'" in text, name
        assert not re.search(r"<(script|link|img|iframe)\b|url\(|@import|\ssrc=", text), name
        for file, place in re.findall(r'href="([^"#]+)(?:#([^"]*))?"', text):
            assert file in written[which], (name, file)
            assert not place or f'id="{place}"' in written[which][file], (name, file, place)
        assert "@page { size: A4" in text


@pytest.mark.parametrize("which", PLACES)
def test_a_sheet_says_the_version_and_the_digest_that_the_lock_has(written, which):
    lock = json.loads((PLACES[which] / PACKS[which].id / "lock.json").read_text(encoding="utf-8"))
    for name, decision in PACKS[which].decisions.items():
        text = written[which][f"{name}.html"]
        assert f"<strong>{name} {decision.version}</strong>" in text
        assert lock["digests"][f"decision:{name}"] in text
        assert "not locked" not in text
    assert lock["digests"][f"pack:{PACKS[which].id}"] in written[which]["index.html"]


def test_a_change_is_signed_for_as_it_stands_and_said_not_to_be_locked(copy):
    cards, table = copy
    before = re.search(r"Signed for: levelAndNeedle.*", run("--content", cards))[0]
    assert before.endswith("(locked)")
    table.write_text(table.read_text(encoding="utf-8") + "# seen\n", encoding="utf-8")
    after = re.search(r"Signed for: levelAndNeedle.*", run("--content", cards))[0]
    assert after.endswith("(not locked)")
    digests = [re.search(r"sha256 ([0-9a-f]{64})", line)[1] for line in (before, after)]
    assert digests[0] != digests[1]


def test_an_example_is_the_card_that_its_scenario_expects(written):
    """By scenario and rule: summary, indicator, and no line of the evidence or of what is below it."""
    pack, seen = PACKS["shipped"], 0
    for name in pack.decisions:
        for block in re.findall(r'<div class="example (\w+)">(.*?)</div>', written["shipped"][f"{name}.html"], re.S):
            indicator, text = block[0], unescape(block[1])
            rule, scenario = re.search(r'<p class="of"><code>(\w+), ([^<]+)</code>', text).groups()
            assert {"topic": name + rule, "indicator": indicator}.items() <= next(
                card for card in by_name(scenario).expect if card["topic"] == name + rule
            ).items()
            assert pack.words["read"] not in text
            assert pack.words["rests"] not in text
            seen += 1
    speaking = {
        (decision.id, rule.then.text)
        for decision in pack.decisions.values()
        if decision.kind == "card" and decision.status == "active"
        for rule in decision.rules
        if not rule.then.silent
    }
    assert seen >= 0.9 * len(speaking)


def test_a_sheet_names_gaps_hazards_and_what_it_reads(written):
    pack = PACKS["shipped"]
    text = unescape(written["shipped"]["imPlatelets.html"])
    assert all(gap in text for gap in pack.decisions["imPlatelets"].known_gaps)
    assert f"<strong>C5</strong>: {pack.settlements['C5'].clash}" in text
    naming = {
        hazard.id
        for hazard in pack.hazards.hazards.values()
        if "imPlatelets" in (*hazard.decisions, *hazard.gaps)
        or any(rule.startswith("imPlatelets") for rule in hazard.rules)
    }
    assert naming
    assert set(re.findall(r"<strong>(HAZ-\d+)</strong>", text)) == naming
    reads = pack.decisions["administration"]
    assert f'<a href="administration.html">{reads.title}</a>\N{NO-BREAK SPACE}{reads.version}' in text
    assert "Open: nobody has accepted the risk that remains." in text


def test_a_sheet_says_how_many_days_too_old_is_as_the_facts_declare_it(written):
    text = unescape(written["shipped"]["imPlatelets.html"])
    days = PACKS["shipped"].facts["platelets"].look_back_days
    assert f"Platelet count: <strong>newest within {days} days; older is “too old”</strong>" in text
    assert f"Older platelet count: <strong>newest from before the last {days} days</strong>" in text
    injected = unescape(written["shipped"]["folateFirst.html"])
    assert "<strong>recorded within 306 days; an older entry does not count</strong>" in injected


def test_a_look_back_of_the_site_is_the_one_that_its_sheets_say(tmp_path):
    site = load_pack(PLACES["shipped"], is_proven=True, site=Site(look_backs={"platelets": "P7D"}))
    words = look_backs_of(site, site.decisions["imPlatelets"])
    assert "Platelet count" in words["newest within 7 days; older is “too old”"]


def test_a_sheet_says_where_each_number_comes_from_and_quotes_the_sentence_that_has_it(written):
    text = unescape(written["shipped"]["imPlatelets.html"])
    assert "<strong>25 ×10⁹/L</strong>. The source says so (S12, line 41; S11, line 40). Settled by C5: above" in text
    assert (
        "“For critical thrombocytopenia (<25 × 10⁹/L): Consider platelet transfusion before IM administration”" in text
    )
    assert "“For severe thrombocytopenia (25-50 × 10⁹/L): Use smaller gauge needles" in text
    ours = unescape(written["shipped"]["injectedLately.html"])
    assert "<strong>93 days</strong>. Our reading (S6, line 32)." in ours


def test_every_number_of_a_statement_stands_in_its_sentence():
    """In digits, or as the source writes it in a word."""
    in_words = {"2": "alternate", "3": "three", "7": "seven"}
    for statement in PACKS["shipped"].statements.values():
        assert statement.quote in statement.in_full, statement.id
        for number in map(str, statement.numbers):
            words = re.findall(r"\d+|[a-z]+", statement.in_full.lower())
            assert number in words or in_words.get(number) in words, (statement.id, number)


def test_an_example_is_the_plainest_that_its_rule_has(written):
    """All is understood, with no other card beside it; of a rule about data in doubt, as little as can be is odd."""
    text = unescape(written["shipped"]["imPlatelets.html"])
    blocks = re.findall(r'<div class="example \w+">.*?</div>', text, re.S)
    shown = {re.search(r'<p class="of"><code>(\w+),', block)[1]: block for block in blocks}
    assert "platelets-and-im/sample" in shown["TransfusionFirst"]
    for rule in ("NewerMayBeLow", "NewerFlaggedLow", "NewerNotUsable", "MayBeLow"):
        assert "Its status is preliminary, not final." in shown[rule], shown[rule]


def test_a_review_that_is_recorded_fills_in_who_signed(copy):
    cards, _ = copy
    head = cards / "examplol" / "pack.yaml"
    text = head.read_text(encoding="utf-8")
    version = re.search(r"^version: (\S+)", text, re.M)[1]
    assert EMPTY in text
    head.write_text(text.replace(EMPTY, review(version)), encoding="utf-8")
    sheets = run("--content", cards)
    assert "Written by: register 1, Pharmacist, 2026-11-20" in sheets
    assert "Checked by: register 2, Haematologist, 2026-11-23" in sheets
    assert "Next review by: 2999-01-01" in sheets
    assert "not reviewed by a clinician" not in sheets


def test_without_a_folder_the_sheets_are_one_text_that_reads_well():
    text = run()
    pack = PACKS["shipped"]
    assert re.findall(r"^# (.*)$", text, re.M) == [decision.title for decision in in_order(pack)]
    assert len(re.findall(r"^Printed \d{4}-\d\d-\d\d\.$", text, re.M)) == len(pack.decisions)
    assert "below 25 ×10⁹/L" in text
    assert not re.search(r"&\w+;|\\[*_]", text)
