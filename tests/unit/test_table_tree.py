"""The tree of a table asks what its rules ask, in their order, and comes to what they come to."""

from fractions import Fraction
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as some

from cds_service.content import table_tree as trees
from cds_service.content.decide import OrderFacts, Values, decidable
from cds_service.content.model import Outcome, Rule
from cds_service.content.table_tree import Tree
from cds_service.content.unary import parse_cell
from cds_service.vocabulary.facts import Fact, Interval, Reason, State

NUMBERS = ["-", "< 25", ">= 25", "[25..50]", "(25..50]", "50", "absent", "unknown,unusable", "< 25,undecidable"]
WORDS = ["-", '"IM"', '"IM","SC"', 'not("IM")', "absent", '"PO",unknown']
STATES = [Fact(State.ABSENT), Fact(State.UNKNOWN), Fact.unusable(Reason("any"))]
POINTS = [Fact.of(Interval.point(number)) for number in (24, 25, Fraction(51, 2), 26, 50, 51)]
RANGES = [
    Fact.of(Interval(None, 25)),
    Fact.of(Interval(24, 26)),
    Fact.of(Interval(25, 50)),
    Fact.of(Interval(51, None)),
]
STRINGS = [Fact.of(word) for word in ("IM", "SC", "PO", "in no cell")]
INPUTS = ("count", "route", "other")

rows = some.tuples(some.sampled_from(NUMBERS), some.sampled_from(WORDS), some.sampled_from(NUMBERS))
numbers = some.sampled_from(STATES + POINTS + RANGES)
answers = some.fixed_dictionaries({"count": numbers, "route": some.sampled_from(STATES + STRINGS), "other": numbers})


def rules_of(table):
    return [
        Rule(str(index), tuple(map(parse_cell, cells)), Outcome(silent=True), "", "", index)
        for index, cells in enumerate(table)
    ]


def tree_of(rules, *, every=True):
    columns = [[rule.cells[place] for rule in rules if rule.cells[place]] for place in range(len(INPUTS))]
    return Tree(INPUTS, rules, columns, every=every)


class Noted(dict):
    """Facts that note which of them are asked for, in order."""

    def __init__(self, facts):
        super().__init__(facts)
        self.names = []

    def __getitem__(self, name):
        self.names.append(name)
        return super().__getitem__(name)


def asked(tree, facts):
    """The names that the tree asks for, in order, and the rules that fire."""
    noted = Noted(facts)
    values = Values(SimpleNamespace(decisions={}, facts={}), OrderFacts(noted, []))
    return noted.names, values.rules(SimpleNamespace(tree=tree), noted)


def tried(rules, facts, *, every):
    """The same by trying every cell of every rule."""
    names, fired = [], []
    for rule in rules:
        for name, cell in zip(INPUTS, rule.cells, strict=True):
            if cell is None:
                continue
            if name not in names:
                names.append(name)
            column = [other.cells[INPUTS.index(name)] for other in rules if other.cells[INPUTS.index(name)]]
            if not cell.matches(decidable(facts[name], column)):
                break
        else:
            fired.append(rule)
            if not every:
                break
    return names, tuple(fired)


@given(some.lists(rows, min_size=1, max_size=6), some.lists(answers, min_size=1, max_size=6), some.booleans())
def test_a_tree_asks_and_answers_as_its_rules_do(table, calls, every):
    """Also the second time, when the tree has grown."""
    rules = rules_of(table)
    tree = tree_of(rules, every=every)
    for facts in calls + calls:
        assert asked(tree, facts) == tried(rules, facts, every=every)


@given(some.lists(rows, min_size=3, max_size=6), some.lists(answers, min_size=6, max_size=12))
def test_a_tree_that_may_grow_no_more_answers_the_same(table, calls):
    rules = rules_of(table)
    tree, most = None, trees._MOST_ANSWERS
    trees._MOST_ANSWERS = 2
    try:
        tree = tree_of(rules)
    finally:
        trees._MOST_ANSWERS = most
    assert [asked(tree, facts) for facts in calls] == [tried(rules, facts, every=True) for facts in calls]


def test_an_answer_that_was_given_before_needs_no_rule(monkeypatch):
    tree = tree_of(rules_of([("< 25", '"IM"', "-"), (">= 25", "-", "absent")]))
    facts = {"count": POINTS[0], "route": STRINGS[0], "other": STATES[0]}
    first = asked(tree, facts)
    monkeypatch.setattr(tree, "next", None)
    assert asked(tree, facts) == first
