"""An order that is not ours is answered without decoding the prefetch: shown by what it costs, not by a mock."""

from time import perf_counter

import msgspec
import pytest

from cds_service.judge.evaluate import evaluate
from tests.load.bench.test_relevance import NOW, body_with


def fastest(function, *arguments, rounds=15):
    """The least time of several rounds: noise only ever adds."""
    times = []
    for _ in range(rounds):
        start = perf_counter()
        function(*arguments)
        times.append(perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("observations", [4000])
def test_an_irrelevant_order_costs_a_fraction_of_decoding_its_body(prepared, templates, observations):
    service = prepared.pack.services["vitamin-b12-order-select"]
    irrelevant = body_with(templates, "atorvastatin", observations)
    relevant = body_with(templates, "hydroxocobalamin-im-three-weekly", observations)
    floor = fastest(msgspec.json.decode, irrelevant)
    passed_over = fastest(evaluate, prepared, service, irrelevant, NOW)
    judged = fastest(evaluate, prepared, service, relevant, NOW)
    assert passed_over < floor * 0.7
    assert judged > passed_over * 2
