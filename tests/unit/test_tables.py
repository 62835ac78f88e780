"""Cells and tables: grammar, ranges, and a second, deliberately naive prepared that must agree."""

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.content.decide import OrderFacts, Values
from cds_service.content.proof.cells import faults_of, probes
from cds_service.content.unary import parse_cell
from cds_service.vocabulary.facts import Fact, Interval, State


@pytest.mark.parametrize(
    ("cell", "value", "fits"),
    [
        ("< 25", "24.9", True),
        ("< 25", "25", False),
        ("[25..50]", "25", True),
        ("[25..50]", "50", True),
        ("(25..50]", "25", False),
        ("[25..50)", "50", False),
        ("> 50", "50", False),
        ("> 50", "50.1", True),
        ("1, [3..4]", "3.5", True),
        ("1, [3..4]", "2", False),
    ],
)
def test_a_number_fits_a_cell(cell, value, fits):
    assert parse_cell(cell).matches(Fact.of(Interval.point(Fraction(value)))) is fits


@pytest.mark.parametrize("cell", ["", "25 and 30", "< ", "[50..25]", "IM", "not(absent)", '"a" "b"', "25 +", "< x"])
def test_what_is_no_unary_test_is_refused(cell):
    with pytest.raises(ValueError, match=r"is not a unary test|runs backwards"):
        parse_cell(cell)


def test_states_match_only_where_they_are_written():
    absent = Fact.absent()
    assert not parse_cell("< 25").matches(absent)
    assert not parse_cell('not("IM")').matches(absent)
    assert parse_cell("< 25, absent").matches(absent)
    assert parse_cell("-") is None


@given(st.integers(-50, 100), st.integers(0, 60), st.integers(-50, 100), st.integers(0, 60))
def test_a_range_fits_only_if_the_whole_of_it_does(low, length, edge, width):
    value = Interval(Fraction(low), Fraction(low + length))
    cell = parse_cell(f"[{edge}..{edge + width}]")
    inside = all(edge <= point <= edge + width for point in (low, low + length))
    assert cell.matches(Fact.of(value)) is inside


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
    from dataclasses import replace

    return replace(pack, decisions={})


def test_no_table_has_a_gap_an_overlap_or_a_rule_never_reached(pack):
    assert [f for decision in pack.decisions.values() for f in faults_of(pack, decision)] == []
