"""What is wrong with a text that is not YAML, for people who write YAML now and then: what to write instead.

A parser says where it stopped and what it expected. The mistake is often a sign that has a meaning in YAML and was
meant as a letter, so the line itself is looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

_LONGEST_EXAMPLE = 60
_AFTER_DASH, _AFTER_COLON = "a space has to follow the dash", "a space has to follow the colon"
# Signs that have a meaning at the beginning of a value, of which YAML says no more than that nothing begins so.
_MEANING = "@`%!&*>|?,-"
_ENTRY = re.compile(r"\s*(?:- )*")
_KEY = re.compile(r"""[\w."'/*-]+(?: [\w.-]+)*:(?=\s|$)""")
_KEY_AND_VALUE = re.compile(rf"^{_ENTRY.pattern}{_KEY.pattern}[ \t]+(?P<value>\S.*)$")
_NO_SPACE = re.compile(rf"^{_ENTRY.pattern}[\w.-]+:[^\s:/]")
_RANGE = re.compile(r"""(?<!['"\w])[\[(]\s*[\d.]+\s*\.\.\s*[\d.]+\s*[\])]""")
_TYPOGRAPHIC = re.compile("[“”„‟‘‚«»]")
_OPENS, _ENDS_IN_FLOW, _REMARK = re.compile(r"[{\[]"), re.compile(r"[,}\]](?=\s|$|[},\]])"), re.compile(r"\s#")
_BRACE_FIRST = re.compile(r"""^[\[{][^\]}]*[\]}]\s*[^\s#,\]}].*$""")
_QUOTED_FIRST = re.compile(r"""^(["']).*?\1(?!\1)[^\s#,\]}:].*$|^(["']).*?\2\s+[^\s#].*$""")


@dataclass(frozen=True, slots=True)
class SyntaxFault:
    """Where a text stops being YAML (``line`` and ``column`` from 1), and what to do about it."""

    line: int
    column: int
    text: str


def syntax_fault(text: str, error: yaml.MarkedYAMLError) -> SyntaxFault | None:
    """The mistake behind an error of the parser; ``None`` if the error says of no place."""
    mark = error.problem_mark
    if mark is None:
        return None
    begun = error.context_mark
    rows = text.splitlines()
    place = _Place(rows, mark.line, mark.column, begun.line if begun is not None else mark.line)
    line, said = _said(place, error.problem or "", error.context or "")
    if said:
        return SyntaxFault(line + 1, mark.column + 1 if line == mark.line else 1, said)
    said = ", ".join(filter(None, [error.context, error.problem]))
    return SyntaxFault(mark.line + 1, mark.column + 1, said)


@dataclass(frozen=True, slots=True)
class _Place:
    """The lines of a text, where its parser stopped (from 0), and the line where what it was reading began."""

    rows: list[str]
    line: int
    column: int
    begun: int

    def row(self, line: int) -> str:
        return self.rows[line] if 0 <= line < len(self.rows) else ""

    @property
    def sign(self) -> str:
        return self.row(self.line)[self.column : self.column + 1]

    def above(self) -> tuple[int, str]:
        """The nearest line above that holds something, and its number."""
        for number in range(self.line - 1, -1, -1):
            if self.row(number).strip() and not self.row(number).lstrip().startswith("#"):
                return number, self.row(number)
        return self.line, ""


def _said(place: _Place, problem: str, context: str) -> tuple[int, str]:
    """The line of the mistake, from 0, and what to do; ``""`` for a mistake that is not known."""
    row, line = place.row(place.line), place.line
    if "\t" in row[: len(row) - len(row.lstrip())] or place.sign == "\t":
        return line, "a tab stands here; indent with spaces, two for each step"
    if "found undefined alias" in problem or "tag" in problem:
        return line, _quoted_value(row, place.column)
    if "flow" in context or "simple key" in context or "quoted" in context:
        return _unfinished(place, context)
    if "block scalar" in context or "cannot start any token" in problem:
        return line, _quoted_value(row, place.column)
    if "single document" in context:
        return line, "--- begins a second document; a file of content has one"
    if "mapping values are not allowed" in problem:
        return _colon(place)
    if "sequence entries are not allowed" in problem:
        return line, "a list begins on the line below its key, each entry with a dash; or write [first, second]"
    if "mapping keys are not allowed" in problem or "expected node content" in problem:
        return line, _quoted_value(row, place.column)
    return line, _value_or_indent(place)


def _quoted_value(row: str, column: int) -> str:
    """What stands in ``row`` at ``column`` was meant as a text."""
    found = _KEY_AND_VALUE.match(row)
    start = column
    if found and not _OPENS.search(row[: max(column, found.start("value"))]):
        start = found.start("value")
    ends = _ENDS_IN_FLOW if _OPENS.search(row[:start]) else _REMARK
    value = ends.split(row[start:])[0].strip()
    what = "a cell that compares" if value[:1] in "<>" else f"a text that begins with {value[:1]}"
    return f"{what} stands in quotation marks: {_quoted(value)}"


def _quoted(value: str) -> str:
    """A value in quotation marks, those that it does not have itself."""
    bare = value.strip()
    return f'"{bare}"' if "'" in bare else f"'{bare}'"


def _colon(place: _Place) -> tuple[int, str]:
    """A colon where no key may stand."""
    row = place.row(place.line)
    number, above = place.above()
    indent = len(row) - len(row.lstrip())
    found = _KEY_AND_VALUE.match(row)
    first = row.index(":") if ":" in row else -1
    if found and place.column > first:
        if _TYPOGRAPHIC.search(found["value"]):
            return place.line, _typographic(found["value"])
        value = found["value"] if "{" not in row[: found.start("value")] else ""
        example = f": {_quoted(value)}" if value and len(value) <= _LONGEST_EXAMPLE else ""
        return place.line, f"a text with a colon and a space in it stands in quotation marks{example}"
    if _NO_SPACE.match(above):
        return number, _AFTER_COLON
    if above and ":" not in above and not above.lstrip().startswith("-"):
        return number, "a colon has to follow the key, and a space the colon"
    if above and indent > len(above) - len(above.lstrip()):
        return place.line, (
            f"this line is indented deeper than line {number + 1}, which has a value already; "
            "begin both in the same column"
        )
    return place.line, "a text with a colon and a space in it stands in quotation marks"


def _typographic(value: str) -> str:
    sign = _TYPOGRAPHIC.search(value)
    return f'{sign[0] if sign else ""} is no quotation mark of YAML; write " instead'


def _unfinished(place: _Place, context: str) -> tuple[int, str]:
    """What was begun on a line and did not come to its end as it should."""
    row = place.row(place.begun)
    if "quoted" in context:
        if "escape" in context or ("\\" in row and place.begun == place.line):
            return place.begun, "a backslash has a meaning inside \"…\"; put the text into '…' instead"
        return place.begun, "the quotation mark that is opened on this line is not closed"
    if "simple key" in context:
        if re.match(r"^\s*-\S", row):
            return place.begun, _AFTER_DASH
        if _NO_SPACE.match(row):
            return place.begun, _AFTER_COLON
        return place.begun, "a line is a key, a colon and a value, or a dash and an entry; this one is neither"
    if found := _RANGE.search(place.row(place.line)) or _RANGE.search(row):
        line = place.line if _RANGE.search(place.row(place.line)) else place.begun
        return line, f"a range stands in quotation marks: '{found[0]}'"
    if _TYPOGRAPHIC.search(place.row(place.line)):
        return place.line, _typographic(place.row(place.line))
    if place.line == place.begun and place.sign and place.sign in _MEANING:
        return place.line, _quoted_value(place.row(place.line), place.column)
    opened, closed = ("[", "]") if "sequence" in context else ("{", "}")
    if "#" in row and closed in row.partition("#")[2]:
        return (
            place.begun,
            f"what stands behind # is a remark, so the {opened} of this line is not closed; quote the #",
        )
    if place.line > place.begun:
        return place.begun, f"the {opened} of this line is not closed with {closed}"
    return place.line, (
        f"between {opened} and {closed} entries are separated by commas, and a text with signs such as "
        "' : , { } [ ] stands in quotation marks"
    )


def _value_or_indent(place: _Place) -> str:
    """A line that does not go on as the lines above: by its value, or by how deep it is indented."""
    row = place.row(place.line)
    found = _KEY_AND_VALUE.match(row)
    value = found["value"] if found else ""
    if _TYPOGRAPHIC.search(value):
        return _typographic(value)
    if _BRACE_FIRST.match(value):
        return f'a text that begins with {value[0]} stands in quotation marks, the whole of it: "{_short(value)}"'
    if _QUOTED_FIRST.match(value):
        if value[0] == "'" and re.search(r"\w'\w", value):
            return "an apostrophe ends a text in '…'; put this one into \"…\""
        return "a text in quotation marks ends at the second one; put the whole value into them"
    if re.match(r"^\s*-\w", row):
        return _AFTER_DASH
    if _NO_SPACE.match(row):
        return _AFTER_COLON
    indent = len(row) - len(row.lstrip())
    number, above = place.above()
    if re.match(r"^\s*- ", above) and indent == len(above) - len(above.lstrip()) and not row.lstrip().startswith("-"):
        return f"this line belongs to the entry of line {number + 1}; begin it below what stands behind the dash"
    return (
        f"this line begins in column {indent + 1}, and nothing above that it could belong to does; "
        "keys that belong together begin in the same column"
    )


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST_EXAMPLE else f"{value[: _LONGEST_EXAMPLE - 1]}…"
