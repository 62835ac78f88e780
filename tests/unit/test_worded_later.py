"""Evidence is put into words when somebody looks at it, once."""

from functools import partial

import pytest

from cds_service.vocabulary.facts import Evidence, Fact


@pytest.fixture
def worded():
    """The numbers of the pieces that were put into words so far."""
    return []


@pytest.fixture
def fact(worded):
    """A fact with a thousand pieces of evidence."""

    def word(number):
        worded.append(number)
        return Evidence(f"Condition/{number}", f"entry {number}")

    return Fact.shown_by("present", [partial(word, number) for number in range(1000)])


def test_nothing_is_worded_for_whoever_asks_only_how_much_there_is(fact, worded):
    assert len(fact.evidence) == 1000 and fact.evidence
    assert worded == []


def test_of_a_thousand_pieces_only_those_are_worded_that_are_looked_at(fact, worded):
    assert [piece.display for piece in fact.evidence[:3]] == ["entry 0", "entry 1", "entry 2"]
    assert worded == [0, 1, 2]


def test_a_piece_is_worded_once(fact, worded):
    assert fact.evidence[0] is fact.evidence[0]
    assert fact.evidence[:1] == (fact.evidence[0],)
    assert worded == [0]


def test_a_fact_is_equal_to_one_that_was_worded_at_once(fact):
    at_once = Fact.of("present", *(Evidence(f"Condition/{number}", f"entry {number}") for number in range(1000)))
    assert fact == at_once and at_once == fact
    assert hash(fact) == hash(at_once)
    assert Fact.of("present", *at_once.evidence[1:]) != fact
