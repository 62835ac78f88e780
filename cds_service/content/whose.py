"""Whose word a rule is, in words: the source's, our reading of it, or this hospital's, its limits apart (Z78)."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.content.decide import Finding
from cds_service.content.hospital_limits import own_limits
from cds_service.content.model import Decision, HospitalLimit, Pack, Rule
from cds_service.content.render import LIMIT, fill, limit_numbers
from cds_service.content.value_words import interval_in_words, number_in_words, unit_in_words
from cds_service.vocabulary.facts import Exact, Interval


def limits_of_rule(pack: Pack, decision: Decision, rule: Rule) -> Iterator[tuple[str, set[Exact]]]:
    """The numbers of facts that a rule decides by, and those that its text shows as limits."""
    for place, cell in rule.tests:
        yield decision.inputs[place], set(cell.numbers())
    text = decision.texts.get(rule.then.text)
    for name in LIMIT.findall(" ".join(text.parts)) if text is not None else ():
        fact = name if name in decision.inputs else name.partition(".")[2]
        yield fact, set(limit_numbers(pack, Finding(decision, rule, {}), name))


def hospital_limits_of(pack: Pack, decision: Decision, rule: Rule) -> tuple[HospitalLimit, ...]:
    """This hospital's own limits that a rule decides by or shows, each once."""
    if not pack.hospital_limits or rule.is_added:
        return ()
    found = (own_limits(pack, rule, fact, numbers) for fact, numbers in limits_of_rule(pack, decision, rule) if numbers)
    return tuple(dict.fromkeys(limit for limits in found for limit in limits))


def is_of_hospital(pack: Pack, decision: Decision, rule: Rule) -> bool:
    """Whether a rule is this hospital's own, or has a limit that is."""
    return rule.basis == "hospital" or bool(hospital_limits_of(pack, decision, rule))


def basis_in_words(pack: Pack, decision: Decision, rule: Rule) -> str:
    """Whose word a rule is, behind the statement that it rests on; with what stands in the place of which number."""
    limits, words = hospital_limits_of(pack, decision, rule), pack.words
    basis = rule.basis or "reading"
    if basis == "hospital":
        statement = pack.statements.get(rule.statement)
        is_quoted = statement is not None and not statement.is_beside_the_source
        return words["basis-hospital" if is_quoted else "basis-hospital-beside"]
    if limits:
        return fill(words[f"basis-{basis}-limit"], {"limits": "; ".join(limit_in_words(pack, one) for one in limits)})
    return words[f"basis-{basis}"]


def whose(pack: Pack, decision: Decision, rule: Rule) -> dict[str, str]:
    """``whose`` a rule is, in words, where it or a limit of it is this hospital's; empty for any other."""
    return {"whose": basis_in_words(pack, decision, rule)} if is_of_hospital(pack, decision, rule) else {}


def limit_in_words(pack: Pack, limit: HospitalLimit) -> str:
    """A limit of this hospital with the number in whose place it stands."""
    number = interval_in_words(pack, Interval.point(limit.number), unit_in_words(pack, limit.fact))
    return fill(pack.words["limit-here"], {"limit": number, "number": number_in_words(limit.in_place_of)})
