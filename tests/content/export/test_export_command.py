"""``cds-service export``: one document to standard output, or files into a folder."""

import json

import pytest
from click.testing import CliRunner

from cds_service.cli import main


def run(*arguments):
    return CliRunner().invoke(main, ["export", *arguments])


def test_dmn_is_printed_as_one_document_and_written_as_one_file(dmn_text, pack, tmp_path):
    assert run("dmn").stdout == dmn_text
    done = run("dmn", "--out", str(tmp_path / "new"))
    assert done.exit_code == 0, done.output
    (written,) = (tmp_path / "new").iterdir()
    assert (written.name, written.read_text(encoding="utf-8")) == (f"{pack.id}.dmn", dmn_text)


def test_plandefinitions_are_printed_as_a_bundle_and_written_one_by_one(pack, tmp_path):
    bundle = json.loads(run("plandefinition").stdout)
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "collection")
    done = run("plandefinition", "--out", str(tmp_path))
    assert done.exit_code == 0, done.output
    read = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()}
    sent = [entry["resource"] for entry in bundle["entry"]]
    assert read == {f"{one['resourceType']}-{one['id']}.json": one for one in sent}
    assert len(read) == len(pack.decisions) + len(pack.templates)


@pytest.mark.parametrize("arguments", [["openehr"], [], ["dmn", "--cards", "nowhere"]])
def test_wrong_use_ends_with_two(arguments):
    assert run(*arguments).exit_code == 2


def test_content_that_cannot_be_loaded_ends_with_one(tmp_path):
    done = run("dmn", "--cards", str(tmp_path))
    assert done.exit_code == 1
    assert "pack.yaml" in done.output
