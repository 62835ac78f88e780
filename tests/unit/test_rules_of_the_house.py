"""Design rules that a machine can hold: no clinical content in Python, layers look one way only."""

import ast
import re

import pytest

from cds_service.packaged import packaged
from tests.support.places import ROOT

PACKAGE = ROOT / "cds_service"
MODULES = sorted(PACKAGE.rglob("*.py"))
CLINICAL_WORDS = re.compile(
    r"cobalamin|hydroxo|mecobal|folic|folate|platelet|transfus|an[a]?emi|needle|neurolog|leber|pernicious", re.I
)


def strings_and_numbers(tree):
    """Literals of a module, docstrings left out: they cite statements and settlements."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
        and isinstance(node.body[0].value, ast.Constant)
    }
    return [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in docs]


def test_there_are_modules_to_look_at():
    assert len(MODULES) > 25


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_code_of_a_value_set_and_no_clinical_word_stands_in_python(path, pack):
    codes = {c.code for vs in pack.value_sets.values() if vs.kind != "interpretation" for c in vs.codes.values()}
    codes = {code for code in codes if len(code) > 3}
    literals = [v for v in strings_and_numbers(ast.parse(path.read_text())) if isinstance(v, str | int | float)]
    texts = [str(v) for v in literals if not isinstance(v, bool)]
    assert [t for t in texts if t in codes] == []
    allowed = "platelets-and-im/"  # the name of the sample scenario
    words = [t for t in texts if CLINICAL_WORDS.search(t.replace(allowed, ""))]
    assert words == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_threshold_of_a_rule_stands_in_python(path, pack):
    """Thresholds of card decisions; small counts, powers of ten and the calendar's numbers are ordinary numbers."""
    thresholds = {
        float(number)
        for decision in pack.decisions.values()
        for column in decision.columns
        for cell in column
        for number in cell.numbers()
    } - {0, 1, 2, 3, 4, 6, 7, 10, 14, 20, 28, 31, 100, 365}
    numbers = [v for v in strings_and_numbers(ast.parse(path.read_text())) if type(v) in (int, float)]
    if path.name in ("check.py", "check_digits.py", "analyse.py"):
        return  # check digits and lengths
    if "store" in path.relative_to(PACKAGE).parts or path.name == "feedback.py":
        return  # lengths, seconds and rows
    if path.name in ("errors.py", "routes.py"):
        numbers = [n for n in numbers if n != 500]  # a status of HTTP
    if path.name == "acceptance_page.py":
        numbers = [n for n in numbers if n != 50]  # comments shown at once
    if path.name == "uuids.py":
        numbers = [n for n in numbers if n != 50]  # bits of the tag
    if path.name in ("wording.py", "cli.py", "render.py", "dosage.py", "settings.py", "verifier.py"):
        numbers = [n for n in numbers if n != 60]  # characters of a line, seconds of a minute
    assert [n for n in numbers if float(n) in thresholds] == []


def test_texts_hold_no_numbers(pack):
    """Z29; check proves it file by file, this holds that check looks at every text."""
    names = sorted([*pack.names.values(), *pack.statements], key=len, reverse=True)
    for decision in pack.decisions.values():
        for text in decision.texts.values():
            bare = re.sub(r"\{[^}]*\}", "", text.summary + text.detail)
            for name in names:
                bare = bare.replace(name, "")
            assert not re.search(r"\d", bare), (decision.id, bare)


def test_serving_does_not_import_fhir_resources():
    """Z27: it would cost the start a second."""
    import subprocess
    import sys

    code = "import sys, cds_service.service.app as a; a.create_app(); print('fhir.resources' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_content_is_where_it_is_packaged():
    assert (packaged("cards") / "lock.json").exists()
