"""What would change the cards: what is said of one fact is what the service answers when it is so, and that is all."""

import pytest

from cds_service.content.decide import OrderFacts, decide
from cds_service.content.domains import words_of_fact
from cds_service.judge.otherwise import otherwise
from cds_service.vocabulary.facts import Fact, Facts, Interval, State, exact
from tests.support import scenarios as read
from tests.support.sample import sampled

NUMBERS = [
    Fact.of(Interval.point(exact(number))) for number in ("0.4", "1", "2.5", "24.9", "25", "50", "61", "95", "2000")
]
OTHERS = [Fact.absent(), Fact(State.UNKNOWN), Fact(State.UNUSABLE)]


def in_place(pack, facts, name, fact):
    """The facts of an order with ``fact`` in place of the one of this name, each looked up beforehand."""
    kinds = {declared.kind for declared in pack.facts.values()}

    def changed(whole):
        values = {each: fact if each == name else whole[each] for each in whole}
        return Facts(pack.facts, kinds, lambda declared, _: values[declared.name])

    return OrderFacts(
        changed(facts.order), [changed(one) for one in facts.dosages], [changed(s) for s in facts.regimen]
    )


def cards(pack, service, facts):
    return {(one.decision.id, one.rule.id) for one in decide(pack, service, facts).cards if one.is_shown}


@pytest.mark.parametrize("name", sampled([one.name for one in read.scenarios() if one.expect], 150))
def test_whatever_one_fact_would_change_is_said_and_nothing_else(prepared, answers, name):
    pack, scenario = prepared.pack, read.by_name(name)
    service, answer = pack.service_for(scenario.hook), answers[name].answer
    for judged in answer.judged if answer else ():
        now = cards(pack, service, judged.facts)
        said = list(otherwise(pack, service, judged))
        names = {name for whole in (judged.facts.order, *judged.facts.dosages) for name in whole}
        for fact in sorted(names):
            declared = pack.facts[fact]
            words = [Fact.of(word) for word in words_of_fact(declared.kind, declared.element, declared.values)]
            for value in [*(words or NUMBERS), *OTHERS]:
                then = cards(pack, service, in_place(pack, judged.facts, fact, value))
                told = [one for one in said if one.fact == fact and one.cell.matches(value)]
                assert [(one.gone, one.new) for one in told] == ([(now - then, then - now)] if then != now else []), (
                    fact,
                    value,
                )
