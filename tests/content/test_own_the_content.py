"""docs/own-the-content.md leads a pharmacist through a change of a limit. Here every edit that it lists is made."""

import json
import re
import shutil
from datetime import UTC
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from cds_service.cli import main
from cds_service.content.load import load_pack
from cds_service.content.prepared import Prepared
from cds_service.judge.evaluate import evaluate
from cds_service.protocol.profiles import Profile
from cds_service.vocabulary.json_text import encode
from tests.http import shown_calls
from tests.support.keys import KEY
from tests.support.places import ROOT

PAGE = ROOT / "docs/own-the-content.md"
FOLDERS = ("cards/vitamin-b12", "fixtures")  # of the two tables of edits, in the order of the page
TABLE = re.compile(r"^<!-- edits -->\n\|.*\n\|-.*\n((?:\|.*\n)+)<!-- end -->$", re.M)
ROW = re.compile(
    r"^\| `([^`]+)` \| ([^|]+) \| `([^`]+)` \| (?:`([^`]+)`|its middle number one higher, its last number 0) \|$", re.M
)


def edited(text: str, places: str, find: str, put: str) -> str:
    """``text`` with ``put`` for ``find``: everywhere (``-``), or in the rules, cases or statements that are named.

    Without ``put`` the version behind ``find`` is raised.

    Raises:
        ValueError: it does not stand there.
    """
    if not put:
        major, minor = re.search(rf"^{find} (\d+)\.(\d+)\.\d+$", text, re.M).groups()
        return re.sub(rf"^{find} .*$", f"{find} {major}.{int(minor) + 1}.0", text, count=1, flags=re.M)
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
    return folder


@pytest.fixture(scope="module")
def locked(hospital: Path) -> Path:
    done = CliRunner().invoke(main, ["check", str(hospital / "cards"), "--update-lock"])
    assert done.exit_code == 0, done.output
    return hospital / "cards"


def answered(cards: Path, platelets: float) -> list[dict[str, object]]:
    """The cards on an injection into the muscle with this count, and no other finding."""
    request = shown_calls.request()
    request["prefetch"]["platelets"]["entry"][0]["resource"]["valueQuantity"]["value"] = platelets
    pack = load_pack(cards)
    service = pack.service_for(shown_calls.HOOK)
    assert service is not None
    prepared = Prepared.of(pack, zone=UTC, key=KEY.encode())
    body = evaluate(prepared, service, encode(request), shown_calls.NOW, Profile()).body
    return list(json.loads(encode(body))["cards"])


def test_after_the_edits_of_the_page_the_content_holds_and_is_locked(locked):
    assert CliRunner().invoke(main, ["check", str(locked)]).exit_code == 0


@pytest.mark.parametrize(("platelets", "indicator"), [(24.9, "critical"), (29.9, "critical"), (30, "warning")])
def test_the_limit_of_the_hospital_decides_and_no_card_says_that_it_is_the_sources(locked, platelets, indicator):
    (card,) = answered(locked, platelets)
    assert card["indicator"] == indicator
    own_words = f"{card['summary']} {str(card['detail']).partition('**Rests on**')[0]}"
    assert "hospital" in own_words
    assert not re.search(r"\bsource (says|advises|gives)\b", own_words, re.I), own_words
    assert [said for said in re.split(r"\. |\n", own_words) if "source" in said and re.search(r"\b30\b", said)] == []
    assert "(the source says so)" not in str(card["detail"])


@pytest.mark.parametrize("rule", ["TransfusionUnlessNotCovered", "RangeLow"], ids=["decides by it", "shows it"])
def test_a_limit_of_the_hospital_is_called_nobody_elses(hospital, tmp_path, rule):
    cards = Path(shutil.copytree(hospital / "cards", tmp_path / "cards"))
    table = cards / "vitamin-b12/decisions/imPlatelets/table.yaml"
    text = table.read_text(encoding="utf-8")
    table.write_text(edited(text, rule, "basis: hospital", "basis: reading"), encoding="utf-8")
    told = [line for line in CliRunner().invoke(main, ["check", str(cards)]).output.splitlines() if ": basis: " in line]
    (line,) = told
    assert line.startswith(str(table))
    assert f"{rule} decides by 30 or shows it, which is this hospital's own limit elsewhere" in line


def test_the_rule_that_the_page_reads_aloud_is_that_of_the_table():
    (text,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    (shown,) = yaml.safe_load(text)
    table = yaml.safe_load((ROOT / "cards/vitamin-b12/decisions/imPlatelets/table.yaml").read_text(encoding="utf-8"))
    (rule,) = (rule for rule in table["rules"] if rule["id"] == shown["id"])
    assert shown["then"].items() <= rule["then"].items()
    assert {name: value for name, value in rule.items() if name != "then"} == {
        name: value for name, value in shown.items() if name != "then"
    }


def test_an_edit_that_finds_nothing_is_noticed():
    with pytest.raises(ValueError, match="stands nowhere"):
        edited("a: 1\n", "-", "b", "c")
    with pytest.raises(ValueError, match="does not stand in Two"):
        edited("  - id: One\n    basis: source\n  - id: Two\n    basis: reading\n", "Two", "source", "reading")
