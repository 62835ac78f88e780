"""None of the encounters that were named is missed, and few others are taken for one of them."""

import pickle

from hypothesis import given
from hypothesis import strategies as st

from cds_service.population.named_encounters import NamedEncounters

IDS = st.lists(st.text(min_size=1, max_size=20))


def named(ids):
    encounters = NamedEncounters()
    for one in ids:
        encounters.add(one)
    return encounters


@given(IDS, IDS)
def test_all_that_were_named_anywhere_are_found(some, others):
    both = named(some)
    both.add_all(named(others))
    sent = pickle.loads(pickle.dumps(both))  # noqa: S301
    assert all(one in sent for one in (*some, *others))


def test_of_others_as_few_are_found_as_is_said():
    encounters = named(f"{number}" for number in range(100_000))
    found = sum(f"other-{number}" in encounters for number in range(10_000))
    assert found < 1_100  # nine of ten are told from those that were named


def test_where_none_was_named_none_is_found():
    assert "a" not in named([])
