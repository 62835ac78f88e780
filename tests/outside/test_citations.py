"""Every citation in the tree resolves in the tree (Z81): ids of decisions, statements and requirements, files, links.

All faults of the tree come in one message. What is planted here as wrong is written with a ``~`` in it, which is taken
out before it is looked at, so that this file itself is in order.
"""

import posixpath
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").is_file())
DECISIONS, REQUIREMENTS = "docs/decisions.md", "docs/conformance.md"

# Texts of others, with section numbers of their own.
NOT_OURS = ("LICENSE",)

# Wrong on purpose, by the name of the file and the words.
WRONG_ON_PURPOSE: Mapping[tuple[str, str], str] = {
    ("test_check.py", "S99"): "a statement that check must refuse",
    ("test_check.py", "C99"): "a settlement that check must refuse",
    ("test_mistakes.py", "S55"): "a statement that check must refuse",
    ("codes-in-the-field.yaml", "D510"): "a code of ICD-10 without its dot",
}

# Decisions that nothing cites, and why they are written up all the same.
NOT_CITED: Mapping[str, str] = {
    "Z86": "the lowest Python, kept by settings and checks that are no place for a citation",
    "Z95": "what continuous integration runs, kept by a script as a whole",
}

# An id in citation position stands by itself: Z12, D3, also in the name of a test. What is quoted whole ("Z34") is a
# code, what goes on behind a full stop (Z98.84, D51.0, Z34.-) is one of ICD-10, and neither begins with a zero.
_WHOLE_QUOTED = r"""(?!(?<=["'])\w+["'])"""
_ENDS = r"(?![A-Za-z0-9]|\.[\d-])"
_DECISION = re.compile(rf"(?<![A-Za-z0-9.]){_WHOLE_QUOTED}([ZD][1-9]\d{{0,2}}){_ENDS}")
# S12, L1, C5: statements, sentences that are not the source's, and contradictions, of the pack in whose folder we are.
_STATEMENT = re.compile(rf"(?<![A-Za-z0-9.-]){_WHOLE_QUOTED}([SCL][1-9]\d?){_ENDS}")
# SEC-08: a requirement of CDS Hooks. The letters are those that the page of conformance has; P-384 and UTF-16 are not.
_REQUIREMENT_ROW = re.compile(r"^\| ([A-Z]+)-(\d\d) \|", re.MULTILINE)
# A Markdown file, by any path from here, from the root or from docs/; not behind a host. With or without #anchor.
_FILE = re.compile(r"(?<![\w/.@-])((?:[\w.-]+/)*[\w-][\w.-]*\.md)\b(?:#([\w-]+))?")
_LINK = re.compile(r"\]\((?![a-z]+:)([^)\s#]*)(?:#([^)\s]+))?\)")
# The number of a section says nothing without its document. That of an RFC does.
_SECTION = re.compile(r"(?<!RFC \d{4} )(?<!RFC \d{4}, )\b[Ss]ections? \d[\d.]*|§ ?\d")
# Documents that are not in the tree and have been cited by name.
_ELSEWHERE = re.compile(r"\bclinical[ -]statements\b|\bdesign,? rule \d|\.\./shared/")

_FENCED = re.compile(r"^(`{3,}|~{3,}).*?^\1", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_ANCHOR = re.compile(r'<a (?:id|name)="([^"]+)">')


@dataclass(frozen=True)
class Citable:
    """What can be cited. ``statements`` are those of each pack, by the folder its ``cards`` stand in."""

    files: frozenset[str]
    folders: frozenset[str]
    anchors: Mapping[str, frozenset[str]]
    decisions: frozenset[str]
    statements: Mapping[str, frozenset[str]]
    requirements: frozenset[str]

    @property
    def requirement(self) -> re.Pattern[str]:
        """What looks like the id of a requirement."""
        letters = sorted({name.partition("-")[0] for name in self.requirements}, key=len, reverse=True)
        return re.compile(rf"(?<![\w-])((?:{'|'.join(letters)})-\d\d)(?![\w-])")


@cache
def files() -> frozenset[str]:
    """Every file under version control, or about to be, by its path from the root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return frozenset(name for name in listed if name and (ROOT / name).is_file())


@cache
def texts() -> Mapping[str, str]:
    """The text of every file that is one."""
    contents = {name: (ROOT / name).read_bytes() for name in sorted(files())}
    return {name: content.decode("utf-8") for name, content in contents.items() if b"\0" not in content}


@cache
def citable() -> Citable:
    statements = {}
    for name, text in texts().items():
        if re.fullmatch(r"(?:.*/)?cards/[^/]+/sources\.yaml", name):
            sources = yaml.safe_load(text)
            statements[name.rpartition("cards/")[0]] = frozenset(sources["statements"]) | frozenset(
                sources["settlements"]
            )
    return Citable(
        files=files(),
        folders=frozenset(parent.as_posix() for name in files() for parent in Path(name).parents),
        anchors={name: anchors_of(text) for name, text in texts().items() if name.endswith(".md")},
        decisions=decisions_in(texts()[DECISIONS]),
        statements=statements,
        requirements=frozenset("-".join(parts) for parts in _REQUIREMENT_ROW.findall(texts()[REQUIREMENTS])),
    )


def decisions_in(page: str) -> frozenset[str]:
    return frozenset(re.findall(r"^### ([ZD]\d+): ", page, re.MULTILINE))


def anchors_of(page: str) -> frozenset[str]:
    """Explicit anchors, and those that GitHub makes of headings."""
    page = _FENCED.sub("", page)
    made: dict[str, int] = {}
    anchors = set(_ANCHOR.findall(page))
    for heading in _HEADING.findall(page):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        anchors.add(f"{slug}-{made[slug]}" if slug in made else slug)
        made[slug] = made.get(slug, 0) + 1
    return frozenset(anchors)


def resolve(naming: str, named: str, known: Citable) -> str | None:
    """The file or folder meant, looked for from the file that names it, from the root and from ``docs``."""
    for start in (posixpath.dirname(naming), "", "docs"):
        path = posixpath.normpath(posixpath.join(start, named))
        if path in known.files or path in known.folders:
            return path
    return None


def faults_in(name: str, text: str, known: Citable) -> Iterator[str]:
    """Each citation in the text of the file ``name`` that leads nowhere, as ``path:line: what``."""

    def fault(match: re.Match[str], words: str) -> str:
        return f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {words}"

    for match in _DECISION.finditer(text):
        if match[1] not in known.decisions:
            yield fault(match, f"{match[1]} is not in {DECISIONS}")
    pack = max((folder for folder in known.statements if name.startswith(folder)), key=len)
    for match in _STATEMENT.finditer(text):
        if match[1] not in known.statements[pack]:
            yield fault(match, f"{match[1]} is in no sources.yaml of {pack}cards")
    for match in known.requirement.finditer(text):
        if match[1] not in known.requirements:
            yield fault(match, f"{match[1]} is not in {REQUIREMENTS}")
    cited = [(match, match[1], match[2]) for match in _FILE.finditer(text)]
    if name.endswith(".md"):
        cited += [(match, match[1] or posixpath.basename(name), match[2]) for match in _LINK.finditer(text)]
    for match, path, anchor in cited:
        target = resolve(name, path, known)
        if target is None:
            yield fault(match, f"there is no {path}")
        elif anchor and target.endswith(".md") and anchor not in known.anchors[target]:
            yield fault(match, f"{target} has no #{anchor}")
    # The head of a sources.yaml names the one document that its places are sections of.
    for match in () if posixpath.basename(name) == "sources.yaml" else _SECTION.finditer(text):
        yield fault(match, f"{match[0]!r} of what? Say the thing itself, or name the RFC before it")
    for match in _ELSEWHERE.finditer(text):
        yield fault(match, f"{match[0]!r} is not in the tree")


def is_meant(fault: str) -> bool:
    path, _, words = fault.split(":", 2)
    return any(path.endswith(f"/{name}") and wrong in words.split() for name, wrong in WRONG_ON_PURPOSE)


def test_every_citation_resolves():
    known = citable()
    faults = {fault for name, text in texts().items() if name not in NOT_OURS for fault in faults_in(name, text, known)}
    left = sorted(fault for fault in faults if not is_meant(fault))
    assert not left, f"{len(left)} citations lead nowhere:\n" + "\n".join(left)


def test_every_decision_is_cited_somewhere():
    cited = {match[1] for name, text in texts().items() if name != DECISIONS for match in _DECISION.finditer(text)}
    assert sorted(citable().decisions - cited - NOT_CITED.keys()) == []


def test_the_page_of_decisions_lists_each_once_and_gives_each_an_anchor():
    page = texts()[DECISIONS]
    titles = re.findall(r'^<a id="([zd]\d+)"></a>\n\n### ([ZD]\d+): (.+)$', page, re.MULTILINE)
    assert [anchor.upper() for anchor, _, _ in titles] == [name for _, name, _ in titles]
    assert len(titles) == len(citable().decisions)
    listed = re.findall(r"^\| \[([ZD]\d+)\]\(#([zd]\d+)\) \| (.+) \|$", page, re.MULTILINE)
    assert sorted(listed) == sorted((name, anchor, title) for anchor, name, title in titles)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("cds_service/a.py", '"""Whoever calls may (Z~999)."""', "1: Z~999 is not in docs/decisions.md"),
        ("tests/a.py", "\n\ndef test_D~77_is_held(): ...", "3: D~77 is not in docs/decisions.md"),
        ("cards/vitamin-b12/facts.yaml", "b12: {}  # S~26, C5", "1: S~26 is in no sources.yaml of cards"),
        (
            "tests/content/second_pack/cards/examplol/facts.yaml",
            "# S~25",
            "1: S~25 is in no sources.yaml of tests/content/second_pack/cards",
        ),
        ("cds_service/a.py", "# no redirects (FA-08, SEC~-99)", "1: SEC~-99 is not in docs/conformance.md"),
        ("cds_service/a.py", "# as clients do (no-such-page~.md 0.1)", "1: there is no no-such-page~.md"),
        ("docs/decisions.md", "see [this](../README.md) and\n[that](../no/such~.md)", "2: there is no ../no/such~.md"),
        ("docs/conformance.md", "[here](decisions~.md#no-such)", "1: docs/decisions.md has no #~no-such"),
        ("README.md", "[below](#no-such)", "1: README.md has no #~no-such"),
        ("cds_service/a.py", "# docs/decisions~.md#no-such", "1: docs/decisions.md has no #~no-such"),
        ("tests/a.py", '"""Errors (conformance section~ 8)."""', "1: 'section~ 8' of what?"),
        ("cards/a.yaml", "why: as clinical~ statements have it", "1: 'clinical~ statements' is not in the tree"),
        ("cds_service/a.py", "# pure (design~ rule 3)", "1: 'design~ rule 3' is not in the tree"),
    ],
)
def test_a_wrong_citation_is_noticed(name, text, words):
    faults = set(faults_in(name, text.replace("~", ""), citable()))
    assert len(faults) == 1
    assert faults.pop().startswith(f"{name}:{words.replace('~', '')}")


@pytest.mark.parametrize(
    "text",
    [
        'code: "Z34", display: "Z34.- and Z98.84", code: D51.0, E53.8',
        "P-384, UTF-16, ICD-10, SHA-256, 2026-11-23T10:00:00Z, P-30D",
        "verified by signature (RFC 7517 section 5), https://example.org/page.md, *.md, <name>.md",
        "held back (Z1), D3, S12 and C5, SEC-18 to SEC-20, docs/decisions.md#rule-2, decisions.md",
    ],
)
def test_what_is_right_or_no_citation_is_left_alone(text):
    assert list(faults_in("cds_service/a.py", text, citable())) == []
