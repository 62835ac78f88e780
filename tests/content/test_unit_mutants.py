"""A mutant of every row and rule of the grammar of units is noticed by some spelling of those that are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

import pytest

from cds_service.fhir import units
from cds_service.fhir.unit_spellings import SPELLINGS, Spellings
from cds_service.fhir.units import Grammar
from tests.content.test_unit_spellings import ANALYTES, REFUSED, made
from tests.unit.test_units import UNITS


def test_every_row_of_the_grammar_is_held_by_some_spelling():
    assert not _is_caught_with({}, "")
    tried = list(mutants_of_rows())
    survivors = [name for name, changes, row in tried if not _is_caught_with(changes, row)]
    print(f"{len(tried)} mutants of rows, {len(survivors)} survive")
    assert survivors == []


LOOSENED = {
    "g is folded with G": {"either_case": "KLG"},
    "m is a thousand": {"power_symbols": {**SPELLINGS.power_symbols, "m": 3}},
    "T is giga": {"power_symbols": {**SPELLINGS.power_symbols, "T": 9}},
    "mil is a thousand": {"power_words": {**SPELLINGS.power_words, "mil": 3}},
    "a minus is a power": {"exponent_marks": (*SPELLINGS.exponent_marks, "-")},
    "an exponent needs no mark": {"exponent_marks": (*SPELLINGS.exponent_marks, "")},
    "10*33 is 10*3": {"exponents": {**SPELLINGS.exponents, "33": 3}},
    "HPF is a volume": {"volume_words": {**SPELLINGS.volume_words, "hpf": "uL"}},
    "no volume is a litre": {"base_symbols": {**SPELLINGS.base_symbols, "": "L"}},
    "1.72 is 1.73": {"surfaces": (*SPELLINGS.surfaces, "1.72")},
    "1.7 is 1.73": {"surfaces": (*SPELLINGS.surfaces, "1.7")},
    "1 is 1.73": {"surfaces": (*SPELLINGS.surfaces, "1")},
    "no body surface": {"surfaces": (*SPELLINGS.surfaces, "")},
    "1.732 is 1.73 squared": {"square_words": (*SPELLINGS.square_words, "2"), "metres": (*SPELLINGS.metres, "")},
    "M is a prefix": {"prefix_symbols": {**SPELLINGS.prefix_symbols, "M": "m"}},
    "p is folded with P": {"prefix_symbols": {**SPELLINGS.prefix_symbols, "P": "p"}},
}


@pytest.mark.parametrize("name", LOOSENED)
def test_a_looser_grammar_is_noticed(name):
    assert _is_caught_with(LOOSENED[name])


RULES = {
    "annotations are not dropped": ("_without_annotations", lambda self, text: text),
    "annotations are dropped whatever they say": (
        "_without_annotations",
        lambda self, text: "".join(part.rpartition("}")[2] for part in text.split("{")),
    ),
    "what is counted is not dropped": ("_without_counted", lambda self, text, counted: text),
    "the first division counts": ("_volume", lambda self, text: self._volume_symbols.get(text.partition("/")[0], "")),
    "words count by their case": ("_volume", lambda self, text: self._volume_symbols.get(text, "")),
    "symbols count in any case": (
        "_power",
        lambda self, text: {key.upper(): power for key, power in self._power_symbols.items()}.get(text.upper()),
    ),
    "what is no power is none": ("_power", lambda self, text, read=units._Reading._power: read(self, text) or 0),
    "no inverse": ("_factors", lambda self, product: ("", "")),
}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_of_the_grammar_that_is_dropped_is_noticed(name, monkeypatch):
    attribute, instead = RULES[name]
    monkeypatch.setattr(units._Reading, attribute, instead)
    assert _is_caught(Grammar())


def test_one_letter_in_capitals_and_blanks_are_rules_too(monkeypatch):
    monkeypatch.setattr(units, "_letters", lambda text: 2)
    assert _is_caught(Grammar())


def mutants_of_rows() -> Iterator[tuple[str, dict[str, Any], str]]:
    """The tables with one row taken out, and with one row that means something else; each with that row."""
    for declared in fields(Spellings):
        table: Any = getattr(SPELLINGS, declared.name)
        if isinstance(table, bool):
            yield f"{declared.name}: {not table}", {declared.name: not table}, ""
            continue
        for row in table:
            if isinstance(table, dict):
                fewer: Any = {key: meaning for key, meaning in table.items() if key != row}
                other = next(meaning for meaning in (*table.values(), 1, "m") if meaning not in (table[row], ""))
                yield f"{declared.name}: {row!r} is {other!r}", {declared.name: {**table, row: other}}, row
            else:
                fewer = type(table)() if len(table) == 1 else table[: table.index(row)] + table[table.index(row) + 1 :]
            yield f"{declared.name}: without {row!r}", {declared.name: fewer}, row


def _is_caught_with(changes: Mapping[str, Any], row: str = "") -> bool:
    """Whether other tables are noticed, be it that they contradict themselves when the grammar is made."""
    try:
        return _is_caught(Grammar(replace(SPELLINGS, **changes)), row)
    except ValueError:
        return True


def _is_caught(grammar: Grammar, row: str = "") -> bool:
    """Whether some spelling that was made is read otherwise, or one that is refused is read.

    Only those with the characters of ``row`` are tried, as no other can be read by it.
    """
    return any(_differs(grammar, name, frozenset(row.upper())) for name in ANALYTES)


def _differs(grammar: Grammar, analyte: str, row: frozenset[str]) -> bool:
    entry = UNITS[analyte]
    counted = tuple(entry.get("counted", ()))
    cases = dict.fromkeys(REFUSED[analyte], "") | made(analyte)
    for spelling, code in cases.items():
        if row.issubset(spelling.upper()):
            read = grammar.read(entry["grammar"], spelling, counted)
            if (read if read in entry["units"] else "") != code:
                return True
    return False
