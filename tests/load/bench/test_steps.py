"""Benchmarks, run by ``make bench``: time per step of the way of a request, on the bodies of the table.

``decide`` finds the patient's facts read already; what it reads of the order itself is in it.
"""

from datetime import UTC, datetime

import pytest

from cds_service.chart.readers import patient_facts
from cds_service.chart.record import Chart
from cds_service.judge.call import HookCall
from cds_service.judge.cards import cards_of
from cds_service.judge.evaluate import evaluate
from cds_service.judge.orders import judge
from cds_service.judge.relevance import bystanders, draft_nodes, relevant_orders
from cds_service.protocol.envelope import decode_request
from tests.support.bodies import SERVICE, bodies


@pytest.fixture(scope="module")
def sent():
    return bodies()


@pytest.mark.parametrize("body", ["relevant 8 KB", "relevant 80 KB"])
@pytest.mark.parametrize("step", ["whole", "envelope", "relevance", "chart", "decide", "render"])
def test_cost_of_a_step(benchmark, prepared, sent, body, step):
    pack, now, raw = prepared.pack, datetime.now(UTC), sent[body]
    service = pack.services[SERVICE]
    request = decode_request(raw, service.hook, pack.relevant)
    orders = relevant_orders(pack, request)
    drafts = draft_nodes(request)
    idle = bystanders(pack, drafts)

    def read():
        chart = Chart(request.patient_id, request.prefetch, now, prepared.zone)
        facts = patient_facts(pack.facts, chart)
        for name in facts:
            assert facts[name]
        return chart, facts

    chart, facts = read()
    judged = judge(pack, service, chart, facts, drafts, orders, idle)
    call = HookCall(prepared, service, request, chart, facts, drafts, judged, idle=idle)
    steps = {
        "whole": lambda: evaluate(prepared, service, raw, now).body["cards"],
        "envelope": lambda: draft_nodes(decode_request(raw, service.hook, pack.relevant)),
        "relevance": lambda: relevant_orders(pack, request),
        "chart": read,
        "decide": lambda: judge(pack, service, chart, facts, drafts, orders, idle),
        "render": lambda: cards_of(call, []),
    }
    benchmark.group = f"steps of a {body.replace('relevant', 'relevant order,')}"
    assert benchmark(steps[step])
