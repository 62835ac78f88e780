"""How cards speak (Z76 to Z80): short, human units, no ids, every limit that decided, and whose rule it is.

What a machine can hold of it is held here; docs/decisions.md says why. Lengths are those of ordinary values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cds_service.content.decide import Finding
from cds_service.content.files import problem_at, texts_path
from cds_service.content.hospital_limits import own_limits
from cds_service.content.inherited import WORDS, file_of, texts_in
from cds_service.content.model import PLACEHOLDER, CardText, Decision, Pack, Rule, TemplateWords
from cds_service.content.proof.texts import MARKUP
from cds_service.content.render import LIMIT, bare_limits, limit_numbers
from cds_service.content.unary import Cell
from cds_service.content.whose import hospital_limits_of
from cds_service.vocabulary.declarations import FactDeclaration
from cds_service.vocabulary.facts import Exact, Fact
from cds_service.vocabulary.problems import Problem

_LONGEST_SUMMARY = 100  # characters
_MOST_WORDS = 40  # of the message
_MOST_WORDS_BEFORE_EVIDENCE = 60  # of the message with what is ordered and what the source gives
# A settlement of this project, a resource of FHIR, a code; those of the pack's own source stand beside them.
_ID = r"\bZ\d{1,2}\b|\b[A-Z][A-Za-z]+/[\w.-]+\b|\(\d{5,}\)"
_TWICE = re.compile(r"([.,;:?!])\s*[.,;:?!]|\s[.,;:?!](?=\s|$)")
# What the source says, as against what it does not.
_SOURCE_SAYS = re.compile(r"\bsource(?:'s)?\b(?! (?:does not|is silent|says nothing|names no))", re.IGNORECASE)
_WORD = re.compile(r"\S*\w\S*")
_ACTED = "action-completed"  # HL7's code for what was done already, by which clinicians say that they have acted
_ORDINARY_DAY, _ORDINARY_INTERVAL = "26 Nov", "every 2 months"


def problems_of_wording(pack: Pack, folder: Path, regimens: Mapping[str, TemplateWords]) -> Iterator[Problem]:
    """What is wrong with how the cards of a pack speak; ``regimens`` are the order templates in words, by id."""
    machine = _for_machines(pack)
    for decision in pack.decisions.values():
        path = texts_path(decision.path) or decision.path
        for key, text in decision.texts.items():
            rules = [rule for rule in decision.rules if rule.then.text == key]
            found = [*_of_words(pack, machine, *text.parts)]
            if decision.kind == "card" and rules:
                found += _of_card(pack, regimens, decision, text, rules)
            yield from (problem_at(path, ("texts", key), "wording", what) for what in dict.fromkeys(found))
        for key, phrase in decision.phrases.items():
            yield from (
                problem_at(path, ("phrases", key), "wording", what) for what in _of_words(pack, machine, phrase)
            )
    for place, said in _around(pack):
        found = list(_of_words(pack, machine, said))
        if MARKUP.search(PLACEHOLDER.sub("", said)):
            found.append("only plain text and emphasis may stand in words")
        yield from (problem_at(file_of(folder, WORDS, place), place, "wording", what) for what in found)
    for name, statement in pack.statements.items():
        for what in _of_words(pack, machine, statement.in_short):
            yield problem_at(folder / "sources.yaml", ("statements", name, "in-short"), "wording", what)


def _around(pack: Pack) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every word around what a pack says itself, its own and those of the framework, with its place in the file."""
    said = pack.dosage_words
    words: Mapping[str, Any] = {
        "words": pack.words,
        "reasons": pack.reasons,
        "elements": pack.elements,
        "routes": pack.routes,
        "months": pack.months,
        "dosages": said.phrases,
        "units-of-time": {code: asdict(unit) for code, unit in said.units.items()},
        "days": said.days,
        "when": said.when,
        "tables": pack.table_words,
    }
    return texts_in(words)


def _of_words(pack: Pack, machine: _Machine, *texts: str) -> Iterator[str]:
    """What no text for people may hold: ids, UCUM, doubled punctuation (Z76, Z79)."""
    for text in texts:
        bare = PLACEHOLDER.sub("@", text)
        for name in pack.names.values():
            bare = bare.replace(name, "@")
        if found := machine.ids.search(bare):
            yield f"{found[0]!r} is an id, which no clinician reads"
        if found := machine.units.search(bare):
            yield f"{found[0]!r} is UCUM, which is for machines; units.yaml says how it is written for people"
        if found := _TWICE.search(_with_reasons_ended(text)):
            yield f"punctuation is doubled or stands alone: {found[0]!r}"


def _with_reasons_ended(text: str) -> str:
    """A text in which reasons are the whole sentences that they are."""
    return PLACEHOLDER.sub(lambda match: "@." if match[1].endswith(".reason") else "@", text)


@dataclass(frozen=True, slots=True)
class _Machine:
    """What is written for machines: ids, and units that people do not write as UCUM does."""

    ids: re.Pattern[str]
    units: re.Pattern[str]


def _for_machines(pack: Pack) -> _Machine:
    cited = [name for name in (*pack.statements, *pack.settlements) if any(sign.isdigit() for sign in name)]
    ids = "|".join([_ID, *(rf"(?<!\w){re.escape(name)}(?!\w)" for name in cited)])
    units = {
        unit
        for fact in pack.facts.values()
        if fact.analyte is not None
        for unit, written in fact.analyte.written.items()
        if unit != written
    }
    written = "|".join(rf"(?<![\w/]){re.escape(unit)}(?![\w/])" for unit in sorted(units))
    return _Machine(re.compile(ids), re.compile(written or "(?!)"))


def _of_card(
    pack: Pack, regimens: Mapping[str, TemplateWords], decision: Decision, text: CardText, rules: list[Rule]
) -> Iterator[str]:
    for rule in rules:
        said = _Ordinary(pack, regimens, Finding(decision, rule, {}))
        summary = said.text(text.summary)
        if len(summary) > _LONGEST_SUMMARY:
            yield f"the summary has {len(summary)} of at most {_LONGEST_SUMMARY} characters: {summary!r}"
        message = _words(said.text(text.detail))
        if message > _MOST_WORDS:
            yield f"the detail has {message} of at most {_MOST_WORDS} words"
        whole = message + _words(said.text(f"{text.ordered or said.order} {text.source}")) if text.source else message
        if whole > _MOST_WORDS_BEFORE_EVIDENCE:
            yield f"{whole} of at most {_MOST_WORDS_BEFORE_EVIDENCE} words stand before the evidence"
        for name in _limits_left_out(pack, text, rule, decision):
            yield f"the limit of {name!r}, which decides, is not named; {{limit.{name}}} says it"
    if any(rule.basis != "source" for rule in rules) and "{whose}" not in text.detail:
        yield "a rule that is not the source's leads here, and the detail does not say {whose} it is"
    found = _SOURCE_SAYS.search(f"{text.summary} {text.detail}")
    if found and any(rule.basis != "source" or hospital_limits_of(pack, decision, rule) for rule in rules):
        yield f"a rule that is not the source's leads here, and the text speaks for it: {found[0]!r}"
    if not text.source and any(pack.facts[name].kind == "dosage" for name in _facts_named(pack, text)):
        yield "a card on a dose or an interval says what the source gives (source)"
    if all(reason["code"] != _ACTED for reason in text.override_reasons):
        yield f"no override reason says that it was acted on ({_ACTED})"


def _facts_named(pack: Pack, text: CardText) -> set[str]:
    names = {match[1] for part in (text.summary, text.detail) for match in PLACEHOLDER.finditer(part)}
    return {name.removesuffix(".sent") for name in names} & pack.facts.keys()


def _limits_left_out(pack: Pack, text: CardText, rule: Rule, decision: Decision) -> Iterator[str]:
    """The results of a laboratory that a number of the rule decided on, and whatever it has a limit of this hospital
    for, whose limit the text does not name.

    A number decides directly, or in a rule of a definition without which the value asked for might not be there.
    """
    finding = Finding(decision, rule, {})
    shown = LIMIT.findall(" ".join(text.parts))
    named = {number for name in shown for number in limit_numbers(pack, finding, name)}
    for place, cell in rule.tests:
        name = decision.inputs[place]
        if name in pack.facts:
            is_own = bool(own_limits(pack, rule, name, cell.numbers()))
            if (is_own or _is_result(pack.facts[name])) and not named.issuperset(cell.numbers()):
                yield name
        elif name in pack.decisions:
            for fact, numbers in _deciding(pack, pack.decisions[name], cell):
                if not named.issuperset(numbers):
                    yield f"{name}.{fact}"


def _deciding(pack: Pack, table: Decision, asked: Cell) -> Iterator[tuple[str, set[Exact]]]:
    """The results whose numbers decide that a definition has a value that is asked for; "any number" does not."""
    fits = [asked.matches(Fact.of(rule.then.value)) for rule in table.rules]
    for place, rule in enumerate(table.rules):
        if not fits[place] or all(fits[place:]):
            continue
        for number, cell in rule.tests:
            fact = pack.facts.get(table.inputs[number])
            numbers = set(cell.numbers()) - {0}
            if fact is not None and _is_result(fact) and numbers:
                yield fact.name, numbers


def _is_result(fact: FactDeclaration) -> bool:
    return fact.analyte is not None and fact.kind != "dosage"


def _words(text: str) -> int:
    return len(_WORD.findall(text))


class _Ordinary:
    """Texts with ordinary values in place of what comes from a chart.

    That a limit is this hospital's is left out: what is short enough stays so where a hospital moves a limit (Z78).
    """

    def __init__(self, pack: Pack, regimens: Mapping[str, TemplateWords], finding: Finding) -> None:
        self._pack, self._regimens, self._finding = pack, regimens, finding
        in_order = sorted(pack.reasons.values(), key=len)
        self._reason = PLACEHOLDER.sub("word", in_order[len(in_order) // 2])
        names = sorted((template.name for template in pack.templates.values()), key=len)
        self._drug = names[-1] if names else pack.words["order"]
        self.order = f"{self._drug} 1000 mcg IM {_ORDINARY_INTERVAL}"

    def text(self, text: str) -> str:
        return " ".join(PLACEHOLDER.sub(lambda match: self._value(match[1]), text).split())

    def _value(self, name: str) -> str:
        pack = self._pack
        head, _, rest = name.partition(".")
        match head:
            case "order":
                if not rest:
                    return self._drug
            case "whose":
                return pack.words.get(f"whose-{self._finding.rule.basis or 'reading'}", "")
            case "name":
                return pack.names.get(rest, "")
            case "regimen" if rest in self._regimens:
                return self._regimens[rest].order
            case "dosage-of" if rest in self._regimens:
                return self._regimens[rest].dosage
            case "limit":
                return bare_limits(pack, self._finding, rest)
        if name in pack.decisions:
            return max((self.text(phrase) for phrase in pack.decisions[name].phrases.values()), key=len, default="")
        if name.endswith(".reason"):
            return self._reason
        if name.endswith(".date"):
            return _ORDINARY_DAY
        return self._fact(pack.facts.get(name.removesuffix(".sent")))

    @staticmethod
    def _fact(fact: FactDeclaration | None) -> str:
        if fact is None:
            return ""
        if fact.kind == "dosage" and fact.analyte is None:
            return _ORDINARY_INTERVAL
        return f"22 {fact.unit_written}" if fact.unit_written else fact.label
