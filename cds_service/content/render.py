"""Findings in words: summaries and details of cards.

Texts hold placeholders only. ``{fact}`` is a fact as sent, ``{fact.date}`` its date, ``{fact.reason}`` why it has no
value, ``{limit.fact}`` the threshold of the rule's own cell, ``{definition}`` the phrase of a definition's output,
``{regimen.id}`` an order template in words, ``{dosage-of.id}`` its dosage alone, ``{name.id}`` a name of the pack,
``{order}`` the drug as drafted.
Whatever comes from the chart is made inert: ``inert`` where it stands in Markdown, ``harmless`` where a whole text is
none (RSP-12).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from cds_service.content.decide import Finding, Values
from cds_service.content.model import INDICATORS, PLACEHOLDER, Pack, TemplateWords
from cds_service.vocabulary.facts import Evidence, Fact, Reason, State

LONGEST_SUMMARY = 139
LONGEST_VALUE = 24
_LONGEST_WORDS = 100
# What GFM makes links of by itself, even where it is written with entities; a zero-width space breaks it unseen.
_LINK = re.compile(r":(?=//)|www(?=\.)|@|(?:mailto|xmpp)(?=:)", re.IGNORECASE)
# What readers that take plain text for HTML or Markdown make something of: tags, links, references, images.
_MARKUP_IN_PLAIN = re.compile(r"<(?=[a-z/!?])|(?<=\])(?=[(\[:])", re.IGNORECASE)
_OF_LINKS = (":", "@")
_BREAK = "\u200b"
_OF_ORDERS = ("order", "drafts", "dosage")
_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"} | {sign: f"\\{sign}" for sign in "\\`*_[]|~"})
_LEADING = re.compile(r"^(\d+(?=[.)](?:\s|$))|(?=[-+#=]))")  # would begin a list, heading or rule
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
    if text.isalnum():
        return text
    harmless = _LEADING.sub(r"\1\\", text.translate(_MARKUP))
    if not any(sign in harmless for sign in _OF_LINKS) and "www" not in harmless.casefold():
        return harmless
    return _without_links(harmless)


def harmless(text: str) -> str:
    """A text that is not Markdown: it says the same, and whatever shows it finds no markup and no address in it.

    ``<60`` and ``10*9/L`` stay as they are. What is taken away is unseen, but for the backtick.
    """
    if any(sign in text for sign in "<]`"):
        text = _MARKUP_IN_PLAIN.sub(lambda match: match[0] + _BREAK, text).replace("`", "'")
    return _without_links(text)


def _without_links(text: str) -> str:
    return _LINK.sub(lambda match: match[0] + _BREAK if match[0] != "@" else _BREAK + "@", text)


class Speech:
    """The words of one order's findings. ``regimens`` are the pack's order templates in words, by id."""

    def __init__(
        self,
        pack: Pack,
        regimens: Mapping[str, TemplateWords],
        values: Values,
        order_name: str,
        *,
        about_order: bool = True,
    ) -> None:
        self._pack = pack
        self._regimens = regimens
        self._values = values
        self._order_name = order_name or pack.words["order"]
        self._about_order = about_order

    def summary(self, finding: Finding) -> str:
        """At most 139 UTF-16 units on one line (RSP-11)."""
        text = self._fill(finding.decision.texts[finding.then.text].summary, finding, brief)
        return shortened(harmless(text))

    def summary_in_detail(self, finding: Finding) -> str:
        """The summary as it may stand in Markdown."""
        return self._fill(finding.decision.texts[finding.then.text].summary, finding, inert)

    def detail(self, finding: Finding) -> str:
        """The finding's own paragraph, in Markdown."""
        return self._fill(finding.decision.texts[finding.then.text].detail, finding, inert)

    def label(self, finding: Finding, suggestion: str) -> str:
        """What the button of a suggestion says."""
        return self._fill(finding.decision.texts[finding.then.text].labels[suggestion], finding, plain)

    def _fill(self, text: str, finding: Finding, clean: Callable[[str], str]) -> str:
        filled = PLACEHOLDER.sub(lambda match: self._value(match[1], finding, clean), text)
        return " ".join(filled.split()).replace(" .", ".")

    def _value(self, name: str, finding: Finding, clean: Callable[[str], str]) -> str:
        head, _, rest = name.partition(".")
        if name == "order":
            return clean(self._order_name)
        if head == "name":
            return self._pack.names[rest]
        if head == "regimen":
            return self._regimens[rest].order
        if head == "dosage-of":
            return self._regimens[rest].dosage
        if head == "limit":
            return limits(finding, rest)
        if name in self._pack.decisions:
            phrase = self._pack.decisions[name].phrases.get(str(self._values[name].value), "")
            return self._fill(phrase, finding, clean)
        for suffix in (".date", ".reason"):
            if name.endswith(suffix):
                fact = self._values[name.removesuffix(suffix)]
                if suffix == ".date":
                    return clean(fact.evidence[0].date) if fact.evidence else ""
                return self.reason(fact.reason, clean)
        fact = finding.used.get(name) or self._values[name]
        return clean(", ".join(map(self._said, fact.evidence[:2])))

    def _said(self, evidence: Evidence) -> str:
        """What was read, with why it is less than sure."""
        notes = (self._pack.words[note] for note in evidence.notes)
        return f"{evidence.display} ({', '.join(notes)})" if evidence.notes else evidence.display

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
        read = ", ".join(inert(self._said(evidence)) for evidence in fact.evidence[:3] if evidence.display)
        reason = self.reason(fact.reason)
        if fact.state is State.UNKNOWN:
            return [fill(words["not-known"], {"label": label, "reason": reason})]
        if fact.state is State.UNUSABLE:
            date = inert(fact.evidence[0].date) if fact.evidence else ""
            return [fill(words["not-usable"], {"label": label, "said": read, "date": date, "reason": reason})]
        if fact.state is State.ABSENT:
            return [fill(words["none-found"], {"label": label})]
        lines = []
        for evidence in fact.evidence[:3]:
            key = "dated" if evidence.date else "evidence"
            lines.append(
                fill(
                    words[key],
                    {
                        "label": evidence.label or label,
                        "said": inert(self._said(evidence)),
                        "date": inert(evidence.date),
                    },
                )
                + f" ({inert(evidence.reference)})"
            )
        if fact.beside is not None:
            beside = {"said": inert(fact.beside.display), "date": inert(fact.beside.date), "reason": reason}
            lines.append(fill(words["not-usable"], {"label": label, **beside}))
        return lines

    def source(self, finding: Finding) -> str:
        """The statement a finding rests on, quoted, and whether the finding is its word or our reading."""
        statement = self._pack.statements.get(finding.rule.statement)
        if statement is None:
            return ""
        words = self._pack.words
        quoted = fill(words["source"], {"statement": statement.id, "place": statement.place, "quote": statement.quote})
        return f"{quoted} ({words['basis-' + (finding.rule.basis or 'reading')]})"


def fill(text: str, values: Mapping[str, str]) -> str:
    """``text`` with its placeholders replaced."""
    return " ".join(PLACEHOLDER.sub(lambda match: values[match[1]], text).split())


def in_words(pack: Pack, reason: Reason, clean: Callable[[str], str] = plain) -> str:
    """A reason as a sentence of the content; what was sent is cleaned before it is filled in."""
    return fill(pack.reasons[reason.key], {key: clean(value) for key, value in reason.values.items()})


def limits(finding: Finding, name: str) -> str:
    """The thresholds of the rule's own cell for an input; of the whole column if the cell names none."""
    index = finding.decision.inputs.index(name)
    cell = finding.rule.cells[index]
    numbers: Sequence[object] = cell.numbers() if cell else ()
    if not numbers:
        column = finding.decision.columns[index]
        numbers = sorted({number for other in column for number in other.numbers()})
    return "-".join(str(number) for number in numbers)


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
