"""A card gives way to another where that other one speaks, and only there."""

from dataclasses import replace

import pytest

from cds_service.content.decide import OrderFacts, Values
from cds_service.content.needs import templates_of
from cds_service.judge.evaluate import evaluate
from cds_service.vocabulary.json_text import encode

# A patient with neurological involvement for whom B12 by nose is drafted as the start: S3's card speaks.
SCENARIO, SPOKEN, GIVES_WAY = "nasal/neurologicalAtStart", "neurologicalLoading", "nasalRegimen"


@pytest.fixture
def topics(prepared, scenarios):
    """The decisions whose cards are shown at the scenario, by a pack that is changed a little."""
    scenario = next(one for one in scenarios if one.name == SCENARIO)

    def shown(**changes):
        pack = replace(prepared.pack, **changes)
        service = pack.service_for(scenario.hook)
        body = encode(scenario.request(templates_of(pack, service)))
        judged = evaluate(replace(prepared, pack=pack), service, body, scenario.now).judged
        return {finding.decision.id for one in judged for finding in one.decided.cards}

    return shown


def with_status(pack, status):
    return {**pack.decisions, SPOKEN: replace(pack.decisions[SPOKEN], status=status)}


def test_it_is_silent_where_the_other_speaks(topics):
    assert SPOKEN in topics()
    assert GIVES_WAY not in topics()


@pytest.mark.parametrize("status", ["off", "retired", "draft"])
def test_it_speaks_where_the_other_is_not_judged(topics, pack, status):
    assert GIVES_WAY in topics(decisions=with_status(pack, status))


def test_it_speaks_where_the_other_is_in_the_shadow_and_nobody_sees_it(topics, pack):
    assert {SPOKEN, GIVES_WAY} <= topics(decisions=with_status(pack, "shadow"))


def test_it_speaks_where_its_service_does_not_show_the_other(topics, pack):
    fewer = {
        name: replace(service, decisions=tuple(one for one in service.decisions if one != SPOKEN))
        for name, service in pack.services.items()
    }
    assert GIVES_WAY in topics(services=fewer)


def test_it_speaks_where_the_other_fails_and_the_failure_is_told(topics, pack):
    """A decision that cannot be made takes no other away (ERR-06)."""
    spoken = pack.decisions[SPOKEN]
    broken = replace(spoken)
    object.__setattr__(broken, "tree", None)
    assert GIVES_WAY in topics(decisions={**pack.decisions, SPOKEN: broken})


def test_what_the_other_rests_on_is_no_evidence_of_its_own(pack):
    decision = pack.decisions[GIVES_WAY]
    rule = next(rule for rule in decision.rules if rule.id == f"yieldsTo.{SPOKEN}")
    assert rule.then.silent
    only = replace(rule, cells=tuple(None if name != SPOKEN else cell for name, cell in _cells(decision, rule)))
    assert Values(pack, OrderFacts({}, [])).used(decision, only) == {}


def _cells(decision, rule):
    return zip(decision.inputs, rule.cells, strict=True)
