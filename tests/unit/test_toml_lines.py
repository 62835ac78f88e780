"""The line of every element of a TOML file is known, however the file is written."""

import pytest

from cds_service.content.site import read_site
from cds_service.vocabulary.problems import ProblemsError
from cds_service.vocabulary.toml_file import line_of

TEXT = '''\
# [clients.a] in a comment is no table
base-urls = [
  "https://one.example",  # with a comment ]

  "https://two.example"]
note = """
[clients.a]
jwks-url = "not here"
"""
[clients.ab]
jwks-url = "https://ab.example"
[clients.a]
issuer = "jwks-url"
jwks-url = "http://a.example"
"odd key".inner = {x = 1, y = ["p", "q"]}
[[codes.count]]
code = "A"
[codes.count.strength]
value = "1"
[[ codes . 'count' ]]
code = "B"
rows = [
  {code = "C"},
  [
    1,
  ],
  {code = "D"},
]
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (["base-urls"], 2),
        (["base-urls", 0], 3),
        (["base-urls", 1], 5),
        (["base-urls", "https://two.example"], 5),
        (["base-urls", "https://three.example"], 2),
        (["note"], 6),
        (["clients"], 10),
        (["clients", "ab", "jwks-url"], 11),
        (["clients", "a"], 12),
        (["clients", "a", "jwks-url"], 14),
        (["clients", "a", "jwks-file"], 12),
        (["clients", "a", "odd key", "inner", "y", 1], 15),
        (["codes", "count", 0, "code"], 17),
        (["codes", "count", 0, "strength", "value"], 19),
        (["codes", "count", 1], 20),
        (["codes", "count", 1, "code"], 21),
        (["codes", "count", 1, "rows", 0, "code"], 23),
        (["codes", "count", 1, "rows", 1, 0], 24),
        (["codes", "count", 1, "rows", 2], 27),
        (["nothing"], 1),
        ([], 1),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_an_element_is_found_where_it_is_written(tmp_path, place, line, newline):
    path = tmp_path / "file.toml"
    path.write_text(TEXT, encoding="utf-8", newline=newline)
    assert line_of(path, place) == line


def test_a_file_that_is_gone_has_its_first_line(tmp_path):
    assert line_of(tmp_path / "none.toml", ["clients"]) == 1


@pytest.mark.parametrize("written", ["29.11.2026", "2026/11/29", "29-11-2026", "2026-13-01"])
def test_a_date_that_is_written_otherwise_is_told_how_it_is_written(tmp_path, written):
    path = tmp_path / "site.toml"
    path.write_text(f'[rules.off.someTopic]\nreason = "x"\ndate = {written}\n')
    with pytest.raises(ProblemsError) as caught:
        read_site(path)
    assert str(caught.value).startswith(f"{path}:3: site: this is not TOML")
    assert str(caught.value).endswith("a date is written as 2026-11-29, without quotation marks")
