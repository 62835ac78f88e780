"""Texts of cards: no numbers (Z29), no markup, summaries that fit (RSP-11)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from cds_service.content.files import problem_at, texts_path
from cds_service.content.model import PLACEHOLDER, Pack, TemplateWords
from cds_service.content.render import LONGEST_SUMMARY, LONGEST_VALUE
from cds_service.vocabulary.problems import Problem

_DIGIT = re.compile(r"\d+(?:[.,]\d+)*")
# What GFM would take for markup other than emphasis: HTML, links, code, tables, headings, quotations, lists.
MARKUP = re.compile(r"[`<>\[\]|~\\]|^\s*(#|[-+*]\s|=)|https?:|www\.")
_LONGEST_DATE = 11
_LONGEST_LIMIT = 24


def problems_of_texts(pack: Pack) -> Iterator[Problem]:
    """Texts that no rule shows, and those that hold a number or markup."""
    for decision in pack.decisions.values():
        path = texts_path(decision.path) or decision.path
        used = {rule.then.text for rule in decision.rules if rule.then.text}
        for key, text in decision.texts.items():
            place = ("texts", key)
            if key not in used:
                yield problem_at(path, place, "unused", f"the text {key!r} belongs to no rule")
            for part in text.parts:
                yield from _problems_of_text(pack, path, place, part)
        for key, phrase in decision.phrases.items():
            yield from _problems_of_text(pack, path, ("phrases", key), phrase)


def problems_of_lengths(pack: Pack, regimens: Mapping[str, TemplateWords]) -> Iterator[Problem]:
    """Summaries that may be longer than one can be; ``regimens`` are the order templates in words, by id.

    Every placeholder must be one that can be filled (``problems_of_placeholders``).
    """
    for decision in pack.decisions.values():
        path = texts_path(decision.path) or decision.path
        for key, text in decision.texts.items():
            longest = _longest(pack, regimens, text.summary)
            if longest > LONGEST_SUMMARY:
                reach = f"the summary {key!r} can reach {longest} of {LONGEST_SUMMARY} characters"
                yield problem_at(path, ("texts", key), "length", reach)


def _problems_of_text(pack: Pack, path: Path, place: tuple[str, str], text: str) -> Iterator[Problem]:
    bare = PLACEHOLDER.sub("", text)
    for name in sorted([*pack.names.values(), *pack.statements], key=len, reverse=True):
        bare = bare.replace(name, "")
    if found := _DIGIT.search(bare):
        stands = f"{found[0]!r} stands in the text; a number comes from the rule, as {{limit.NAME}}, or the patient"
        stands += ", and one that is part of a name from names in pack.yaml, as {name.NAME}"
        yield problem_at(path, place, "number", stands)
    if MARKUP.search(bare):
        yield problem_at(path, place, "markdown", "only plain text and emphasis may stand in a text")


def _longest(pack: Pack, regimens: Mapping[str, TemplateWords], text: str) -> int:
    """The most UTF-16 units that a text can have, whatever its placeholders become."""
    return len(PLACEHOLDER.sub("", text)) + sum(
        _longest_value(pack, regimens, match[1]) for match in PLACEHOLDER.finditer(text)
    )


def _longest_value(pack: Pack, regimens: Mapping[str, TemplateWords], name: str) -> int:
    """The most UTF-16 units that one placeholder can become."""
    head, _, rest = name.partition(".")
    match head:
        case "whose":
            return max(len(words) for key, words in pack.words.items() if key.startswith("whose-"))
        case "name":
            return len(pack.names[rest])
        case "regimen":
            return len(regimens[rest].order) if rest in regimens else 0
        case "dosage-of":
            return len(regimens[rest].dosage) if rest in regimens else 0
        case "limit":
            own = pack.words["hospital-limit"] if pack.hospital_limits else ""
            return _LONGEST_LIMIT + len(PLACEHOLDER.sub("", own))
    if name in pack.decisions:
        phrases = pack.decisions[name].phrases.values()
        return max((_longest(pack, regimens, phrase) for phrase in phrases), default=0)
    if name.endswith(".reason"):
        return max(_longest_reason(reason) for reason in pack.reasons.values())
    return _LONGEST_DATE if name.endswith(".date") else LONGEST_VALUE


def _longest_reason(reason: str) -> int:
    return len(PLACEHOLDER.sub("", reason)) + LONGEST_VALUE * len(PLACEHOLDER.findall(reason))
