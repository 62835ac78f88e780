"""Any small wrong change of the content is noticed: by the proof over the tables, or by a scenario that differs.

One mutant in twenty-four is tried by ``make test``, all by ``make content-mutants``.

The lock notices every change and counts for nothing here. What survives is listed in ``surviving_mutants.yaml`` with
the reason why nothing can notice it.
"""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from cds_service.content.load import load_pack
from cds_service.content.prepared import Prepared
from cds_service.content.site import read_site
from cds_service.content.unary import parse_cell
from cds_service.packaged import packaged
from cds_service.replay.scenarios import read_scenarios
from tests.support.mutants import COUNTED, Watch, mutants, of_cell, rebuilt
from tests.support.places import SITE
from tests.support.sample import sampled

ONE_IN = 72
LISTED = Path(__file__).parent / "surviving_mutants.yaml"
MOST_OF_COUNTED = 0.02
# Words of cells, suggestions, flags, look-backs, constants: many words name states that an input is never in.
MOST_OF_OTHERS = 0.05


@pytest.fixture(scope="module")
def at_a_site(prepared):
    """The content under a site's settings, which fill the value sets that ship empty (Z33)."""
    pack = load_pack(packaged("cards"), read_site(SITE / "site.toml"))
    return Prepared.of(pack, zone=prepared.zone, key=prepared.key)


@pytest.fixture(scope="module")
def made(at_a_site):
    return list(mutants(at_a_site.pack))


@pytest.fixture(scope="module")
def caught(at_a_site, made):
    """What catches each mutant that is tried, by the mutant."""
    fixtures = packaged("fixtures")
    told = [fixtures / "scenarios", fixtures / "courses", SITE / "scenarios"]
    watch = Watch(at_a_site, read_scenarios(fixtures, told))
    return {mutant: watch.caught_by(mutant) for mutant in sampled(made, ONE_IN)}


@pytest.fixture(scope="module")
def listed():
    return {(e["place"], e.get("rule", ""), e["mutant"]): e["reason"] for e in yaml.safe_load(LISTED.read_text())}


def test_every_mutant_is_caught_or_listed_with_a_reason(caught, listed):
    survivors = [" | ".join(mutant.key) for mutant, by in caught.items() if not by and mutant.key not in listed]
    assert survivors == []


def test_what_is_listed_as_surviving_does_survive(caught, made, listed):
    assert [" | ".join(mutant.key) for mutant, by in caught.items() if by and mutant.key in listed] == []
    assert [" | ".join(key) for key in listed if key not in {mutant.key for mutant in made}] == []
    assert all(len(reason) > 20 for reason in listed.values())


@pytest.mark.parametrize(("counted", "most"), [(True, MOST_OF_COUNTED), (False, MOST_OF_OTHERS)])
def test_few_mutants_survive(made, listed, counted, most):
    """Under 2 % of rules taken out, thresholds moved and indicators swapped; the other kinds have their own bound.

    Whatever survives is listed, or another test fails.
    """
    found = [mutant.key in listed for mutant in made if (mutant.kind in COUNTED) is counted]
    survivors, limit = found.count(True), most * len(found)
    assert survivors < limit, f"{survivors} of {len(found)} survive"


def test_every_rule_threshold_and_indicator_has_a_mutant(made, pack):
    kinds = Counter(mutant.kind for mutant in made)
    rules = [(decision, rule) for decision in pack.decisions.values() for rule in decision.rules]
    assert kinds["rule"] == sum(len(decision.rules) > 1 for decision, _ in rules)
    assert kinds["indicator"] >= sum(bool(rule.then.indicator) for _, rule in rules)
    moved = {(m.place, m.rule) for m in made if m.kind == "threshold"}
    assert moved == {(d.id, rule.id) for d, rule in rules if any(cell and cell.intervals for cell in rule.cells)}
    assert len({mutant.key for mutant in made}) == len(made)


def test_a_mutant_survives_where_there_is_no_scenario(at_a_site, caught):
    """No scenario, no catch: an indicator is nothing that the proof can judge."""
    blind = Watch(at_a_site, [])
    swapped = [mutant for mutant, by in caught.items() if mutant.kind == "indicator" and by]
    assert swapped
    assert all(blind.caught_by(mutant) == "" for mutant in swapped)


def test_a_decision_is_rebuilt_as_it_was_loaded(pack):
    for decision in pack.decisions.values():
        assert rebuilt(decision, decision.rules) == decision


@pytest.mark.parametrize(
    ("cell", "changed"),
    [
        ("< 25", ["< 24", "< 26", "<= 25"]),
        (">= 0.7", [">= 0.6", ">= 0.8", "> 0.7"]),
        ("2", ["1", "3"]),
        ("[25..50]", ["[24..50]", "[26..50]", "(25..50]", "[25..49]", "[25..51]", "[25..50)"]),
        ("(6..7]", ["(5..7]", "[6..7]", "(6..8]", "(6..7)"]),
        ("absent, >= 7", [">= 6, absent", ">= 8, absent", "> 7, absent", ">= 7", "absent"]),
        ('"IM", "SC"', ['"SC"', '"IM"']),
        ('not("IM", "SC"), unknown', ['not("SC"), unknown', 'not("IM"), unknown', 'not("IM", "SC")']),
        ("absent", []),
    ],
)
def test_a_cell_is_changed_by_one_threshold_or_one_word(cell, changed):
    made = [other for _, other in of_cell(parse_cell(cell))]
    assert sorted(other.source for other in made) == sorted(changed)
    assert [parse_cell(other.source) for other in made] == made
