"""An independent FEEL engine evaluates the exported DMN and agrees with our prepared, cell by cell."""

import random
from dataclasses import replace

import pytest

from cds_service.content.decide import decidable
from cds_service.content.unary import parse_cell
from cds_service.export.columns import feel_names
from cds_service.export.dmn import dmn
from cds_service.vocabulary.facts import Interval, State
from tests.support.factsets import our_rules, random_sets, some_cells, tables
from tests.support.sample import EVERY_CASE

RANDOM_SETS = 100_000 if EVERY_CASE else 20_000


def carried(fact, column):
    """A fact as the item definitions of the document have it: value and state (Z34)."""
    if column.is_card:
        return {"indicator": "silent" if fact.value == "silent" else "info", "summary": "", "suggestions": []}
    if column.is_decision:
        return fact.value if fact.state is State.VALUE else None
    if not column.is_numeric:
        return {"state": str(fact.state), "value": fact.value if fact.state is State.VALUE else None}
    value = fact.value if fact.state is State.VALUE else None
    if not isinstance(value, Interval):
        return {"state": str(fact.state), "low": None, "high": None, "lowOpen": False, "highOpen": False}
    low, high = (None if end is None else float(end) for end in (value.low, value.high))
    return {"state": "value", "low": low, "high": high, "lowOpen": value.low_open, "highOpen": value.high_open}


def question(pack, document, asked, sets):
    names = feel_names(pack)
    sent = {}
    for table in asked:
        pools = {
            names[column.name]: [carried(fact, column) for fact in pool]
            for column, pool in zip(table.columns, table.pools, strict=True)
        }
        sent[table.decision.id] = {"pools": pools, "sets": sets[table.decision.id]}
    return {"dmn": document, "tables": sent}


def differences(pack, asked, sets, answer):
    """Every set of facts on which other rules fire, and how many sets were compared."""
    different = []
    compared = 0
    for table in asked:
        decision = table.decision
        chosen = sets[decision.id]
        told = answer["tables"][decision.id]
        for one, ours, rows in zip(chosen, our_rules(pack, table, chosen), told["fired"], strict=True):
            fired = [told["rules"][row].removeprefix(f"{decision.id}.") for row in rows]
            if told["hitPolicy"] == "FIRST":
                fired = fired[:1]
            compared += 1
            if fired != ours:
                different.append((decision.id, table.facts(one), ours, fired))
    return different, compared


@pytest.fixture(scope="module")
def chance():
    return random.Random(1234)  # noqa: S311


@pytest.fixture(scope="module")
def asked(pack, chance):
    return tables(pack, chance)


@pytest.fixture(scope="module")
def sets(asked, chance):
    """For every table all its cells, then its share of the random sets of facts."""
    share = -(-RANDOM_SETS // len(asked))
    return {table.decision.id: table.cells + random_sets(table, share, chance) for table in asked}


@pytest.fixture(scope="module")
def answer(asked, sets, pack, dmn_text, feel):
    return feel(question(pack, dmn_text, asked, sets))


def test_dmn_moddle_reads_it_without_a_warning(answer):
    assert answer["warnings"] == []


def test_the_tables_keep_their_rules_in_order_and_their_hit_policy(answer, pack):
    for decision in pack.decisions.values():
        told = answer["tables"][decision.id]
        assert told["rules"] == [f"{decision.id}.{rule.id}" for rule in decision.rules]
        assert told["hitPolicy"] == decision.hit_policy


def test_every_cell_of_every_column_matches_the_same_facts(answer, asked, pack):
    names = feel_names(pack)
    different = []
    compared = 0
    for table in asked:
        for number, (column, pool) in enumerate(zip(table.columns, table.pools, strict=True)):
            cells = [rule.cells[number] for rule in table.decision.rules]
            told = answer["tables"][table.decision.id]["cells"][names[column.name]]
            for fact, row in zip(pool, told, strict=True):
                read = decidable(fact, column.cells)
                ours = [int(cell is None or cell.matches(read)) for cell in cells]
                compared += len(ours)
                if ours != row:
                    different.append((table.decision.id, column.name, fact.state, fact.value, ours, row))
    assert different == []
    assert compared > 10_000


def test_the_rules_that_fire_are_the_same_on_every_cell_and_on_random_facts(answer, asked, sets, pack):
    different, compared = differences(pack, asked, sets, answer)
    assert different[:5] == []
    assert compared - sum(len(table.cells) for table in asked) >= RANDOM_SETS


def test_one_changed_cell_of_the_document_is_noticed(pack, asked, sets, dmn_text, feel):
    table = next(table for table in asked if any(column.is_numeric for column in table.columns))
    body = dmn_text.index(f'<decisionTable id="{table.decision.id}.table"')
    entry = dmn_text.index("<text>&gt;= ", body)
    changed = f"{dmn_text[:entry]}<text>&gt;{dmn_text[entry + len('<text>&gt;=') :]}"
    answer = feel(question(pack, changed, [table], sets))
    assert differences(pack, [table], sets, answer)[0] != []


def test_tables_with_any_cells_agree(pack, feel):
    """Bands that overlap, nest and leave holes, strings ruled out, states anywhere: more than the pack has today."""
    chance = random.Random(99)  # noqa: S311
    number = next(d for d in pack.decisions.values() if any(cell.intervals for column in d.columns for cell in column))
    name = next(n for n, column in zip(number.inputs, number.columns, strict=True) if any(c.intervals for c in column))
    text = next(fact.name for fact in pack.facts.values() if len(fact.values) > 3)
    made = {}
    for index in range(10):
        one, other = some_cells(chance, 4), some_cells(chance, 4, pack.facts[text].values)
        rules = tuple(
            replace(number.rules[0], id=f"R{row}", cells=(parse_cell(left), parse_cell(right)), index=row)
            for row, (left, right) in enumerate(zip(one, other, strict=True))
        )
        columns = tuple(tuple(c for r in rules if (c := r.cells[i]) is not None) for i in range(2))
        made[f"t{index}"] = replace(
            number,
            id=f"t{index}",
            inputs=(name, text),
            rules=rules,
            columns=columns,
            hit_policy=chance.choice(["COLLECT", "FIRST"]),
        )
    other_pack = replace(pack, decisions=made)
    asked = tables(other_pack, chance, numbers=40)
    sets = {table.decision.id: table.cells + random_sets(table, 200, chance) for table in asked}
    document = dmn(other_pack)
    assert '"(in ' in document, "no range without a number to stand for it was tried"
    answer = feel(question(other_pack, document, asked, sets))
    assert differences(other_pack, asked, sets, answer)[0][:3] == []
