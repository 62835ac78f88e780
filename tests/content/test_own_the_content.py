"""docs/own-the-content.md leads a pharmacist through a change of a limit. Here every edit that it lists is made."""

import json
import re
import shutil
import subprocess
from datetime import UTC
from pathlib import Path

import pytest
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.console.bands import bands_of
from cds_service.content.load import load_pack
from cds_service.content.needs import templates_of
from cds_service.content.number_origins import origins_of
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.protocol.profiles import Profile
from cds_service.replay.scenarios import read_scenarios
from cds_service.service.app import create_app
from cds_service.settings import Settings
from cds_service.vocabulary.json_text import encode
from tests.http import shown_calls
from tests.support.keys import KEY
from tests.support.places import ROOT
from tests.support.shown_commands import block

PAGE = ROOT / "docs/own-the-content.md"
FOLDERS = ("cards/vitamin-b12", "fixtures")  # of the two tables of edits, in the order of the page
TABLE = re.compile(r"^<!-- edits -->\n\|.*\n\|-.*\n((?:\|.*\n)+)<!-- end -->$", re.M)
ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| `([^`]+)` \| `([^`]+)` \|$", re.M)
LIMITS = re.compile(r"at the end of `hospital/(.+)`:\n\n```yaml hospital-limits\n(.*?)^```$", re.M | re.S)
STILL_ON = re.compile(r"^- These stay on with the limit of the example:\n(.*?)\.\n", re.M | re.S)
OUR_LIMIT, OUR_LABEL = "this hospital's 30", "This hospital's own rule, after: "
TRANSFUSION = "imPlateletsTransfusionFirst"


def edited(text: str, places: str, find: str, put: str) -> str:
    """``text`` with ``put`` for ``find``: everywhere (``-``), or in the rules, cases or statements that are named.

    Raises:
        ValueError: it does not stand there.
    """
    if places == "-":
        if find not in text:
            raise ValueError(f"{find!r} stands nowhere")
        return text.replace(find, put)
    for place in places.split(", "):
        lines = text.splitlines(keepends=True)
        named = re.compile(rf"(?:\b(?:id|name): {place}\b|^  {place}:)")
        (begin,) = (number for number, line in enumerate(lines) if named.search(line))
        depth = len(lines[begin]) - len(lines[begin].lstrip())
        end = begin + 1
        while end < len(lines) and (not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > depth):
            end += 1
        block = "".join(lines[begin:end])
        if find not in block:
            raise ValueError(f"{find!r} does not stand in {place}")
        text = "".join(lines[:begin]) + block.replace(find, put) + "".join(lines[end:])
    return text


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the content and its examples with every edit of the page."""
    folder = tmp_path_factory.mktemp("hospital")
    for name in ("cards", "fixtures"):
        shutil.copytree(ROOT / name, folder / name)
    tables = TABLE.findall(PAGE.read_text(encoding="utf-8"))
    for place, table in zip(FOLDERS, tables, strict=True):
        rows = ROW.findall(table)
        assert len(rows) == table.count("\n"), "a row of the page is of another form"
        for name, within, find, put in rows:
            file = folder / place / name
            file.write_text(edited(file.read_text(encoding="utf-8"), within, find, put), encoding="utf-8")
    ((name, lines),) = LIMITS.findall(PAGE.read_text(encoding="utf-8"))
    with (folder / name).open("a", encoding="utf-8") as sources:
        sources.write(f"\n{lines}")
    for command in block(PAGE, "bump", {"hospital/cards": str(folder / "cards")}).splitlines():
        assert CliRunner().invoke(main, command.split()[1:]).exit_code == 0
    sentence = block(PAGE, "changelog", {"hospital/": f"{folder}/"})
    subprocess.run(["bash", "-euc", sentence], check=True)
    return folder


@pytest.fixture(scope="module")
def locked(hospital: Path) -> Path:
    done = CliRunner().invoke(main, ["check", str(hospital / "cards"), "--update-lock"])
    assert done.exit_code == 0, done.output
    return hospital / "cards"


@pytest.fixture
def copied(hospital: Path, tmp_path: Path) -> Path:
    """A copy of the hospital's content to change."""
    return Path(shutil.copytree(hospital / "cards", tmp_path / "cards"))


def change(cards: Path, file: str, old: str, new: str) -> Path:
    path = cards / "vitamin-b12" / file
    path.write_text(edited(path.read_text(encoding="utf-8"), "-", old, new), encoding="utf-8")
    return path


def told(cards: Path, kind: str, *options: str) -> list[str]:
    """The lines of ``check`` of a kind."""
    lines = CliRunner().invoke(main, ["check", str(cards), *options]).output.splitlines()
    return [line for line in lines if f": {kind}: " in line]


def request_of(platelets: float, **prefetch: object) -> bytes:
    """A request for an injection into the muscle with this count, and no other finding but what ``prefetch`` has; a key
    of ``None`` is left out.
    """
    request = shown_calls.request()
    request["prefetch"]["platelets"]["entry"][0]["resource"]["valueQuantity"]["value"] = platelets
    sent = request["prefetch"] | prefetch
    return encode(request | {"prefetch": {key: value for key, value in sent.items() if value is not None}})


PURPURA = {
    "resourceType": "Condition",
    "id": "purpura",
    "clinicalStatus": {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
    },
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "78129009"}]},
    "subject": {"reference": "Patient/kwame-mensah"},
}


def answered(cards: Path, body: bytes) -> list[dict[str, object]]:
    """The cards of a request."""
    pack = load_pack(cards)
    service = pack.service_for(shown_calls.HOOK)
    assert service is not None
    prepared = Prepared.of(pack, zone=UTC, key=KEY.encode())
    return list(json.loads(encode(evaluate(prepared, service, body, shown_calls.NOW, Profile()).body))["cards"])


def test_after_the_edits_of_the_page_the_content_holds_and_is_locked(locked):
    assert CliRunner().invoke(main, ["check", str(locked)]).exit_code == 0


@pytest.mark.parametrize(("platelets", "indicator"), [(24.9, "critical"), (29.9, "critical"), (30, "warning")])
def test_the_limit_of_the_hospital_decides_and_no_card_says_that_it_is_the_sources(locked, platelets, indicator):
    (card,) = answered(locked, request_of(platelets))
    assert card["indicator"] == indicator
    own_words, _, rests = str(card["detail"]).partition("**Rests on**")[0].partition("Rests on:")
    assert OUR_LIMIT in own_words
    assert not re.search(r"\bsource (says|advises|gives)\b", own_words, re.I), own_words
    assert card["source"]["label"].startswith(OUR_LABEL)
    quoted, _, said = rests.partition('" (')
    assert "25" in quoted and "30" not in quoted
    assert said.startswith("the source's words; the limit here, 30 ×10⁹/L in place of 25, is this hospital's own)")


@pytest.mark.parametrize(
    ("conditions", "topic", "ours", "statement"),
    [
        (None, "TransfusionUnlessNotCovered", "Transfusion may harm in TTP, HIT or ITP (our reading);", "S12"),
        (shown_calls.bundle([PURPURA]), "TransfusionNotCovered", "transfusion may harm (our reading).", "L3"),
    ],
    ids=["problems not sent", "purpura"],
)
def test_what_is_our_reading_beside_a_limit_of_the_hospital_stays_our_reading(
    locked, conditions, topic, ours, statement
):
    (card,) = answered(locked, request_of(28, conditions=conditions))
    assert card["source"]["topic"]["code"] == f"imPlatelets{topic}"
    assert f"Critical below {OUR_LIMIT} ×10⁹/L: " in card["detail"] and ours in card["detail"]
    (rests,) = [line for line in card["detail"].splitlines() if line.startswith(f"- {statement}, ")]
    assert rests.endswith("(our reading; the limit here, 30 ×10⁹/L in place of 25, is this hospital's own)")


def test_a_count_above_every_limit_and_a_card_of_another_decision_name_no_hospital(locked):
    assert answered(locked, request_of(51)) == []
    pack = load_pack(locked)
    grounds = Prepared.of(pack, zone=UTC, key=KEY.encode()).grounds
    own = {decision for (decision, _), one in grounds.items() if one.is_of_hospital}
    assert own == {"imPlatelets", "plateletsUnderTreatment"}
    assert not grounds["imPlatelets", "Above"].is_of_hospital


def test_the_console_and_explain_say_whose_limit_it_is(locked, tmp_path):
    pack = load_pack(locked)
    bands = bands_of(pack, pack.service_for(shown_calls.HOOK).decisions, "platelets")
    assert [(band.high, band.words.startswith(OUR_LABEL)) for band in bands] == [(30, True), (50, True), (None, False)]
    client = create_app(Settings(cards=locked, loopback=True, key=KEY)).test_client()
    page = client.get("/?by=form&story=platelets-and-im/sample&result-platelets=28").text.replace("&#39;", "'")
    (why,) = re.findall(r"It rests on S12: .*?</p>", page)
    assert "the limit here, 30 ×10⁹/L in place of 25, is this hospital's own" in why
    request = tmp_path / "request.json"
    request.write_bytes(request_of(28))
    explained = CliRunner().invoke(main, ["explain", str(request)], env={"CDS_SERVICE_CARDS": str(locked)}).output
    assert "rests on S12 (the source's words; the limit here, 30" in " ".join(explained.split())


def test_the_sheets_of_both_decisions_say_alike_whose_each_number_is(locked):
    pack = load_pack(locked)
    for name in ("imPlatelets", "plateletsUnderTreatment"):
        origins = {one.numbers: one.basis for one in origins_of(pack, pack.decisions[name]) if "Platelet" in one.label}
        assert origins == {"30 ×10⁹/L": "hospital", "50 ×10⁹/L": "source"}


def test_a_sheet_says_what_was_changed_why_and_by_whom(hospital, tmp_path):
    fresh = Path(shutil.copytree(hospital / "cards", tmp_path / "cards"))
    shutil.copy(ROOT / "cards/vitamin-b12/lock.json", fresh / "vitamin-b12/lock.json")
    made = CliRunner().invoke(main, ["export", "review", "--cards", str(fresh), "--out", str(tmp_path / "review")])
    assert made.exit_code == 0, made.output
    sheet = (tmp_path / "review/imPlatelets.html").read_text(encoding="utf-8").replace("&#39;", "'")
    assert "30 ×10⁹/L in place of 25. Why: Our haematologists" in sheet
    assert "Decided by: Drugs and therapeutics committee, 2026-11-26." in sheet
    assert "Version 1.6.0 comes after 1.5.0, which is the one released last." in sheet
    assert "S12, source, this hospital's limit, C5" in sheet
    (signed,) = re.findall(r'<div class="signing">(.*?)</article>', sheet, re.S)
    assert "What was changed, and why" in signed and "A signature is for" in signed


@pytest.mark.parametrize("other", [25, 26])
@pytest.mark.parametrize("decision", ["imPlatelets", "plateletsUnderTreatment"])
def test_a_rule_that_is_left_at_another_number_is_named(copied, decision, other):
    table = change(copied, f"decisions/{decision}/table.yaml", "'< 30'", f"'< {other}'")
    change(copied, f"decisions/{decision}/table.yaml", "'[30..50]'", f"'[{other}..50]'")
    named = told(copied, "limit")
    assert named or decision == "imPlatelets"
    assert all(line.startswith(str(table)) for line in named)
    assert all(
        f" compares platelets with {other}, and this hospital's limit in place of 25 is 30" in line for line in named
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  platelets:\n    - limit", "  platelet:\n    - limit", "no fact is called 'platelet'"),
        ("limit: 30", "limit: 31", "no rule compares platelets with 31"),
        ("in-place-of: 25", "in-place-of: 30", "30 cannot stand in the place of itself"),
        (
            "  platelets:\n    - limit: 30\n",
            "  platelets:\n    - {limit: 26, in-place-of: 25, why: x, decided-by: y}\n    - limit: 30\n",
            "two limits stand in the place of 25: 26 and 30",
        ),
    ],
)
def test_a_limit_that_is_declared_wrongly_is_refused_at_its_line(copied, old, new, said):
    sources = change(copied, "sources.yaml", old, new)
    assert [line for line in told(copied, "limit") if line.startswith(str(sources)) and said in line]


def test_without_the_declaration_the_source_is_held_to_its_number(copied):
    sources = copied / "vitamin-b12/sources.yaml"
    sources.write_text(sources.read_text(encoding="utf-8").partition("\nhospital-limits:")[0], encoding="utf-8")
    assert any(
        "TransfusionFirst is called the source's word, and S12 does not say 30" in line
        for line in told(copied, "basis")
    )


def test_a_number_of_a_rule_that_is_the_hospitals_is_called_nobody_elses(copied):
    test_without_the_declaration_the_source_is_held_to_its_number(copied)
    table = change(copied, "decisions/imPlatelets/table.yaml", "basis: source", "basis: hospital")
    named = [line for line in told(copied, "basis") if "which is this hospital's own limit elsewhere" in line]
    assert any(line.startswith(str(table)) and "RangeLow decides by 30 or shows it" in line for line in named)
    assert any("plateletsUnderTreatment" in line for line in named)


@pytest.fixture
def all_own(copied: Path) -> Path:
    """The same content with every rule of the two decisions on basis hospital, and no limit declared."""
    sources = copied / "vitamin-b12/sources.yaml"
    sources.write_text(sources.read_text(encoding="utf-8").partition("\nhospital-limits:")[0], encoding="utf-8")
    for decision in ("imPlatelets", "plateletsUnderTreatment"):
        for basis in ("source", "reading"):
            change(copied, f"decisions/{decision}/table.yaml", f"basis: {basis}", "basis: hospital")
    return copied


def test_a_number_that_the_source_says_stays_the_sources_in_a_rule_of_the_hospital(all_own):
    pack = load_pack(all_own)
    origins = origins_of(pack, pack.decisions["plateletsUnderTreatment"])
    said = {one.numbers: (one.basis, [cited.id for cited in one.statements]) for one in origins}
    assert said == {"30 ×10⁹/L": ("hospital", ["S12", "S11"]), "50 ×10⁹/L": ("source", ["S11"])}


@pytest.mark.parametrize(
    ("rule", "rests"),
    [
        (
            "TransfusionFirst",
            'S12, line 41: "For critical thrombocytopenia (<25 × 10⁹/L): Consider platelet transfusion before IM '
            "administration\" (the source's words; the rule is this hospital's own)",
        ),
        (
            "TransfusionNotCovered",
            'L3, not in the source: "the source does not speak of it" (the rule is this hospital\'s own)',
        ),
    ],
)
def test_a_rule_of_the_hospital_quotes_the_source_as_the_source_and_itself_as_the_hospitals(all_own, rule, rests):
    grounds = Prepared.of(load_pack(all_own), zone=UTC, key=KEY.encode()).grounds["imPlatelets", rule]
    assert (grounds.statement, grounds.is_of_hospital) == (rests, True)


def test_a_rule_of_the_hospital_that_is_a_line_on_another_card_is_marked_there(tmp_path):
    """The label of that card is the source's."""
    cards = Path(shutil.copytree(ROOT / "cards", tmp_path / "cards"))
    change(cards, "decisions/monitoringDue/table.yaml", "basis: reading", "basis: hospital")
    pack = load_pack(cards)
    scenario = next(one for one in read_scenarios(ROOT / "fixtures") if one.name == "after-a-lapse/chart")
    service = pack.service_for(scenario.hook)
    prepared = Prepared.of(pack, zone=UTC, key=KEY.encode())
    body = encode(scenario.request(templates_of(pack, service)))
    (card,) = json.loads(encode(evaluate(prepared, service, body, scenario.now).body))["cards"]
    assert not card["source"]["label"].startswith(OUR_LABEL)
    assert "\n- Also: B12 treatment is under way, and a homocysteine result is due. (hospital rule)\n" in card["detail"]


def test_decisions_with_different_rules_of_the_hospital_for_the_same_number_are_noted(copied):
    """On basis hospital: 26 beside 30 may be meant, so nothing is refused."""
    change(copied, "decisions/plateletsUnderTreatment/table.yaml", "'< 30'", "'< 26'")
    change(copied, "decisions/plateletsUnderTreatment/table.yaml", "'[30..50]'", "'[26..50]'")
    for basis in ("source", "reading"):
        change(copied, "decisions/plateletsUnderTreatment/table.yaml", f"basis: {basis}", "basis: hospital")
    notes = [line for line in told(copied, "limit") if line.startswith("note: ")]
    assert any(
        "this hospital's limit of platelets is 26 here and 30 in imPlatelets, both after S12" in line for line in notes
    )


def test_a_rule_that_is_switched_off_is_told_in_words_with_those_on_the_same_limit(locked, tmp_path):
    site = tmp_path / "site.toml"
    site.write_text(re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)[0])
    off, still, _ = told(locked, "site", "--site", str(site))
    assert f"{TRANSFUSION} is off, and no other rule takes its place. Nobody is told any more: “Platelets" in off
    assert "Platelet count: below 30 ×10⁹/L" in off
    (listed,) = STILL_ON.findall(PAGE.read_text(encoding="utf-8"))
    assert still.partition(f"on the same limit as {TRANSFUSION}: ")[2].split(", ") == re.findall(r"`(\w+)`", listed)


def test_the_rule_that_the_page_reads_aloud_is_that_of_the_table():
    """Line by line, comments and all."""
    shown = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)[0]
    assert shown in (ROOT / "cards/vitamin-b12/decisions/imPlatelets/table.yaml").read_text(encoding="utf-8")


def test_an_edit_that_finds_nothing_is_noticed():
    with pytest.raises(ValueError, match="stands nowhere"):
        edited("a: 1\n", "-", "b", "c")
    with pytest.raises(ValueError, match="does not stand in Two"):
        edited("  - id: One\n    basis: source\n  - id: Two\n    basis: reading\n", "Two", "source", "reading")
