"""Every table of the content: no gap, no overlap, and a second, deliberately naive evaluator must agree."""

import random
from dataclasses import replace
from fractions import Fraction

from cds_service.content.decide import OrderFacts, Values
from cds_service.content.proof.cells import faults_of, probes
from cds_service.vocabulary.facts import Interval, State


def naive_rules(decision, facts):
    """Rules that fire, by the plainest reading: every cell's text taken apart anew."""
    fired = []
    for rule in decision.rules:
        if all(
            cell is None or naive_fit(cell.source, facts[name], decision, name)
            for name, cell in zip(decision.inputs, rule.cells, strict=True)
        ):
            fired.append(rule.id)
    return fired if decision.hit_policy == "COLLECT" else fired[:1]


def naive_fit(source, fact, decision, name):
    parts = [part.strip() for part in source.replace("not(", "not ").split(",")]
    if source.startswith("not("):
        names = [p.replace("not ", "").replace(")", "").strip().strip('"') for p in source[4:].split(")")[0].split(",")]
        rest = [p.strip() for p in source.split(")", 1)[1].split(",") if p.strip()]
        return (fact.state is State.VALUE and fact.value not in names) or any(naive_one(p, fact) for p in rest)
    return any(naive_one(part, fact) for part in parts)


def naive_one(part, fact):
    if fact.state is not State.VALUE:
        return part == str(fact.state)
    if isinstance(fact.value, str):
        return part == f'"{fact.value}"'
    number = Fraction(fact.value.low)
    if ".." in part:
        low, high = part.strip("[]()").split("..")
        above = number >= Fraction(low) if part[0] == "[" else number > Fraction(low)
        below = number <= Fraction(high) if part[-1] == "]" else number < Fraction(high)
        return above and below
    for sign, holds in (("<=", number.__le__), (">=", number.__ge__), ("<", number.__lt__), (">", number.__gt__)):
        if part.startswith(sign):
            return holds(Fraction(part[len(sign) :].strip()))
    try:
        return number == Fraction(part)
    except ValueError:
        return False


def test_a_naive_evaluator_agrees_on_random_facts_of_every_table(pack):
    chance = random.Random(12)  # noqa: S311
    compared = 0
    for decision in pack.decisions.values():
        axes = {
            name: [
                fact
                for fact in probes(pack, name, column)
                if not (isinstance(fact.value, Interval) and not fact.value.is_point)
            ]
            for name, column in zip(decision.inputs, decision.columns, strict=True)
        }
        for _ in range(300):
            facts = {name: chance.choice(axis) for name, axis in axes.items()}
            values = Values(_without_definitions(pack), OrderFacts(facts, []))
            fired = [rule.id for rule in values.rules(decision, facts)]
            assert fired == naive_rules(decision, facts), (decision.id, facts)
            compared += 1
    assert compared > 5000


def _without_definitions(pack):
    return replace(pack, decisions={})


def test_no_table_has_a_gap_an_overlap_or_a_rule_never_reached(pack):
    assert [f for decision in pack.decisions.values() for f in faults_of(pack, decision)] == []
