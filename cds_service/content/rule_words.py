"""What a rule says, in words, whoever the patient: for pages and reports about rules and not about one card.

All that is the same for every patient is filled in: limits, regimens, names, whose rule it is. What is read of a
patient is an open piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cds_service.content.decide import Finding
from cds_service.content.model import PLACEHOLDER, Decision, Pack, Rule, TemplateWords
from cds_service.content.render import fill, limits
from cds_service.content.value_words import label_of
from cds_service.vocabulary.facts import Fact

_ORDER = "order"
_PARTS: Mapping[str, str] = {".date": "date", ".sent": "as-sent", ".reason": "why"}  # keys of the pack's table words
_PIECES = re.compile(f"({PLACEHOLDER.pattern.replace('(', '(?:', 1)})")
_MOST_PHRASES = 2
_OPEN = "…"  # stands for an open piece where a line has no room for its name
_EMPTY = re.compile(r" \(…\)|^…:? |,? …(?=[,:]| …)|(?<=[.?!]) …$")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text: words, or the name of what the value of a patient takes the place of, in ``placeholder``."""

    text: str
    placeholder: str = ""

    @property
    def is_open(self) -> bool:
        return bool(self.placeholder)


@dataclass(frozen=True, slots=True)
class RuleWords:
    """The title of a rule's decision, and what its card ``says`` in one line and in ``detail``.

    ``indicator`` and ``detail`` are ``""`` for a rule that is no more.
    """

    title: str
    says: str
    indicator: str = ""
    detail: str = ""

    @property
    def whole(self) -> str:
        return f"{self.title}: {self.says}"


def rule_words(pack: Pack, regimens: Mapping[str, TemplateWords], decision: str, rule: str) -> RuleWords:
    """The words of a rule by the ids of its decision and its own; also of one that is no more, by its ids.

    Open pieces are ``…``. ``regimens`` are the pack's order templates in words, by id.
    """
    table = pack.decisions.get(decision)
    found = next((each for each in table.rules if each.id == rule), None) if table else None
    if table is None or found is None:
        gone = fill(pack.table_words["gone"], {"rule": rule})
        return RuleWords(table.title if table else decision, gone)
    text = table.texts.get(found.then.text)
    if text is None:
        return RuleWords(table.title, rule, found.then.indicator)
    says, detail = (_sentence(pieces_of(pack, regimens, table, found, said)) for said in (text.summary, text.detail))
    return RuleWords(table.title, says, found.then.indicator, detail)


def reason_words(pack: Pack, decision: str, rule: str, version: str, code: str, display: str) -> str:
    """A reason for an override in the words that the clinician chose (Z80).

    ``version`` is that of the decision, ``code`` and ``display`` are as the client sent them. The words of the present
    content go before those that were sent; for another version it is the other way round, because there the same code
    may have had other words.
    """
    table = pack.decisions.get(decision)
    found = next((each for each in table.rules if each.id == rule), None) if table else None
    text = table.texts.get(found.then.text) if table and found else None
    own = {reason["code"]: reason["display"] for reason in text.override_reasons} if text else {}
    is_present = table is not None and table.version == version
    said = " ".join(display.split())
    words = own.get(code, "") or said if is_present else said or own.get(code, "")
    return words or pack.table_words["reason-as-code" if code else "no-reason"]


# --- pieces -----------------------------------------------------------------------------------------------------------


def pieces_of(
    pack: Pack, regimens: Mapping[str, TemplateWords], decision: Decision, rule: Rule, text: str
) -> tuple[Piece, ...]:
    """The pieces of a text of a rule."""
    return tuple(_Text(pack, regimens, decision, rule).pieces(text))


def as_text(pieces: Sequence[Piece]) -> str:
    """A text with its open pieces in square brackets."""
    return _joined(f"[{piece.text}]" if piece.is_open else piece.text for piece in pieces)


def _sentence(pieces: Sequence[Piece]) -> str:
    """A text without the names of its open pieces; the order is named, for a text may begin with it."""
    says = _joined(_OPEN if piece.is_open and piece.placeholder != _ORDER else piece.text for piece in pieces)
    says = _EMPTY.sub("", says)
    return says[:1].upper() + says[1:]


def _joined(parts: Iterator[str]) -> str:
    return " ".join("".join(parts).split()).replace(" .", ".")


@dataclass(frozen=True, slots=True)
class _Text:
    """What fills the placeholders of one rule's texts."""

    pack: Pack
    regimens: Mapping[str, TemplateWords]
    decision: Decision
    rule: Rule

    def pieces(self, text: str) -> Iterator[Piece]:
        for part in _PIECES.split(" ".join(text.split())):
            if PLACEHOLDER.fullmatch(part):
                yield from self._filled(part[1:-1])
            elif part:
                yield Piece(part)

    def _filled(self, name: str) -> Iterator[Piece]:
        head, _, rest = name.partition(".")
        if name == _ORDER:
            yield Piece(self.pack.words[_ORDER], name)
        elif name == "whose":
            yield Piece(self.pack.words.get(f"whose-{self.rule.basis or 'reading'}", ""))
        elif head == "name":
            yield Piece(self.pack.names[rest])
        elif head == "regimen":
            yield Piece(self.regimens[rest].order)
        elif head == "dosage-of":
            yield Piece(self.regimens[rest].dosage)
        elif head == "limit":
            yield Piece(limits(self.pack, Finding(self.decision, self.rule, {}), rest))
        elif name in self.pack.decisions:
            yield from self._phrase(name)
        else:
            suffix = next((suffix for suffix in _PARTS if name.endswith(suffix)), "")
            label = label_of(self.pack, name.removesuffix(suffix))
            yield Piece(fill(self.pack.table_words[_PARTS[suffix]], {"label": label}) if suffix else label, name)

    def _phrase(self, name: str) -> Iterator[Piece]:
        """What the definition ``name`` says in the cases of the rule, if these are few; else it is open.

        Of sentences only one can stand in a text.
        """
        definition = self.pack.decisions[name]
        cell = self.rule.cells[self.decision.inputs.index(name)] if name in self.decision.inputs else None
        values = [value for value in definition.values if cell is not None and cell.matches(Fact.of(value))]
        phrases = list(dict.fromkeys(definition.phrases.get(value, "") for value in values))
        if phrases == [""]:
            return
        said = [phrase for phrase in phrases if phrase]
        most = 1 if any(phrase.endswith(".") for phrase in said) else _MOST_PHRASES
        if not 0 < len(said) <= most:
            yield Piece(definition.title, name)
            return
        for place, phrase in enumerate(said):
            yield from ([Piece(self.pack.table_words["or"])] if place else [])
            yield from self.pieces(phrase)
