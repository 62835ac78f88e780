"""The form that tables are written in means what it seems to mean: expanded, it decides as read in the plainest way."""

import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from cds_service.content.compile_tables import compile_decision
from cds_service.content.decide import OrderFacts, Values
from cds_service.content.domains import Domain, domains_of
from cds_service.content.expand import expanded, unary_test
from cds_service.content.files import PackFiles, read_yaml
from cds_service.content.load import load_pack
from cds_service.vocabulary.facts import Fact, Interval, State
from tests.support.factsets import our_rules, random_sets, tables
from tests.support.naive_tables import fired
from tests.support.places import SECOND_PACK

MADE = 60
FACTS = {
    "word": {"kind": "order", "values": ["a", "b", "c"]},
    "other": {"kind": "order", "values": ["x", "y"]},
    "list": {"kind": "condition"},
    "number": {"kind": "observation"},
}
STEP = {
    "id": "step",
    "kind": "definition",
    "each": "dosage",
    "hit-policy": "FIRST",
    "rules": [{"then": "p"}, {"then": "q"}],
}
CARD = {"id": "card", "kind": "card", "hit-policy": "FIRST", "rules": []}


@pytest.fixture(scope="module")
def second():
    return load_pack(SECOND_PACK / "cards")


@pytest.mark.parametrize("name", ["pack", "second"])
def test_every_table_decides_as_it_is_read(name, request):
    pack, chance = request.getfixturevalue(name), random.Random(11)  # noqa: S311
    different, compared = [], 0
    for table in tables(pack, chance, numbers=40, most_cells=1500):
        written = read_yaml(table.decision.path, "table")
        added = {rule.id for rule in table.decision.rules if rule.is_added}
        sets = table.cells + random_sets(table, 400, chance)
        for chosen, ours in zip(sets, our_rules(pack, table, sets), strict=True):
            said = [rule for rule in ours if rule not in added]
            compared += 1
            if said != fired(written, table.facts(chosen)):
                different.append((table.decision.id, table.facts(chosen), said))
    assert different[:3] == []
    assert compared > 400 * len(pack.decisions)


def test_any_table_decides_as_it_is_read():
    """Made tables: guards, cards that speak instead, words ruled out, sequences, bands, states anywhere."""
    chance = random.Random(12)  # noqa: S311
    heard = silent = 0
    for _ in range(MADE):
        table = _some_table(chance)
        decision = _compiled(table)
        for _ in range(80):
            facts = _some_facts(chance)
            rules = _values(facts).rules(decision, facts)
            assert [rule.id for rule in rules if not rule.is_added] == fired(table, facts), (table, facts)
            heard += any(not rule.is_added for rule in rules)
            silent += any(rule.is_added for rule in rules)
    assert heard > MADE and silent > MADE


def test_no_two_of_the_added_rules_hold_at_once_and_none_holds_beside_a_written_one():
    chance = random.Random(13)  # noqa: S311
    for _ in range(MADE):
        decision = replace(_compiled(_some_table(chance) | {"hit-policy": "FIRST"}), hit_policy="COLLECT")
        for _ in range(80):
            facts = _some_facts(chance)
            rules = _values(facts).rules(decision, facts)
            assert len(rules) == 1 or not any(rule.is_added for rule in rules)


def test_a_written_rule_keeps_its_place_in_the_file(pack):
    """So that a problem of a rule is told with the line of that rule."""
    for decision in pack.decisions.values():
        written = [rule["id"] for rule in read_yaml(decision.path, "table")["rules"]]
        assert [rule.id for rule in decision.rules][: len(written)] == written


@pytest.mark.parametrize(
    ("cell", "test"),
    [
        ("a", '"a"'),
        (["a", "b", "absent"], '"a", "b", absent'),
        ({"not": ["a", "b"], "or": ["absent", "unusable"]}, 'not("a", "b"), absent, unusable'),
        ({"not": "a"}, 'not("a")'),
        ("unknown", '"unknown"'),
        ([["a", "b"], "a"], '"a then b", "a"'),
    ],
)
def test_words_are_values_first_and_states_else(cell, test):
    domain = Domain(("a", "b", "unknown"), (State.ABSENT, State.UNUSABLE), is_sequence=True)
    assert unary_test(cell, domain) == test


@pytest.mark.parametrize(("cell", "test"), [("< 25", "< 25"), ([100, "[3..4]", "absent"], "100, [3..4], absent")])
def test_numbers_stand_as_they_are(cell, test):
    assert unary_test(cell, Domain((), (State.ABSENT,), takes_numbers=True)) == test


@pytest.mark.parametrize(
    ("cell", "domain", "said"),
    [
        ("c", Domain(("a", "b")), "'c' is no value of this input; it can be a, b"),
        ("absent", Domain(("a",)), "'absent' is no value"),
        (["a", 25], Domain(("a",)), "25 is a number"),
        ([["a", "b"]], Domain(("a", "b")), "'a then b' is a sequence"),
        ("a, b", Domain(("a", "b")), "'a, b' is no value"),
        ("< 25, > 50", Domain((), takes_numbers=True), "alternatives stand in a list"),
        ("[50..25]", Domain((), takes_numbers=True), "runs backwards"),
        ({"not": "absent"}, Domain(("a",), (State.ABSENT,)), "'absent' is no value that 'not' could leave out"),
    ],
)
def test_what_an_input_can_never_be_is_refused(cell, domain, said):
    with pytest.raises(ValueError, match=said.replace("[", r"\[")):
        unary_test(cell, domain)


def test_a_definition_may_say_unknown_and_is_never_in_that_state():
    table = {"id": "d", "kind": "definition", "rules": [{"then": "yes"}, {"then": "unknown"}]}
    domain = domains_of(_files(table))["d"]
    assert (domain.words, domain.states, domain.ambiguous) == (("yes", "unknown"), (), ())


# --- made tables ------------------------------------------------------------------------------------------------------


def _files(*made):
    kept = {Path(table["id"]): table for table in made}
    return PackFiles(Path(), {}, {}, {}, {}, {"facts": FACTS}, {}, {}, kept, {})


def _compiled(table):
    path = Path(table["id"])
    whole = {"version": "1.0.0", "status": "active", "title": "", "question": "", **table}
    return compile_decision(path, expanded(_files(whole, STEP, CARD)).tables[path], {}, "")


def _values(facts):
    return Values(SimpleNamespace(decisions={}, facts={}), OrderFacts(facts, []))


def _some_table(chance):
    guard = {}
    if chance.random() < 0.7:
        guard["word"] = chance.choice(["a", ["a", "b"], ["b", "absent"], {"not": "c", "or": "unknown"}])
    if chance.random() < 0.4:
        guard["list"] = chance.choice(["present", ["absent", "unknown"]])
    rules = [{"id": f"R{number}", "when": _some_when(chance, guard), "then": "silent"} for number in range(4)]
    table = {"id": "made", "kind": "card", "hit-policy": chance.choice(["FIRST", "COLLECT"]), "rules": rules}
    table["inputs"] = ["word", "other", "list", "number", "step"]
    if guard:
        table["applies-when"] = guard
    if table["hit-policy"] == "FIRST" and chance.random() < 0.4:
        table["yields-to"] = ["card"]
    return table


def _some_when(chance, guard):
    cells = {
        "word": ["a", ["b", "c"], {"not": ["a"], "or": ["unusable"]}, ["unknown", "b"]],
        "other": ["x", ["x", "y", "absent"]],
        "list": ["present", ["absent", "unusable"]],
        "number": ["< 3", "[1..4]", ["(4..6]", "absent"], 5, [">= 2", "undecidable"], "undecidable"],
        "step": ["p", [["p", "q"], "q"], ["absent", "p"], {"not": ["p"]}],
    }
    return {name: chance.choice(some) for name, some in cells.items() if name not in guard and chance.random() < 0.5}


def _some_facts(chance):
    states = [Fact(state) for state in (State.ABSENT, State.UNKNOWN, State.UNUSABLE)]
    ends = sorted(chance.sample(range(9), 2))
    ranges = [Interval(*ends, chance.random() < 0.5, chance.random() < 0.5), Interval(None, ends[1])]
    numbers = [Interval.point(chance.randrange(9)), *ranges]
    return {
        "word": chance.choice([*map(Fact.of, "aabbc"), *states]),
        "other": chance.choice([*map(Fact.of, "xy"), *states]),
        "list": chance.choice([Fact.of("present"), *states]),
        "number": chance.choice([*map(Fact.of, numbers), *states]),
        "step": chance.choice([*map(Fact.of, ["p", "q", "p then q", "q then p"]), Fact.absent()]),
        "card": Fact.of(chance.choice(["silent", "silent", "speaks"])),
    }
