"""What a rule says, in words, whoever the patient: for pages and reports about rules and not about one card."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cds_service.content.decide import Finding
from cds_service.content.model import PLACEHOLDER, Decision, Pack, Rule, TemplateWords
from cds_service.content.render import limits
from cds_service.vocabulary.facts import Fact

_OPEN = "…"  # stands for what differs from patient to patient
_EMPTY = re.compile(r" \(…\)|^…:? |,? …(?=[,:]| …)|(?<=[.?!]) …$")
_GONE = "a rule that the present content no longer has"
_MOST_PHRASES = 2


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

    Its numbers and names are filled in. What is read of a patient is left open, as ``…``.
    """
    table = pack.decisions.get(decision)
    found = next((each for each in table.rules if each.id == rule), None) if table else None
    if table is None or found is None:
        return RuleWords(table.title if table else decision, f"{rule}, {_GONE}")
    text = table.texts.get(found.then.text)
    if text is None:
        return RuleWords(table.title, rule, found.then.indicator)
    template = _Template(pack, regimens, table, found)
    return RuleWords(table.title, template.sentence(text.summary), found.then.indicator, template.sentence(text.detail))


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
    return words or ("A reason that came as a code alone" if code else "No reason given")


class _Template:
    """Fills the placeholders of one rule's text without a patient."""

    def __init__(self, pack: Pack, regimens: Mapping[str, TemplateWords], decision: Decision, rule: Rule) -> None:
        self._pack, self._regimens, self._decision, self._rule = pack, regimens, decision, rule

    def sentence(self, text: str) -> str:
        says = self.filled(text)
        return says[:1].upper() + says[1:]

    def filled(self, text: str) -> str:
        says = " ".join(PLACEHOLDER.sub(lambda match: self._value(match[1]), text).split()).replace(" .", ".")
        return _EMPTY.sub("", says)

    def _value(self, name: str) -> str:
        head, _, rest = name.partition(".")
        match head:
            case "order" if not rest:
                return self._pack.words["order"]
            case "whose":
                return self._pack.words.get(f"whose-{self._rule.basis or 'reading'}", "")
            case "name":
                return self._pack.names[rest]
            case "regimen":
                return self._regimens[rest].order
            case "dosage-of":
                return self._regimens[rest].dosage
            case "limit":
                return limits(self._pack, Finding(self._decision, self._rule, {}), rest)
        return self._phrase(name) if name in self._pack.decisions else _OPEN

    def _phrase(self, name: str) -> str:
        """What the definition ``name`` says in the cases of the rule, if these are few."""
        definition = self._pack.decisions[name]
        place = self._decision.inputs.index(name) if name in self._decision.inputs else None
        cell = self._rule.cells[place] if place is not None else None
        values = [value for value in definition.values if cell is not None and cell.matches(Fact.of(value))]
        phrases = list(dict.fromkeys(filter(None, (definition.phrases.get(value, "") for value in values))))
        if not 0 < len(phrases) <= _MOST_PHRASES:
            return _OPEN
        return " or ".join(self.filled(phrase) for phrase in phrases)
