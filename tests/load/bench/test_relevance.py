"""Benchmarks, run by ``make bench``: what a call costs by what must be read of it.

The floor is decoding the body to plain objects with the same library in the same run.
"""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from cds_service.judge.evaluate import evaluate
from cds_service.packaged import packaged
from cds_service.vocabulary.json_text import encode
from tests.support.scenarios import by_name

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def body_with(templates, draft, observations):
    """A request whose prefetch holds many results, for the given draft."""
    scenario = by_name("platelets-and-im/sample")
    request = json.loads(encode(scenario.request(templates)))
    entries = request["prefetch"]["platelets"]["entry"]
    template = entries[0]["resource"]
    for number in range(observations):
        entries.append({"resource": {**template, "id": f"more-{number}", "effectiveDateTime": "2026-01-01"}})
    order = json.loads((packaged("fixtures") / "drafts" / f"{draft}.json").read_text())
    request["context"]["draftOrders"]["entry"] = [
        {"resource": {**order, "id": "draft-1", "subject": {"reference": f"Patient/{scenario.patient}"}}}
    ]
    return json.dumps(request).encode()


@pytest.mark.parametrize("observations", [40, 4000])
@pytest.mark.parametrize("what", ["floor", "irrelevant", "relevant"])
def test_cost_of_a_call(benchmark, prepared, templates, observations, what):
    draft = "hydroxocobalamin-im-three-weekly" if what == "relevant" else "atorvastatin"
    body = body_with(templates, draft, observations)
    service = prepared.pack.services["vitamin-b12-order-select"]
    benchmark.group = f"{observations} results"
    if what == "floor":
        benchmark(msgspec.json.decode, body)
    else:
        answer = benchmark(evaluate, prepared, service, body, NOW)
        assert bool(answer.body["cards"]) is (what == "relevant")
