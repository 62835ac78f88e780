"""Findings in words: summaries and details of cards.

Texts hold placeholders only. ``{fact}`` is a fact in words, ``{fact.date}`` its day, ``{fact.sent}`` its value in the
unit it was sent in, ``{fact.reason}`` why it has no value, ``{limit.fact}`` the threshold of the rule's own cell with
its unit, ``{limit.definition.fact}`` that of another table, ``{definition}`` the phrase of a definition's output,
``{regimen.id}`` an order template in words, ``{dosage-of.id}`` its dosage alone, ``{name.id}`` a name of the pack,
``{order}`` the drug as drafted, and ``{whose}`` whose rule it is, where it is not the source's. A limit says by itself
that it is this hospital's (Z78).
Whatever comes from the chart is made inert: ``inert`` where it stands in Markdown, ``harmless`` where a whole text is
none (RSP-12).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache

from cds_service.content.decide import Finding, Values, decidable
from cds_service.content.hospital_limits import own_limits
from cds_service.content.model import INDICATORS, PLACEHOLDER, Decision, Pack, Rule, TemplateWords
from cds_service.fhir.quantities import spell
from cds_service.vocabulary.facts import Evidence, Exact, Fact, Interval, Reason, State

LONGEST_SUMMARY = 139
LONGEST_VALUE = 24
_LONGEST_WORDS = 100
# What GFM makes links of by itself, even where it is written with entities; a zero-width space breaks it unseen.
_LINK = re.compile(r":(?=//)|www(?=\.)|@|(?:mailto|xmpp)(?=:)", re.IGNORECASE)
# What readers that take plain text for HTML or Markdown make something of: tags, links, references, images.
_MARKUP_IN_PLAIN = re.compile(r"<(?=[a-z/!?])|(?<=\])(?=[(\[:])", re.IGNORECASE)
_BREAK = "\u200b"
_OF_ORDERS = ("order", "drafts", "dosage")
_MARKUP = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]~"})
_TAG = re.compile(r"<(?=[a-z/!?])", re.IGNORECASE)  # "<60" is no tag, and stays as it is
_ENTITY = re.compile(r"&(?=#|\w+;)")
_RESOURCE = re.compile(r"[A-Z][A-Za-z]+/\S+")
_SIGNS = re.compile(r"[\\`*_\[\]~<&]")  # what Markdown or HTML makes something of, wherever it stands
_SIGNS_IN_PLAIN = re.compile(r"[<\]`]")
_LEADING = re.compile(r"^(\d+(?=[.)](?:\s|$))|(?=[-+#=>|]))")  # would begin a list, heading or rule
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def plain(text: str, longest: int = _LONGEST_WORDS) -> str:
    """Text of the chart on one line, without control characters, bounded to ``longest`` characters."""
    clean = " ".join(text.split() if text.isprintable() else _CONTROL.sub(" ", text).split())
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def brief(text: str) -> str:
    """Text of the chart as it may stand in a summary: the bound that ``check`` reckons with."""
    return plain(text, LONGEST_VALUE)


def inert(text: str) -> str:
    """Text of the chart, bounded, as Markdown that says the same and does nothing."""
    return escaped(plain(text))


def escaped(text: str) -> str:
    """Text as Markdown that says the same and does nothing: no link, no HTML, no heading."""
    if _SIGNS.search(text) or _LEADING.match(text):
        text = _TAG.sub("&lt;", _ENTITY.sub("&amp;", _LEADING.sub(r"\1\\", text.translate(_MARKUP))))
    return _without_links(text)


def harmless(text: str) -> str:
    """A text that is not Markdown: it says the same, and whatever shows it finds no markup and no address in it.

    ``<60`` and ``10*9/L`` stay as they are. What is taken away is unseen, but for the backtick.
    """
    if _SIGNS_IN_PLAIN.search(text):
        text = _MARKUP_IN_PLAIN.sub(lambda match: match[0] + _BREAK, text).replace("`", "'")
    return _without_links(text)


def _without_links(text: str) -> str:
    folded = text.casefold()
    # Every link has one of these, and a text seldom has any: looking for them costs less than the search.
    if "@" in text or "://" in text or "www." in folded or "to:" in folded or "pp:" in folded:
        text = _LINK.sub(lambda match: match[0] + _BREAK if match[0] != "@" else _BREAK + "@", text)
    return text


class Speech:
    """The words of one order's findings.

    ``regimens`` are the pack's order templates in words, by id; ``today`` tells whether a day needs its year.
    """

    def __init__(
        self,
        pack: Pack,
        regimens: Mapping[str, TemplateWords],
        values: Values,
        order_name: str,
        today: date,
        *,
        about_order: bool = True,
    ) -> None:
        self._pack = pack
        self._regimens = regimens
        self._values = values
        self._order_name = order_name or pack.words["order"]
        self._today = today
        self._about_order = about_order

    def summary(self, finding: Finding) -> str:
        """At most 139 UTF-16 units on one line (RSP-11)."""
        text = self._fill(finding.decision.texts[finding.then.text].summary, finding, brief)
        return shortened(harmless(text))

    def without_dosage(self, finding: Finding) -> str:
        """The summary without what it says of the dosage: equal on drafts of which a card says the same (Z72)."""
        text = finding.decision.texts[finding.then.text].summary
        return self._fill(PLACEHOLDER.sub(self._not_of_dosage, text), finding, brief)

    def _not_of_dosage(self, match: re.Match[str]) -> str:
        declared = self._pack.facts.get(match[1].removesuffix(".sent"))
        return "" if declared is not None and declared.kind == "dosage" else match[0]

    def summary_in_detail(self, finding: Finding) -> str:
        """The summary as it may stand in Markdown."""
        return self._fill(finding.decision.texts[finding.then.text].summary, finding, inert)

    def detail(self, finding: Finding) -> str:
        """The finding's own paragraph, in Markdown."""
        return self._fill(finding.decision.texts[finding.then.text].detail, finding, inert)

    def side_by_side(self, finding: Finding, ordered: Callable[[], str]) -> list[str]:
        """What is ordered and what the source gives, in Markdown; empty if the finding is not about that (Z77).

        ``ordered`` says the first in words; it is asked only for a card that shows it.
        """
        text, words = finding.decision.texts[finding.then.text], self._pack.words
        if not text.source:
            return []
        templates = {name.partition(".")[2] for name, _ in _parts(text.source)[1]}
        is_own = any(self._pack.templates[name].basis == "hospital" for name in templates & self._pack.templates.keys())
        order = self._fill(text.ordered, finding, inert) if text.ordered else escaped(ordered())
        gives = words["hospital-gives" if is_own else "source-gives"]
        return [
            fill(words["ordered"], {"order": order}),
            fill(gives, {"regimen": self._fill(text.source, finding, inert)}),
        ]

    def label(self, finding: Finding, suggestion: str) -> str:
        """What the button of a suggestion says."""
        return self._fill(finding.decision.texts[finding.then.text].labels[suggestion], finding, plain)

    def _fill(self, text: str, finding: Finding, clean: Callable[[str], str]) -> str:
        return _filled(text, lambda name: self._value(name, finding, clean)).replace(" .", ".")

    def _value(self, name: str, finding: Finding, clean: Callable[[str], str]) -> str:
        head, _, rest = name.partition(".")
        if name == "order":
            return clean(self._order_name)
        if name == "whose":
            return self._pack.words.get(f"whose-{finding.rule.basis or 'reading'}", "")
        if head == "name":
            return self._pack.names[rest]
        if head == "regimen":
            return self._regimens[rest].order
        if head == "dosage-of":
            return self._regimens[rest].dosage
        if head == "limit":
            return limits(self._pack, finding, rest)
        if name in self._pack.decisions:
            phrase = self._pack.decisions[name].phrases.get(str(self._values[name].value), "")
            return self._fill(phrase, finding, clean)
        base, dot, member = name.rpartition(".")
        if dot and member in ("date", "sent", "reason"):
            fact = finding.used.get(base) or self._values[base]
            if member == "reason":
                return self.reason(fact.reason or self._across(finding, base, fact), clean)
            if not fact.evidence:
                return clean("")
            read_first = fact.evidence[0]
            return clean(read_first.as_sent if member == "sent" else self._day(read_first.date))
        fact = finding.used.get(name) or self._values[name]
        if fact.state is State.UNUSABLE:
            is_derived = bool(self._pack.facts[name].operands)  # what was read is of its operands, and named
            read = [f"{item.label} {item.as_sent}" if is_derived else item.as_sent for item in fact.evidence[:2]]
            return clean(", ".join(read))
        # What it was reckoned from stands behind the result under labels of its own, and is not the value.
        value = [evidence for evidence in fact.evidence[:2] if evidence.label == fact.evidence[0].label]
        return clean(", ".join(map(self._noted, value)))

    def _across(self, finding: Finding, name: str, fact: Fact) -> Reason | None:
        """That a range says nothing, where it lies on both sides of a limit that the finding rests on (Z19)."""
        if not isinstance(fact.value, Interval) or fact.value.is_point or not fact.evidence:
            return None
        crossed = sorted(set(self._crossed(finding.decision, name, fact)))
        said = {"range": fact.evidence[0].display, "limit": _whose(self._pack, finding.rule, name, crossed)}
        return Reason("acrossLimit", said) if crossed else None

    def _crossed(self, decision: Decision, name: str, fact: Fact) -> Iterator[Exact]:
        """The limits within the range of a fact, in each table in which it is undecidable: that of ``decision`` and
        those of the definitions that it asks.
        """
        for index, column in enumerate(decision.inputs):
            asked = self._pack.decisions.get(column)
            if asked is not None and asked.kind == "definition":
                yield from self._crossed(asked, name, fact)
            elif column == name:
                cells = [cell for rule in decision.rules if (cell := rule.cells[index]) is not None]
                known = decidable(fact, cells)
                if known.state is State.UNDECIDABLE and isinstance(known.value, Interval):
                    numbers = {number for cell in cells for number in cell.numbers()}
                    yield from (number for number in numbers if Interval.point(number).within(known.value))

    def _noted(self, evidence: Evidence) -> str:
        """What was read, with why it is less than sure."""
        notes = (self._pack.words[note] for note in evidence.notes)
        return f"{evidence.display} ({', '.join(notes)})" if evidence.notes else evidence.display

    def _said(self, evidence: Evidence) -> str:
        """What was read, with why it is less than sure, and as it was sent where that differs (Z76)."""
        noted = self._noted(evidence)
        return fill(self._pack.words["sent-as"], {"said": noted, "sent": evidence.sent}) if evidence.sent else noted

    def _day(self, iso: str) -> str:
        """An ISO date in words, with the year where it is not this one: ``26 Nov``. What is none stays as it is."""
        year, month, day = (*iso.split("-"), "", "")[:3]
        if not (year.isdigit() and month.isdigit() and 1 <= int(month) <= len(self._pack.months)):
            return iso
        values = {"year": year, "month": self._pack.months[int(month) - 1], "day": day.lstrip("0")}
        how = "month-and-year" if not day else "day" if year == str(self._today.year) else "day-and-year"
        return fill(self._pack.words[how], values)

    def reason(self, reason: Reason | None, clean: Callable[[str], str] = inert) -> str:
        """Why a fact has no value, as a sentence."""
        if reason is None:
            return ""
        return in_words(self._pack, reason, clean)

    # --- the lines under the paragraph ---------------------------------------------------------------------------

    def evidence(self, used: Mapping[str, Fact]) -> list[str]:
        """One line for each fact that was looked at: what was read, or why nothing was."""
        lines = [line for name, fact in used.items() for line in self._evidence_lines(name, fact)]
        return list(dict.fromkeys(lines))

    def _evidence_lines(self, name: str, fact: Fact) -> list[str]:
        words, label = self._pack.words, self._pack.facts[name].label
        if not self._about_order and self._pack.facts[name].kind in _OF_ORDERS:
            return []
        if fact.state is State.ABSENT:
            return [fill(words["none-found"], {"label": label})]
        reason = self.reason(fact.reason)
        # Of what is reckoned from others each operand has a line of its own.
        if fact.state is State.UNKNOWN or (fact.state is State.UNUSABLE and self._pack.facts[name].operands):
            return [fill(words["not-known"], {"label": label, "reason": reason})]
        if fact.state is State.UNUSABLE and len({evidence.label for evidence in fact.evidence}) > 1:
            pieces = (f"{item.label} {item.as_sent} {item.date}".strip() for item in fact.evidence if item.display)
            said = {"label": label, "said": "; ".join(map(inert, pieces)), "date": "", "reason": reason}
            return [fill(words["not-usable"], said)]
        if fact.state is State.UNUSABLE:
            sent = dict.fromkeys(evidence.as_sent for evidence in fact.evidence[:3] if evidence.display)
            read = ", ".join(map(inert, sent))
            date = inert(fact.evidence[0].date) if fact.evidence else ""
            return [fill(words["not-usable"], {"label": label, "said": read, "date": date, "reason": reason})]
        lines = []
        for evidence in fact.evidence[:3]:
            said = {"label": evidence.label or label, "said": inert(self._said(evidence))}
            if evidence.date:
                lines.append(fill(words["dated"], said | {"date": inert(evidence.date)}))
            else:
                lines.append(fill(words["evidence"], said))
        if fact.beside is not None:
            beside = {"said": inert(fact.beside.as_sent), "date": inert(fact.beside.date), "reason": reason}
            lines.append(fill(words["not-usable"], {"label": label, **beside}))
        return lines

    def resources(self, used: Mapping[str, Fact]) -> list[str]:
        """The resources that were read, as ``Type/id``, with the code that each is known by."""
        read = [
            evidence
            for name, fact in used.items()
            if self._about_order or self._pack.facts[name].kind not in _OF_ORDERS
            for evidence in [*fact.evidence[:3], *([fact.beside] if fact.beside else [])]
        ]
        codes: dict[str, str] = {}
        for evidence in read:
            if found := _RESOURCE.match(evidence.reference):
                codes[found[0]] = codes.get(found[0]) or evidence.code
        return [inert(f"{reference} ({code})" if code else reference) for reference, code in codes.items()]


def fill(text: str, values: Mapping[str, str]) -> str:
    """``text`` with its placeholders replaced."""
    return _filled(text, values.__getitem__)


def _filled(text: str, value_of: Callable[[str], str]) -> str:
    filled, placeholders = _parts(text)
    if not placeholders:
        return filled
    for name, behind in placeholders:
        filled += value_of(name) + behind
    return " ".join(filled.split())


@lru_cache(maxsize=4096)  # more than a pack has texts
def _parts(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """A text of the content taken apart: what stands before its placeholders, and each with what stands behind it.

    Of a text without any it is all, on one line.
    """
    before, *others = PLACEHOLDER.split(text)
    if not others:
        return " ".join(before.split()), ()
    return before, tuple(zip(others[::2], others[1::2], strict=True))


def in_words(pack: Pack, reason: Reason, clean: Callable[[str], str] = plain) -> str:
    """A reason as a sentence of the content; what was sent is cleaned before it is filled in."""
    return fill(pack.reasons[reason.key], {key: clean(value) for key, value in reason.values.items()})


# The placeholder of a limit, with the name of the fact.
LIMIT = re.compile(r"\{limit\.([^}]+)\}")


def limits(pack: Pack, finding: Finding, name: str) -> str:
    """The thresholds of an input that decided, in words with the unit: ``25-50 ×10⁹/L``; and that one of them is this
    hospital's own, where it is (Z78).
    """
    return _whose(pack, finding.rule, _of_fact(finding, name), limit_numbers(pack, finding, name))


def bare_limits(pack: Pack, finding: Finding, name: str) -> str:
    """The same, whosever they are."""
    return _with_unit(pack, _of_fact(finding, name), limit_numbers(pack, finding, name))


def _of_fact(finding: Finding, name: str) -> str:
    return name if name in finding.decision.inputs else name.partition(".")[2]


def _whose(pack: Pack, rule: Rule, fact: str, numbers: Sequence[Exact]) -> str:
    said = _with_unit(pack, fact, numbers)
    return fill(pack.words["hospital-limit"], {"limit": said}) if own_limits(pack, rule, fact, numbers) else said


def _with_unit(pack: Pack, fact: str, numbers: Sequence[Exact]) -> str:
    """Thresholds of a fact in words; only that of an analyte has a unit that people know."""
    declared = pack.facts.get(fact)
    unit = declared.unit_written if declared is not None and declared.analyte is not None else ""
    return f"{'-'.join(map(spell, numbers))} {unit}".strip()


def limit_numbers(pack: Pack, finding: Finding, name: str) -> list[Exact]:
    """The thresholds of an input that decided: of the rule's own cell, or of the whole column if that names none.

    ``definition.fact`` names an input of another table: the thresholds are those of its rules with the value that the
    finding's rule asks for, if that is an input of it.
    """
    table, _, fact = name.partition(".")
    rules: Sequence[Rule] = (finding.rule,)
    decision = finding.decision
    if name not in decision.inputs:
        decision, name = pack.decisions[table], fact
        asked = finding.decision.inputs.index(table) if table in finding.decision.inputs else None
        cell = finding.rule.cells[asked] if asked is not None else None
        rules = [rule for rule in decision.rules if cell is None or cell.matches(Fact.of(rule.then.value))]
    index = decision.inputs.index(name)
    return _numbers(rules, index) or _numbers(decision.rules, index)


def _numbers(rules: Sequence[Rule], index: int) -> list[Exact]:
    return sorted({number for rule in rules if (cell := rule.cells[index]) is not None for number in cell.numbers()})


def shortened(text: str) -> str:
    """A summary within its limit, cut at a word if it must be."""
    if _units(text) <= LONGEST_SUMMARY:
        return text
    while _units(text) > LONGEST_SUMMARY - 1:
        text = text.rpartition(" ")[0] if " " in text else text[:-1]
    return text + "…"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def by_precedence(findings: Sequence[Finding]) -> list[Finding]:
    """Findings by indicator; within one, in the precedence they were decided in (Z30)."""
    return sorted(findings, key=lambda finding: INDICATORS.index(finding.then.indicator))
