"""What a site has switched off (Z31): what nobody is told any more, in words, and where else the same limit speaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cds_service.content.model import Decision, Pack, Rule
from cds_service.content.prepared import template_words
from cds_service.content.rule_words import rule_words
from cds_service.content.site import Site
from cds_service.content.table_words import TableWords, table_in_words
from cds_service.vocabulary.facts import Exact
from cds_service.vocabulary.problems import Problem


def told_no_more(pack: Pack, site: Site) -> Iterator[Problem]:
    """For each decision and rule that a site has switched off, at its line of the site's file: what nobody is told any
    more, and of a rule in which case, and the rules that go on to decide by the same limit.
    """
    for name in site.off:
        decision = pack.decisions[name]
        text = f"{name} is off, and nobody is told any more what it found: {decision.title}. {decision.question}"
        yield site.problem(("decisions", "off", name), text)
    words = template_words(pack) if site.rules_off else {}
    for decision in pack.decisions.values():
        withdrawn = [rule for rule in decision.rules if rule.withdrawn is not None]
        table = table_in_words(pack, words, decision) if withdrawn else None
        for rule in withdrawn:
            topic = decision.topic(rule.id)
            place = ("rules", "off", topic)
            says = rule_words(pack, words, decision.id, rule.id).says
            case = _case(table, rule) if table is not None else ""
            text = f"{topic} is off, and no other rule takes its place. Nobody is told any more: “{says}”"
            yield site.problem(place, f"{text} The case: {case}.")
            if others := list(_on_the_same_limit(pack, decision, rule)):
                yield site.problem(place, f"still on, on the same limit as {topic}: {', '.join(others)}")


def _case(table: TableWords, rule: Rule) -> str:
    """When a rule holds: what all rules of its table ask alike, and what it asks itself."""
    guards = [(guard.input, guard.cell) for guard in table.guards]
    asked = [pair for row in table.rules if row.rule is rule for pair in table.asked(row)]
    own = {column.name for column, _ in asked}
    every = [*(pair for pair in guards if pair[0].name not in own), *asked]
    return "; ".join(f"{column.label}: {cell.words}" for column, cell in every)


def _on_the_same_limit(pack: Pack, decision: Decision, rule: Rule) -> Iterator[str]:
    """The topics of the other rules that say something and are not off, and compare a fact with the same number."""
    limits = _limits(decision, rule)
    for other in pack.decisions.values():
        for one in other.rules if other.kind == "card" and other.status == "active" else ():
            if one is rule or one.is_added or one.then.silent or one.withdrawn is not None:
                continue
            theirs = _limits(other, one)
            if any(numbers & theirs.get(fact, frozenset()) for fact, numbers in limits.items()):
                yield other.topic(one.id)


def _limits(decision: Decision, rule: Rule) -> Mapping[str, frozenset[Exact]]:
    """The numbers that a rule compares each of its inputs with."""
    return {decision.inputs[place]: frozenset(cell.numbers()) for place, cell in rule.tests}
