"""deploy/README.md says what the code does: its generated parts are fresh, and every file that it names is there."""

import re

from cds_service.settings import Settings
from tests.outside.deploy import pages


def test_the_tables_are_those_of_the_code():
    """Otherwise: make settings."""
    text = pages.PAGE.read_text(encoding="utf-8")
    assert pages.page(text) == text


def test_every_setting_says_what_it_is_for_and_its_default_is_told():
    table = pages.settings_table()
    for name, field in Settings.model_fields.items():
        assert field.description and len(field.description) > 10, name
        assert f"`CDS_SERVICE_{name.upper()}`" in table
    assert not re.search(r"/root|/home|\(Z\d", table)


def test_every_query_to_copy_is_that_of_discovery(templates_by_hook):
    text = pages.PAGE.read_text(encoding="utf-8")
    for templates in templates_by_hook.values():
        for key, template in templates.items():
            assert re.search(rf"^- `{key}` .*\n  `{re.escape(template)}`$", text, re.M), key


def test_every_file_that_is_named_is_there():
    text = pages.PAGE.read_text(encoding="utf-8")
    folder = pages.PAGE.parent
    table = text.partition("## What is here\n")[2].partition("\n## ")[0]
    named = re.findall(r"`([\w./-]+)`", table) + re.findall(r"\]\((\.\./[\w./]+)\)", text)
    named += [f"../{path}" for path in re.findall(r"`(tests/[\w./]+)`", text)]
    assert len(named) > 8
    assert [name for name in named if not (folder / name).exists()] == []


def test_every_file_of_the_folder_is_named():
    text = pages.PAGE.read_text(encoding="utf-8")
    for path in pages.PAGE.parent.iterdir():
        assert path.name in ("README.md", "__pycache__") or path.name in text, path.name


def test_what_stops_a_threat_has_a_test_that_is_there():
    root = pages.PAGE.parents[1]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| `([^|`]+)` \|$", (root / "SECURITY.md").read_text(), re.M)
    assert len(rows) > 20
    for threat, _, test in rows:
        path, _, name = test.partition("::")
        assert (root / path).exists(), threat
        assert re.search(rf"^def {name}\(", (root / path).read_text(encoding="utf-8"), re.M), test
    lines = [line for line in (root / "SECURITY.md").read_text().splitlines() if line.startswith("|")]
    assert len(lines) == len(rows) + 2
