"""The sample of mutants that ``make mutants`` takes, and the list of those that make no difference."""

from collections import Counter

from tests.load.mutants.mutants import AREAS, OPERATORS, Place, listed, sampled
from tests.support.places import ROOT


def places_of(area, count):
    return [Place(area, f"cds_service/{area}/x.py", f"core/{OPERATORS[0]}", number) for number in range(count)]


def test_a_seed_gives_the_same_order_again_and_another_seed_another():
    found = [place for area in AREAS for place in places_of(area, 50)]
    assert list(sampled(found, 1)) == list(sampled(found, 1)) != list(sampled(found, 2))
    assert Counter(sampled(found, 1)) == Counter(found)


def test_each_area_gets_its_turn_however_few_places_it_has():
    """So that a run that ends early has looked at all of them."""
    sizes = dict(zip(AREAS, (2, 30, 300), strict=True))
    found = [place for area, size in sizes.items() for place in places_of(area, size)]
    assert Counter(place.area for place in list(sampled(found, 1))[:6]) == dict.fromkeys(AREAS, 2)


def test_the_tests_that_are_asked_are_there():
    for groups in AREAS.values():
        assert all((ROOT / path).exists() for group in groups for path in group)


def test_what_is_listed_stands_in_the_code_and_has_a_reason():
    for change, reason in listed().items():
        lines = [line.strip() for line in (ROOT / change.module).read_text(encoding="utf-8").splitlines()]
        assert change.was in " ".join(lines) and change.becomes != change.was, change
        assert len(reason) > 20, change
