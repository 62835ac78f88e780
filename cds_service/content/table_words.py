"""A decision table in words for people: labels for ids, sentences for cells, units as people write them (Z76).

A guard that all rules of a table repeat is said once, and the rules that ``expand`` adds are left out: they say nothing
where the table does not apply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from cds_service.content.decide import Finding
from cds_service.content.domains import JOINED, SILENT, SPEAKS
from cds_service.content.model import PLACEHOLDER, Decision, Pack, Rule, TemplateWords
from cds_service.content.render import limits
from cds_service.content.unary import Cell
from cds_service.vocabulary.declarations import FactDeclaration
from cds_service.vocabulary.facts import Exact, Fact, Interval, State

_STATES: Mapping[State, str] = {
    State.ABSENT: "none found",
    State.UNKNOWN: "not known",
    State.UNUSABLE: "not usable",
    State.UNDECIDABLE: "a range across a limit",
}
_OF_CARDS: Mapping[str, str] = {SPEAKS: "speaks", SILENT: "says nothing"}
_TIMES: Mapping[str, str] = {"h": "hours", "d": "days", "wk": "weeks", "mo": "months", "a": "years"}
_PER: Mapping[str, str] = {"h": "an hour", "d": "a day", "wk": "a week", "mo": "a month", "a": "a year"}
_MICROGRAMS = "ug"
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PARTS: Mapping[str, str] = {".date": "date", ".sent": "{label} as sent", ".reason": "why"}
_PIECES = re.compile(f"({PLACEHOLDER.pattern.replace('(', '(?:', 1)})")
_FEW = 4  # values that are named one by one
_LONG = 10_000  # from here on digits are grouped
NOTHING_SAID = "says nothing"
AS_ABOVE = "as said above"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text: words, or with ``is_open`` the name of what a patient's value takes the place of."""

    text: str
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class InputWords:
    """One input of a table: ``unit`` as people write it, ``decision`` where it comes from, ``""`` for a fact.

    ``place`` is its place among the inputs of the decision.
    """

    name: str
    label: str
    unit: str
    decision: str
    place: int


@dataclass(frozen=True, slots=True)
class CellWords:
    """One cell: its ``words``, ``""`` where the rule does not ask, and ``written``, the unary test itself."""

    words: str
    written: str


@dataclass(frozen=True, slots=True)
class Guard:
    """What every rule of a table asks of one input, or at the least one of its rules does."""

    input: InputWords
    cell: CellWords


@dataclass(frozen=True, slots=True)
class RuleWords:
    """One rule: its cells in the order of the columns, and what it says in ``then`` and, of a card, in ``detail``.

    ``severity`` is the indicator of a card, ``""`` for a definition, for a note and where nothing is said.
    """

    rule: Rule
    severity: str
    then: tuple[Piece, ...]
    detail: tuple[Piece, ...]
    cells: tuple[CellWords, ...]


@dataclass(frozen=True, slots=True)
class TableWords:
    """A table: what all its rules ask alike, the inputs on which they differ, and its rules.

    ``is_silent_otherwise`` tells that it says nothing where the guards do not hold.
    """

    guards: tuple[Guard, ...]
    columns: tuple[InputWords, ...]
    rules: tuple[RuleWords, ...]
    is_silent_otherwise: bool

    def asked(self, rule: RuleWords) -> list[tuple[InputWords, CellWords]]:
        """What one of the rules asks, each cell with its input."""
        return [(column, cell) for column, cell in zip(self.columns, rule.cells, strict=True) if cell.words]


def table_in_words(pack: Pack, regimens: Mapping[str, TemplateWords], decision: Decision) -> TableWords:
    """A decision as people read it; ``regimens`` are the pack's order templates in words, by id."""
    written = [rule for rule in decision.rules if not rule.is_added]
    guarded = {rule.id.partition(".")[2] for rule in decision.rules if rule.is_added}
    guards: dict[str, Cell] = {}
    columns: list[InputWords] = []
    inputs = [input_in_words(pack, name, place) for place, name in enumerate(decision.inputs)]
    for one in inputs:
        cells = [rule.cells[one.place] for rule in written]
        differs = len({cell and cell.source for cell in cells}) > 1
        shared = _asked_by_all(cells) if one.name in guarded or (len(written) > 1 and not differs) else None
        if shared is not None:
            guards[one.name] = shared
        if any(cells) and (differs or shared is None):
            columns.append(one)
    return TableWords(
        guards=tuple(
            Guard(one, cell_in_words(pack, one.name, guards[one.name])) for one in inputs if one.name in guards
        ),
        columns=tuple(columns),
        rules=tuple(_rule(pack, regimens, decision, rule, columns, guards) for rule in written),
        is_silent_otherwise=bool(guarded),
    )


def _asked_by_all(cells: Sequence[Cell | None]) -> Cell | None:
    """What all rules ask of an input: their cells joined; ``None`` where one of them does not ask."""
    asked = [cell for cell in dict.fromkeys(cells) if cell is not None]
    if None in cells or not asked:
        return None
    if len(asked) > 1 and any(cell.intervals or cell.excluded for cell in asked):
        return None
    return reduce(_either, asked)


def _either(one: Cell, other: Cell) -> Cell:
    source = f"{one.source}, {other.source}"
    return Cell(source, strings=one.strings | other.strings, states=one.states | other.states)


def _rule(
    pack: Pack,
    regimens: Mapping[str, TemplateWords],
    decision: Decision,
    rule: Rule,
    columns: Sequence[InputWords],
    guards: Mapping[str, Cell],
) -> RuleWords:
    then = rule.then
    said = detail = ""
    if text := decision.texts.get(then.text):
        said, detail = (text.summary, text.detail) if text.summary else (text.detail, "")
    pieces = tuple(_pieces(pack, regimens, decision, rule, said))
    if not said:
        pieces = (Piece(NOTHING_SAID if then.silent else value_in_words(pack, decision.id, then.value)),)
    return RuleWords(
        rule=rule,
        severity=then.indicator,
        then=pieces,
        detail=tuple(_pieces(pack, regimens, decision, rule, detail)),
        cells=tuple(_cell(pack, column.name, rule.cells[column.place], guards.get(column.name)) for column in columns),
    )


def _cell(pack: Pack, name: str, cell: Cell | None, guard: Cell | None) -> CellWords:
    if cell is None:
        return CellWords("", "-")
    if guard is not None and (cell.strings, cell.states) == (guard.strings, guard.states):
        return CellWords(AS_ABOVE, cell.source)
    return cell_in_words(pack, name, cell)


def input_in_words(pack: Pack, name: str, place: int = 0) -> InputWords:
    """The label of a fact with its unit, or the title of a decision."""
    if name in pack.decisions:
        return InputWords(name, pack.decisions[name].title, "", name, place)
    fact = pack.facts[name]
    return InputWords(name, fact.label, unit_in_words(fact), "", place)


def unit_in_words(fact: FactDeclaration) -> str:
    """The unit of a fact as people write it: ``days``, ``mcg a day``, ``×10⁹/L``; ``""`` if its values are words."""
    unit = "" if fact.values else fact.unit_written
    amount, _, per = unit.partition("/")
    if per in _PER:
        unit = f"{amount} {_PER[per]}"
    unit = _TIMES.get(unit, unit)
    return f"mcg{unit.removeprefix(_MICROGRAMS)}" if unit.partition(" ")[0] == _MICROGRAMS else unit


def cell_in_words(pack: Pack, name: str, cell: Cell) -> CellWords:
    """What a rule asks of the input ``name``: ``below 25 ×10⁹/L``, ``by mouth or by nose``, ``none found``."""
    fact = pack.facts.get(name)
    unit = unit_in_words(fact) if fact is not None else ""
    parts = [_interval(interval, unit) for interval in cell.intervals]
    parts += [value_in_words(pack, name, text) for text in _as_written(cell, cell.strings)]
    if cell.excluded:
        parts += _but(pack, name, cell)
    parts += [_STATES[state] for state in State if state in cell.states]
    return CellWords(_or(parts), cell.source)


def _but(pack: Pack, name: str, cell: Cell) -> list[str]:
    """What a cell leaves after what it rules out: the other values where an input has one of a few, else in so many
    words (answers to several steps of a dosage follow each other in too many ways).
    """
    decision, fact = pack.decisions.get(name), pack.facts.get(name)
    known = fact.values if fact is not None else decision.values if decision is not None else ()
    left = [value for value in known if value not in cell.excluded]
    if left and len(left) <= _FEW and (decision is None or decision.each != "dosage"):
        return [value_in_words(pack, name, value) for value in left]
    ruled_out = [value_in_words(pack, name, value) for value in _as_written(cell, cell.excluded)]
    return [f"other than {_or(ruled_out)}"]


def fact_in_words(pack: Pack, name: str, fact: Fact) -> str:
    """What an input is for one patient: what was read with its date, a value in words, or why there is none."""
    if fact.state is not State.VALUE and fact.state is not State.UNDECIDABLE:
        return _STATES[fact.state]
    read = [" ".join(filter(None, [item.display, item.date and f"({item.date})"])) for item in fact.evidence[:2]]
    if isinstance(fact.value, str):
        words = value_in_words(pack, name, fact.value)
        return f"{words}: {', '.join(read)}" if read else words
    declared = pack.facts.get(name)
    unit = unit_in_words(declared) if declared is not None else ""
    return ", ".join(read) or (_interval(fact.value, unit) if fact.value is not None else "")


def value_in_words(pack: Pack, name: str, value: str) -> str:
    """A value of a fact or a decision: in the pack's own words where it has some, else its id taken apart."""
    decision = pack.decisions.get(name)
    if decision is not None and decision.kind == "card":
        return _OF_CARDS.get(value, value)
    return JOINED.join(_word(pack, name, part) for part in value.split(JOINED))


def _word(pack: Pack, name: str, value: str) -> str:
    decision, fact = pack.decisions.get(name), pack.facts.get(name)
    if decision is not None:
        phrase = decision.phrases.get(value, "")
        if phrase and not phrase.endswith(".") and not PLACEHOLDER.search(phrase):
            return phrase
    if fact is not None and (fact.kind, fact.element) == ("order", "route") and value in pack.routes:
        return pack.routes[value]
    if value.replace("-", "").isalnum() and not value.isupper():
        return _CAMEL.sub(" ", value).replace("-", " ").lower() if _CAMEL.search(value) else value.replace("-", " ")
    return value


def _as_written(cell: Cell, texts: frozenset[str]) -> list[str]:
    """The strings of a cell in the order in which they are written."""
    return sorted(texts, key=lambda text: cell.source.find(f'"{text}"'))


def _or(parts: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def _interval(interval: Interval, unit: str) -> str:
    low, high = interval.low, interval.high
    if low is not None and high is not None:
        if interval.is_point:
            said = _number(low)
        else:
            begin = f"above {_number(low)}" if interval.low_open else _number(low)
            said = f"{begin} to {'below ' if interval.high_open else ''}{_number(high)}"
    elif high is not None:
        said = f"below {_number(high)}" if interval.high_open else f"at most {_number(high)}"
    elif low is not None:
        said = f"above {_number(low)}" if interval.low_open else f"at least {_number(low)}"
    else:
        return "any number"
    is_one = unit in _TIMES.values() and (low if high is None else high) == 1
    return f"{said} {unit.removesuffix('s') if is_one else unit}".strip()


def _number(value: Exact) -> str:
    if value.denominator != 1:
        return f"{float(value):g}"
    return f"{value.numerator:,}" if abs(value.numerator) >= _LONG else str(value.numerator)


def _pieces(
    pack: Pack, regimens: Mapping[str, TemplateWords], decision: Decision, rule: Rule, text: str
) -> Iterator[Piece]:
    """A text of a rule with all that is the same for every patient filled in: limits, regimens, names, whose rule."""
    for part in _PIECES.split(" ".join(text.split())):
        if not PLACEHOLDER.fullmatch(part):
            if part:
                yield Piece(part)
            continue
        yield from _filled(pack, regimens, decision, rule, part[1:-1])


def _filled(
    pack: Pack, regimens: Mapping[str, TemplateWords], decision: Decision, rule: Rule, name: str
) -> Iterator[Piece]:
    head, _, rest = name.partition(".")
    if name == "order":
        yield Piece(pack.words["order"], is_open=True)
    elif name == "whose":
        yield Piece(pack.words.get(f"whose-{rule.basis or 'reading'}", ""))
    elif head == "name":
        yield Piece(pack.names[rest])
    elif head in ("regimen", "dosage-of"):
        yield Piece(regimens[rest].order if head == "regimen" else regimens[rest].dosage)
    elif head == "limit":
        yield Piece(limits(pack, Finding(decision, rule, {}), rest))
    elif name in pack.decisions:
        yield from _phrase(pack, regimens, decision, rule, name)
    else:
        suffix = next((suffix for suffix in _PARTS if name.endswith(suffix)), "")
        label = pack.facts[name.removesuffix(suffix)].label
        yield Piece(_PARTS.get(suffix, "{label}").replace("{label}", label), is_open=True)


def _phrase(
    pack: Pack, regimens: Mapping[str, TemplateWords], decision: Decision, rule: Rule, name: str
) -> Iterator[Piece]:
    """The phrase of a definition where the rule asks for one value of it, else its title."""
    cell = rule.cells[decision.inputs.index(name)] if name in decision.inputs else None
    if cell is not None and len(cell.strings) == 1 and not cell.states:
        yield from _pieces(
            pack, regimens, decision, rule, pack.decisions[name].phrases.get(next(iter(cell.strings)), "")
        )
    else:
        yield Piece(pack.decisions[name].title, is_open=True)


def as_text(pieces: Sequence[Piece]) -> str:
    """A text with what a patient's value takes the place of in square brackets."""
    return " ".join("".join(f"[{piece.text}]" if piece.is_open else piece.text for piece in pieces).split()).replace(
        " .", "."
    )
