"""docs/writing-a-pack.md is followed word for word: its files are written, its commands typed, its answers compared."""

import re
from pathlib import Path

import pytest

from cds_service.fhir.codes import SYSTEMS
from tests.support.followed_page import PageError, Reader, steps
from tests.support.places import ROOT
from tests.support.shown_commands import checkout

PAGE = ROOT / "docs/writing-a-pack.md"


def followed(page: Path, folder: Path) -> None:
    with Reader(folder) as reader:
        for step in steps(page):
            reader.do(step)


def test_the_page_is_followed_word_for_word(tmp_path):
    checkout(tmp_path)
    followed(PAGE, tmp_path)


def test_the_page_says_what_it_prints_after_every_command_that_ends():
    silent = [step.where for step in steps(PAGE) if step.kind == "type" and step.name != "serve" and not step.shown]
    assert silent == []


def test_what_is_left_out_of_an_answer_is_no_more_than_half_of_the_answers():
    shown = [step.shown for step in steps(PAGE) if step.shown is not None]
    assert sum("…" not in text for text in shown) > len(shown) / 2


def test_the_addresses_of_code_systems_are_those_that_the_software_knows():
    rows = re.findall(r"^\| ([^|]+) \| `(http[^`]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 5
    known = {(system.name, system.canonical) for system in SYSTEMS}
    assert set(rows) <= known


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("```sh\necho one; echo two\n```\n\n```text\none\nto\n```\n", r"page:3: other than shown:.*-to\n\+two"),
        ("```sh\necho one; echo two\n```\n\n```text\none\n```\n", r"other than shown"),
        ("```sh\necho one\n```\n\n```text\none\n…\ntwo\n```\n", r"other than shown"),
        ("```sh\nfalse\ntrue\n```\n", r"page:3: ended with 1"),
        ("```sh refused\ntrue\n```\n", r"page:3: ended with 0"),
        ("Write something:\n\n```yaml\na: 1\n```\n", r"page:5: the line above the block says no file"),
        (
            "In `a.yaml`, replace:\n\n```yaml\nNOWHERE\n```\n\nwith:\n\n```yaml\na\n```\n",
            r"stands 0 times in a.yaml",
        ),
        ("In `a.yaml`, replace:\n\n```yaml\na\n```\n", r"no block says what takes the place"),
        (
            "Write `a.yaml`:\n\n```yaml\na: 1\n```\n\nIt has:\n\n```yaml shown\na: 2\n```\n",
            r"no file has these lines:\na: 2",
        ),
        ("Add more at the end of `none.yaml`:\n\n```yaml\na\n```\n", r"there is no none.yaml to add to"),
    ],
)
def test_what_is_not_as_the_page_says_is_noticed(tmp_path, page, told):
    path = tmp_path / "page"
    path.write_text(f"# Page\n\n{page}", encoding="utf-8")
    with pytest.raises(PageError) as caught:
        followed(path, tmp_path)
    assert re.search(told, str(caught.value), re.S), str(caught.value)


def test_a_page_that_is_as_it_says_is_followed(tmp_path):
    path = tmp_path / "page"
    path.write_text(
        "# Page\n\nWrite `here/a.yaml`:\n\n```yaml\none: 1\n```\n\n"
        "A line at the end of `here/a.yaml`:\n\n```yaml\ntwo: 2\n```\n\n"
        "It is changed; in `here/a.yaml`, replace:\n\n```yaml\n1\n```\n\nwith:\n\n```yaml\n3\n```\n\n"
        "```sh\nexport NAME=a.yaml\ncd here\n```\n\n```sh\ncat $NAME\n```\n\n```text\none: 3\ntw…2\n```\n\n"
        "It has:\n\n```yaml shown\none: 3   # a comment\n```\n\n```sh\nseq 9\n```\n\n```text\n1\n…\n9\n```\n",
        encoding="utf-8",
    )
    followed(path, tmp_path)
